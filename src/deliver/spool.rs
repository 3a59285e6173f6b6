//! What could not be delivered, on disk: a file per request, in the order of their numbers. Neither address nor secrets are in
//! it, only the body and the headers that say of what form it is: the rest is asked of the files when it is sent.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::file::replace;
use super::{GrpcPayload, HttpPayload, Payload};
use crate::base::secret::Secret;

/// Headers that belong to the body.
const OF_THE_BODY: [&str; 3] = ["content-type", "content-encoding", "x-prometheus-remote-write-version"];
/// Stands in their place where a message of gRPC is compressed.
const GRPC_ENCODING: (&str, &str) = ("grpc-encoding", "gzip");
/// How the files end.
const EXTENSION: &str = "parcel";
/// Nobody else may read them.
const MODE: u32 = 0o600;

/// A request without its body, of a receiver whose requests may be kept: what is read from the disk is put into a fresh one.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Tells the addresses of one receiver apart; it stays the same over restarts.
    pub name: &'static str,
    /// The request: [`Payload::Http`] or [`Payload::Grpc`].
    pub payload: Payload,
}

impl Letter {
    /// Of a receiver with one address.
    #[must_use]
    pub fn only(request: HttpPayload) -> Vec<Self> {
        vec![Self { name: "", payload: Payload::Http(request) }]
    }
}

/// A folder of requests.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
}

/// A request of the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) number: u64,
    pub(super) at: Timestamp,
    pub(super) bytes: u64,
}

/// The first line of a file.
#[derive(Serialize, Deserialize)]
struct Head {
    at: Timestamp,
    #[serde(default)]
    letter: String,
    headers: Vec<(String, String)>,
}

impl Spool {
    /// Opens a folder; gives what is in it, the oldest first, and how many files were unreadable and are gone.
    ///
    /// # Errors
    /// When there is no such folder and none can be made.
    pub(super) fn open(folder: PathBuf) -> io::Result<(Self, Vec<Kept>, u64)> {
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let (mut kept, mut unreadable) = (Vec::new(), 0);
        for entry in fs::read_dir(&folder)?.flatten() {
            let path = entry.path();
            let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
            let is_ours = path.extension().is_some_and(|extension| extension == EXTENSION);
            match number.filter(|_| is_ours).map(|number| (number, read(&path))) {
                Some((number, Ok((head, body)))) => {
                    kept.push(Kept { number, at: head.at, bytes: body.len() as u64 });
                }
                Some((_, Err(_))) => {
                    unreadable += 1;
                    let _ = fs::remove_file(path);
                }
                // Something half-written when the process was killed.
                None => drop(fs::remove_file(path)),
            }
        }
        kept.sort_by_key(|kept| kept.number);
        Ok((Self { folder }, kept, unreadable))
    }

    /// Keeps the body of a request by its number, and the name of its letter.
    ///
    /// # Errors
    /// When the disk does not take it, or it is no request that can be kept.
    pub(super) fn put(&self, number: u64, letter: &str, request: &Payload, at: Timestamp) -> io::Result<()> {
        let (headers, body) = match request {
            Payload::Http(HttpPayload { headers, body, .. }) => {
                let of_the_body = headers.iter().filter(|(name, _)| belongs(name));
                (of_the_body.map(|(name, value)| (name.clone(), value.reveal().to_owned())).collect(), body)
            }
            Payload::Grpc(GrpcPayload { gzip, message, .. }) => {
                let (name, value) = GRPC_ENCODING;
                (gzip.then(|| (name.to_owned(), value.to_owned())).into_iter().collect(), message)
            }
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
        let mut bytes = serde_json::to_vec(&Head { at, letter: letter.to_owned(), headers })?;
        bytes.push(b'\n');
        bytes.extend_from_slice(body);
        replace(&self.path(number), &bytes, MODE, false)
    }

    /// A request, in its letter.
    ///
    /// # Errors
    /// When it cannot be read any more, or there is no such letter any more.
    pub(super) fn get(&self, number: u64, letters: &[Letter]) -> io::Result<Payload> {
        let (head, body) = read(&self.path(number))?;
        let letter = letters.iter().find(|letter| letter.name == head.letter).ok_or(io::ErrorKind::NotFound)?;
        let mut request = letter.payload.clone();
        match &mut request {
            Payload::Http(request) => {
                request.headers.retain(|(name, _)| !belongs(name));
                request.headers.extend(head.headers.into_iter().map(|(name, value)| (name, Secret::new(value))));
                request.body = body;
            }
            Payload::Grpc(call) => {
                call.gzip = head.headers.iter().any(|(name, _)| name == GRPC_ENCODING.0);
                call.message = body;
            }
            _ => return Err(io::ErrorKind::Unsupported.into()),
        }
        Ok(request)
    }

    /// Forgets a request.
    pub(super) fn remove(&self, number: u64) {
        // One that stays is sent twice after the next start, and nothing worse.
        let _ = fs::remove_file(self.path(number));
    }

    /// There is no use for it any more: an empty folder goes.
    pub(super) fn end(self) {
        // What somebody else has put there stays.
        let _ = fs::remove_dir(self.folder);
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:020}.{EXTENSION}"))
    }
}

/// Removes a folder of requests that nobody will ask for, and what is in it of ours; gives how many requests that were. Blocks.
///
/// # Errors
/// When it cannot be removed, such as for something in it that is not ours.
pub fn discard(folder: &Path) -> io::Result<u64> {
    let mut requests = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let ends_in = |extension: &str| path.extension().is_some_and(|have| have == extension);
        if ends_in(EXTENSION) || ends_in("tmp") {
            fs::remove_file(&path)?;
            requests += u64::from(ends_in(EXTENSION));
        }
    }
    fs::remove_dir(folder)?;
    Ok(requests)
}

fn belongs(header: &str) -> bool {
    OF_THE_BODY.iter().any(|name| header.eq_ignore_ascii_case(name))
}

fn read(path: &Path) -> io::Result<(Head, Vec<u8>)> {
    let mut bytes = fs::read(path)?;
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "this is no request that was kept");
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or_else(broken)?;
    let head = serde_json::from_slice(&bytes[..end])?;
    bytes.drain(..=end);
    Ok((head, bytes))
}

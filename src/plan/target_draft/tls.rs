//! The files of `tls`: read when the target is resolved, so that one which is missing or of no use is told with the place
//! where it is named, before anything is sent.

use std::path::PathBuf;

use super::{Resolver, TargetDraft, TlsFiles};
use crate::config::{Diag, Text};
use crate::transport::http::{PemPart, pem_faults};

/// The keys in the order of the draft.
const KEYS: [(&str, PemPart); 3] = [("tls.ca", PemPart::Ca), ("tls.cert", PemPart::Cert), ("tls.key", PemPart::Key)];

impl Resolver<'_> {
    /// The files and choices of a target. Where its URL is no `https://`, nothing is read: nothing will be.
    pub(super) fn tls(&mut self, draft: &TargetDraft, is_secure: bool) -> TlsFiles {
        let before = self.diags.len();
        let files = KEYS.each_ref().map(|(key, part)| self.path(draft.tls[*part as usize].as_ref(), key));
        if is_secure && self.diags.len() == before {
            self.judge(&draft.tls, &files);
        }
        let [ca, cert, key] = files;
        TlsFiles {
            ca,
            cert,
            key,
            server_name: draft.server_name.as_ref().map(|text| self.plain(text, "tls.server_name")),
            insecure: draft.insecure,
        }
    }

    fn judge(&mut self, written: &[Option<Text>; 3], files: &[Option<PathBuf>; 3]) {
        let mut read: [Option<Vec<u8>>; 3] = [const { None }; 3];
        for (((key, _), text), (path, read)) in KEYS.iter().zip(written).zip(files.iter().zip(&mut read)) {
            let (Some(text), Some(path)) = (text, path) else { continue };
            match self.environment.bytes(path) {
                Ok(bytes) => *read = Some(bytes),
                Err(why) => {
                    let (target, named) = (self.target, text.written());
                    let message =
                        format!("`target.{target}.{key}` needs the file `{named}`, which cannot be read: {why}");
                    self.diags.push(Diag::error(&text.place, message).of_machine());
                }
            }
        }
        let [ca, cert, key] = read.each_ref().map(Option::as_deref);
        for (part, why) in pem_faults(ca, cert, key, files[PemPart::Key as usize].is_some()) {
            let at = part as usize;
            let Some(text) = &written[at] else { continue };
            let message = format!("`target.{}.{}`: the file `{}` {why}", self.target, KEYS[at].0, text.written());
            self.diags.push(Diag::error(&text.place, message));
        }
    }
}

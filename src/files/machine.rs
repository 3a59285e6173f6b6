//! The environment and the small files that variables stand for.

use std::io::Read;
use std::path::Path;

use crate::config::Environment;

/// A token is never larger, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// A schema is never larger, in bytes.
const DOCUMENT_BYTES_MAX: u64 = 1 << 20;

/// This machine: the environment of the process, and its files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine;

impl Environment for Machine {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn names(&self) -> Vec<String> {
        std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect()
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        read_text(path, FILE_BYTES_MAX)
    }

    fn document(&self, path: &Path) -> Result<String, String> {
        read_text(path, DOCUMENT_BYTES_MAX)
    }

    fn bytes(&self, path: &Path) -> Result<Vec<u8>, String> {
        read_bytes(path, DOCUMENT_BYTES_MAX)
    }
}

/// Reads a regular file that is UTF-8 and not too large.
pub(super) fn read_text(path: &Path, bytes_max: u64) -> Result<String, String> {
    let bytes = read_bytes(path, bytes_max)?;
    String::from_utf8(bytes).map_err(|error| format!("it is not UTF-8 at byte {}", error.utf8_error().valid_up_to()))
}

/// Reads a regular file that is not too large.
pub(super) fn read_bytes(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let metadata = std::fs::metadata(path).map_err(|error| why(&error))?;
    if !metadata.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let file = std::fs::File::open(path).map_err(|error| why(&error))?;
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|error| why(&error))?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!("it is larger than {}", crate::base::duration::human_bytes(bytes_max)));
    }
    Ok(bytes)
}

/// The operating system's words without its number.
pub(super) fn why(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "it does not exist".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

//! Certificates that are renewed while the page is open: they are looked at where somebody connects, once a second at most, and read
//! again when they are not what they were. What cannot be used changes nothing; the log says so once.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::ServerConfig;

use crate::base::stamp::Stamp;

/// How often the files are looked at: each time is a thread that waits for the disk.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Reads the files.
type Read = Box<dyn Fn() -> Result<ServerConfig, String> + Send + Sync>;

/// How TLS is spoken, by what the files hold now.
pub struct Tls {
    files: Vec<PathBuf>,
    read: Read,
    state: Mutex<State>,
}

struct State {
    /// The files as they were when they were read last.
    stamps: Vec<Option<Stamp>>,
    looked: Instant,
    config: Arc<ServerConfig>,
}

impl Tls {
    /// Reads these files.
    ///
    /// # Errors
    /// A sentence about what cannot be used.
    pub(super) fn new(files: Vec<PathBuf>, read: Read) -> Result<Self, String> {
        let (stamps, config) = (stamps(&files), Arc::new(read()?));
        Ok(Self { files, read, state: Mutex::new(State { stamps, looked: Instant::now(), config }) })
    }

    /// How it is spoken, where the files were looked at lately. Else none: whoever asks is to [`Self::look`], and nobody beside it.
    pub fn known(&self) -> Option<Arc<ServerConfig>> {
        let mut state = self.state();
        if state.looked.elapsed() < LOOK_EVERY {
            return Some(Arc::clone(&state.config));
        }
        state.looked = Instant::now();
        None
    }

    /// How it is spoken now; and where the files were read again, whether they could be used. Blocks.
    pub fn look(&self) -> (Arc<ServerConfig>, Option<Result<(), String>>) {
        // Looked at before they are read: what changes in between is read again the next time.
        let stamps = stamps(&self.files);
        if stamps == self.state().stamps {
            return (Arc::clone(&self.state().config), None);
        }
        // Whoever asks meanwhile does not wait for the disk.
        let read = (self.read)();
        let mut state = self.state();
        state.stamps = stamps;
        let read = read.map(|config| state.config = Arc::new(config));
        (Arc::clone(&state.config), Some(read))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    files.iter().map(|path| Stamp::of(path)).collect()
}

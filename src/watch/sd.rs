//! What systemd is told: ready, reloading, ending, alive. One datagram each, by hand; without `NOTIFY_SOCKET` nothing is
//! sent. The variables of it never reach a child, which could speak for us otherwise.

use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::transport::child::SERVICE;

/// Longest `STATUS=`, in characters.
const STATUS_CHARS_MAX: usize = 200;

/// Where it is told.
#[derive(Debug, Default)]
pub struct Systemd {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Systemd {
    /// What the environment says.
    #[must_use]
    pub fn of_environment() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let ours = variable(SERVICE[2]).is_none_or(|pid| pid == std::process::id().to_string());
        let watchdog = variable(SERVICE[1]).filter(|_| ours).and_then(|text| text.parse().ok());
        Self::new(variable(SERVICE[0]).as_deref(), watchdog.map(Duration::from_micros))
    }

    /// A path, or `@name` in the abstract namespace; and how often it wants to hear that we live.
    #[must_use]
    pub fn new(address: Option<&str>, watchdog: Option<Duration>) -> Self {
        let socket = address.and_then(parse).and_then(|address| {
            let socket = UnixDatagram::unbound().ok()?;
            // A receiver that is full must not hold us up.
            socket.set_nonblocking(true).ok()?;
            Some((socket, address))
        });
        Self { watchdog: watchdog.filter(|_| socket.is_some()), socket }
    }

    /// How often it has to be told that we live: half of what was asked for.
    #[must_use]
    pub fn beat_every(&self) -> Option<Duration> {
        self.watchdog.map(|limit| limit / 2)
    }

    /// The configuration is at work, the state restored, the page listens; after a reload also where it was refused.
    pub fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={}", one_line(status)));
    }

    /// The files are read again. `monotonic` is the clock of that name, which systemd compares.
    pub fn reloading(&self, monotonic: Duration) {
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic.as_micros()));
    }

    /// How it goes.
    pub fn status(&self, status: &str) {
        self.tell(&format!("STATUS={}", one_line(status)));
    }

    /// It ends, and that may take so long.
    pub fn stopping(&self, limit: Duration) {
        self.tell(&format!("STOPPING=1\nSTATUS=ending what runs\nEXTEND_TIMEOUT_USEC={}", limit.as_micros()));
    }

    /// The loop turned and probing progressed.
    pub fn alive(&self) {
        if self.watchdog.is_some() {
            self.tell("WATCHDOG=1");
        }
    }

    fn tell(&self, message: &str) {
        if let Some((socket, address)) = &self.socket {
            // Nobody listens any more: nothing that we could do about it.
            let _ = socket.send_to_addr(message.as_bytes(), address);
        }
    }
}

fn one_line(text: &str) -> String {
    crate::base::sanitize::one_line(text, STATUS_CHARS_MAX)
}

fn parse(address: &str) -> Option<SocketAddr> {
    match address.strip_prefix('@') {
        #[cfg(target_os = "linux")]
        Some(name) => <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name).ok(),
        #[cfg(not(target_os = "linux"))]
        Some(_) => None,
        None => SocketAddr::from_pathname(address).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_is_one_datagram() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let systemd = Systemd::new(path.to_str(), Some(Duration::from_secs(10)));
        let heard = || {
            let mut buffer = [0; 512];
            let length = receiver.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        };
        systemd.ready("watching 3 probes\nREADY=0");
        assert_eq!(heard(), "READY=1\nSTATUS=watching 3 probes READY=0");
        systemd.reloading(Duration::from_micros(42));
        assert_eq!(heard(), "RELOADING=1\nMONOTONIC_USEC=42");
        systemd.alive();
        assert_eq!(heard(), "WATCHDOG=1");
        systemd.stopping(Duration::from_secs(15));
        assert!(heard().ends_with("EXTEND_TIMEOUT_USEC=15000000"));
        assert_eq!(systemd.beat_every(), Some(Duration::from_secs(5)));
    }

    #[test]
    fn without_systemd_nothing_happens() {
        let nobody = Systemd::new(None, Some(Duration::from_secs(10)));
        nobody.ready("…");
        nobody.alive();
        assert_eq!(nobody.beat_every(), None);
        Systemd::new(Some("/no/such/socket"), None).ready("…");
    }
}

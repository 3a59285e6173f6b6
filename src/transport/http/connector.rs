//! Making one connection, each phase with its own time: resolve, connect (TCP or a Unix socket, and the tunnel of
//! a proxy), TLS. A phase that does not happen is absent.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};

use super::Addresses;
use super::proxy::{Kind, Proxy};
use super::tls::Tls;
use crate::event::{Phase, Phases, Reason};
use crate::transport::{Certificate, Fault};

/// The next address is tried when the one before has said nothing for this long (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);
/// With fewer descriptors left than these, a name may not be resolved for want of them.
#[cfg(unix)]
const DESCRIPTORS_SPARE: u64 = 8;
/// More addresses than this are not tried.
const ADDRESSES_MAX: usize = 16;

/// A stream of bytes to the server.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection that was made.
pub(super) struct Connected {
    pub(super) stream: Box<dyn Stream>,
    pub(super) h2: bool,
    pub(super) peer: String,
    pub(super) certificate: Option<Certificate>,
    pub(super) phases: Phases,
}

/// Knows how to reach one target.
pub(super) struct Connector {
    /// Without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) socket: Option<PathBuf>,
    pub(super) addresses: Addresses,
    /// On https.
    pub(super) tls: Option<Tls>,
    pub(super) proxy: Option<Proxy>,
}

impl Connector {
    /// Whether requests carry the whole URL, because they are read by a proxy.
    pub(super) fn forwards(&self) -> bool {
        self.tls.is_none() && self.proxy.as_ref().is_some_and(|proxy| proxy.kind == Kind::Http)
    }

    /// Makes a connection.
    pub(super) async fn connect(&self) -> Result<Connected, Fault> {
        if let Some(tls) = &self.tls {
            tls.prepare().await?;
        }
        let mut phases = Phases::default();
        let (stream, peer) = match (&self.socket, &self.proxy) {
            (Some(path), _) => connect_socket(path, &mut phases).await?,
            (None, None) => self.connect_host(&mut phases).await?,
            (None, Some(proxy)) => {
                self.connect_through(proxy, &mut phases).await.map_err(|fault| through(proxy, fault))?
            }
        };
        let Some(tls) = &self.tls else {
            return Ok(Connected { stream, h2: false, peer, certificate: None, phases });
        };
        let started = Instant::now();
        let secured = tls.handshake(&self.host, stream).await;
        phases.add(Phase::Tls, started.elapsed());
        let secured = secured.map_err(|fault| self.named(fault))?;
        Ok(Connected {
            stream: Box::new(secured.stream),
            h2: secured.h2,
            peer,
            certificate: secured.certificate,
            phases,
        })
    }

    /// Connects to the host, at the addresses that it has or is given.
    async fn connect_host(&self, phases: &mut Phases) -> Result<(Box<dyn Stream>, String), Fault> {
        let (host, port) = (&self.host, self.port);
        match &self.addresses {
            Addresses::Resolved => connect_host(host, port, phases).await,
            Addresses::These(addresses) => {
                let addresses: Vec<_> = addresses.iter().map(|address| SocketAddr::new(*address, port)).collect();
                connect_addresses(host, &addresses, phases).await
            }
            Addresses::OneOf(address) => {
                let found = resolve_all(host, port, phases).await?;
                let address = SocketAddr::new(*address, port);
                let connected = connect_addresses(host, &[address], phases).await;
                // Whoever left the name may be gone: that is no failure of the server.
                connected.map_err(|fault| {
                    if found.contains(&address) {
                        return fault;
                    }
                    let gone = format!("{} is no longer an address of {host}: {}", address.ip(), fault.message);
                    Fault::new(Reason::Cancelled, gone)
                })
            }
        }
    }

    /// The address that a proxy is to connect to, where that is not its own choice.
    fn address_of_choice(&self) -> Option<IpAddr> {
        match &self.addresses {
            Addresses::Resolved => None,
            Addresses::These(addresses) => addresses.first().copied(),
            Addresses::OneOf(address) => Some(*address),
        }
    }

    /// Names the proxy in a fault that came through one.
    pub(super) fn named(&self, fault: Fault) -> Fault {
        match &self.proxy {
            Some(proxy) => through(proxy, fault),
            None => fault,
        }
    }

    async fn connect_through(&self, proxy: &Proxy, phases: &mut Phases) -> Result<(Box<dyn Stream>, String), Fault> {
        let (mut stream, peer) = connect_host(&proxy.host, proxy.port, phases).await?;
        if self.forwards() {
            return Ok((stream, peer));
        }
        let local = proxy.kind == Kind::Socks5 { local_dns: true };
        let host = if let Some(address) = self.address_of_choice() {
            address.to_string()
        } else if local && self.host.parse::<IpAddr>().is_err() {
            let addresses = resolve(&self.host, self.port, phases).await?;
            addresses.first().map_or_else(|| self.host.clone(), |address| address.ip().to_string())
        } else {
            self.host.clone()
        };
        let started = Instant::now();
        let tunnel = proxy.tunnel(&mut stream, &host, self.port).await;
        phases.add(Phase::Connect, started.elapsed());
        match tunnel {
            Ok(()) => Ok((stream, peer)),
            Err(why) => Err(Fault::new(Reason::Connect, format!("no connection to {}: {why}", self.host))),
        }
    }
}

fn through(proxy: &Proxy, mut fault: Fault) -> Fault {
    fault.message = format!("{} (through {})", fault.message, proxy.name);
    fault
}

#[cfg(unix)]
async fn connect_socket(path: &PathBuf, phases: &mut Phases) -> Result<(Box<dyn Stream>, String), Fault> {
    let started = Instant::now();
    let outcome = tokio::net::UnixStream::connect(path).await;
    phases.add(Phase::Connect, started.elapsed());
    let shown = path.display().to_string();
    match outcome {
        Ok(stream) => Ok((Box::new(stream), shown)),
        Err(error) => {
            if let Some(fault) = our_shortage(&error) {
                return Err(fault);
            }
            let message = match error.kind() {
                io::ErrorKind::NotFound => format!("there is no socket {shown}: is the server running?"),
                io::ErrorKind::ConnectionRefused => {
                    format!("connection refused by the socket {shown}: nobody listens on it; is the server running?")
                }
                io::ErrorKind::PermissionDenied => format!("no permission to connect to the socket {shown}"),
                _ => format!("cannot connect to the socket {shown}: {error}"),
            };
            Err(Fault::new(Reason::Connect, message))
        }
    }
}

#[cfg(not(unix))]
async fn connect_socket(path: &PathBuf, _phases: &mut Phases) -> Result<(Box<dyn Stream>, String), Fault> {
    let message = format!("{}: Unix sockets are not to be had on this system", path.display());
    Err(Fault::new(Reason::Connect, message))
}

async fn connect_host(host: &str, port: u16, phases: &mut Phases) -> Result<(Box<dyn Stream>, String), Fault> {
    let addresses = resolve(host, port, phases).await?;
    connect_addresses(host, &addresses, phases).await
}

async fn connect_addresses(
    host: &str,
    addresses: &[SocketAddr],
    phases: &mut Phases,
) -> Result<(Box<dyn Stream>, String), Fault> {
    let started = Instant::now();
    let outcome = race(addresses).await;
    phases.add(Phase::Connect, started.elapsed());
    match outcome {
        Ok((stream, address)) => {
            // Requests are written whole; waiting for more to send would only add to their latency.
            let _ = stream.set_nodelay(true);
            Ok((Box::new(stream), address.to_string()))
        }
        Err(failures) => Err(failures
            .iter()
            .find_map(|(_, error)| our_shortage(error))
            .unwrap_or_else(|| Fault::new(Reason::Connect, connect_message(host, &failures)))),
    }
}

/// The addresses that the host of a URL has now, each once, in order.
///
/// # Errors
/// The sentence says why there are none.
pub async fn look_up(host: &str, port: u16) -> Result<Vec<IpAddr>, Fault> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let found = resolve_all(host, port, &mut Phases::default()).await?;
    let addresses: std::collections::BTreeSet<IpAddr> = found.iter().map(SocketAddr::ip).collect();
    Ok(addresses.into_iter().collect())
}

async fn resolve(host: &str, port: u16, phases: &mut Phases) -> Result<Vec<SocketAddr>, Fault> {
    let found = resolve_all(host, port, phases).await?;
    Ok(alternate(found.into_iter().take(ADDRESSES_MAX)))
}

async fn resolve_all(host: &str, port: u16, phases: &mut Phases) -> Result<Vec<SocketAddr>, Fault> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let started = Instant::now();
    let outcome = lookup_host((host, port)).await;
    phases.add(Phase::Resolve, started.elapsed());
    let advice = "check the spelling of the host, and the DNS of this machine";
    match outcome {
        Ok(found) => {
            let addresses: Vec<SocketAddr> = found.collect();
            if addresses.is_empty() {
                let message = format!("cannot resolve host \"{host}\": it has no address; {advice}");
                return Err(Fault::new(Reason::Resolve, message));
            }
            Ok(addresses)
        }
        Err(error) => {
            if let Some(fault) = our_shortage(&error).or_else(out_of_descriptors) {
                return Err(fault);
            }
            let why = error.to_string();
            let why = why.strip_prefix("failed to lookup address information: ").unwrap_or(&why);
            Err(Fault::new(Reason::Resolve, format!("cannot resolve host \"{host}\": {why}; {advice}")))
        }
    }
}

/// A prober that runs out of something says nothing of the server.
#[cfg(unix)]
fn our_shortage(error: &io::Error) -> Option<Fault> {
    use nix::errno::Errno;
    let errno = Errno::from_raw(error.raw_os_error()?);
    let is_ours = matches!(errno, Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM);
    is_ours.then(|| ran_out(errno.desc()))
}

#[cfg(not(unix))]
fn our_shortage(_error: &io::Error) -> Option<Fault> {
    None
}

/// The resolver does not say why it could open neither file nor socket: where all descriptors are taken, it is that.
#[cfg(unix)]
fn out_of_descriptors() -> Option<Fault> {
    let (most, _) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).ok()?;
    match std::fs::read_dir("/dev/fd") {
        Err(error) => our_shortage(&error),
        Ok(open) => (open.count() as u64 + DESCRIPTORS_SPARE >= most).then(|| ran_out("Too many open files")),
    }
}

#[cfg(not(unix))]
fn out_of_descriptors() -> Option<Fault> {
    None
}

#[cfg(unix)]
fn ran_out(what: &str) -> Fault {
    Fault::new(Reason::Internal, format!("cannot connect: mcp-probe ran out of a resource: {what}"))
}

/// Keeps the resolver's order within each family and alternates between the families, the first one first.
fn alternate(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let all: Vec<SocketAddr> = found.collect();
    let first_is_v6 = all.first().is_some_and(SocketAddr::is_ipv6);
    let (mut leading, mut other): (VecDeque<_>, VecDeque<_>) =
        all.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut mixed = Vec::new();
    while !leading.is_empty() || !other.is_empty() {
        mixed.extend(leading.pop_front());
        mixed.extend(other.pop_front());
    }
    mixed.dedup();
    mixed
}

type Failures = Vec<(SocketAddr, io::Error)>;

/// Happy eyeballs: the next address starts after [`STAGGER`], or at once when one has failed.
async fn race(addresses: &[SocketAddr]) -> Result<(TcpStream, SocketAddr), Failures> {
    let mut waiting = addresses.iter().copied();
    let mut running = FuturesUnordered::new();
    let mut failures = Vec::new();
    let attempt = |address: SocketAddr| async move { (address, TcpStream::connect(address).await) };
    running.extend(waiting.next().map(attempt));
    while !running.is_empty() {
        tokio::select! {
            Some((address, outcome)) = running.next() => match outcome {
                Ok(stream) => return Ok((stream, address)),
                Err(error) => {
                    failures.push((address, error));
                    running.extend(waiting.next().map(attempt));
                }
            },
            () = tokio::time::sleep(STAGGER), if waiting.len() > 0 => {
                running.extend(waiting.next().map(attempt));
            }
        }
    }
    Err(failures)
}

fn connect_message(host: &str, failures: &Failures) -> String {
    // A refusal says more than a family of addresses that this machine has no route for.
    let telling = failures.iter().find(|(_, error)| error.kind() == io::ErrorKind::ConnectionRefused);
    let Some((_, error)) = telling.or_else(|| failures.first()) else {
        return format!("cannot connect to {host}");
    };
    let tried: Vec<String> = failures.iter().map(|(address, _)| address.to_string()).collect();
    let tried = tried.join(" and ");
    let place = if host.parse::<IpAddr>().is_ok() { tried } else { format!("{host} ({tried})") };
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!("connection refused by {place}: is the server running, and is this its port?")
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::AddrNotAvailable => {
            format!("{place} cannot be reached from this machine: {error}")
        }
        io::ErrorKind::TimedOut => format!("{place} did not answer to the connection: a firewall, or the wrong host?"),
        io::ErrorKind::ConnectionReset => format!("{place} cut the connection while it was made"),
        _ => format!("cannot connect to {place}: {error}"),
    }
}

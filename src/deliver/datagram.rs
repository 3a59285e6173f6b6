//! Datagrams: over UDP, or to a Unix socket. Nobody says whether they arrive; what the system says of sending is all there is.

use std::io;
use std::time::Duration;

use tokio::net::{UdpSocket, UnixDatagram, lookup_host};

use super::{DatagramPayload, Receipt};
use crate::base::duration;

/// How long sending may take: a name to look up, a socket whose reader is behind.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Sends all datagrams of a payload, in order.
pub(super) async fn send(payload: &DatagramPayload) -> Receipt {
    let place = &payload.address;
    let sent = async {
        match place.strip_prefix("unix:") {
            Some(path) => to_unix(path, &payload.datagrams).await,
            None => to_udp(place, &payload.datagrams).await,
        }
    };
    match tokio::time::timeout(TIMEOUT, sent).await {
        Ok(Ok(())) => Receipt::Delivered,
        Ok(Err(error)) => Receipt::failed(format!("{place}: {error}")),
        Err(_) => Receipt::failed(format!(
            "{place}: expected the datagrams to be taken within {}, they were not",
            duration::written(TIMEOUT)
        )),
    }
}

async fn to_udp(address: &str, datagrams: &[Vec<u8>]) -> io::Result<()> {
    let nowhere = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let address = lookup_host(address).await?.next().ok_or_else(nowhere)?;
    let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).await?;
    // A connected socket hears that nobody listens.
    socket.connect(address).await?;
    for datagram in datagrams {
        socket.send(datagram).await?;
    }
    Ok(())
}

async fn to_unix(path: &str, datagrams: &[Vec<u8>]) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    for datagram in datagrams {
        socket.send(datagram).await?;
    }
    Ok(())
}

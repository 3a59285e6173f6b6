//! Proxies: which one stands between us and the target, and the two handshakes that make a tunnel through it
//! (HTTP CONNECT, RFC 9110 section 9.3.6; SOCKS5, RFC 1928 and 1929).

use std::io;
use std::net::IpAddr;

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use url::Url;

use super::Unusable;
use crate::base::host::is_loopback;

/// The answer of a proxy to CONNECT may be this long.
const CONNECT_HEAD_BYTES_MAX: usize = 16 * 1024;
const SOCKS_HOST_BYTES_MAX: usize = 255;

/// Where proxies are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ProxyChoice {
    /// `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, as curl reads them; except that this very machine
    /// (`localhost` and the loopback addresses) is always reached directly.
    #[default]
    FromEnv,
    /// No proxy, whatever the environment says.
    None,
    /// This one, for every target.
    Explicit(String),
}

impl ProxyChoice {
    /// Whether it names a proxy that can be used, where one stands before the target.
    ///
    /// # Errors
    /// [`Unusable`], with the variable where it is one.
    pub fn check(&self, target: &Url) -> Result<(), Unusable> {
        Proxy::find(self, target).map(|_| ())
    }
}

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Http,
    /// The flag says whether names are resolved here (`socks5`) and not by the proxy (`socks5h`).
    Socks5 {
        local_dns: bool,
    },
}

/// The proxy of a target.
pub(super) struct Proxy {
    pub(super) kind: Kind,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) basic: Option<HeaderValue>,
    login: Option<(String, String)>,
    /// As it is named in messages, without credentials.
    pub(super) name: String,
}

/// The variable that was to name the proxy of a target, and names none. One that cannot be read is passed over by who looks
/// the proxy up, and what was to go through it would go past it.
fn broken_variable(target: &Uri, read: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    let of_scheme = match target.scheme_str() {
        Some("https") => ["HTTPS_PROXY", "https_proxy"],
        // A server of CGI has the header `Proxy` of whoever asks it in HTTP_PROXY.
        _ if read("REQUEST_METHOD").is_some() => return None,
        _ => ["HTTP_PROXY", "http_proxy"],
    };
    let first = |names: [&'static str; 2]| names.into_iter().find_map(|name| Some((name, read(name)?)));
    let set = [of_scheme, ["ALL_PROXY", "all_proxy"]].into_iter().filter_map(first);
    let (name, _) = set.filter(|(_, value)| !value.trim().is_empty()).find(|(_, value)| {
        let alone = Matcher::builder().all(value.as_str()).build();
        alone.intercept(target).is_none()
    })?;
    let excluded = read("NO_PROXY").or_else(|| read("no_proxy")).unwrap_or_default();
    let any = Matcher::builder().all("http://any").no(excluded).build();
    any.intercept(target).is_some().then_some(name)
}

impl Proxy {
    /// The proxy that stands before a target, if any.
    pub(super) fn find(choice: &ProxyChoice, target: &Url) -> Result<Option<Self>, Unusable> {
        let (matcher, origin) = match choice {
            ProxyChoice::None => return Ok(None),
            ProxyChoice::FromEnv if is_loopback(target) => return Ok(None),
            ProxyChoice::FromEnv => (Matcher::from_env(), "from the environment"),
            ProxyChoice::Explicit(text) => (Matcher::builder().all(text.as_str()).build(), "as asked for"),
        };
        let place = &target[..url::Position::BeforePath];
        let uri: Uri = place.parse().map_err(|error| Unusable(format!("{place:?} is no target URL: {error}")))?;
        match matcher.intercept(&uri) {
            Some(intercept) => Self::from_intercept(&intercept, origin).map(Some),
            None if matches!(choice, ProxyChoice::Explicit(_)) => {
                Err(Unusable("the proxy must be a URL such as http://proxy:3128 or socks5h://proxy:1080".into()))
            }
            None => match broken_variable(&uri, |name| std::env::var(name).ok()) {
                // It may hold a password, so it is not shown.
                Some(name) => Err(Unusable(format!(
                    "the variable {name} names no proxy: expected a URL such as http://proxy:3128 or \
                     socks5h://proxy:1080; correct it, unset it, or name the host in NO_PROXY"
                ))),
                None => Ok(None),
            },
        }
    }

    fn from_intercept(intercept: &Intercept, origin: &str) -> Result<Self, Unusable> {
        let uri = intercept.uri();
        let scheme = uri.scheme_str().unwrap_or("http");
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let (kind, port) = match scheme {
            "http" => (Kind::Http, 80),
            "socks5" => (Kind::Socks5 { local_dns: true }, 1080),
            "socks5h" => (Kind::Socks5 { local_dns: false }, 1080),
            other => {
                return Err(Unusable(format!(
                    "the proxy {other}://{host} ({origin}) speaks a protocol that is not supported: \
                     http, socks5 and socks5h are; name one of those"
                )));
            }
        };
        let port = uri.port_u16().unwrap_or(port);
        Ok(Self {
            kind,
            port,
            basic: intercept.basic_auth().cloned(),
            login: intercept.raw_auth().map(|(user, word)| (user.to_owned(), word.to_owned())),
            name: format!("the proxy {scheme}://{}:{port} ({origin})", uri.host().unwrap_or_default()),
            host,
        })
    }

    /// Makes a tunnel to `host` and `port` over a connection to the proxy.
    pub(super) async fn tunnel<S>(&self, stream: &mut S, host: &str, port: u16) -> Result<(), String>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let told = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => "it closed the connection instead of making a tunnel".to_owned(),
            _ => format!("no tunnel could be made: {error}"),
        };
        match self.kind {
            Kind::Http => self.connect(stream, host, port).await.map_err(told)?,
            Kind::Socks5 { .. } => self.socks5(stream, host, port).await.map_err(told)?,
        }
        .map_or(Ok(()), Err)
    }

    /// The inner value is the proxy's refusal.
    async fn connect<S>(&self, stream: &mut S, host: &str, port: u16) -> io::Result<Option<String>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let place = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let mut request = format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n").into_bytes();
        if let Some(basic) = &self.basic {
            request.extend_from_slice(b"Proxy-Authorization: ");
            request.extend_from_slice(basic.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        stream.write_all(&request).await?;
        stream.flush().await?;
        let mut head = Vec::new();
        // One byte at a time: what follows the blank line belongs to the target. This is off the measured path.
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= CONNECT_HEAD_BYTES_MAX {
                return Ok(Some("its answer to CONNECT never ends".into()));
            }
            head.push(stream.read_u8().await?);
        }
        let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let mut words = line.split(' ');
        let http = words.next().is_some_and(|word| word.starts_with("HTTP/1."));
        Ok(match words.next().and_then(|word| word.parse::<u16>().ok()) {
            Some(200..=299) if http => None,
            Some(407) if http => Some("it asks for a user and a password (407)".into()),
            _ => Some(format!("it refused to connect to {place}: {line}")),
        })
    }

    async fn socks5<S>(&self, stream: &mut S, host: &str, port: u16) -> io::Result<Option<String>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        const NO_LOGIN: u8 = 0;
        const PASSWORD: u8 = 2;
        let methods: &[u8] = if self.login.is_some() { &[NO_LOGIN, PASSWORD] } else { &[NO_LOGIN] };
        let mut hello = vec![5, if self.login.is_some() { 2 } else { 1 }];
        hello.extend_from_slice(methods);
        stream.write_all(&hello).await?;
        let mut chosen = [0; 2];
        stream.read_exact(&mut chosen).await?;
        match (chosen, &self.login) {
            ([5, NO_LOGIN], _) => {}
            ([5, PASSWORD], Some((user, word))) => {
                let (Ok(user_len), Ok(word_len)) = (u8::try_from(user.len()), u8::try_from(word.len())) else {
                    return Ok(Some("the user or password is longer than SOCKS5 allows".into()));
                };
                let login = [&[1, user_len], user.as_bytes(), &[word_len], word.as_bytes()].concat();
                stream.write_all(&login).await?;
                let mut verdict = [0; 2];
                stream.read_exact(&mut verdict).await?;
                if verdict[1] != 0 {
                    return Ok(Some("it refused the user or the password".into()));
                }
            }
            ([5, _], _) => return Ok(Some("it asks for a user and a password".into())),
            _ => return Ok(Some("it does not speak SOCKS5".into())),
        }
        let Some(request) = socks5_request(host, port) else {
            return Ok(Some(format!("the host name is longer than {SOCKS_HOST_BYTES_MAX} bytes")));
        };
        stream.write_all(&request).await?;
        let mut reply = [0; 4];
        stream.read_exact(&mut reply).await?;
        if reply[0] != 5 || reply[1] != 0 {
            return Ok(Some(format!("it cannot reach {host}:{port}: {}", socks5_refusal(reply[1]))));
        }
        let bound = match reply[3] {
            1 => 4,
            4 => 16,
            3 => usize::from(stream.read_u8().await?),
            _ => return Ok(Some("it answered with an address of an unknown kind".into())),
        };
        let mut rest = vec![0; bound + 2];
        stream.read_exact(&mut rest).await?;
        Ok(None)
    }
}

fn socks5_request(host: &str, port: u16) -> Option<Vec<u8>> {
    let mut request = vec![5, 1, 0];
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            request.push(1);
            request.extend_from_slice(&address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            request.push(4);
            request.extend_from_slice(&address.octets());
        }
        Err(_) => {
            request.extend_from_slice(&[3, u8::try_from(host.len()).ok()?]);
            request.extend_from_slice(host.as_bytes());
        }
    }
    request.extend_from_slice(&port.to_be_bytes());
    Some(request)
}

fn socks5_refusal(code: u8) -> String {
    let words = match code {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "time to live expired",
        other => return format!("code {other}"),
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_names_no_proxy_is_found() {
        let broken = |target: &'static str, set: &'static [(&'static str, &'static str)]| {
            let read = |name: &str| set.iter().find(|(have, _)| *have == name).map(|(_, value)| (*value).to_owned());
            broken_variable(&target.parse().unwrap(), read)
        };
        let (secure, plain) = ("https://a.test", "http://a.test");
        for value in [":::bad", "ftp://proxy:1", "http://", "http://us:pw@[bad"] {
            let set: &'static [(&'static str, &'static str)] = Box::leak(Box::new([("HTTPS_PROXY", value)]));
            assert_eq!((broken(secure, set), broken(plain, set)), (Some("HTTPS_PROXY"), None), "{value}");
        }
        assert_eq!(broken(secure, &[("all_proxy", "ftp://x")]), Some("all_proxy"));
        assert_eq!(broken(plain, &[("http_proxy", "::"), ("ALL_PROXY", "http://proxy")]), Some("http_proxy"));
        for fine in [
            &[][..],
            &[("HTTPS_PROXY", "")],
            &[("HTTPS_PROXY", "proxy:3128")],
            &[("HTTPS_PROXY", "socks5h://us:pw@proxy:1080")],
            &[("HTTPS_PROXY", ":::bad"), ("NO_PROXY", "other.test, a.test")],
            &[("HTTPS_PROXY", ":::bad"), ("no_proxy", "*")],
        ] {
            assert_eq!(broken(secure, Box::leak(fine.to_vec().into_boxed_slice())), None, "{fine:?}");
        }
        assert_eq!(broken(plain, &[("HTTP_PROXY", "::"), ("REQUEST_METHOD", "GET")]), None);
    }
}

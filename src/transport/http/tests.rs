//! Connecting: addresses, names, sockets, proxies, TLS.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use super::fixture::{
    Authority, REPLY, Server, always, answer, exchange, next, once, one_fault, open, open_with, request, settings,
    words,
};
use super::*;
use crate::event::Phase;
use crate::transport::{Intent, Outgoing, What};

const HTTP: TransportKind = TransportKind::StreamableHttp;

fn json() -> String {
    answer("200 OK", "Content-Type: application/json\r\n", REPLY)
}

async fn open_fault(settings: &HttpSettings) -> Fault {
    let started = Instant::now();
    let Err(fault) = open_with(settings, HTTP).await else { panic!("it opened") };
    assert!(started.elapsed() < Duration::from_secs(15));
    fault
}

#[test]
fn endpoints_are_read() {
    let (url, socket) = parse_endpoint("https://Host.test:8443/mcp?x=1").unwrap();
    assert_eq!((url.as_str(), socket), ("https://host.test:8443/mcp?x=1", None));
    for (text, expected, path) in [
        ("unix:/run/a.sock", "http://localhost/mcp", "/run/a.sock"),
        ("unix:/run/a.sock:/other?x=1", "http://localhost/other?x=1", "/run/a.sock"),
        ("unix:///run/a:b.sock:/m", "http://localhost/m", "/run/a:b.sock"),
    ] {
        let (url, socket) = parse_endpoint(text).unwrap();
        assert_eq!((url.as_str(), socket), (expected, Some(PathBuf::from(path))), "{text}");
    }
    for text in ["localhost:3000/mcp", "ftp://host/mcp", "https://", "unix:", "host"] {
        assert!(parse_endpoint(text).unwrap_err().starts_with("expected "), "{text}");
    }
}

#[test]
fn settings_that_cannot_work_say_why() {
    let with = |change: &dyn Fn(&mut HttpSettings)| {
        let mut settings = settings("https://host.test/mcp");
        change(&mut settings);
        HttpDial::new(&settings).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let header = |name: &str, value: &str| vec![(name.to_owned(), Secret::new(value))];
    assert!(with(&|settings| settings.headers = header("a b", "x")).contains("no name of a header"));
    assert!(with(&|settings| settings.headers = header("A", "x\r\nB: y")).contains("characters that no header"));
    assert!(with(&|settings| settings.tls.ca = Some(Pem::Text(b"nothing".into()))).contains("no PEM CA certificate"));
    let none = Some(Pem::File("/nonexistent/ca.pem".into()));
    assert!(with(&|settings| settings.tls.ca.clone_from(&none)).contains("cannot read the CA certificate"));
    assert!(with(&|settings| settings.tls.key.clone_from(&none)).contains("needs its certificate"));
    assert!(with(&|settings| settings.tls.server_name = Some("a b".into())).contains("no host name"));
    assert!(with(&|settings| settings.proxy = ProxyChoice::Explicit("ftp://x".into())).contains("the proxy must be"));
    assert!(with(&|settings| settings.proxy = ProxyChoice::Explicit("socks4://x".into())).contains("not supported"));
    assert_eq!(with(&|_| ()), "");
}

#[test]
fn this_machine_is_reached_without_the_proxies_of_the_environment() {
    for host in ["localhost", "127.0.0.5", "[::1]", "a.localhost"] {
        let url = Url::parse(&format!("http://{host}:1/")).unwrap();
        assert!(Proxy::find(&ProxyChoice::FromEnv, &url).unwrap().is_none());
        let asked = ProxyChoice::Explicit("http://proxy.test:3128".into());
        assert_eq!(Proxy::find(&asked, &url).unwrap().unwrap().port, 3128);
    }
}

#[test]
fn the_spelling_of_the_host_is_kept_but_never_another_host() {
    let spelled = |written: &str, url: &str| {
        let mut settings = settings(url);
        settings.url_as_written = written.into();
        authority(&settings).unwrap().to_str().unwrap().to_owned()
    };
    assert_eq!(spelled("http://LocalHost:80/x", "http://localhost/x"), "LocalHost:80");
    assert_eq!(spelled("http://user:pw@Host.test", "http://user:pw@host.test/"), "Host.test");
    assert_eq!(spelled("http://[::1]:9/x", "http://[::1]:9/x"), "[::1]:9");
    assert_eq!(spelled("", "http://host.test:81/"), "host.test:81");
    assert_eq!(spelled("http://evil.test/", "http://host.test:81/"), "host.test:81");
    assert_eq!(spelled("http://bücher.test/", "http://xn--bcher-kva.test/"), "xn--bcher-kva.test");
}

#[tokio::test]
async fn credentials_in_the_url_become_a_header() {
    let server = always(json()).await;
    let mut link = open(&server.url().replace("//", "//us%20er:p%2Bw@")).await;
    exchange(&mut link, request(1)).await;
    let seen = server.seen().remove(0);
    assert!(seen.contains("\r\nAuthorization: Basic dXMgZXI6cCt3\r\n"), "{seen}");
    assert!(seen.starts_with("POST /mcp ") && seen.contains("\r\nHost: 127.0.0.1:"), "{seen}");
}

#[tokio::test]
async fn refused_and_unresolved_are_told_at_once() {
    let closed = { tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port() };
    let started = Instant::now();
    let fault = open_fault(&settings(&format!("http://127.0.0.1:{closed}/mcp"))).await;
    assert!(started.elapsed() < Duration::from_millis(100));
    assert_eq!(fault.reason, Reason::Connect);
    assert_eq!(
        fault.message,
        format!("connection refused by 127.0.0.1:{closed}: is the server running, and is this its port?")
    );
    let fault = open_fault(&settings(&format!("http://localhost:{closed}/mcp"))).await;
    assert!(fault.message.starts_with("connection refused by localhost ("), "{}", fault.message);
    let fault = open_fault(&settings("http://nohost.invalid/mcp")).await;
    assert_eq!(fault.reason, Reason::Resolve);
    assert!(fault.message.starts_with("cannot resolve host \"nohost.invalid\": "), "{}", fault.message);
}

#[tokio::test]
async fn ipv6_loopback() {
    let server = Server::start("[::1]:0", None, |_, mut conn| async move {
        conn.request().await;
        conn.json("200 OK", REPLY).await;
    })
    .await;
    let mut link = open(&format!("http://[::1]:{}/mcp", server.port)).await;
    assert_eq!(words(&exchange(&mut link, request(1)).await), ["200", "frame", "end"]);
    assert!(server.seen()[0].contains(&format!("\r\nHost: [::1]:{}\r\n", server.port)));
}

#[tokio::test]
async fn a_name_with_two_addresses_reaches_the_one_that_listens() {
    // localhost may be ::1 and 127.0.0.1; only the latter listens here.
    let server = always(json()).await;
    let mut link = open(&format!("http://localhost:{}/mcp", server.port)).await;
    assert_eq!(words(&exchange(&mut link, request(1)).await), ["200", "frame", "end"]);
    assert_eq!(link.facts().peer, Some(format!("127.0.0.1:{}", server.port)));
}

#[cfg(unix)]
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the test waits for the task")]
async fn a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mcp.sock");
    let (url, socket) = parse_endpoint(&format!("unix:{}:/here", path.display())).unwrap();
    let settings = HttpSettings { socket, ..settings(url.as_str()) };
    let fault = open_fault(&settings).await;
    assert!(fault.reason == Reason::Connect && fault.message.contains("there is no socket"), "{}", fault.message);

    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = vec![0; 4096];
        let read = stream.read(&mut seen).await.unwrap();
        stream.write_all(json().as_bytes()).await.unwrap();
        (String::from_utf8_lossy(&seen[..read]).into_owned(), listener)
    });
    let mut link = open_with(&settings, HTTP).await.unwrap();
    assert_eq!(words(&exchange(&mut link, request(1)).await), ["200", "frame", "end"]);
    let (seen, listener) = serving.await.unwrap();
    assert!(seen.starts_with("POST /here ") && seen.contains("\r\nHost: localhost\r\n"), "{seen}");
    drop((link, listener));
    let fault = open_fault(&settings).await;
    assert!(fault.message.contains("connection refused by the socket"), "{}", fault.message);
}

#[tokio::test]
async fn an_interrupted_opening_ends() {
    let cancel = CancellationToken::new();
    cancel.cancel();
    let dial = HttpDial::new(&settings("http://127.0.0.1:9/mcp")).unwrap();
    assert_eq!(dial.open(HTTP, cancel).await.err().unwrap().reason, Reason::Cancelled);
}

fn with_ca(url: &str, authority: &Authority) -> HttpSettings {
    let mut settings = settings(url);
    settings.tls.ca = Some(Pem::Text(authority.pem()));
    settings
}

async fn tls_server(config: Arc<rustls::ServerConfig>) -> Server {
    Server::start("127.0.0.1:0", Some(config), |_, mut conn| async move {
        while conn.request().await.is_some() {
            conn.json("200 OK", REPLY).await;
        }
    })
    .await
}

fn secure(server: &Server) -> String {
    format!("https://localhost:{}/mcp", server.port)
}

#[tokio::test]
async fn tls_with_an_authority_of_ones_own() {
    let authority = Authority::new();
    let server = tls_server(authority.leaf(&["localhost"], |_| ()).server_config(None, &["http/1.1"])).await;
    let mut link = open_with(&with_ca(&secure(&server), &authority), HTTP).await.unwrap();
    assert_eq!(words(&exchange(&mut link, request(1)).await), ["200", "frame", "end"]);
    let facts = link.facts();
    assert!(facts.phases.get(Phase::Tls).is_some() && facts.phases.get(Phase::Resolve).is_some());
    let certificate = facts.certificate.unwrap();
    assert!(certificate.subject.contains("leaf.test"), "{certificate:?}");
    assert!(certificate.not_after > jiff::Timestamp::now());
    assert!(facts.findings.is_empty(), "{:?}", facts.findings);
    link.close(Duration::from_secs(1)).await;

    let fault = open_fault(&with_ca(&secure(&server), &Authority::new())).await;
    assert_eq!(fault.reason, Reason::Tls);
    assert!(fault.message.contains("not signed by the CN=Test Authority that is trusted"), "{}", fault.message);
    let fault = open_fault(&settings(&secure(&server))).await;
    assert!(fault.message.contains("does not lead to any CA this system trusts"), "{}", fault.message);
}

#[tokio::test]
async fn refused_certificates_are_explained() {
    let authority = Authority::new();
    let expired = authority.leaf(&["localhost"], |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 2, 3);
    });
    let future = authority.leaf(&["localhost"], |params| params.not_before = rcgen::date_time_ymd(2090, 1, 1));
    let other = authority.leaf(&["other.test", "third.test"], |_| ());
    for (leaf, expected) in [
        (expired, "expired on 2021-02-03, "),
        (future, "is valid from 2090-01-01 on"),
        (other, "expected localhost, it is for "),
    ] {
        let server = tls_server(leaf.server_config(None, &[])).await;
        let fault = open_fault(&with_ca(&secure(&server), &authority)).await;
        assert!(fault.reason == Reason::Tls && fault.message.contains(expected), "{}", fault.message);

        let mut settings = settings(&secure(&server));
        settings.tls.insecure = true;
        let mut link = open_with(&settings, HTTP).await.unwrap();
        assert_eq!(words(&exchange(&mut link, request(1)).await), ["200", "frame", "end"]);
        let findings = link.facts().findings;
        assert_eq!((findings[0].id, findings[0].severity), ("tls.insecure", Severity::Warning));
    }
    let named = tls_server(authority.leaf(&["other.test"], |_| ()).server_config(None, &[])).await;
    let mut settings = with_ca(&secure(&named), &authority);
    settings.tls.server_name = Some("other.test".into());
    let mut link = open_with(&settings, HTTP).await.unwrap();
    assert_eq!(words(&exchange(&mut link, request(1)).await), ["200", "frame", "end"]);
}

#[tokio::test]
async fn a_certificate_that_ends_soon_is_a_finding() {
    let authority = Authority::new();
    for (days, severity) in [(3, Severity::Error), (14, Severity::Warning)] {
        let leaf = authority.leaf(&["localhost"], |params| {
            let end = std::time::SystemTime::now() + Duration::from_secs(days * 24 * 3600 + 3600);
            params.not_after = end.into();
        });
        let server = tls_server(leaf.server_config(None, &[])).await;
        let link = open_with(&with_ca(&secure(&server), &authority), HTTP).await.unwrap();
        let finding = link.facts().findings.remove(0);
        assert_eq!((finding.id, finding.severity), ("tls.expiry", severity));
        assert!(finding.actual.contains(&format!("in {days} days")), "{finding:?}");
    }
}

#[tokio::test]
async fn self_signed_certificates() {
    for is_ca in [false, true] {
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        if is_ca {
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        }
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.serialize_der().try_into().unwrap())
            .unwrap();
        let server = tls_server(Arc::new(config)).await;
        let fault = open_fault(&settings(&secure(&server))).await;
        assert!(fault.message.contains("is self-signed and not trusted"), "{}", fault.message);
        let mut settings = settings(&secure(&server));
        settings.tls.ca = Some(Pem::Text(certificate.pem().into_bytes()));
        let mut link = open_with(&settings, HTTP).await.unwrap();
        assert_eq!(words(&exchange(&mut link, request(1)).await), ["200", "frame", "end"]);
        settings.url = Url::parse(&secure(&server).replace("localhost", "127.0.0.1")).unwrap();
        let fault = open_fault(&settings).await;
        assert!(fault.message.contains("expected 127.0.0.1, it is for"), "{}", fault.message);
    }
}

#[tokio::test]
async fn client_certificates() {
    let authority = Authority::new();
    let server =
        tls_server(authority.leaf(&["localhost"], |_| ()).server_config(Some(&authority), &["http/1.1"])).await;
    // TLS 1.3 tells only after the handshake, when the first answer is read.
    let mut link = open_with(&with_ca(&secure(&server), &authority), HTTP).await.unwrap();
    let fault = one_fault(&mut link).await;
    assert_eq!(fault.reason, Reason::Tls, "{}", fault.message);
    assert!(fault.message.contains("asks for a client certificate"), "{}", fault.message);

    let ours = authority.leaf(&["me"], |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    let mut settings = with_ca(&secure(&server), &authority);
    settings.tls.cert = Some(Pem::Text(ours.cert.clone().into_bytes()));
    assert!(HttpDial::new(&settings).err().unwrap().to_string().contains("no usable private key"));
    settings.tls.key = Some(Pem::Text(ours.key.serialize_pem().into_bytes()));
    let mut link = open_with(&settings, HTTP).await.unwrap();
    assert_eq!(words(&exchange(&mut link, request(1)).await), ["200", "frame", "end"]);

    let both = format!("{}{}", ours.cert, ours.key.serialize_pem());
    settings.tls.cert = Some(Pem::Text(both.into_bytes()));
    settings.tls.key = None;
    assert!(open_with(&settings, HTTP).await.is_ok());
    settings.tls.key = Some(Pem::Text(rcgen::KeyPair::generate().unwrap().serialize_pem().into_bytes()));
    assert!(HttpDial::new(&settings).err().unwrap().to_string().contains("cannot be used"));
}

#[tokio::test]
async fn https_to_a_plain_port_and_http_to_a_tls_port_are_named() {
    let plain = Server::plain(|_, mut conn| async move {
        let mut hello = [0; 16];
        let _ = conn.stream.read(&mut hello).await;
        conn.write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
        conn.gone().await;
    })
    .await;
    let fault = open_fault(&settings(&secure(&plain))).await;
    assert_eq!(fault.reason, Reason::Tls);
    assert!(fault.message.contains("plain HTTP on this port: write http://"), "{}", fault.message);

    let closing = Server::plain(|_, mut conn| async move {
        let mut hello = [0; 4096];
        let _ = conn.stream.read(&mut hello).await;
    })
    .await;
    let fault = open_fault(&settings(&secure(&closing))).await;
    assert!(fault.message.contains("closed the connection during the TLS handshake"), "{}", fault.message);

    let tls = tls_server(Authority::new().leaf(&["localhost"], |_| ()).server_config(None, &[])).await;
    let fault = one_fault(&mut open(&tls.url()).await).await;
    assert_eq!(fault.reason, Reason::Protocol, "{}", fault.message);
    assert!(fault.message.contains("write https:// instead of http://"), "{}", fault.message);
}

/// An HTTP/2 server over TLS: `/mcp` answers, `/slow` (by the method of the body) streams without end.
#[expect(clippy::disallowed_methods, reason = "the handle ends the task when it is dropped")]
async fn h2_server(config: Arc<rustls::ServerConfig>) -> (u16, AbortOnDropHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = AbortOnDropHandle::new(tokio::spawn(async move {
        let mut running = tokio::task::JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(stream) = tokio_rustls::TlsAcceptor::from(Arc::clone(&config)).accept(stream).await else {
                continue;
            };
            running.spawn(async move {
                let service = service_fn(|request: http::Request<hyper::body::Incoming>| async move {
                    let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
                    let method = request.method().to_string();
                    let text = request.into_body().collect().await.unwrap().to_bytes();
                    if method == "GET" {
                        std::future::pending::<()>().await;
                    }
                    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"host":"{host}","n":{}}}}}"#, text.len());
                    let response = http::Response::builder().header("content-type", "application/json");
                    Ok::<_, Infallible>(response.body(Full::new(bytes::Bytes::from(body))).unwrap())
                });
                let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    }));
    (port, task)
}

#[tokio::test]
async fn http2_shares_one_connection() {
    let authority = Authority::new();
    let config = authority.leaf(&["localhost"], |_| ()).server_config(None, &["h2", "http/1.1"]);
    let (port, serving) = h2_server(config).await;
    let url = format!("https://LOCALHOST:{port}/mcp");
    let mut link = open_with(&with_ca(&url, &authority), HTTP).await.unwrap();
    let phases = link.facts().phases;
    let listen = Outgoing { intent: Intent::Listen, body: bytes::Bytes::new(), ..request(1) };
    link.send(listen).await.unwrap();
    for key in 2..5 {
        let heard = exchange(&mut link, request(key)).await;
        assert_eq!(words(&heard), ["200", "frame", "end"]);
        let What::Frame(frame) = &heard[1] else { panic!() };
        let raw = String::from_utf8_lossy(&frame.raw);
        assert!(raw.contains(&format!("LOCALHOST:{port}")) && raw.contains("\"n\":40"), "{raw}");
    }
    assert_eq!(link.facts().phases, phases, "there was no further connection");
    link.abandon(1);
    assert_eq!(words(&exchange(&mut link, request(9)).await), ["200", "frame", "end"]);
    let farewell = link.close(Duration::from_secs(5)).await;
    assert!(farewell.took < Duration::from_secs(1), "{farewell:?}");
    drop(serving);
}

/// A proxy that answers one CONNECT with `status` and then carries bytes.
async fn connect_proxy(status: &'static str) -> Server {
    Server::plain(move |_, mut conn| async move {
        let Some(seen) = conn.request().await else { return };
        conn.write(format!("HTTP/1.1 {status}\r\n\r\n")).await;
        let place = seen.split(' ').nth(1).unwrap();
        if let Ok(mut target) = TcpStream::connect(place).await {
            let _ = tokio::io::copy_bidirectional(&mut conn.stream, &mut target).await;
        }
    })
    .await
}

#[tokio::test]
async fn https_through_an_http_proxy() {
    let authority = Authority::new();
    let server = tls_server(authority.leaf(&["localhost"], |_| ()).server_config(None, &[])).await;
    let proxy = connect_proxy("200 Connection established").await;
    let mut settings = with_ca(&secure(&server), &authority);
    settings.bearer = Some(Secret::new("token"));
    settings.proxy = ProxyChoice::Explicit(format!("http://us:pw@127.0.0.1:{}", proxy.port));
    let mut link = open_with(&settings, HTTP).await.unwrap();
    assert_eq!(words(&exchange(&mut link, request(1)).await), ["200", "frame", "end"]);
    let seen = proxy.seen().remove(0);
    assert!(seen.starts_with(&format!("CONNECT localhost:{} HTTP/1.1\r\n", server.port)), "{seen}");
    assert!(seen.contains("\r\nProxy-Authorization: Basic dXM6cHc=\r\n") && !seen.contains("token"), "{seen}");
    assert!(!server.seen()[0].to_lowercase().contains("proxy-authorization"));

    for (status, expected) in [
        ("407 Proxy Authentication Required", "it asks for a user and a password (407)"),
        ("503 Down", "it refused to connect to localhost:"),
    ] {
        let proxy = connect_proxy(status).await;
        settings.proxy = ProxyChoice::Explicit(format!("http://127.0.0.1:{}", proxy.port));
        let fault = open_fault(&settings).await;
        let name = format!("(through the proxy http://127.0.0.1:{} (as asked for))", proxy.port);
        assert_eq!(fault.reason, Reason::Connect);
        assert!(fault.message.contains(expected) && fault.message.ends_with(&name), "{}", fault.message);
    }
}

#[tokio::test]
async fn http_through_an_http_proxy() {
    let proxy = always(json()).await;
    let mut settings = settings("http://Host.invalid/mcp?x=1");
    settings.proxy = ProxyChoice::Explicit(format!("127.0.0.1:{}", proxy.port));
    let mut link = open_with(&settings, HTTP).await.unwrap();
    assert_eq!(words(&exchange(&mut link, request(1)).await), ["200", "frame", "end"]);
    let seen = proxy.seen().remove(0);
    assert!(seen.starts_with("POST http://Host.invalid/mcp?x=1 HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("\r\nHost: Host.invalid\r\n"), "{seen}");

    let dying = once("").await;
    settings.proxy = ProxyChoice::Explicit(format!("http://127.0.0.1:{}", dying.port));
    let fault = one_fault(&mut open_with(&settings, HTTP).await.unwrap()).await;
    assert!(fault.message.contains("(through the proxy http://127.0.0.1:"), "{}", fault.message);
}

#[tokio::test]
async fn through_a_socks_proxy() {
    let server = always(json()).await;
    let port = server.port;
    let proxy = Server::plain(move |_, mut conn| async move {
        let mut hello = [0; 4];
        conn.stream.read_exact(&mut hello).await.unwrap();
        assert_eq!(hello, [5, 2, 0, 2]);
        conn.write([5, 2]).await;
        let mut login = [0; 7];
        conn.stream.read_exact(&mut login).await.unwrap();
        assert_eq!(&login, b"\x01\x02us\x02pw");
        conn.write([1, 0]).await;
        let mut wanted = [0; 5 + 12 + 2];
        conn.stream.read_exact(&mut wanted).await.unwrap();
        assert_eq!(&wanted[..17], b"\x05\x01\x00\x03\x0chost.invalid");
        if wanted[17..] == 99_u16.to_be_bytes() {
            conn.write([5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).await;
            return;
        }
        conn.write([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await;
        let mut target = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut conn.stream, &mut target).await;
    })
    .await;
    let mut settings = settings("http://host.invalid/mcp");
    settings.proxy = ProxyChoice::Explicit(format!("socks5h://us:pw@127.0.0.1:{}", proxy.port));
    let mut link = open_with(&settings, HTTP).await.unwrap();
    assert_eq!(words(&exchange(&mut link, request(1)).await), ["200", "frame", "end"]);
    assert!(server.seen()[0].starts_with("POST /mcp "));
    settings.url = Url::parse("http://host.invalid:99/mcp").unwrap();
    let fault = open_fault(&settings).await;
    assert!(fault.message.contains("it cannot reach host.invalid:99: connection refused"), "{}", fault.message);
}

#[tokio::test]
async fn two_exchanges_at_once() {
    let server = always(json()).await;
    let mut link = open(&server.url()).await;
    link.send(request(1)).await.unwrap();
    link.send(request(2)).await.unwrap();
    let mut ends = Vec::new();
    while ends.len() < 2 {
        let heard = next(&mut link).await;
        if matches!(heard.what, What::End) {
            ends.push(heard.key.unwrap());
        }
    }
    ends.sort_unstable();
    assert_eq!(ends, [1, 2]);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_connection_that_waited_long_is_not_used() {
    let server = always(json()).await;
    let dial = HttpDial::new(&settings(&server.url())).unwrap();
    let client = Client::new(Arc::clone(&dial.template), Arc::clone(&dial.connector), Vec::new());
    client.open().await.unwrap();
    for (seconds, connections) in [(0, 1), (3, 1), (5, 2)] {
        client.pool.age(Duration::from_secs(seconds));
        let ask = Ask { repeatable: false, ..Ask::get(Arc::clone(&dial.template.url), Fields::default()) };
        let (_, waiting) = client.start(ask).await.unwrap();
        let Answer { mut body, .. } = waiting.answer().await.unwrap();
        assert_eq!(body.whole().await.unwrap(), REPLY);
        assert_eq!(server.connections(), connections, "after {seconds} s");
    }
}

#[tokio::test]
async fn http2_survives_a_connection_that_was_closed() {
    let authority = Authority::new();
    let config = authority.leaf(&["localhost"], |_| ()).server_config(None, &["h2"]);
    let (port, serving) = h2_server(config).await;
    let url = format!("https://localhost:{port}/mcp");
    let relay = Server::plain(move |number, mut conn| async move {
        let mut target = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let carrying = tokio::io::copy_bidirectional(&mut conn.stream, &mut target);
        // The first connection is cut soon after its first exchange.
        let limit = if number == 0 { Duration::from_millis(300) } else { Duration::from_secs(60) };
        let _ = tokio::time::timeout(limit, carrying).await;
    })
    .await;
    let settings = with_ca(&url.replace(&port.to_string(), &relay.port.to_string()), &authority);
    let mut link = open_with(&settings, HTTP).await.unwrap();
    let first = link.facts().phases.get(Phase::Connect);
    let started = Instant::now();
    let mut key = 0;
    while link.facts().phases.get(Phase::Connect) == first {
        key += 1;
        assert_eq!(words(&exchange(&mut link, request(key)).await), ["200", "frame", "end"]);
        assert!(started.elapsed() < Duration::from_secs(10));
    }
    drop(serving);
}

#[tokio::test]
async fn what_this_thread_does_before_it_writes_is_no_latency() {
    use std::io::{Read as _, Write as _};
    const WORK: Duration = Duration::from_millis(100);

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut request, mut chunk) = (Vec::new(), [0; 4096]);
        while !request.ends_with(b"{}") {
            let count = stream.read(&mut chunk).unwrap();
            assert!(count > 0, "{}", String::from_utf8_lossy(&request));
            request.extend_from_slice(&chunk[..count]);
        }
        let read = Instant::now();
        stream.write_all(json().as_bytes()).unwrap();
        read
    });
    let mut link = open(&url).await;
    let work = async {
        for _ in 0..4 {
            std::thread::sleep(WORK);
            tokio::task::yield_now().await;
        }
    };
    let body = bytes::Bytes::from_static(b"{}");
    let outgoing = Outgoing { key: 1, intent: Intent::Request, body, headers: Vec::new(), repeatable: false };
    // In this order at every turn: what is handed over waits for the work behind it.
    let (sent, ()) = futures_util::future::join(link.send(outgoing), work).await;
    let read = server.join().unwrap();
    let sent = sent.unwrap();
    assert!(sent <= read && read - sent < WORK, "{:?} on the way", read - sent);
}

//! A receiver of notifications that does as it is told: it answers, hangs up, hangs, or speaks TLS with a certificate that
//! nobody trusts. It remembers what came.
#![allow(dead_code, reason = "each test program uses a part of the stage")]

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// A request that came.
#[derive(Clone, Debug)]
pub struct Received {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub at: Instant,
}

impl Received {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What it does with a request.
#[derive(Clone, Debug)]
pub enum Does {
    /// Answers with these lines of a head (without the length) and this body.
    Answer(&'static str, String),
    /// Closes the connection without a word.
    HangUp,
    /// Says nothing, and keeps the connection.
    Hang,
    /// Sends a head that promises a body, and then nothing.
    HangInBody,
}

/// `200 OK` with a body.
pub fn ok(body: &str) -> Does {
    Does::Answer("200 OK", body.to_owned())
}

/// How the next requests are treated.
pub type Rule = Box<dyn Fn(&Received) -> Does + Send + Sync>;

struct Inner {
    rule: Mutex<Arc<Rule>>,
    received: Mutex<Vec<Received>>,
    connections: Mutex<usize>,
}

/// A receiver on a free port of loopback. Its threads end with the test program.
#[derive(Clone)]
pub struct Receiver {
    inner: Arc<Inner>,
    address: SocketAddr,
    scheme: &'static str,
}

impl Receiver {
    pub fn start(rule: impl Fn(&Received) -> Does + Send + Sync + 'static) -> Self {
        Self::listen(rule, None)
    }

    /// The same with TLS.
    pub fn secure(config: Arc<rustls::ServerConfig>, rule: impl Fn(&Received) -> Does + Send + Sync + 'static) -> Self {
        Self::listen(rule, Some(config))
    }

    fn listen(
        rule: impl Fn(&Received) -> Does + Send + Sync + 'static,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let inner = Arc::new(Inner {
            rule: Mutex::new(Arc::new(Box::new(rule))),
            received: Mutex::default(),
            connections: Mutex::default(),
        });
        let scheme = if tls.is_some() { "https" } else { "http" };
        let serving = Arc::clone(&inner);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                *serving.connections.lock().unwrap() += 1;
                let (inner, tls) = (Arc::clone(&serving), tls.clone());
                thread::spawn(move || match tls {
                    None => serve(&inner, stream),
                    Some(config) => {
                        let Ok(connection) = rustls::ServerConnection::new(config) else { return };
                        serve(&inner, rustls::StreamOwned::new(connection, stream));
                    }
                });
            }
        });
        Self { inner, address, scheme }
    }

    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    pub fn rule(&self, rule: impl Fn(&Received) -> Does + Send + Sync + 'static) {
        *self.inner.rule.lock().unwrap() = Arc::new(Box::new(rule));
    }

    pub fn received(&self) -> Vec<Received> {
        self.inner.received.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        *self.inner.connections.lock().unwrap()
    }
}

/// An address where nobody listens.
pub fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("http://{}", listener.local_addr().expect("its address"))
}

fn serve(inner: &Inner, stream: impl Read + Write) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = request(&mut stream) {
        let rule = Arc::clone(&inner.rule.lock().unwrap());
        let does = rule(&request);
        inner.received.lock().unwrap().push(request);
        let written = match does {
            Does::Answer(head, body) => {
                let text = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                stream.get_mut().write_all(text.as_bytes())
            }
            Does::HangUp => return,
            Does::Hang => {
                thread::sleep(Duration::from_secs(60));
                return;
            }
            Does::HangInBody => {
                let _ = stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok");
                let _ = stream.get_mut().flush();
                thread::sleep(Duration::from_secs(60));
                return;
            }
        };
        if written.and_then(|()| stream.get_mut().flush()).is_err() {
            return;
        }
    }
}

fn request(stream: &mut impl std::io::BufRead) -> Option<Received> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|count| *count > 0)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
            None => break,
        }
    }
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap_or(0))];
    stream.read_exact(&mut body).ok()?;
    let body = String::from_utf8_lossy(&body).into_owned();
    Some(Received { method, path, headers, body, at: Instant::now() })
}

/// Waits until something is so; says what was waited for when it is not in ten seconds.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A server's configuration with a certificate of its own making, and the certificate.
pub fn certified() -> (Arc<rustls::ServerConfig>, String) {
    let made =
        rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("a certificate of our own making");
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der())
        .expect("a certificate of our own making");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("a certificate of our own making")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a certificate of our own making");
    (Arc::new(config), made.cert.pem())
}

//! The listener of the real daemon: TLS, users, tokens and client certificates as a `--web-config` asks for them, an address
//! that strangers could reach, clients that are slow on purpose.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "stage/watching.rs"]
mod watching;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use watching::{BINARY, Watch, server, until, write};

/// A probe of one server, every 300 ms.
fn probes(folder: &Path) {
    let server = server(folder);
    write(
        folder,
        &format!(
            "[watch]\nrun_at_start = true\n[target.demo]\n{server}\n[[probe]]\nname = \"list\"\ntarget = \"demo\"\n\
             every = \"300ms\"\ntimeout = \"290ms\"\nsession = \"reuse\"\n[[probe.step]]\nmethod = \"tools/list\"\n"
        ),
    );
}

/// Where its page is, by its log: scheme and address.
fn page(watch: &Watch) -> (String, String) {
    until("it says where it listens", || {
        let log = watch.log();
        let (_, rest) = log.split_once("listening on ")?;
        let (url, _) = rest.split_once('\n')?;
        let (scheme, address) = url.split_once("://")?;
        Some((scheme.to_owned(), address.to_owned()))
    })
}

/// Certificates: an authority, what it signed for the server and for a client, and a client's of nobody.
fn certificates(folder: &Path) {
    let key = |name: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
        key
    };
    let mut authority = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let signer = key("ca");
    let own = authority.self_signed(&signer).unwrap();
    std::fs::write(folder.join("ca.pem"), own.pem()).unwrap();
    let issuer = rcgen::Issuer::new(authority, signer);
    for (name, of) in [("server", vec!["localhost".to_owned(), "127.0.0.1".to_owned()]), ("client", Vec::new())] {
        let signed = rcgen::CertificateParams::new(of).unwrap().signed_by(&key(name), &issuer).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), signed.pem()).unwrap();
    }
    let stranger = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap().self_signed(&key("stranger")).unwrap();
    std::fs::write(folder.join("stranger.pem"), stranger.pem()).unwrap();
}

/// Trusts the authority of the folder, and shows a certificate where one is named.
fn trusting(folder: &Path, shows: Option<&str>) -> Arc<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    Arc::new(match shows {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let chain = vec![CertificateDer::from_pem_file(folder.join(format!("{name}.pem"))).unwrap()];
            let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    })
}

/// One request; none where no answer comes.
fn asked(
    address: &str,
    tls: Option<Arc<rustls::ClientConfig>>,
    line: &str,
    headers: &[(&str, &str)],
) -> Option<(u16, String)> {
    let port = address.rsplit(':').next().unwrap();
    let mut request =
        format!("{line} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Length: 0\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut reply = Vec::new();
    match tls {
        None => {
            stream.write_all(request.as_bytes()).ok()?;
            stream.read_to_end(&mut reply).ok()?;
        }
        Some(config) => {
            let name = "127.0.0.1".try_into().unwrap();
            let mut session = rustls::ClientConnection::new(config, name).unwrap();
            let mut stream = rustls::Stream::new(&mut session, &mut stream);
            stream.write_all(request.as_bytes()).ok()?;
            // A server that ends without a farewell of TLS has said all the same what it had to say.
            let _ = stream.read_to_end(&mut reply);
        }
    }
    let reply = String::from_utf8_lossy(&reply).into_owned();
    let code = reply.split(' ').nth(1)?.parse().ok()?;
    Some((code, reply.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()))
}

fn code(answer: Option<(u16, String)>) -> Option<u16> {
    answer.map(|(code, _)| code)
}

/// As [`Watch::start_with`], whatever the page speaks.
fn start(folder: &Path, words: &[&str]) -> (Watch, String) {
    let watch = Watch::begin(folder, words, &[]);
    let (_, address) = page(&watch);
    watch.says("healthy probe=list");
    (watch, address)
}

const TLS: &str = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n";

#[test]
fn the_page_speaks_tls_and_knows_its_users() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    probes(folder);
    certificates(folder);
    let hash = bcrypt::hash("wonder", 4).unwrap();
    // The digest of `secret`.
    let token = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
    let config = format!("{TLS}basic_auth_users:\n  alice: {hash}\nbearer_tokens:\n  scraper: {token}\n");
    std::fs::write(folder.join("web.yml"), config).unwrap();
    let (watch, address) = start(folder, &["--web-config", "web.yml"]);
    assert_eq!(page(&watch).0, "https");
    let tls = || Some(trusting(folder, None));
    let basic = |text: &str| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text));
    let welcome = [basic("alice:wonder"), "Bearer secret".to_owned()];
    let strangers = [basic("alice:Wonder"), basic("bob:wonder"), "Bearer Secret".to_owned(), "Bearer ".to_owned()];
    let paths = ["GET /", "GET /target/demo", "GET /metrics", "GET /api/v1/status", "GET /-/healthy", "POST /-/reload"];
    for line in paths.into_iter().chain(["GET /probe?target=demo&module=list"]) {
        for said in &welcome {
            let answer = asked(&address, tls(), line, &[("Authorization", said)]);
            assert_eq!(code(answer), Some(200), "{line} {said}");
        }
        assert_eq!(code(asked(&address, tls(), line, &[])), Some(401), "{line}");
    }
    for said in &strangers {
        assert_eq!(code(asked(&address, tls(), "GET /metrics", &[("Authorization", said)])), Some(401), "{said}");
    }
    // Without TLS nothing is to be had, and one who trusts nobody gets no further than the handshake.
    assert_ne!(code(asked(&address, None, "GET /metrics", &[("Authorization", &welcome[0])])), Some(200));
    let other = tempfile::tempdir().unwrap();
    certificates(other.path());
    assert_eq!(asked(&address, Some(trusting(other.path(), None)), "GET /metrics", &[]), None);
    // Our own command gets in by the same door.
    let status = |header: &str| {
        let port = address.rsplit(':').next().unwrap();
        let url = format!("https://127.0.0.1:{port}");
        let command = ["status", "--url", &url, "--cacert", "ca.pem", "-H", header];
        Command::new(BINARY).args(command).current_dir(folder).env("HOME", folder).output().unwrap()
    };
    let told = status("Authorization: Bearer secret");
    let rows = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.status.code() == Some(0) && rows.contains("healthy\tdemo\tlist"), "{told:?}");
    assert_eq!(status("Authorization: Bearer wrong").status.code(), Some(3));
}

#[test]
fn a_certificate_of_the_page_that_was_renewed_is_shown_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    probes(folder);
    certificates(folder);
    std::fs::write(folder.join("web.yml"), TLS).unwrap();
    let (watch, address) = start(folder, &["--web-config", "web.yml"]);
    assert_eq!(code(asked(&address, Some(trusting(folder, None)), "GET /metrics", &[])), Some(200));
    let before = trusting(folder, None);
    // Half of a renewal: the page goes on with what it has.
    let fresh = tempfile::tempdir().unwrap();
    certificates(fresh.path());
    let renew = |name: &str| std::fs::copy(fresh.path().join(name), folder.join(name)).map(drop).unwrap();
    renew("server.pem");
    until("it has noticed", || {
        assert_eq!(code(asked(&address, Some(Arc::clone(&before)), "GET /metrics", &[])), Some(200));
        watch.log().contains("those of before are used").then_some(())
    });
    renew("server.key");
    until("the new one is shown", || code(asked(&address, Some(trusting(fresh.path(), None)), "GET /metrics", &[])));
    watch.says("the certificates of the page have changed, and were read again");
    assert_eq!(asked(&address, Some(before), "GET /metrics", &[]), None, "the old one is shown to nobody");
}

#[test]
fn a_certificate_that_signed_itself_is_trusted_by_its_own_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    probes(folder);
    // What `openssl req -x509` makes: a certificate of a server that is marked as an authority, too.
    let mut own = rcgen::CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    own.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    std::fs::write(folder.join("server.pem"), own.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
    std::fs::write(folder.join("web.yml"), TLS).unwrap();
    let (_watch, address) = start(folder, &["--web-config", "web.yml"]);
    let status = |scheme: &str, more: &[&str]| {
        let url = format!("{scheme}://127.0.0.1:{}", address.rsplit(':').next().unwrap());
        let command = [&["status", "--url", &url], more].concat();
        let told = Command::new(BINARY).args(command).current_dir(folder).env("HOME", folder).output().unwrap();
        (told.status.code(), String::from_utf8_lossy(&told.stderr).into_owned())
    };
    let (code, said) = status("https", &["--cacert", "server.pem"]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = status("https", &[]);
    assert!(code == Some(4) && said.contains("self-signed") && !said.contains("no daemon"), "{said}");
    let (code, said) = status("http", &[]);
    assert!(code == Some(4) && said.contains("https") && !said.contains("no daemon"), "{said}");
    let (code, said) = status("https", &["--cacert", "web.yml"]);
    assert!(code == Some(2) && said.contains("no PEM CA certificate"), "{said}");
}

#[test]
fn the_page_asks_for_certificates_of_clients() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    probes(folder);
    certificates(folder);
    let ask = |kind: &str| format!("{TLS}  client_ca_file: ca.pem\n  client_auth_type: {kind}\n");
    std::fs::write(folder.join("web.yml"), ask("RequireAndVerifyClientCert")).unwrap();
    // It would be reachable by others: whoever shows a certificate is known, and may have things done.
    let (watch, address) = start(folder, &["--web-config", "web.yml", "--listen", "0.0.0.0:0"]);
    for line in ["GET /metrics", "GET /probe?target=demo&module=list", "POST /-/reload"] {
        let shows = |name| code(asked(&address, Some(trusting(folder, Some(name))), line, &[]));
        assert_eq!(shows("client"), Some(200), "{line}");
        assert_eq!(shows("stranger"), None, "{line}");
        assert_eq!(asked(&address, Some(trusting(folder, None)), line, &[]), None, "{line}");
    }
    drop(watch);
    // Where a certificate may be left out, nobody is known by it.
    std::fs::write(folder.join("web.yml"), ask("VerifyClientCertIfGiven")).unwrap();
    let (_watch, address) = start(folder, &["--web-config", "web.yml", "--listen", "0.0.0.0:0"]);
    let without = |line| code(asked(&address, Some(trusting(folder, None)), line, &[]));
    assert_eq!((without("GET /metrics"), without("POST /-/reload")), (Some(200), Some(403)));
}

#[test]
fn on_an_address_for_everybody_only_those_who_are_known_may_have_things_done() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    probes(folder);
    let (watch, address) = start(folder, &["--listen", "0.0.0.0:0"]);
    let run = |line: &str, headers: &[(&str, &str)]| asked(&address, None, line, headers).unwrap();
    for line in ["GET /probe?target=demo&module=list", "POST /-/reload", "PUT /-/reload"] {
        let (code, said) = run(line, &[]);
        assert!(code == 403 && said.contains("--web-config"), "{line}: {code} {said}");
    }
    assert_eq!((run("GET /metrics", &[]).0, run("GET /", &[]).0), (200, 200));
    drop(watch);
    let hash = bcrypt::hash("wonder", 4).unwrap();
    std::fs::write(folder.join("web.yml"), format!("basic_auth_users:\n  alice: {hash}\n")).unwrap();
    let (_watch, address) = start(folder, &["--listen", "0.0.0.0:0", "--web-config", "web.yml"]);
    let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("alice:wonder"));
    for line in ["GET /probe?target=demo&module=list", "POST /-/reload"] {
        assert_eq!(code(asked(&address, None, line, &[])), Some(401), "{line}");
        assert_eq!(code(asked(&address, None, line, &[("Authorization", &basic)])), Some(200), "{line}");
    }
}

/// Connections of clients that never get to an end.
fn slow(address: &str, count: usize, begin: &str) -> Vec<TcpStream> {
    let connect = |_| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(begin.replace("HOST", address).as_bytes()).unwrap();
        stream
    };
    (0..count).map(connect).collect()
}

#[test]
fn clients_that_are_slow_on_purpose_keep_nobody_out_and_delay_no_probe() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    probes(folder);
    let (watch, address) = start(folder, &[]);
    let open = || watch.get("/metrics").1.contains("mcp_probe_open_connections{target=\"demo\"} 1\n");
    until("the child that is held between runs is counted", || open().then_some(()));
    let runs = || {
        let metrics = asked(&address, None, "GET /metrics", &[]).expect("the page answers").1;
        let healthy = "mcp_probe_runs_total{probe=\"list\",target=\"demo\",status=\"healthy\",reason=\"\"} ";
        let value = metrics.lines().find_map(|line| line.strip_prefix(healthy)).unwrap_or_default();
        value.parse::<u64>().unwrap_or_default()
    };
    // More than the listener has places for: heads that never end, bodies that never come, answers that nobody reads.
    let heads = slow(&address, 150, "GET / HTTP/1.1\r\nHost: HOST\r\nX-Slow: ");
    let body = "POST /-/reload HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1000000\r\n\r\n{";
    let bodies = slow(&address, 40, body);
    let page = "GET / HTTP/1.1\r\nHost: HOST\r\n\r\n".repeat(200);
    let deaf = slow(&address, 40, &page);
    let before = runs();
    until("it goes on probing and answering meanwhile", || {
        for mut stream in heads.iter().chain(&bodies) {
            // Those that had to make room are gone.
            let _ = stream.write_all(b"x");
        }
        let status = watch.status();
        assert!(!status.is_null(), "the page answers");
        (runs() >= before + 10).then_some(())
    });
    let status = watch.status();
    assert!(status["probes"][0]["missed"].as_object().is_none_or(serde_json::Map::is_empty), "{status}");
    assert_eq!(status["summary"]["healthy"], 1, "{status}");
    drop((heads, bodies, deaf));
    assert_eq!(watch.get("/-/healthy").0, 200);
}

#[test]
fn strangers_who_leave_take_no_threads_from_the_probes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    probes(folder);
    // Whoever is not known is compared with a password at the cost of 10.
    let hash = bcrypt::hash("wonder", 4).unwrap();
    std::fs::write(folder.join("web.yml"), format!("basic_auth_users:\n  alice: {hash}\n")).unwrap();
    let basic = |text: &str| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text));
    let (watch, address) = start(folder, &["--web-config", "web.yml"]);
    let threads = || {
        let status = |pid: &i32| {
            let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let count = status.lines().find_map(|line| line.strip_prefix("Threads:")).map(str::trim);
            line.contains("\0watch\0").then(|| count.unwrap_or_default().parse::<usize>().unwrap_or(0))
        };
        watch.processes().iter().find_map(status).expect("it runs")
    };
    let mut most = 0;
    for number in 0..300 {
        let stranger = basic(&format!("mallory:{number}"));
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nAuthorization: {stranger}\r\n\r\n");
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        // So long that it is taken up.
        std::thread::sleep(Duration::from_millis(3));
        drop(stream);
        most = most.max(threads());
    }
    assert!((2..40).contains(&most), "{most} threads");
    let known = basic("alice:wonder");
    assert_eq!(code(asked(&address, None, "GET /-/alive", &[("Authorization", &known)])), Some(200));
}

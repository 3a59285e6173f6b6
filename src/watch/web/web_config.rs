//! `--web-config FILE`: certificates and passwords of the page, in the format of Prometheus' exporter-toolkit, so that a
//! file that serves other exporters serves here. Beside it `bearer_tokens`: the SHA-256 of tokens, each with a name.
//! What the format has and we do not do is refused by name: half a protection is none.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::renewal::Tls;

/// Passwords that were found right are remembered by digest: bcrypt is slow on purpose, scrapes are many.
const REMEMBERED_MAX: usize = 100;

/// What is compared with where the user does not exist, so that the time does not tell which users do. Cost 10.
const NOBODY: &str = "$2b$10$abcdefghijklmnopqrstuuYNmuWxjhEjsRVfVlbFrWvQ6V7Y0q5Ve";

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    tls_server_config: Option<TlsSection>,
    #[serde(default)]
    http_server_config: Option<HttpSection>,
    #[serde(default)]
    basic_auth_users: BTreeMap<String, String>,
    #[serde(default)]
    bearer_tokens: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsSection {
    cert_file: PathBuf,
    key_file: PathBuf,
    #[serde(default)]
    client_ca_file: Option<PathBuf>,
    #[serde(default)]
    client_auth_type: Option<String>,
    #[serde(default)]
    min_version: Option<String>,
    #[serde(default)]
    max_version: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpSection {
    /// Only HTTP/1.1 is spoken here; a client that could do more does not mind.
    #[serde(default)]
    #[allow(dead_code, reason = "read so that a file that says it is accepted")]
    http2: Option<bool>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// Certificates and passwords, ready for use.
#[derive(Default)]
pub struct Protection {
    /// How TLS is spoken; none where it is not.
    pub tls: Option<Arc<Tls>>,
    /// Headers that the file adds to every answer.
    pub headers: Vec<(http::HeaderName, http::HeaderValue)>,
    /// Whether every client proves itself with a certificate.
    certificates: bool,
    users: BTreeMap<String, String>,
    tokens: HashSet<[u8; 32]>,
    remembered: Mutex<HashSet<[u8; 32]>>,
}

/// What a request may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is from somebody we know, or nobody needs to be known.
    Welcome,
    /// It says nothing, or the wrong thing.
    Stranger,
}

impl Protection {
    /// Reads the file.
    ///
    /// # Errors
    /// A sentence about what cannot be used.
    pub fn load(path: &Path) -> Result<Self, String> {
        let at = |why: String| format!("{}: {why}", path.display());
        let text = fs::read_to_string(path).map_err(|error| at(format!("cannot be read: {error}")))?;
        let file: File = serde_saphyr::from_str(&text).map_err(|error| at(error.to_string()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut protection = Self { users: file.basic_auth_users, ..Self::default() };
        if let Some(section) = file.tls_server_config {
            let (_, certificates) = section.build(folder).map_err(at)?;
            protection.certificates = certificates;
            let files = [&section.cert_file, &section.key_file].into_iter().chain(&section.client_ca_file);
            let (files, folder) = (files.map(|file| folder.join(file)).collect(), folder.to_owned());
            let read = move || section.build(&folder).map(|(config, _)| config);
            protection.tls = Some(Arc::new(Tls::new(files, Box::new(read)).map_err(at)?));
        }
        for (user, hash) in &protection.users {
            if hash.parse::<bcrypt::HashParts>().is_err() {
                let what = "is no bcrypt hash: make one with `htpasswd -nBC 10 NAME`";
                return Err(at(format!("basic_auth_users: what stands under `{user}` {what}")));
            }
        }
        for (name, digest) in &file.bearer_tokens {
            let digest = digest.strip_prefix("sha256:").unwrap_or(digest);
            let Some(digest) = unhex(digest) else {
                let what = "is no SHA-256 in 64 hexadecimal digits: make one with `printf %s TOKEN | sha256sum`";
                return Err(at(format!("bearer_tokens: what stands under `{name}` {what}")));
            };
            protection.tokens.insert(digest);
        }
        for (name, value) in file.http_server_config.unwrap_or_default().headers {
            let header = http::HeaderName::try_from(&name).ok().zip(http::HeaderValue::try_from(&value).ok());
            let header = header.ok_or_else(|| at(format!("http_server_config: `{name}` is no header")))?;
            protection.headers.push(header);
        }
        Ok(protection)
    }

    /// Whether strangers are kept out.
    #[must_use]
    pub fn knows_its_users(&self) -> bool {
        self.certificates || !self.users.is_empty() || !self.tokens.is_empty()
    }

    /// What to answer a stranger with.
    #[must_use]
    pub fn challenge(&self) -> &'static str {
        if self.users.is_empty() { "Bearer" } else { "Basic realm=\"mcp-probe\"" }
    }

    /// Judges what the header `Authorization` says, where that takes no time: none where a password must be compared.
    #[must_use]
    pub fn judge_at_sight(&self, authorization: Option<&str>) -> Option<Verdict> {
        if self.users.is_empty() && self.tokens.is_empty() {
            return Some(Verdict::Welcome);
        }
        let Some((scheme, said)) = authorization.and_then(|value| value.trim().split_once(' ')) else {
            return Some(Verdict::Stranger);
        };
        let is_right = match scheme.to_ascii_lowercase().as_str() {
            "bearer" => self.tokens.contains(&digest(said.trim())),
            "basic" if self.users.is_empty() => false,
            "basic" if self.is_remembered(&digest(said.trim())) => true,
            "basic" => return None,
            _ => false,
        };
        Some(if is_right { Verdict::Welcome } else { Verdict::Stranger })
    }

    /// The same for everything. It takes its time where a password must be compared: call it where it keeps no probe
    /// waiting, and not twice at once, so that guessing does not get much of the machine.
    #[must_use]
    pub fn judge(&self, authorization: Option<&str>) -> Verdict {
        self.judge_at_sight(authorization).unwrap_or_else(|| {
            let said = authorization.and_then(|value| value.trim().split_once(' ')).map_or("", |(_, said)| said.trim());
            if self.is_password(said) { Verdict::Welcome } else { Verdict::Stranger }
        })
    }

    fn is_remembered(&self, digest: &[u8; 32]) -> bool {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).contains(digest)
    }

    fn is_password(&self, said: &str) -> bool {
        let Ok(decoded) = base64::engine::general_purpose::STANDARD.decode(said) else { return false };
        let Ok(decoded) = String::from_utf8(decoded) else { return false };
        let Some((user, password)) = decoded.split_once(':') else { return false };
        let hash = self.users.get(user);
        let is_same = bcrypt::verify(password, hash.map_or(NOBODY, String::as_str)).unwrap_or(false);
        let is_right = is_same && hash.is_some();
        if is_right {
            let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
            if remembered.len() >= REMEMBERED_MAX {
                remembered.clear();
            }
            remembered.insert(digest(said));
        }
        is_right
    }
}

impl TlsSection {
    fn build(&self, folder: &Path) -> Result<(ServerConfig, bool), String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let certificates = certificates(&folder.join(&self.cert_file))?;
        let key_file = folder.join(&self.key_file);
        let key = PrivateKeyDer::from_pem_file(&key_file)
            .map_err(|error| format!("{}: no private key can be read: {error}", key_file.display()))?;
        let versions = self.versions()?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions)
            .map_err(|error| format!("tls_server_config: {error}"))?;
        let (builder, proves) = match (&self.client_ca_file, self.client_auth_type.as_deref().unwrap_or("")) {
            (None, "" | "NoClientCert") => (builder.with_no_client_auth(), false),
            (Some(_), "NoClientCert") => {
                return Err("tls_server_config: `client_ca_file` is of no use with `NoClientCert`".to_owned());
            }
            (Some(file), kind @ ("" | "RequireAndVerifyClientCert" | "VerifyClientCertIfGiven")) => {
                let mut roots = RootCertStore::empty();
                for certificate in self::certificates(&folder.join(file))? {
                    roots.add(certificate).map_err(|error| format!("{}: {error}", file.display()))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let optional = kind == "VerifyClientCertIfGiven";
                let verifier = if optional { verifier.allow_unauthenticated() } else { verifier };
                let verifier = verifier.build().map_err(|error| format!("{}: {error}", file.display()))?;
                (builder.with_client_cert_verifier(verifier), !optional)
            }
            (None, "RequireAndVerifyClientCert" | "VerifyClientCertIfGiven") => {
                return Err("tls_server_config: `client_auth_type` needs `client_ca_file`".to_owned());
            }
            (_, other) => {
                return Err(format!(
                    "tls_server_config: `client_auth_type` is `{other}`; expected NoClientCert, VerifyClientCertIfGiven \
                     or RequireAndVerifyClientCert"
                ));
            }
        };
        let mut config = builder
            .with_single_cert(certificates, key)
            .map_err(|error| format!("{}: certificate and key do not go together: {error}", key_file.display()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok((config, proves))
    }

    fn versions(&self) -> Result<Vec<&'static rustls::SupportedProtocolVersion>, String> {
        let rank = |key: &str, word: Option<&str>, otherwise: u8| match word {
            None => Ok(otherwise),
            Some("TLS12") => Ok(2),
            Some("TLS13") => Ok(3),
            Some(other) => Err(format!("tls_server_config: `{key}` is `{other}`; expected TLS12 or TLS13")),
        };
        let least = rank("min_version", self.min_version.as_deref(), 2)?;
        let most = rank("max_version", self.max_version.as_deref(), 3)?;
        let mut versions = Vec::new();
        if least <= 2 {
            versions.push(&rustls::version::TLS12);
        }
        if most >= 3 {
            versions.push(&rustls::version::TLS13);
        }
        if most < least {
            return Err("tls_server_config: `max_version` is below `min_version`".to_owned());
        }
        Ok(versions)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable =
        |error: rustls::pki_types::pem::Error| format!("{}: no certificate can be read: {error}", path.display());
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(unreadable)?.collect();
    let found = found.map_err(unreadable)?;
    if found.is_empty() {
        return Err(format!("{}: there is no certificate in it", path.display()));
    }
    Ok(found)
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Protection, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yml");
        fs::write(&path, text).unwrap();
        Protection::load(&path)
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
    }

    /// Cost 4, so that tests are quick.
    fn hash(password: &str) -> String {
        bcrypt::hash(password, 4).unwrap()
    }

    #[test]
    fn users_are_known_by_password_and_programs_by_token() {
        let token = "5f2d".to_owned() + &"0".repeat(60);
        let text = format!(
            "basic_auth_users:\n  alice: {}\n  bob: '{}'\nbearer_tokens:\n  scraper: sha256:{}\n  other: {token}\n",
            hash("wonder"),
            hash("build"),
            "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b",
        );
        let protection = load(&text).unwrap_or_else(|why| panic!("{why}"));
        assert!(protection.knows_its_users());
        let judge = |said: &str| protection.judge(Some(said)) == Verdict::Welcome;
        for _ in 0..2 {
            assert!(judge(&basic("alice:wonder")) && judge(&basic("bob:build")) && judge("bearer secret"));
            for stranger in [
                basic("alice:build"),
                basic("carol:wonder"),
                basic("alice"),
                basic(":"),
                "Basic !".into(),
                "Bearer Secret".into(),
                "Bearer".into(),
                "Digest x".into(),
            ] {
                assert!(!judge(&stranger), "{stranger}");
            }
        }
        assert_eq!(protection.judge(None), Verdict::Stranger);
        assert_eq!(protection.challenge(), "Basic realm=\"mcp-probe\"");
        assert_eq!(load("{}").unwrap_or_default().judge(None), Verdict::Welcome);
    }

    #[test]
    fn nobody_is_a_hash_like_any_other() {
        assert!(NOBODY.parse::<bcrypt::HashParts>().is_ok_and(|parts| parts.get_cost() == 10));
        assert_eq!(bcrypt::verify("", NOBODY).ok(), Some(false));
    }

    #[test]
    fn what_would_protect_less_than_it_says_is_refused_by_name() {
        for (text, said) in [
            ("basic_auth_users: {a: plain}", "`a` is no bcrypt hash"),
            ("bearer_tokens: {a: plain}", "`a` is no SHA-256"),
            ("basic_auth: {}", "basic_auth"),
            ("tls_server_config: {cert_file: nowhere.pem, key_file: nowhere.key}", "nowhere.pem"),
            ("tls_server_config: {cert_file: a, key_file: b, cipher_suites: [X]}", "cipher_suites"),
            ("http_server_config: {headers: {'a b': c}}", "`a b` is no header"),
            ("a: [", "web.yml"),
        ] {
            let why = load(text).err().unwrap_or_else(|| panic!("{text} is taken"));
            assert!(why.contains(said) && why.contains("web.yml"), "{text}: {why}");
        }
        assert!(Protection::load(Path::new("/nonexistent/web.yml")).is_err_and(|why| why.contains("cannot be read")));
    }

    #[test]
    fn certificates_and_keys_must_go_together() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
        for name in ["one", "two", "three"] {
            let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
            write(&format!("{name}.pem"), made.cert.pem());
            write(&format!("{name}.key"), made.signing_key.serialize_pem());
        }
        let with = |section: &str| {
            let path = folder.path().join("web.yml");
            fs::write(&path, format!("tls_server_config:\n{section}")).unwrap();
            Protection::load(&path)
        };
        let pair = "  cert_file: one.pem\n  key_file: one.key\n";
        assert!(with(pair).is_ok_and(|made| made.tls.is_some() && !made.knows_its_users()));
        let asks = with(&format!("{pair}  client_ca_file: two.pem\n"));
        assert!(asks.is_ok_and(|made| made.knows_its_users()));
        let tls = with(pair).unwrap_or_default().tls.unwrap();
        let (before, read) = tls.look();
        assert!(read.is_none() && Arc::ptr_eq(&before, &tls.look().0));
        let copy = |from: &str, to: &str| fs::copy(folder.path().join(from), folder.path().join(to)).map(drop).unwrap();
        copy("two.pem", "one.pem");
        let (now, read) = tls.look();
        assert!(Arc::ptr_eq(&before, &now) && read.is_some_and(|read| read.is_err()), "the key is still the old one");
        assert!(tls.look().1.is_none(), "it is said once");
        copy("two.key", "one.key");
        let (now, read) = tls.look();
        assert!(!Arc::ptr_eq(&before, &now) && read == Some(Ok(())));
        for (section, said) in [
            ("  cert_file: one.pem\n  key_file: three.key\n".to_owned(), "do not go together"),
            ("  cert_file: one.key\n  key_file: one.key\n".to_owned(), "no certificate"),
            (format!("{pair}  client_auth_type: RequireAndVerifyClientCert\n"), "needs `client_ca_file`"),
            (format!("{pair}  client_auth_type: RequireAnyClientCert\n"), "RequireAnyClientCert"),
            (format!("{pair}  min_version: TLS10\n"), "TLS10"),
            (format!("{pair}  min_version: TLS13\n  max_version: TLS12\n"), "below"),
        ] {
            assert!(with(&section).is_err_and(|why| why.contains(said)), "{section}");
        }
    }
}

//! Asks a running `mcp-probe watch` how its fleet is: one request for one document.

use std::time::Duration;

use clap::Args;
use serde::Deserialize as _;
use serde_json::Value;

use super::complaint::Complaint;
use super::exit::Code;
use super::watch::LISTEN;
use crate::base::sanitize;
use crate::transport::http::{BorrowedTls, Pem, TlsSettings};
use crate::watch::status::{Document, SCHEMA};

/// How long the daemon may take to answer.
const WITHIN: Duration = Duration::from_secs(10);
/// Bytes of a document: that of some ten thousand probes.
const BYTES_MAX: usize = 256 * 1024 * 1024;

/// Where the daemon is, and how it is asked.
#[derive(Clone, Debug, Default, Args)]
pub struct DaemonOptions {
    /// Where the daemon's page is
    #[arg(long, value_name = "URL", help = "Where the daemon's page is [default: http://127.0.0.1:9490]")]
    pub url: Option<String>,
    /// A header to send, such as `Authorization: Bearer …`; may be repeated
    #[arg(short = 'H', long, value_name = "NAME: VALUE")]
    pub header: Vec<String>,
    /// Certificates (PEM) that the daemon's own was signed by
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<std::path::PathBuf>,
}

/// A daemon that can be asked again and again.
pub struct Daemon {
    client: reqwest::Client,
    tls: BorrowedTls,
    url: url::Url,
    shown: String,
    headers: http::HeaderMap,
}

impl Daemon {
    /// Reads the options; connects nowhere.
    ///
    /// # Errors
    /// When an option means nothing.
    pub fn new(options: &DaemonOptions) -> Result<Self, Complaint> {
        let said = options.url.clone().unwrap_or_else(|| format!("http://{LISTEN}"));
        let with_scheme = if said.contains("://") { said } else { format!("http://{said}") };
        let mut url = url::Url::parse(&with_scheme)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| {
                Complaint::usage("`--url` is no http or https URL").hint("write it as http://127.0.0.1:9490")
            })?;
        if !url.path().ends_with("/api/v1/status") {
            url.set_path("/api/v1/status");
        }
        let mut headers = http::HeaderMap::new();
        for header in &options.header {
            let read = header.split_once(':').and_then(|(name, value)| {
                Some((http::HeaderName::try_from(name.trim()).ok()?, http::HeaderValue::try_from(value.trim()).ok()?))
            });
            let (name, mut value) = read.ok_or_else(|| Complaint::usage("`--header` wants 'Name: value'"))?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        let tls = TlsSettings {
            ca: options.cacert.clone().map(Pem::File),
            // Where no TLS is spoken, the system's roots need not be read.
            insecure: url.scheme() == "http",
            ..TlsSettings::default()
        };
        let tls = tls.borrowed().map_err(|why| Complaint::usage(why.to_string()))?;
        let client = client(&tls)?;
        let shown = url.origin().ascii_serialization();
        Ok(Self { client, tls, url, shown, headers })
    }

    /// Where it is, as a person may see it.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.shown
    }

    /// The document as it came, and as it was understood.
    ///
    /// # Errors
    /// When no daemon answers (4), or refuses (3), or says what nobody understands (1).
    pub async fn status(&self) -> Result<(Value, Document), Complaint> {
        let request = self.client.get(self.url.clone()).headers(self.headers.clone()).timeout(WITHIN);
        let mut response = request.send().await.map_err(|error| self.unreachable(&error.without_url()))?;
        match response.status().as_u16() {
            200 => {}
            code @ (401 | 403) => {
                let why = format!("the daemon at {} answered with HTTP {code}", self.shown);
                return Err(Complaint::new(Code::Auth, why)
                    .hint("name it as it is called there (`watch --allow-host`), and send credentials with --header"));
            }
            code => {
                let why = format!("expected the status of a daemon at {}, got HTTP {code}", self.shown);
                return Err(Complaint::new(Code::Unreachable, why).hint("is that `mcp-probe watch`?"));
            }
        }
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|error| self.unreachable(&error.without_url()))? {
            if body.len() + part.len() > BYTES_MAX {
                return Err(self.strange("a document without end"));
            }
            body.extend_from_slice(&part);
        }
        let value: Value = serde_json::from_slice(&body).map_err(|_| self.strange("no JSON"))?;
        if value.get("schema").and_then(Value::as_str) != Some(SCHEMA) {
            return Err(self.strange("another document"));
        }
        let document = Document::deserialize(&value).map_err(|_| self.strange("another document"))?;
        Ok((value, document))
    }

    fn strange(&self, what: &str) -> Complaint {
        let why = format!("expected `{SCHEMA}` from the daemon at {}, got {what}", self.shown);
        Complaint::new(Code::Unreachable, why).hint("is that `mcp-probe watch` of this version?")
    }

    fn unreachable(&self, error: &reqwest::Error) -> Complaint {
        let chain = || std::iter::successors(std::error::Error::source(error), |error| error.source());
        let host = self.url.host_str().unwrap_or_default();
        if let Some(why) = chain().find_map(|error| self.tls.refused(host, error.downcast_ref()?)) {
            let complaint =
                Complaint::new(Code::Unreachable, format!("{}: {}", self.shown, sanitize::one_line(&why, 400)));
            return complaint.hint("--cacert FILE names the certificates to trust");
        }
        if chain().filter_map(|error| error.downcast_ref::<hyper::Error>()).any(hyper::Error::is_parse) {
            return Complaint::new(Code::Unreachable, format!("what answers at {} does not speak HTTP", self.shown))
                .hint("where the page is served with TLS, write https://");
        }
        let why = chain()
            .fold(format!("no daemon answers at {}: {error}", self.shown), |why, error| format!("{why}: {error}"));
        Complaint::new(Code::Unreachable, sanitize::one_line(&why, 400))
            .hint("`mcp-probe watch` is the daemon; --url says where its page is")
    }
}

fn client(tls: &BorrowedTls) -> Result<reqwest::Client, Complaint> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls.config.clone())
        .retry(reqwest::retry::never())
        .redirect(reqwest::redirect::Policy::none())
        // The daemon is a neighbour: what stands between it and others is no way to it.
        .no_proxy()
        .user_agent(concat!("mcp-probe/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| Complaint::usage(format!("TLS cannot be set up: {error}")))
}

//! Targets: what is probed and how it is reached.

use crate::base::name::Name;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Replica, Resolve, STARTUP_TIMEOUT, TargetDraft};
use crate::base::secret::Secret;
use crate::config::Text;
use crate::lock::Locked;
use crate::protocol::Pin;

/// The command word that means this very executable.
pub const SELF: &str = "mcp-probe";

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `http://`, `https://` or `unix:`, as written.
    Url(String),
    /// A program and its arguments; the word `mcp-probe` means this executable.
    Command(Vec<String>),
}

/// Which HTTP transport to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransportChoice {
    /// Streamable HTTP, and HTTP+SSE where the server speaks only that.
    #[default]
    Auto,
    /// Streamable HTTP.
    StreamableHttp,
    /// HTTP+SSE of 2024-11-05.
    Sse,
}

impl TransportChoice {
    /// The words in files and on the command line.
    pub const WORDS: &[(&str, Self)] =
        &[("auto", Self::Auto), ("streamable-http", Self::StreamableHttp), ("sse", Self::Sse)];
}

/// What of the environment a child gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inherit {
    /// All of it.
    All,
    /// PATH, HOME, USER, LOGNAME, SHELL, TERM, LANG, TMPDIR, and these.
    Minimal(Vec<String>),
    /// What another program would hand on.
    Exactly {
        /// The names of the variables.
        names: Vec<String>,
        /// The PATH, where that program has another one than we have.
        path: Option<String>,
        /// Where a child runs whose entry does not say it; here, where there is none.
        folder: Option<PathBuf>,
    },
}

/// Files and choices of TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// Our certificate.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// The name to ask for and to verify.
    pub server_name: Option<String>,
    /// Verify nothing.
    pub insecure: bool,
}

/// Where a target was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `file:line:column`, or "command line".
    pub text: String,
    /// The file.
    pub file: Option<PathBuf>,
    /// Whose file it is, when it is that of another MCP client: its id, such as `cursor`.
    pub client: Option<&'static str>,
    /// Whether it was found rather than given; what acts on this machine then needs consent.
    pub found: bool,
}

/// A server to probe, every variable resolved.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name, unique in the plan.
    pub name: Name,
    /// Where it is.
    pub endpoint: Endpoint,
    /// A program to start for the run, whose first line on stdout is `listening on URL`. Where the endpoint's port
    /// is 0, that URL is probed in its place.
    pub start: Option<Vec<String>>,
    /// Where the addresses of its name come from.
    pub resolve: Resolve,
    /// Of which target and at which address it is a replica, where it is one.
    pub replica: Option<Replica>,
    /// Which protocol to speak.
    pub protocol: Pin,
    /// Which HTTP transport to use.
    pub transport: TransportChoice,
    /// Headers of every HTTP request.
    pub headers: Vec<(String, Secret)>,
    /// The token of `Authorization: Bearer`.
    pub bearer: Option<Secret>,
    /// TLS.
    pub tls: TlsFiles,
    /// Variables for the child.
    pub env: Vec<(String, Secret)>,
    /// The child's folder.
    pub cwd: Option<PathBuf>,
    /// What of the environment the child gets.
    pub inherit_env: Inherit,
    /// Variables that the child does not inherit, because the plan reads them as secrets.
    pub hidden_env: Vec<String>,
    /// For selecting and for metrics.
    pub labels: Arc<BTreeMap<String, String>>,
    /// Spawn or connect, detection and handshake.
    pub startup_timeout: Duration,
    /// Whether it is told which trace a request is part of; none where nothing is said.
    pub traceparent: Option<bool>,
    /// What `watch` runs to restart it, unresolved.
    pub restart: Option<Vec<Text>>,
    /// What the hub calls it.
    pub server_id: Option<String>,
    /// Where it was found.
    pub origin: Origin,
    /// Whether a variable or file of this machine goes into its URL, its headers or its TLS handshake.
    pub sends_machine: bool,
    /// The entry as it was written, for people and for the record of a consent; none on the command line.
    pub entry: Option<Arc<TargetDraft>>,
    /// What its definitions are compared with, where they are.
    pub locked: Option<Arc<Locked>>,
}

impl Target {
    /// A target of the command line, with every default.
    #[must_use]
    pub fn ad_hoc(name: impl Into<String>, endpoint: Endpoint) -> Self {
        Self {
            name: name.into().into(),
            endpoint,
            start: None,
            resolve: Resolve::One,
            replica: None,
            protocol: Pin::Auto,
            transport: TransportChoice::Auto,
            headers: Vec::new(),
            bearer: None,
            tls: TlsFiles::default(),
            env: Vec::new(),
            cwd: None,
            inherit_env: Inherit::All,
            hidden_env: Vec::new(),
            labels: BTreeMap::new().into(),
            startup_timeout: STARTUP_TIMEOUT,
            traceparent: None,
            restart: None,
            server_id: None,
            origin: Origin { text: "command line".to_owned(), file: None, client: None, found: false },
            sends_machine: false,
            entry: None,
            locked: None,
        }
    }

    /// Whether the user must agree before anything is started or sent: it was found, and it starts a program
    /// (other than our own demo server) or sends something of this machine.
    #[must_use]
    pub fn needs_consent(&self) -> bool {
        let harmless = |argv: &[String]| {
            let words: Vec<&str> = argv.iter().map(String::as_str).collect();
            is_demo(&words, self.env.is_empty())
        };
        let starts = match &self.endpoint {
            Endpoint::Command(argv) => !harmless(argv),
            Endpoint::Url(_) => self.start.as_deref().is_some_and(|argv| !harmless(argv)),
        };
        let acts = self.entry.as_ref().is_some_and(|entry| entry.acts());
        self.origin.found && (starts || acts || self.sends_machine)
    }
}

/// Whether a command is our own demo server, which harms nobody over stdio or on the loopback interface: elsewhere it would
/// open this machine to others, or take the place of a socket. A variable such as `LD_PRELOAD` makes any program do
/// anything.
pub(super) fn is_demo(words: &[&str], env_is_empty: bool) -> bool {
    let [program, command, options @ ..] = words else { return false };
    let is_loopback = |address: &str| ["127.0.0.1:", "localhost:", "[::1]:"].iter().any(|own| address.starts_with(own));
    let reaches_out = |(at, option): (usize, &&str)| match option.split_once('=') {
        Some(("--http", address)) => !is_loopback(address),
        None if *option == "--http" => !options.get(at + 1).is_some_and(|address| is_loopback(address)),
        _ => option.starts_with("--tls"),
    };
    env_is_empty && *program == SELF && *command == "demo" && !options.iter().enumerate().any(reaches_out)
}

//! Targets: what is probed and how it is reached.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::STARTUP_TIMEOUT;
use crate::base::secret::Secret;
use crate::config::{Diag, Environment, Field, Key, Place, Reading, Resolved, Section, Text, suggest};
use crate::event::Era;
use crate::protocol::{REVISIONS, Revision};

/// The command word that means this very executable.
pub const SELF: &str = "mcp-probe";

/// What the URL of a target looks like.
const URL_EXPECTED: &str = "expected a URL such as \"https://host/mcp\" or \"unix:/path/to.sock\"";

/// Labels that metrics use themselves.
const LABELS_TAKEN: &[&str] = &["probe", "target", "le", "quantile", "phase", "instance", "job"];

/// Headers whose values are secrets even when they are written out.
const SECRET_HEADERS: &[&str] = &["authorization", "proxy-authorization", "cookie", "x-api-key", "api-key"];

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `http://`, `https://` or `unix:`, as written.
    Url(String),
    /// A program and its arguments; the word `mcp-probe` means this executable.
    Command(Vec<String>),
}

/// Which protocol to speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProtocolChoice {
    /// Whatever the server speaks.
    #[default]
    Auto,
    /// The newest modern revision.
    Modern,
    /// A legacy revision, negotiated by `initialize`.
    Legacy,
    /// This one.
    Version(&'static Revision),
}

impl ProtocolChoice {
    /// Reads `auto`, `modern`, `legacy` or the date of a revision.
    ///
    /// # Errors
    /// A sentence and, maybe, what to write instead.
    pub fn parse(word: &str) -> Result<Self, (String, Option<String>)> {
        match word {
            "auto" => Ok(Self::Auto),
            "modern" => Ok(Self::Modern),
            "legacy" => Ok(Self::Legacy),
            date => Revision::of(date).map(Self::Version).ok_or_else(|| {
                let dates = REVISIONS.iter().map(|revision| revision.version);
                let help = suggest::sentence(word, ["auto", "modern", "legacy"].into_iter().chain(dates));
                (format!("`{word}` is no protocol version"), help)
            }),
        }
    }

    /// The era, where it is settled.
    #[must_use]
    pub fn era(self) -> Option<Era> {
        match self {
            Self::Auto => None,
            Self::Modern => Some(Era::Modern),
            Self::Legacy => Some(Era::Legacy),
            Self::Version(revision) => Some(revision.era),
        }
    }
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
    /// Whether it was found rather than given; what acts on this machine then needs consent.
    pub found: bool,
}

/// A server to probe, every variable resolved.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name, unique in the plan.
    pub name: String,
    /// Where it is.
    pub endpoint: Endpoint,
    /// A program to start for the run, whose first line on stdout is `listening on URL`. Where the endpoint's port
    /// is 0, that URL is probed in its place.
    pub start: Option<Vec<String>>,
    /// Which protocol to speak.
    pub protocol: ProtocolChoice,
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
    pub labels: BTreeMap<String, String>,
    /// Spawn or connect, detection and handshake.
    pub startup_timeout: Duration,
    /// What `watch` runs to restart it, unresolved.
    pub restart: Option<Vec<Text>>,
    /// What the hub calls it.
    pub server_id: Option<String>,
    /// Where it was found.
    pub origin: Origin,
    /// Whether a variable or file of this machine goes into its URL or headers.
    pub sends_machine: bool,
    /// The whole entry as it was written, for people and for the record of a consent.
    pub written: String,
}

impl Target {
    /// A target of the command line, with every default.
    #[must_use]
    pub fn ad_hoc(name: impl Into<String>, endpoint: Endpoint) -> Self {
        Self {
            name: name.into(),
            endpoint,
            start: None,
            protocol: ProtocolChoice::Auto,
            transport: TransportChoice::Auto,
            headers: Vec::new(),
            bearer: None,
            tls: TlsFiles::default(),
            env: Vec::new(),
            cwd: None,
            inherit_env: Inherit::All,
            hidden_env: Vec::new(),
            labels: BTreeMap::new(),
            startup_timeout: STARTUP_TIMEOUT,
            restart: None,
            server_id: None,
            origin: Origin { text: "command line".to_owned(), found: false },
            sends_machine: false,
            written: String::new(),
        }
    }

    /// Whether the user must agree before anything is started or sent: it was found, and it starts a program
    /// (other than our own demo server) or sends something of this machine.
    #[must_use]
    pub fn needs_consent(&self) -> bool {
        let harmless = |argv: &[String]| matches!(argv, [program, command, ..] if program == SELF && command == "demo");
        let starts = match &self.endpoint {
            Endpoint::Command(argv) => !harmless(argv),
            Endpoint::Url(_) => self.start.as_deref().is_some_and(|argv| !harmless(argv)),
        };
        self.origin.found && (starts || self.sends_machine)
    }
}

/// A target as it was written, its variables unresolved.
#[derive(Clone, Debug)]
pub struct TargetDraft {
    /// Its name.
    pub name: String,
    /// Where its name stands.
    pub place: Place,
    /// For selecting and for metrics.
    pub labels: BTreeMap<String, String>,
    endpoint: Option<DraftEndpoint>,
    start: Option<Vec<Text>>,
    protocol: ProtocolChoice,
    transport: TransportChoice,
    headers: Vec<(Key, Text)>,
    bearer: Option<Text>,
    tls: [Option<Text>; 3],
    server_name: Option<Text>,
    insecure: bool,
    env: Vec<(Key, Text)>,
    cwd: Option<Text>,
    inherit_env: Inherit,
    startup_timeout: Duration,
    restart: Option<Vec<Text>>,
    server_id: Option<String>,
    written: String,
    unset: Vec<Diag>,
}

#[derive(Clone, Debug)]
enum DraftEndpoint {
    Url(Text),
    Command(Vec<Text>),
}

impl TargetDraft {
    /// Reads `[target.NAME]`.
    #[must_use]
    pub fn parse(key: &Key, field: Field<'_>, startup_timeout: Option<Duration>) -> Option<Self> {
        let reading = field.reading();
        check_name(key, "target", reading);
        let section = field.table(&format!("`[target.{}]`", key.name))?;
        let endpoint = endpoint(&section, key);
        let start = section.texts("start");
        let over_http = matches!(endpoint, Some(DraftEndpoint::Url(_)) | None);
        let tls = section.section("tls");
        let path = |key| tls.as_ref().and_then(|tls| tls.text(key));
        let draft = Self {
            name: key.name.clone(),
            place: key.place.clone(),
            labels: labels(&section),
            start,
            protocol: protocol(&section),
            transport: section.one_of("transport", TransportChoice::WORDS).unwrap_or_default(),
            headers: headers(&section),
            bearer: bearer(&section),
            tls: [path("ca"), path("cert"), path("key")],
            server_name: path("server_name"),
            insecure: tls.as_ref().and_then(|tls| tls.bool("insecure")).unwrap_or_default(),
            env: env(&section),
            cwd: section.text("cwd"),
            inherit_env: inherit(&section),
            startup_timeout: section.duration("startup_timeout").or(startup_timeout).unwrap_or(STARTUP_TIMEOUT),
            restart: section.texts("restart"),
            server_id: section.string("server_id"),
            written: written(&section),
            endpoint,
            unset: Vec::new(),
        };
        if let Some(tls) = tls {
            if tls.has("cert") != tls.has("key") {
                tls.wrong("", "`cert` and `key` belong together");
            }
            tls.finish();
        }
        misplaced(&section, over_http);
        section.finish();
        Some(Self { unset: reading.take_unset(), ..draft })
    }

    /// Variables whose values are secrets towards everybody else: those in the URL, the headers and `auth`.
    pub fn secret_variables(&self) -> impl Iterator<Item = &str> {
        let url = match &self.endpoint {
            Some(DraftEndpoint::Url(url)) => Some(url),
            _ => None,
        };
        url.into_iter().chain(&self.bearer).chain(self.headers.iter().map(|(_, text)| text)).flat_map(Text::variables)
    }

    /// Variables that it hands to its own child.
    pub fn env_variables(&self) -> impl Iterator<Item = &str> {
        self.env.iter().flat_map(|(_, text)| text.variables())
    }

    /// Resolves every variable. `secrets` collects the values to mask; `hidden` are the variables that no child of
    /// this target may inherit.
    ///
    /// # Errors
    /// A diagnostic for each variable or file that is missing.
    pub fn resolve(
        &self,
        environment: &dyn Environment,
        hidden: &BTreeSet<String>,
        found: bool,
        secrets: &mut Vec<String>,
    ) -> Result<Target, Vec<Diag>> {
        let mut resolver = Resolver { environment, target: &self.name, secrets, diags: self.unset.clone() };
        let endpoint = match &self.endpoint {
            Some(DraftEndpoint::Url(url)) => Some(Endpoint::Url(resolver.url(url))),
            Some(DraftEndpoint::Command(argv)) => Some(Endpoint::Command(resolver.command(argv, "command"))),
            None => None,
        };
        let start = self.start.as_ref().map(|argv| resolver.command(argv, "start"));
        let headers = self.headers.iter().map(|(key, text)| resolver.header(key, text)).collect();
        let bearer = self.bearer.as_ref().map(|text| resolver.token(text));
        let env = self.env.iter().map(|(key, text)| (key.name.clone(), resolver.secret(text, "env"))).collect();
        let tls = TlsFiles {
            ca: resolver.path(self.tls[0].as_ref(), "tls.ca"),
            cert: resolver.path(self.tls[1].as_ref(), "tls.cert"),
            key: resolver.path(self.tls[2].as_ref(), "tls.key"),
            server_name: self.server_name.as_ref().map(|text| resolver.plain(text, "tls.server_name")),
            insecure: self.insecure,
        };
        let cwd = resolver.path(self.cwd.as_ref(), "cwd");
        let diags = resolver.diags;
        let Some(endpoint) = endpoint.filter(|_| diags.is_empty()) else { return Err(diags) };
        let url = match &self.endpoint {
            Some(DraftEndpoint::Url(url)) => Some(url),
            _ => None,
        };
        let sent = url.into_iter().chain(&self.bearer).chain(self.headers.iter().map(|(_, text)| text));
        Ok(Target {
            name: self.name.clone(),
            endpoint,
            start,
            protocol: self.protocol,
            transport: self.transport,
            headers,
            bearer,
            tls,
            env,
            cwd,
            inherit_env: self.inherit_env.clone(),
            hidden_env: hidden.iter().cloned().collect(),
            labels: self.labels.clone(),
            startup_timeout: self.startup_timeout,
            restart: self.restart.clone(),
            server_id: self.server_id.clone(),
            origin: Origin { text: self.place.to_string(), found },
            sends_machine: sent.into_iter().any(Text::reads_machine),
            written: self.written.clone(),
        })
    }
}

/// Resolves the texts of one target.
struct Resolver<'a> {
    environment: &'a dyn Environment,
    target: &'a str,
    secrets: &'a mut Vec<String>,
    diags: Vec<Diag>,
}

impl Resolver<'_> {
    fn text(&mut self, text: &Text, key: &str) -> Resolved {
        text.resolve(&format!("target.{}.{key}", self.target), self.environment).unwrap_or_else(|diag| {
            self.diags.push(*diag);
            Resolved { value: String::new(), secret_parts: Vec::new() }
        })
    }

    fn plain(&mut self, text: &Text, key: &str) -> String {
        self.text(text, key).value
    }

    /// A value whose parts from outside are masked everywhere.
    fn secret(&mut self, text: &Text, key: &str) -> Secret {
        let resolved = self.text(text, key);
        self.secrets.extend(resolved.secret_parts);
        Secret::new(resolved.value)
    }

    /// A value that is masked as a whole, written out or not.
    fn token(&mut self, text: &Text) -> Secret {
        let secret = self.secret(text, "auth.bearer");
        self.secrets.push(secret.reveal().to_owned());
        if self.diags.is_empty() && (secret.reveal().is_empty() || !is_header_value(secret.reveal())) {
            self.diags
                .push(Diag::error(&text.place, "this token is empty or holds characters that no header may hold"));
        }
        secret
    }

    fn header(&mut self, key: &Key, text: &Text) -> (String, Secret) {
        let secret = self.secret(text, &format!("headers.{}", key.name));
        if SECRET_HEADERS.contains(&key.name.to_ascii_lowercase().as_str()) {
            self.secrets.push(secret.reveal().to_owned());
        }
        if !is_header_value(secret.reveal()) {
            let message = format!("the header `{}` holds characters that no header may hold", key.name);
            self.diags.push(Diag::error(&text.place, message));
        }
        (key.name.clone(), secret)
    }

    fn url(&mut self, text: &Text) -> String {
        let before = self.diags.len();
        let url = self.secret(text, "url").reveal().to_owned();
        if self.diags.len() == before && text.literal().is_none() && check_url(&url).is_err() {
            // The value may be a secret: it is not quoted.
            let message = format!("with its variables resolved, `target.{}.url` is no URL", self.target);
            self.diags.push(Diag::error(&text.place, message).help(URL_EXPECTED));
        }
        url
    }

    /// A program that is a path is relative to the file; a bare word is looked up by the transport.
    fn command(&mut self, argv: &[Text], key: &str) -> Vec<String> {
        let mut words: Vec<String> = argv.iter().map(|text| self.plain(text, key)).collect();
        if let (Some(program), Some(text)) = (words.first_mut(), argv.first())
            && program.contains(std::path::is_separator)
        {
            *program = text.place.source.path(program).to_string_lossy().into_owned();
        }
        words
    }

    fn path(&mut self, text: Option<&Text>, key: &str) -> Option<PathBuf> {
        let text = text?;
        let said = self.plain(text, key);
        Some(text.place.source.path(&said))
    }
}

fn is_header_value(value: &str) -> bool {
    http::HeaderValue::from_str(value).is_ok()
}

/// What is wrong with the URL of a target, if anything.
pub(crate) fn check_url(text: &str) -> Result<(), String> {
    if text.strip_prefix("unix:").is_some_and(|path| !path.trim_start_matches('/').is_empty()) {
        return Ok(());
    }
    if !text.contains("://") {
        return Err(format!("{URL_EXPECTED}, got {text:?}"));
    }
    let url = url::Url::parse(text).map_err(|error| format!("{URL_EXPECTED}: {error}"))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(()),
        scheme => Err(format!("{URL_EXPECTED}, got the scheme {scheme:?}")),
    }
}

/// Names are shown, selected by pattern and typed on command lines.
pub(crate) fn check_name(key: &Key, what: &str, reading: &Reading<'_>) {
    const CHARS_MAX: usize = 100;
    let name = &key.name;
    let bad = |c: char| c.is_control() || c == '*' || c == '?';
    if name.trim() != name || name.is_empty() || name.starts_with('-') || name.contains("://") || name.contains(bad) {
        reading.report(
            Diag::error(&key.place, format!("{name:?} cannot be the name of a {what}"))
                .help("a name has no `*`, `?` or `://`, and does not start with `-` or a space"),
        );
    } else if name.chars().count() > CHARS_MAX {
        reading.report(Diag::error(&key.place, format!("the name of a {what} has at most {CHARS_MAX} characters")));
    }
}

fn endpoint(section: &Section<'_>, key: &Key) -> Option<DraftEndpoint> {
    match (section.field("url"), section.field("command")) {
        (Some(url), None) => {
            let text = url.text()?;
            if let Some(Err(why)) = text.literal().map(check_url) {
                url.wrong(why);
            }
            Some(DraftEndpoint::Url(text))
        }
        (None, Some(command)) => {
            if let crate::config::Value::Text(line) = &command.node.value {
                let words: Vec<String> = line.written().split_whitespace().map(|word| format!("{word:?}")).collect();
                command
                    .wrong("`command` must be an array: the program and its arguments")
                    .help(format!("write `command = [{}]`; no shell reads it", words.join(", ")));
                return None;
            }
            let argv = command.texts()?;
            if argv.first().is_none_or(|program| program.literal() == Some("")) {
                command.wrong("`command` names no program");
            }
            Some(DraftEndpoint::Command(argv))
        }
        (Some(_), Some(_)) => {
            section
                .wrong("command", format!("target `{}` has both `url` and `command`", key.name))
                .help("a server is reached over HTTP or started; to start one and reach it over HTTP, use `start`");
            None
        }
        (None, None) => {
            section
                .wrong("", format!("target `{}` has neither `url` nor `command`", key.name))
                .help("write `url = \"https://host/mcp\"` or `command = [\"program\", \"argument\"]`");
            None
        }
    }
}

fn protocol(section: &Section<'_>) -> ProtocolChoice {
    let Some((field, word)) = section.field("protocol").and_then(|field| Some((field, field.string()?))) else {
        return ProtocolChoice::Auto;
    };
    ProtocolChoice::parse(&word).unwrap_or_else(|(why, help)| {
        field.wrong(why).maybe_help(help);
        ProtocolChoice::Auto
    })
}

fn headers(section: &Section<'_>) -> Vec<(Key, Text)> {
    let mut headers = Vec::new();
    for (key, value) in section.section("headers").iter().flat_map(Section::entries) {
        if http::HeaderName::from_bytes(key.name.as_bytes()).is_err() {
            section.reading().report(Diag::error(&key.place, format!("`{}` is no header name", key.name)));
            continue;
        }
        let Some(text) = value.text() else { continue };
        if SECRET_HEADERS.contains(&key.name.to_ascii_lowercase().as_str()) {
            warn_literal(&text, &key.name, section.reading());
        }
        headers.push((key.clone(), text));
    }
    headers
}

fn bearer(section: &Section<'_>) -> Option<Text> {
    let auth = section.section("auth")?;
    let bearer = auth.text("bearer");
    if !auth.has("bearer") && auth.entries().next().is_none() {
        auth.wrong("", "`auth` says nothing").help("write `auth = { bearer = \"${TOKEN}\" }`");
    }
    auth.finish();
    warn_literal(bearer.as_ref()?, "bearer", section.reading());
    bearer
}

fn warn_literal(text: &Text, key: &str, reading: &Reading<'_>) {
    if !text.reads_machine() {
        reading.report(
            Diag::warning(&text.place, format!("the secret `{key}` is written into the file"))
                .help("files are shared: write `${VAR}` or `${file:path}`"),
        );
    }
}

fn env(section: &Section<'_>) -> Vec<(Key, Text)> {
    let mut env = Vec::new();
    for (key, value) in section.section("env").iter().flat_map(Section::entries) {
        if key.name.is_empty() || key.name.contains(['=', '\0']) {
            section.reading().report(Diag::error(&key.place, format!("{:?} is no name of a variable", key.name)));
        }
        env.extend(value.text().map(|text| (key.clone(), text)));
    }
    env
}

fn inherit(section: &Section<'_>) -> Inherit {
    match section.field("inherit_env") {
        None => Inherit::All,
        Some(field) => match &field.node.value {
            crate::config::Value::Bool(true) => Inherit::All,
            crate::config::Value::Bool(false) => Inherit::Minimal(Vec::new()),
            crate::config::Value::Array(_) => Inherit::Minimal(field.strings().unwrap_or_default()),
            _ => field.expected("`true`, `false` or an array of names").unwrap_or(Inherit::All),
        },
    }
}

fn labels(section: &Section<'_>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for (key, value) in section.section("labels").iter().flat_map(Section::entries) {
        let name = &key.name;
        if !crate::config::text::is_name(name) {
            let diag = Diag::error(&key.place, format!("{name:?} is no name of a label"));
            section.reading().report(diag.help("a label is letters, digits and `_`"));
        } else if LABELS_TAKEN.contains(&name.as_str()) || name.starts_with("__") {
            let diag = Diag::error(&key.place, format!("the label `{name}` is taken by the metrics themselves"));
            section.reading().report(diag.help("choose another name"));
        }
        labels.extend(value.string().map(|value| (name.clone(), value)));
    }
    labels
}

/// Keys that have no effect on this kind of target.
fn misplaced(section: &Section<'_>, over_http: bool) {
    let starts = section.has("start");
    let (keys, why): (&[&'static str], &str) = if over_http {
        if starts {
            (&[], "")
        } else {
            (&["env", "cwd", "inherit_env"], "a server that is reached by `url` is not started")
        }
    } else {
        (
            &["headers", "auth", "tls", "start", "transport"],
            "a server that is started by `command` is reached over stdio",
        )
    };
    for key in keys {
        if section.has(key) {
            section.wrong(key, format!("`{key}` has no effect here: {why}"));
        }
    }
}

/// The entry line by line, with its variables as they were written.
fn written(section: &Section<'_>) -> String {
    section.entries().map(|(key, field)| format!("{} = {}\n", key.name, field.place().text().trim())).collect()
}

//! Targets as they are written: read from their table, resolved when they are selected.

mod as_written;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use as_written::{AsWritten, Becomes, UnsetVariable};

use super::advice::launcher;
use super::probe::{Defaults, ProbeDraft};
use super::target::{Endpoint, Inherit, Origin, Target, TlsFiles, TransportChoice};
use super::{Resolve, STARTUP_TIMEOUT};
use crate::base::secret::Secret;
use crate::config::names::check_name;
use crate::config::{Diag, Environment, Field, Key, Place, Reading, Resolved, Section, Text, secrets, suggest};
use crate::protocol::Pin;

mod imported;
mod tls;

pub use imported::{Imported, ImportedEndpoint};

/// What the URL of a target looks like.
const URL_EXPECTED: &str = "expected a URL such as \"https://host/mcp\" or \"unix:/path/to.sock\"";

/// Labels that metrics use themselves.
pub(super) const LABELS_TAKEN: &[&str] = &["probe", "target", "le", "quantile", "phase", "instance", "job"];

/// Headers whose values are secrets even when they are written out.
const SECRET_HEADERS: &[&str] = &["authorization", "proxy-authorization", "cookie", "x-api-key", "api-key"];

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
    resolve: Resolve,
    protocol: Pin,
    transport: TransportChoice,
    headers: Vec<(Key, Text)>,
    bearer: Option<Text>,
    tls: [Option<Text>; 3],
    server_name: Option<Text>,
    insecure: bool,
    env: Vec<(Key, Text)>,
    cwd: Option<Text>,
    inherit_env: Inherit,
    /// Spawn or connect, detection and handshake.
    pub startup_timeout: Duration,
    /// Whether a probe file says that time; else it is the default.
    pub startup_is_said: bool,
    traceparent: Option<bool>,
    restart: Option<Vec<Text>>,
    /// Its probe where no file has one for it, by the `[defaults]` of its own file.
    pub(super) built_in: Arc<ProbeDraft>,
    /// Targets without which it cannot work, with the places of their names.
    pub depends_on: Vec<(String, Place)>,
    server_id: Option<String>,
    written: String,
    unset: Vec<Diag>,
    /// Why the program in whose file it stands does not use it, where it does not.
    pub disabled: Option<String>,
    client: Option<&'static str>,
    env_file: Option<Text>,
    sends_facts: bool,
    warnings: Vec<Diag>,
}

#[derive(Clone, Debug)]
enum DraftEndpoint {
    Url(Text),
    Command(Vec<Text>),
}

impl TargetDraft {
    /// Reads `[target.NAME]`.
    #[must_use]
    pub fn parse(key: &Key, field: Field<'_>, defaults: &Defaults) -> Option<Self> {
        let reading = field.reading();
        check_name(key, "target", reading);
        let section = field.table(&format!("`[target.{}]`", key.name))?;
        let endpoint = endpoint(&section, key);
        let start = section.texts("start");
        of_argv(start.as_deref().unwrap_or_default(), reading);
        let over_http = matches!(endpoint, Some(DraftEndpoint::Url(_)) | None);
        let tls = section.section("tls");
        let path = |key| tls.as_ref().and_then(|tls| tls.text(key));
        let draft = Self {
            name: key.name.clone(),
            place: key.place.clone(),
            labels: labels(&section),
            start,
            resolve: Resolve::parse(&section),
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
            startup_timeout: section
                .duration("startup_timeout")
                .or(defaults.startup_timeout)
                .unwrap_or(STARTUP_TIMEOUT),
            startup_is_said: defaults.startup_timeout.is_some() || section.has("startup_timeout"),
            traceparent: section.bool("traceparent").or(defaults.traceparent),
            restart: section.texts("restart"),
            built_in: Arc::new(defaults.built_in(key)),
            depends_on: section.names("depends_on"),
            server_id: section.string("server_id"),
            written: written(&section),
            endpoint,
            unset: Vec::new(),
            disabled: None,
            client: None,
            env_file: None,
            sends_facts: false,
            warnings: Vec::new(),
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

    /// What keeps it from being used, variables apart: known when its file was read.
    #[must_use]
    pub fn problems(&self) -> &[Diag] {
        &self.unset
    }

    /// What is unwise about an imported entry.
    #[must_use]
    pub fn warnings(&self) -> &[Diag] {
        &self.warnings
    }

    /// Variables whose values are secrets towards everybody else: those in the URL, the headers and `auth`.
    pub fn secret_variables(&self) -> impl Iterator<Item = &str> {
        let url = match &self.endpoint {
            Some(DraftEndpoint::Url(url)) => Some(url),
            _ => None,
        };
        url.into_iter()
            .chain(&self.bearer)
            .chain(self.headers.iter().map(|(_, text)| text))
            .flat_map(Text::secret_variables)
    }

    /// Variables that it hands to its own child.
    pub fn env_variables(&self) -> impl Iterator<Item = &str> {
        self.env.iter().flat_map(|(_, text)| text.secret_variables())
    }

    /// Whether `watch` can restart it: by its own command, or because `watch` holds its process.
    #[must_use]
    pub fn can_restart(&self) -> bool {
        self.restart.is_some() || self.start.is_some() || matches!(self.endpoint, Some(DraftEndpoint::Command(_)))
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
        let is_foreign = self.client.is_some();
        let mut resolver = Resolver { environment, target: &self.name, is_foreign, secrets, diags: self.unset.clone() };
        let endpoint = match &self.endpoint {
            Some(DraftEndpoint::Url(url)) => Some(Endpoint::Url(resolver.url(url))),
            Some(DraftEndpoint::Command(argv)) => Some(Endpoint::Command(resolver.command(argv, "command"))),
            None => None,
        };
        let start = self.start.as_ref().map(|argv| resolver.command(argv, "start"));
        let headers = self.headers.iter().map(|(key, text)| resolver.header(key, text)).collect();
        let bearer = self.bearer.as_ref().map(|text| resolver.token(text));
        let mut env: Vec<(String, Secret)> =
            self.env.iter().map(|(key, text)| (key.name.clone(), resolver.secret(text, "env"))).collect();
        if is_foreign {
            resolver.foreign_env(self.env_file.as_ref(), &mut env);
        }
        let is_secure = matches!(&endpoint, Some(Endpoint::Url(url)) if is_https(url));
        let tls = resolver.tls(self, is_secure);
        let cwd = resolver.path(self.cwd.as_ref(), "cwd");
        let diags = resolver.diags;
        let Some(endpoint) = endpoint.filter(|_| diags.is_empty()) else { return Err(diags) };
        Ok(Target {
            name: self.name.clone().into(),
            endpoint,
            start,
            resolve: self.resolve.clone(),
            replica: None,
            protocol: self.protocol,
            transport: self.transport,
            headers,
            bearer,
            tls,
            env,
            cwd,
            inherit_env: self.inherit_env.clone(),
            hidden_env: hidden.iter().cloned().collect(),
            labels: self.labels.clone().into(),
            startup_timeout: self.startup_timeout,
            traceparent: self.traceparent,
            restart: self.restart.clone(),
            server_id: self.server_id.clone(),
            origin: Origin {
                text: self.place.to_string(),
                file: Some(PathBuf::from(&self.place.source.name)),
                client: self.client,
                found,
            },
            sends_machine: self.sends_machine(),
            entry: Some(Arc::new(self.clone())),
            locked: None,
        })
    }
}

/// Resolves the texts of one target.
struct Resolver<'a> {
    environment: &'a dyn Environment,
    target: &'a str,
    is_foreign: bool,
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
        let mut words = Vec::with_capacity(argv.len());
        for text in argv {
            let resolved = self.text(text, key);
            // In the files of other programs people put tokens among the arguments.
            if self.is_foreign {
                self.secrets.extend(resolved.secret_parts);
            }
            words.push(resolved.value);
        }
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

fn is_https(url: &str) -> bool {
    url.trim_start().get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
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

fn endpoint(section: &Section<'_>, key: &Key) -> Option<DraftEndpoint> {
    match (section.field("url"), section.field("command")) {
        (Some(url), None) => {
            let text = url.text()?;
            if let Some(Err(why)) = text.literal().map(check_url) {
                url.wrong(why);
            }
            secrets::warn_url(&text, url.reading());
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
            of_argv(&argv, command.reading());
            Some(DraftEndpoint::Command(argv))
        }
        (Some(_), Some(_)) => {
            section
                .wrong("command", format!("target `{}` has both `url` and `command`", key.name))
                .help("a server is reached over HTTP or started; to start one and reach it over HTTP, use `start`");
            None
        }
        (None, None) if !section.lacks("url") || !section.lacks("command") => None,
        (None, None) => {
            section
                .wrong("", format!("target `{}` has neither `url` nor `command`", key.name))
                .help("write `url = \"https://host/mcp\"` or `command = [\"program\", \"argument\"]`");
            None
        }
    }
}

fn of_argv(argv: &[Text], reading: &Reading<'_>) {
    launcher::advise(argv, reading);
    secrets::warn_argv(argv, reading);
}

fn protocol(section: &Section<'_>) -> Pin {
    let Some((field, word)) = section.field("protocol").and_then(|field| Some((field, field.string()?))) else {
        return Pin::Auto;
    };
    Pin::parse(&word).unwrap_or_else(|| {
        field.wrong(format!("`{word}` is no protocol version")).maybe_help(suggest::sentence(&word, Pin::words()));
        Pin::Auto
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
            secrets::warn(&text, &key.name, section.reading());
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
    secrets::warn(bearer.as_ref()?, "bearer", section.reading());
    bearer
}

fn env(section: &Section<'_>) -> Vec<(Key, Text)> {
    let mut env = Vec::new();
    for (key, value) in section.section("env").iter().flat_map(Section::entries) {
        if key.name.is_empty() || key.name.contains(['=', '\0']) {
            section.reading().report(Diag::error(&key.place, format!("{:?} is no name of a variable", key.name)));
        }
        let Some(text) = value.text() else { continue };
        secrets::warn_env(key, &text, section.reading());
        env.push((key.clone(), text));
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
            (&["resolve"], "a server that is started for the run is on this machine")
        } else {
            (&["env", "cwd", "inherit_env"], "a server that is reached by `url` is not started")
        }
    } else {
        (
            &["headers", "auth", "tls", "start", "transport", "resolve"],
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
    let lines = section.entries().map(|(key, field)| format!("{} = {}", key.name, field.place().text().trim()));
    lines.collect::<Vec<_>>().join("\n")
}

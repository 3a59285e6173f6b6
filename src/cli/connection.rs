//! How a target is to be reached, as it was typed on the command line: headers, credentials, variables, TLS. What
//! was typed is checked here; secrets become [`Secret`]s at once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::{ConnectionOptions, TransportChoice};
use super::complaint::Complaint;
use super::words::Named;
use crate::base::sanitize;
use crate::base::secret::Secret;
use crate::config::Environment as _;
use crate::files::Machine;
use crate::files::clients::Client;
use crate::plan::Pin;
use crate::transport::http::pem_faults;

/// What the command line says about reaching targets. Whatever is `None` or empty is left to the target's file.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// The protocol to speak.
    pub protocol: Option<Pin>,
    /// `streamable-http` or `sse`; `None` is auto.
    pub transport: Option<TransportChoice>,
    /// Headers, in order. Values may be credentials.
    pub headers: Vec<(String, Secret)>,
    /// The bearer token.
    pub bearer: Option<Secret>,
    /// Of one call.
    pub timeout: Option<Duration>,
    /// Of starting, detection and handshake.
    pub startup_timeout: Option<Duration>,
    /// Variables of the child.
    pub env: Vec<(String, String)>,
    /// Its working directory.
    pub cwd: Option<PathBuf>,
    /// Certificate authorities, PEM.
    pub ca: Option<PathBuf>,
    /// Client certificate, PEM.
    pub cert: Option<PathBuf>,
    /// Its key, PEM.
    pub key: Option<PathBuf>,
    /// Accept any certificate.
    pub insecure: bool,
    /// Ask for gzip.
    pub compressed: bool,
    /// The client whose gifts a command gets.
    pub as_client: Option<&'static Client>,
}

/// Checks what was typed, and that what belongs to one target was given for one.
///
/// # Errors
/// When a header, variable or token is malformed or cannot be read, or is given for several targets or none.
pub fn connection(options: &ConnectionOptions, named: &[Named]) -> Result<Connection, Complaint> {
    let for_one = [
        (!options.header.is_empty(), "--header"),
        (options.bearer.is_some(), "--bearer"),
        (!options.env.is_empty(), "--env"),
    ];
    let several = named.len() != 1 || matches!(named, [Named::Path(_)]);
    if let Some((_, option)) = for_one.iter().find(|(given, _)| *given && several) {
        let have = match named {
            [] => "none is named".to_owned(),
            [Named::Path(path)] => format!("{} may hold several", path.display()),
            named => format!("{} are named", named.len()),
        };
        return Err(Complaint::usage(format!("`{option}` needs exactly one named target, and {have}"))
            .hint("a secret for one server must not reach another: name one target, or write it into the probe file"));
    }
    if let [url @ Named::Url(_)] = named {
        let for_child = !options.env.is_empty() || options.cwd.is_some();
        refuse(for_child, "`--env` and `--cwd` are for a command", &url.label())?;
        refuse(
            options.as_client.is_some(),
            "`--as` is for a command: a URL is the same to every client",
            &url.label(),
        )?;
    }
    if let [command @ Named::Command(_)] = named {
        let web = !options.header.is_empty() || options.bearer.is_some() || options.transport.is_some();
        let tls = options.cacert.is_some() || options.cert.is_some() || options.insecure || options.compressed;
        refuse(
            web || tls,
            "headers, --bearer, --transport, --compressed and TLS options are for a URL",
            &command.label(),
        )?;
    }
    tls_files(options)?;
    Ok(Connection {
        protocol: options.protocol,
        transport: options.transport.filter(|transport| *transport != TransportChoice::Auto),
        headers: options.header.iter().map(|text| header(text)).collect::<Result<_, _>>()?,
        bearer: options.bearer.as_deref().map(bearer).transpose()?,
        timeout: options.timeout,
        startup_timeout: options.startup_timeout,
        env: options.env.iter().map(|text| variable(text)).collect::<Result<_, _>>()?,
        cwd: options.cwd.clone(),
        ca: options.cacert.clone(),
        cert: options.cert.clone(),
        key: options.key.clone(),
        insecure: options.insecure,
        compressed: options.compressed,
        as_client: options.as_client,
    })
}

/// Reads the files of TLS: what cannot be used is told before anything is sent. What is no regular file can be read only once,
/// as the pipe that a shell makes of `<(...)`: it is left to the connection.
fn tls_files(options: &ConnectionOptions) -> Result<(), Complaint> {
    let named = [("--cacert", &options.cacert), ("--cert", &options.cert), ("--key", &options.key)];
    let mut read: [Option<Vec<u8>>; 3] = [const { None }; 3];
    for ((option, path), read) in named.into_iter().zip(&mut read) {
        let is_stream = |path: &&PathBuf| path.metadata().is_ok_and(|file| !file.is_file() && !file.is_dir());
        let Some(path) = path.as_ref().filter(|path| !is_stream(path)) else { continue };
        let bytes = Machine.bytes(path).map_err(|why| {
            Complaint::usage(format!("the file of `{option}`, {}, cannot be read: {why}", shown(path)))
        })?;
        *read = Some(bytes);
    }
    let [ca, cert, key] = read.each_ref().map(Option::as_deref);
    match pem_faults(ca, cert, key, options.key.is_some()).first() {
        Some((part, why)) => {
            let (option, path) = named[*part as usize];
            let path = path.as_deref().map(shown).unwrap_or_default();
            Err(Complaint::usage(format!("the file of `{option}` cannot be used: {path} {why}")))
        }
        None => Ok(()),
    }
}

fn shown(path: &Path) -> String {
    sanitize::one_line(&path.to_string_lossy(), 120)
}

fn refuse(wrong: bool, what: &str, target: &str) -> Result<(), Complaint> {
    if wrong {
        return Err(Complaint::usage(format!("{what}, and the target is `{}`", sanitize::one_line(target, 80))));
    }
    Ok(())
}

fn header(text: &str) -> Result<(String, Secret), Complaint> {
    let malformed =
        |why: &str| Complaint::usage(format!("a header is malformed: {why}")).hint("write -H 'Name: value'");
    // The text itself may hold a credential, so it is not quoted back.
    let (name, value) = text.split_once(':').ok_or_else(|| malformed("there is no `:` between name and value"))?;
    let (name, value) = (name.trim(), value.trim());
    http::HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| malformed(&format!("`{}` is no header name", sanitize::one_line(name, 40))))?;
    http::HeaderValue::from_str(value)
        .map_err(|_| malformed(&format!("the value of `{name}` has characters that no header may have")))?;
    Ok((name.to_owned(), Secret::new(value)))
}

fn variable(text: &str) -> Result<(String, String), Complaint> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => {
            let name = sanitize::one_line(text.split('=').next().unwrap_or_default(), 40);
            Err(Complaint::usage(format!("`--env {name}` is no NAME=VALUE"))
                .hint(format!("write -e {name}=value; variables of this shell are inherited anyway")))
        }
    }
}

/// `TOKEN`, `@FILE` or `env:VAR`.
fn bearer(text: &str) -> Result<Secret, Complaint> {
    /// Longer than any token; a wrong path (a log, a device) must not be sent as one.
    const TOKEN_BYTES_MAX: u64 = 64 << 10;
    let token = if let Some(path) = text.strip_prefix('@') {
        let read = |path: &str| -> std::io::Result<String> {
            let mut token = String::new();
            std::io::Read::read_to_string(
                &mut std::io::Read::take(std::fs::File::open(path)?, TOKEN_BYTES_MAX),
                &mut token,
            )?;
            Ok(token)
        };
        read(path).map_err(|error| Complaint::usage(format!("the token file {path} could not be read: {error}")))?
    } else if let Some(name) = text.strip_prefix("env:") {
        std::env::var(name).map_err(|_| {
            Complaint::usage(format!("the variable `{name}` that `--bearer` names is not set"))
                .hint(format!("export {name}=…"))
        })?
    } else {
        text.to_owned()
    };
    let token = token.trim();
    if token.is_empty() {
        return Err(Complaint::usage("the bearer token is empty"));
    }
    http::HeaderValue::from_str(token).map_err(|_| {
        Complaint::usage("the bearer token has characters that no header may have, a line feed perhaps")
    })?;
    Ok(Secret::new(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url() -> Vec<Named> {
        vec![Named::Url("https://host/mcp".into())]
    }

    fn message(options: &ConnectionOptions, named: &[Named]) -> String {
        let complaint = connection(options, named).unwrap_err();
        assert_eq!(complaint.code.number(), 2);
        complaint.message
    }

    #[test]
    fn secrets_need_exactly_one_target() {
        let two = [Named::Name("a".into()), Named::Name("b".into())];
        let header = ConnectionOptions { header: vec!["A: b".into()], ..ConnectionOptions::default() };
        let bearer = ConnectionOptions { bearer: Some("t".into()), ..ConnectionOptions::default() };
        let env = ConnectionOptions { env: vec!["A=b".into()], ..ConnectionOptions::default() };
        for (options, option) in [(&header, "--header"), (&bearer, "--bearer"), (&env, "--env")] {
            for named in [&two[..], &[], &[Named::Path("a.toml".into())]] {
                assert!(message(options, named).starts_with(&format!("`{option}` needs exactly one")));
            }
            assert!(connection(options, &two[..1]).is_ok());
        }
        assert!(connection(&ConnectionOptions::default(), &two).is_ok());
    }

    #[test]
    fn options_belong_to_their_kind_of_target() {
        let command = [Named::Command(vec!["node".into()])];
        let cwd = ConnectionOptions { cwd: Some(".".into()), ..ConnectionOptions::default() };
        assert!(message(&cwd, &url()).contains("for a command"));
        assert!(connection(&cwd, &command).is_ok());
        let insecure = ConnectionOptions { insecure: true, ..ConnectionOptions::default() };
        assert!(message(&insecure, &command).contains("for a URL"));
        assert!(connection(&insecure, &url()).is_ok());
    }

    #[test]
    fn tokens_come_from_three_places_and_are_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "from-file\n").unwrap();
        assert_eq!(bearer("plain").unwrap().reveal(), "plain");
        assert_eq!(bearer(&format!("@{}", path.display())).unwrap().reveal(), "from-file");
        assert_eq!(bearer("env:PATH").unwrap().reveal(), std::env::var("PATH").unwrap());
        assert!(bearer("env:MCP_PROBE_SURELY_UNSET").unwrap_err().message.contains("not set"));
        assert!(bearer("@/nonexistent").is_err() && bearer(" ").is_err());
        let bad = bearer("secret\nline").unwrap_err();
        assert!(!format!("{bad:?}").contains("secret"));
    }

    #[test]
    fn headers_are_checked_without_quoting_their_value() {
        assert_eq!(header("X-Team:  search ").unwrap().1.reveal(), "search");
        for text in ["hunter2", "bad name: hunter2", ": hunter2", "A: hunter2\u{7}"] {
            let complaint = header(text).unwrap_err();
            assert!(!format!("{complaint:?}").contains("hunter2"), "{complaint:?}");
        }
        assert!(variable("A=").is_ok() && variable("A").is_err() && variable("=b").is_err());
    }
}

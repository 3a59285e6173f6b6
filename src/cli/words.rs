//! What the words of an ad hoc call mean: a method, and targets. The rules are those of the grammar and look at
//! nothing but the words and whether a file of that name exists.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::args::AdHoc;
use super::complaint::Complaint;
use crate::config::suggest::nearest;
use crate::files::says_place;

/// A target as it was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// A URL: `http:`, `https:`, `unix:`.
    Url(String),
    /// A command after `--`.
    Command(Vec<OsString>),
    /// The path of an existing file: all targets in it.
    Path(PathBuf),
    /// A name to be found in files.
    Name(String),
}

impl Named {
    /// How it is called in outputs.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Url(text) => super::credentials::shown_url(text),
            Self::Name(text) => text.clone(),
            Self::Path(path) => path.display().to_string(),
            Self::Command(words) => {
                words.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
            }
        }
    }
}

/// What the words came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// The method as it goes over the wire; `None` is the overview.
    pub method: Option<String>,
    /// The targets that were named; none means all that can be found.
    pub named: Vec<Named>,
}

/// Programs that people start servers with.
const LAUNCHERS: &[&str] = &[
    "npx", "node", "uvx", "uv", "python", "python3", "docker", "podman", "deno", "bun", "bunx", "pnpm", "cargo", "go",
    "java", "ruby", "dotnet", "php", "sh", "bash",
];

/// Reads the words of an ad hoc call.
///
/// # Errors
/// When a word cannot be what its place asks for.
pub fn meaning(ad_hoc: &AdHoc) -> Result<Meaning, Complaint> {
    meaning_with(ad_hoc, Path::is_file)
}

fn meaning_with(ad_hoc: &AdHoc, is_file: impl Fn(&Path) -> bool) -> Result<Meaning, Complaint> {
    let mut words = ad_hoc.words.as_slice();
    let mut method = None;
    if let Some((first, rest)) = words.split_first()
        && is_method(first, &is_file)
    {
        refuse_url_without_scheme(first, true)?;
        method = Some(canonical(first));
        words = rest;
    }
    let call = &ad_hoc.call;
    for (given, implied, option) in [
        (call.tool.is_some(), "tools/call", "--tool"),
        (call.prompt.is_some(), "prompts/get", "--prompt"),
        (call.uri.is_some(), "resources/read", "--uri"),
    ] {
        if given && method.is_none() {
            method = Some(implied.to_owned());
        } else if given && ["tools/list", "prompts/list", "resources/list"].contains(&method.as_deref().unwrap_or("")) {
            return Err(Complaint::usage(format!("`{option}` says nothing to a list"))
                .hint(format!("the call is `mcp-probe {implied} TARGET {option} …`")));
        }
    }
    let mut named = named(words, &is_file)?;
    if !ad_hoc.command.is_empty() {
        named.push(Named::Command(ad_hoc.command.clone()));
    }
    if method.is_none() {
        let speaks = [
            (!call.param.is_empty() || call.params.is_some(), "parameters"),
            (!call.arg.is_empty() || call.args.is_some(), "arguments"),
            (call.count.is_some(), "`-n`"),
            (ad_hoc.raw, "`--raw`"),
        ];
        if let Some((_, what)) = speaks.iter().find(|(given, _)| *given) {
            return Err(Complaint::usage(format!("{what} without a method"))
                .hint("the method is the first word: mcp-probe tools/call TARGET --tool NAME --arg key=value"));
        }
    }
    Ok(Meaning { method, named })
}

/// Reads words that can only be targets: URLs, files, names.
///
/// # Errors
/// When a word can be no target.
pub fn targets(words: &[String], command: &[OsString]) -> Result<Vec<Named>, Complaint> {
    let mut named = named(words, &|path: &Path| path.exists())?;
    if !command.is_empty() {
        named.push(Named::Command(command.to_vec()));
    }
    Ok(named)
}

fn named(words: &[String], is_file: &dyn Fn(&Path) -> bool) -> Result<Vec<Named>, Complaint> {
    words
        .iter()
        .map(|word| {
            if is_url(word) {
                return Ok(Named::Url(word.clone()));
            }
            if is_file(Path::new(word)) {
                return Ok(Named::Path(PathBuf::from(word)));
            }
            if says_place(word) {
                return Ok(Named::Name(word.clone()));
            }
            refuse_url_without_scheme(word, false)?;
            let is_toml = Path::new(word).extension().is_some_and(|extension| extension == "toml");
            if word.contains('/') || word.contains('\\') || is_toml {
                if Path::new(word).is_dir() {
                    let what = format!("`{word}` is a folder: expected a target, or a file with targets");
                    let hint = "name a file in it; `check`, `watch`, `wait` and `validate` read whole folders";
                    return Err(Complaint::usage(what).hint(hint));
                }
                let complaint = Complaint::usage(format!("there is no file `{word}`"));
                return Err(if is_method(word, &|_: &Path| false) {
                    complaint.hint(format!("if `{word}` is a method, it comes first: mcp-probe {word} TARGET"))
                } else {
                    complaint.hint("a target whose name looks like a path is written with its place: project:NAME")
                });
            }
            Ok(Named::Name(word.clone()))
        })
        .collect()
}

fn is_url(word: &str) -> bool {
    word.contains("://") || word.starts_with("unix:")
}

/// A word with a slash, or one of the few without; never a URL, never a file that exists.
fn is_method(word: &str, is_file: &dyn Fn(&Path) -> bool) -> bool {
    if is_url(word) || says_place(word) || is_file(Path::new(word)) {
        return false;
    }
    let like_a_path = ["/", "./", "../", "~"].iter().any(|start| word.starts_with(start))
        || Path::new(word).extension().is_some_and(|extension| extension == "toml");
    matches!(word, "initialize" | "ping" | "tools" | "resources" | "prompts") || (word.contains('/') && !like_a_path)
}

fn canonical(method: &str) -> String {
    match method {
        "tools" | "resources" | "prompts" => format!("{method}/list"),
        method => method.to_owned(),
    }
}

/// `localhost:8080/mcp` is meant as a URL; as a method or a name it would fail with a riddle.
///
/// Names with dots before a slash (`com.example/status`) are methods that vendors choose.
fn refuse_url_without_scheme(word: &str, may_be_method: bool) -> Result<(), Complaint> {
    let authority = word.split('/').next().unwrap_or(word);
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
    let with_port = !host.is_empty() && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let dotted = host.contains('.') && !host.starts_with('.') && port.is_empty();
    let address = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok();
    let with_path = word.contains('/') && (address || (dotted && !may_be_method));
    if with_port || with_path {
        let scheme = if host == "localhost" || host.starts_with("127.") || host == "[::1]" { "http" } else { "https" };
        return Err(Complaint::usage(format!("`{word}` looks like a URL without its scheme"))
            .hint(format!("write {scheme}://{word}")));
    }
    Ok(())
}

/// The position of the word at which a server's command seems to begin.
#[must_use]
pub fn looks_like_command(words: &[String]) -> Option<usize> {
    words.iter().position(|word| LAUNCHERS.contains(&word.as_str()))
}

/// What to say of a name that was found nowhere. `known` are the targets that were found.
#[must_use]
pub fn unknown(word: &str, all: &[String], known: &[String]) -> Complaint {
    let complaint =
        Complaint::usage(format!("`{word}` is no command, no method, and no target that can be found from here"));
    if let Some(at) = looks_like_command(all) {
        return complaint.hint(format!("the server's command goes after `--`: mcp-probe -- {}", all[at..].join(" ")));
    }
    let commands = super::args::command_names();
    let methods = ["tools", "resources", "prompts", "initialize", "ping"].map(str::to_owned);
    let candidates = known.iter().chain(&commands).chain(&methods).map(String::as_str);
    if let Some(near) = nearest(word, candidates) {
        return complaint.hint(format!("did you mean `{near}`?"));
    }
    if known.is_empty() {
        return complaint.hint(
            "no targets were found: name a URL (https://host/mcp), a command after `--`, or a target of a file with -f FILE",
        );
    }
    let mut shown = known.iter().take(12).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if known.len() > 12 {
        shown.push_str(&format!(" and {} more", known.len() - 12));
    }
    complaint.hint(format!("targets here: {shown}"))
}

/// What to say when nothing was named and nothing can be found.
#[must_use]
pub fn nothing_found() -> Complaint {
    Complaint::new(super::exit::Code::Nothing, "no target was named, and no file of this project has one").hint(
        "name a URL (mcp-probe tools/list https://host/mcp), a command (mcp-probe tools/list -- npx -y some-server), a \
         file (-f ~/.claude.json), or write ./mcp-probe.toml",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Meaning, Complaint> {
        let ad_hoc = AdHoc { words: words.iter().map(|word| (*word).to_owned()).collect(), ..AdHoc::default() };
        meaning_with(&ad_hoc, |path| path == Path::new("probes/a.toml") || path == Path::new("ping"))
    }

    fn name(text: &str) -> Named {
        Named::Name(text.into())
    }

    #[test]
    fn the_first_word_may_be_a_method() {
        for (words, method, named) in [
            (vec!["tools/list", "weather"], Some("tools/list"), vec![name("weather")]),
            (vec!["tools"], Some("tools/list"), vec![]),
            (vec!["initialize", "a", "b"], Some("initialize"), vec![name("a"), name("b")]),
            (vec!["weather"], None, vec![name("weather")]),
            (vec!["https://host/mcp"], None, vec![Named::Url("https://host/mcp".into())]),
            (vec!["com.example/status"], Some("com.example/status"), vec![]),
            (vec!["x/y", "unix:/run/a.sock"], Some("x/y"), vec![Named::Url("unix:/run/a.sock".into())]),
            (vec!["tools", "user:a/b.toml"], Some("tools/list"), vec![name("user:a/b.toml")]),
            (vec!["tools", "cline:github.com/a/b"], Some("tools/list"), vec![name("cline:github.com/a/b")]),
            (vec!["probes/a.toml"], None, vec![Named::Path("probes/a.toml".into())]),
            (vec!["project:tools/list"], None, vec![name("project:tools/list")]),
            (vec!["ping"], None, vec![Named::Path("ping".into())]),
        ] {
            let meaning = read(&words).unwrap();
            assert_eq!((meaning.method.as_deref(), meaning.named), (method, named), "{words:?}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_explained() {
        for (words, hint) in [
            (vec!["127.0.0.1/mcp"], "write http://127.0.0.1/mcp"),
            (vec!["localhost:8080/mcp"], "write http://localhost:8080/mcp"),
            (vec!["tools/list", "mcp.example.com/mcp"], "write https://mcp.example.com/mcp"),
            (vec!["weather", "tools/list"], "it comes first: mcp-probe tools/list TARGET"),
        ] {
            let complaint = read(&words).unwrap_err();
            assert_eq!(complaint.code.number(), 2);
            assert!(complaint.hint.as_deref().unwrap_or_default().contains(hint), "{complaint:?}");
        }
        assert!(read(&["./missing.toml"]).unwrap_err().message.contains("no file"));
    }

    #[test]
    fn a_tool_implies_its_method() {
        let mut ad_hoc = AdHoc { words: vec!["weather".into()], ..AdHoc::default() };
        ad_hoc.call.tool = Some("forecast".into());
        assert_eq!(meaning_with(&ad_hoc, |_| false).unwrap().method.as_deref(), Some("tools/call"));
        ad_hoc.words.insert(0, "tools/list".into());
        assert!(meaning_with(&ad_hoc, |_| false).is_err());
        let mut ad_hoc = AdHoc { words: vec!["weather".into()], ..AdHoc::default() };
        ad_hoc.call.count = Some(3);
        assert!(meaning_with(&ad_hoc, |_| false).unwrap_err().message.contains("without a method"));
    }

    #[test]
    fn an_unknown_name_gets_the_nearest() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let hint = |word: &str, all: &str, known: &str| unknown(word, &words(all), &words(known)).hint.unwrap();
        assert_eq!(hint("wether", "wether", "weather files"), "did you mean `weather`?");
        assert_eq!(hint("chekc", "chekc", "weather"), "did you mean `check`?");
        assert_eq!(
            hint("node", "node server.js", "weather"),
            "the server's command goes after `--`: mcp-probe -- node server.js"
        );
        assert_eq!(hint("qqq", "qqq", "weather files"), "targets here: `weather`, `files`");
        assert!(unknown("qqq", &[], &[]).hint.unwrap().contains("no targets were found"));
    }
}

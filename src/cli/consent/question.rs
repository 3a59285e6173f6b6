//! What a person is asked before something that was found is started: the whole of it, nothing cut, nothing that a
//! terminal would act on, secrets masked.

use std::fmt::Write as _;
use std::path::Path;

use unicode_width::UnicodeWidthChar as _;

use crate::base::sanitize;
use crate::base::secret::MASK;
use crate::cli::as_client;
use crate::cli::shown::{self, Shown, quoted};
use crate::config::{Environment, Key, Text};
use crate::files::{Discovery, clients};
use crate::plan::{Endpoint, Inherit, Target, TargetDraft};
use crate::report::{Ink, Look};
use crate::run::reach;
use crate::transport::child::{Start, program};

/// The column in which what is said begins.
const MARGIN: usize = 12;
/// More lines than this do not fit most terminals.
const LINES_MANY: usize = 30;

/// The text of the question, without the question itself.
pub fn text(target: &Target, draft: &TargetDraft, environment: &dyn Environment, look: &Look) -> String {
    let mut page = Page { look, text: String::new(), lines: 0, masked: 0 };
    page.heading(&format!("{} was found, not named, and {}", quoted(&target.name), purpose(target)));
    page.row("found in", &place(draft));
    let said = draft.as_written();
    let own = |argv: &Option<Vec<String>>| argv.clone().unwrap_or_default();
    if let Endpoint::Command(argv) = &target.endpoint {
        page.command("command", said.command, argv, environment);
        page.row("program", &program_of(target, argv));
        if matches!(target.inherit_env, Inherit::Exactly { .. }) {
            // Where it fails as a client starts it, it is tried once more.
            page.row("in shell", &program_of(&as_client::undressed(target), argv));
        }
    }
    if let Some(url) = said.url {
        page.shown("url", &shown::text(url, Some(environment)));
    }
    if !said.start.is_empty() {
        page.command("start", said.start, &own(&target.start), environment);
        page.row("program", &program_of(target, &own(&target.start)));
    }
    if !said.restart.is_empty() {
        page.command("restart", said.restart, &[], environment);
    }
    if !said.command.is_empty() || !said.start.is_empty() {
        let folder = reach::folder(target).unwrap_or_else(|| super::folder(draft));
        page.row("folder", &quoted(&folder.display().to_string()));
    }
    if !target.headers.is_empty() {
        page.pairs("headers", said.headers, ": ", environment);
    }
    if let Some(bearer) = said.bearer {
        let mut token = shown::value("Authorization", bearer, None);
        token.written = format!("Authorization: Bearer {}", token.written);
        page.shown("headers", &token);
    }
    page.pairs("env", said.env, "=", environment);
    if let Some(file) = said.env_file {
        page.shown("env file", &shown::text(file, Some(environment)));
    }
    for (name, value) in super::from_elsewhere(draft, &target.env) {
        let hook = shown::is_hook(name);
        let value = shown::plain_value(name, value.reveal());
        page.masked += usize::from(value == MASK);
        let value = quoted(&value);
        let note = if hook { ", decides what programs load or run" } else { "" };
        page.row("env", &format!("{}={value}   (out of a file that the entry names{note})", quoted(name)));
    }
    match said.inherit_env {
        Inherit::All | Inherit::Exactly { .. } => {}
        Inherit::Minimal(also) if also.is_empty() => page.row("inherits", "a minimal environment"),
        Inherit::Minimal(also) => {
            let names: Vec<String> = also.iter().map(|name| quoted(name)).collect();
            page.row("inherits", &format!("a minimal environment and {}", names.join(" ")));
        }
    }
    for (name, file) in ["ca", "cert", "key"].into_iter().zip(said.tls) {
        if let Some(file) = file {
            page.shown(&format!("tls {name}"), &shown::text(file, Some(environment)));
        }
    }
    if said.insecure {
        page.row("tls", "any certificate is accepted");
    }
    let labels: Vec<String> =
        said.labels.iter().map(|(key, value)| format!("{}={}", quoted(key), quoted(value))).collect();
    if !labels.is_empty() {
        page.row("labels", &labels.join(" "));
    }
    page.end(draft)
}

/// Both places of a name, each as a line.
pub fn places(discovery: &Discovery, spellings: &[String], look: &Look) -> String {
    let mut text = String::new();
    for spelling in spellings {
        let Ok((index, target)) = discovery.place_of(spelling) else { continue };
        let drafts = &discovery.found[index].loaded.draft.targets;
        let Some(draft) = drafts.iter().find(|draft| draft.name == target) else { continue };
        let _ = writeln!(text, "  {}", look.paint(Ink::Strong, &quoted(spelling)));
        let _ = writeln!(text, "    {}\n    {}", place(draft), summary(draft));
    }
    text
}

/// What a target starts or reaches, on one line, as it was written.
pub fn summary(draft: &TargetDraft) -> String {
    let said = draft.as_written();
    match said.url {
        Some(url) => quoted(&shown::text(url, None).written),
        None => shown::words(said.command, None).iter().map(|word| quoted(&word.written)).collect::<Vec<_>>().join(" "),
    }
}

fn purpose(target: &Target) -> &'static str {
    match &target.endpoint {
        Endpoint::Command(_) => "starts a program on this machine:",
        Endpoint::Url(_) if target.start.is_some() => "starts a program on this machine and connects to it:",
        Endpoint::Url(_) => "sends something of this machine to a server:",
    }
}

/// File, line and column, whose file it is, and where a link leads.
pub fn place(draft: &TargetDraft) -> String {
    let whose = draft.client().and_then(clients::client).map_or("a probe file", |client| client.title);
    let path = Path::new(&draft.place.source.name);
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let as_named = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = as_named.parent().and_then(|folder| std::fs::canonicalize(folder).ok());
    let is_link = folder.is_some_and(|folder| as_named.file_name().is_none_or(|name| folder.join(name) != real));
    let link = if is_link { format!(", a link to {}", quoted(&real.display().to_string())) } else { String::new() };
    format!("{} ({whose}{link})", sanitize::printable(&draft.place.to_string()).replace('\n', "\\n"))
}

/// The file that would be started, as the system finds it now.
fn program_of(target: &Target, argv: &[String]) -> String {
    let env: Vec<(String, String)> =
        target.env.iter().map(|(name, value)| (name.clone(), value.reveal().to_owned())).collect();
    let cwd = reach::folder(target);
    let start = Start {
        argv,
        env: &env,
        cwd: cwd.as_ref(),
        inherit: &reach::inherit(target),
        run_id: crate::base::ids::RunId::random(),
    };
    match program::resolve_program(&start) {
        Ok(path) => {
            let real = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
            let shown = quoted(&path.display().to_string());
            if real == path { shown } else { format!("{shown}, which is {}", quoted(&real.display().to_string())) }
        }
        Err(_) => "not found: it would not start now".to_owned(),
    }
}

/// A page in the making.
struct Page<'a> {
    look: &'a Look,
    text: String,
    lines: usize,
    masked: usize,
}

impl Page<'_> {
    fn heading(&mut self, text: &str) {
        for line in broken(text, self.width(0)) {
            self.line(&self.look.paint(Ink::Strong, &line));
        }
        self.line("");
    }

    fn row(&mut self, name: &str, text: &str) {
        let indent = " ".repeat(MARGIN);
        for (at, line) in broken(text, self.width(MARGIN)).iter().enumerate() {
            let head = if at == 0 {
                self.look.paint(Ink::Dim, &format!("  {name:<width$}", width = MARGIN - 2))
            } else {
                indent.clone()
            };
            self.line(&format!("{head}{line}"));
        }
    }

    /// As it was written and, where that says more, as what it stands for.
    fn shown(&mut self, name: &str, shown: &Shown) {
        self.masked += usize::from(shown.masked);
        self.row(name, &quoted(&shown.written));
        if let Some(resolved) = &shown.resolved {
            self.row("", &format!("→ {}", quoted(resolved)));
        }
    }

    fn command(&mut self, name: &str, argv: &[Text], resolved: &[String], environment: &dyn Environment) {
        let words = shown::words(argv, Some(environment));
        self.masked += words.iter().filter(|word| word.masked).count();
        let line = |words: &mut dyn Iterator<Item = &str>| words.map(quoted).collect::<Vec<_>>().join(" ");
        self.row(name, &line(&mut words.iter().map(|word| word.written.as_str())));
        let stands_for = |word: &Shown| word.resolved.clone().unwrap_or_else(|| word.written.clone());
        let mut meant: Vec<String> = words.iter().map(stands_for).collect();
        // A program that is a path is relative to its file; the words after it are what they are.
        if let (Some(meant), Some(word), Some(resolved)) = (meant.first_mut(), words.first(), resolved.first())
            && word.resolved.is_none()
            && !word.masked
        {
            meant.clone_from(resolved);
        }
        if meant.iter().zip(&words).any(|(meant, word)| *meant != word.written) {
            self.row("", &format!("→ {}", line(&mut meant.iter().map(String::as_str))));
        }
    }

    fn pairs(&mut self, name: &str, pairs: &[(Key, Text)], between: &str, environment: &dyn Environment) {
        for (at, (key, text)) in pairs.iter().enumerate() {
            let shown = shown::value(&key.name, text, Some(environment));
            self.masked += usize::from(shown.masked);
            let name = if at == 0 { name } else { "" };
            let hook = between == "=" && shown::is_hook(&key.name);
            let note = if hook { "   (decides what programs load or run)" } else { "" };
            self.row(name, &format!("{}{between}{}{note}", quoted(&key.name), quoted(&shown.written)));
            if let Some(resolved) = &shown.resolved {
                self.row("", &format!("→ {}", quoted(resolved)));
            }
        }
    }

    fn end(mut self, draft: &TargetDraft) -> String {
        if self.masked > 0 {
            let what = match self.masked {
                1 => "one value is shown as ***, because it looks like a secret".to_owned(),
                count => format!("{count} values are shown as ***, because they look like secrets"),
            };
            let (line, _) = draft.place.line_column();
            let file = sanitize::one_line(&draft.place.source.name, usize::MAX);
            self.row("masked", &format!("{what}: see {file}:{line}"));
        }
        if self.lines > LINES_MANY {
            self.row("length", &format!("{} lines: scroll up to read it all", self.lines));
        }
        self.text
    }

    fn width(&self, margin: usize) -> usize {
        self.look.width.map_or(usize::MAX, |width| usize::from(width).saturating_sub(margin + 1).max(20))
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
        self.lines += 1;
    }
}

/// Lines of at most so many columns. Nothing is lost and no blank is folded; lines end between words where they can.
fn broken(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut line, mut used) = (Vec::new(), String::new(), 0);
    for c in text.chars() {
        let columns = c.width().unwrap_or(1);
        if used + columns > width && !line.is_empty() {
            let at = line.rfind(' ').filter(|at| *at > line.len() / 2).map_or(line.len(), |at| at + 1);
            let rest = line.split_off(at);
            lines.push(std::mem::replace(&mut line, rest));
            used = line.chars().map(|c| c.width().unwrap_or(1)).sum();
        }
        line.push(c);
        used += columns;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lose_nothing() {
        let text = "one two  three    four 漢字漢字 five";
        for width in [4, 7, 10, 80] {
            let lines = broken(text, width);
            assert_eq!(lines.concat(), text, "{width}");
            assert!(lines.iter().all(|line| line.chars().map(|c| c.width().unwrap_or(1)).sum::<usize>() <= width));
        }
        assert_eq!(broken("", 10), [""]);
    }
}

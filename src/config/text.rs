//! Text with variables: `${VAR}`, `${VAR:-default}`, `${file:path}`, `${save.name}`; `$${` is a literal `${`, every
//! other `$` stands for itself. A text is taken apart when the file is read and resolved where a command needs it,
//! so that an unset variable of a target nobody selected is no mistake.

use std::path::Path;

use super::diag::Diag;
use super::source::Place;
use super::suggest;

/// Where variables and files come from. Passed in, so that reading a plan touches nothing by itself.
pub trait Environment {
    /// The value of a variable, if it is set.
    fn variable(&self, name: &str) -> Option<String>;

    /// The names of all variables that are set, for suggestions.
    fn names(&self) -> Vec<String> {
        Vec::new()
    }

    /// The text of a small file.
    ///
    /// # Errors
    /// Why it could not be read, in words.
    fn file(&self, path: &Path) -> Result<String, String>;

    /// The text of a file that may be larger: a document that a probe file refers to.
    ///
    /// # Errors
    /// Why it could not be read, in words.
    fn document(&self, path: &Path) -> Result<String, String> {
        self.file(path)
    }

    /// The bytes of such a file, which need not be UTF-8.
    ///
    /// # Errors
    /// Why it could not be read, in words.
    fn bytes(&self, path: &Path) -> Result<Vec<u8>, String> {
        self.document(path).map(String::into_bytes)
    }
}

/// A string as it was written.
#[derive(Clone, Debug)]
pub struct Text {
    parts: Vec<Part>,
    /// Where it was written.
    pub place: Place,
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Stands for itself.
    Literal(String),
    /// `${VAR}` and `${VAR:-default}` of a probe file.
    Variable {
        /// Its name.
        name: String,
        /// What stands for it when it is unset or empty.
        default: Option<String>,
    },
    /// `${file:path}`.
    File(String),
    /// `${save.name}`.
    Saved(String),
    /// A variable in the file of another program, by that program's rules.
    Foreign {
        /// As it stands there.
        written: String,
        /// Its name.
        name: String,
        /// What becomes of it when it is unset.
        unset: Unset,
        /// Whether an empty value counts as unset.
        empty_is_unset: bool,
    },
    /// What only another program can fill in, such as a question to its user.
    Unfillable {
        /// As it stands there.
        written: String,
        /// Why it cannot be filled in here, and what to do: the end of a sentence.
        why: String,
    },
}

/// What another program makes of a variable that is not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unset {
    /// It refuses the file.
    Mistake,
    /// It takes what is written as the default.
    Default(String),
    /// It takes the empty text.
    Empty,
    /// It leaves the text as it stands.
    AsWritten,
}

/// A text whose variables were replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The whole value.
    pub value: String,
    /// The parts that came from variables and files: secrets, where the key is one that carries secrets.
    pub secret_parts: Vec<String>,
}

impl Text {
    /// A text of these parts.
    #[must_use]
    pub fn of(parts: Vec<Part>, place: &Place) -> Self {
        Self { parts, place: place.clone() }
    }

    /// Takes a string apart.
    #[must_use]
    pub fn parse(text: &str, place: &Place, diags: &mut Vec<Diag>) -> Self {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            literal.push_str(&rest[..at]);
            let tail = &rest[at..];
            if let Some(after) = tail.strip_prefix("$${") {
                literal.push_str("${");
                rest = after;
            } else if let Some(after) = tail.strip_prefix("${") {
                let Some(end) = after.find('}') else {
                    diags.push(
                        Diag::error(place, "`${` without `}`").help("write `$${` for the characters `${` themselves"),
                    );
                    rest = after;
                    continue;
                };
                match part(&after[..end]) {
                    Ok(part) => {
                        if !literal.is_empty() {
                            parts.push(Part::Literal(std::mem::take(&mut literal)));
                        }
                        parts.push(part);
                    }
                    Err(why) => diags.push(Diag::error(place, why).help(
                        "write `${VAR}`, `${VAR:-default}`, `${file:path}` or `${save.name}`; `$${` is a literal `${`",
                    )),
                }
                rest = &after[end + 1..];
            } else {
                literal.push('$');
                rest = &tail[1..];
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Self { parts, place: place.clone() }
    }

    /// The value, when it needs nothing from outside.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The names of the variables it reads.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable { name, .. } | Part::Foreign { name, .. } => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether something from this machine, a variable or a file, goes into it.
    #[must_use]
    pub fn reads_machine(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Variable { .. } | Part::Foreign { .. } | Part::File(_)))
    }

    /// As it was written, for people.
    #[must_use]
    pub fn written(&self) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Literal(text) => text.replace("${", "$${"),
                Part::Variable { name, default: None } => format!("${{{name}}}"),
                Part::Variable { name, default: Some(default) } => format!("${{{name}:-{default}}}"),
                Part::File(path) => format!("${{file:{path}}}"),
                Part::Saved(name) => format!("${{save.{name}}}"),
                Part::Foreign { written, .. } | Part::Unfillable { written, .. } => written.clone(),
            })
            .collect()
    }

    /// The variables among them that may hold secrets: all but those that every program is given.
    pub fn secret_variables(&self) -> impl Iterator<Item = &str> {
        self.variables().filter(|name| !is_public(name))
    }

    /// Its pieces.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Replaces the variables.
    ///
    /// # Errors
    /// A diagnostic that names the variable or file; `key` is what the value is for.
    pub fn resolve(&self, key: &str, environment: &dyn Environment) -> Result<Resolved, Box<Diag>> {
        let mut resolved = Resolved { value: String::new(), secret_parts: Vec::new() };
        for part in &self.parts {
            if let Part::Saved(name) = part {
                return Err(self.saved_elsewhere(key, name));
            }
            let (value, from_outside) = self.value_of(part, key, environment)?;
            let is_public = matches!(part, Part::Variable { name, .. } | Part::Foreign { name, .. } if is_public(name));
            if from_outside && !is_public && !value.is_empty() {
                resolved.secret_parts.push(value.clone());
            }
            resolved.value.push_str(&value);
        }
        Ok(resolved)
    }

    #[expect(clippy::unnecessary_box_returns, reason = "goes into errors, which are small")]
    fn saved_elsewhere(&self, key: &str, name: &str) -> Box<Diag> {
        let diag = Diag::error(&self.place, format!("`{key}` cannot hold `${{save.{name}}}`"))
            .help("what a step saved can stand in the `arguments` and `params` of later steps");
        Box::new(diag)
    }

    /// The value of one part, and whether it came from a variable or a file.
    pub(super) fn value_of(
        &self,
        part: &Part,
        key: &str,
        environment: &dyn Environment,
    ) -> Result<(String, bool), Box<Diag>> {
        match part {
            Part::Literal(text) => Ok((text.clone(), false)),
            Part::Saved(name) => Err(self.saved_elsewhere(key, name)),
            Part::Variable { name, default } => {
                match (environment.variable(name).filter(|value| default.is_none() || !value.is_empty()), default) {
                    (Some(value), _) => Ok((value, true)),
                    (None, Some(default)) => Ok((default.clone(), false)),
                    (None, None) => {
                        let names = environment.names();
                        // Every short name is near to one that is set: `TEAM` is no slip of `TERM`.
                        let long = names.iter().map(String::as_str).filter(|_| name.len() > 5);
                        let near = suggest::nearest(name, long);
                        let help = near.map_or_else(
                            || format!("set it, or write a default: `${{{name}:-…}}`"),
                            |near| format!("`{near}` is set: did you mean that?"),
                        );
                        let message = format!("`{key}` needs the variable `{name}`, which is not set");
                        Err(Box::new(Diag::error(&self.place, message).help(help).of_machine()))
                    }
                }
            }
            Part::Foreign { written, name, unset, empty_is_unset } => {
                let value = environment.variable(name).filter(|value| !(*empty_is_unset && value.is_empty()));
                match (value, unset) {
                    (Some(value), _) => Ok((value, true)),
                    (None, Unset::Default(default)) => Ok((default.clone(), false)),
                    (None, Unset::Empty) => Ok((String::new(), false)),
                    (None, Unset::AsWritten) => Ok((written.clone(), false)),
                    (None, Unset::Mistake) => Err(Box::new(
                        Diag::error(&self.place, format!("`{key}` needs the variable `{name}`, which is not set"))
                            .help("set it where mcp-probe runs")
                            .of_machine(),
                    )),
                }
            }
            Part::Unfillable { written, why } => {
                Err(Box::new(Diag::error(&self.place, format!("`{key}` holds `{written}`, {why}"))))
            }
            Part::File(path) => environment
                .file(&self.place.source.path(path))
                .map(|text| (text.trim_end_matches(['\r', '\n']).to_owned(), true))
                .map_err(|why| {
                    Diag::error(&self.place, format!("`{key}` needs the file `{path}`, which cannot be read: {why}"))
                        .of_machine()
                })
                .map_err(Box::new),
        }
    }
}

fn part(inside: &str) -> Result<Part, String> {
    if let Some(path) = inside.strip_prefix("file:") {
        return if path.is_empty() { Err("`${file:}` names no file".into()) } else { Ok(Part::File(path.to_owned())) };
    }
    if let Some(name) = inside.strip_prefix("save.") {
        return if is_name(name) {
            Ok(Part::Saved(name.to_owned()))
        } else {
            Err(format!("`${{save.{name}}}` names nothing that could be saved"))
        };
    }
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default.to_owned())),
        None => (inside, None),
    };
    if !is_name(name) {
        return Err(format!("`${{{inside}}}` is no variable: a name is letters, digits and `_`"));
    }
    Ok(Part::Variable { name: name.to_owned(), default })
}

/// Whether every program is given this variable anyway: it is no secret, and a child that lacks it may not even start.
fn is_public(name: &str) -> bool {
    matches!(name, "PATH" | "HOME" | "USER" | "LOGNAME" | "SHELL" | "TERM" | "LANG" | "TMPDIR")
}

/// Whether this can name a variable or a saved value.
pub(crate) fn is_name(name: &str) -> bool {
    name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::super::source::Source;
    use super::*;

    /// An environment of given variables and files.
    #[derive(Default)]
    pub(crate) struct Given {
        pub(crate) variables: BTreeMap<&'static str, &'static str>,
        pub(crate) files: BTreeMap<&'static str, &'static str>,
    }

    impl Environment for Given {
        fn variable(&self, name: &str) -> Option<String> {
            self.variables.get(name).map(ToString::to_string)
        }

        fn file(&self, path: &Path) -> Result<String, String> {
            let text = self.files.get(path.to_str().unwrap_or_default());
            text.map(ToString::to_string).ok_or_else(|| "no such file".to_owned())
        }
    }

    fn read(text: &str) -> (Text, Vec<Diag>) {
        let source = Source::new("a.toml", text, "/etc");
        let mut diags = Vec::new();
        (Text::parse(text, &Place::new(&source, 0..text.len()), &mut diags), diags)
    }

    fn environment() -> Given {
        Given {
            variables: BTreeMap::from([("TOKEN", "t0k"), ("EMPTY", "")]),
            files: BTreeMap::from([("/etc/key", "from file\n")]),
        }
    }

    #[test]
    fn variables_are_replaced_and_remembered() {
        for (text, value, secrets) in [
            ("plain $5 $ $x", "plain $5 $ $x", &[][..]),
            ("Bearer ${TOKEN}!", "Bearer t0k!", &["t0k"][..]),
            ("${TOKEN}${TOKEN}", "t0kt0k", &["t0k", "t0k"]),
            ("${NONE:-a:b}", "a:b", &[]),
            ("${NONE:-}", "", &[]),
            ("${EMPTY:-x}", "x", &[]),
            ("${EMPTY}", "", &[]),
            ("${file:key}", "from file", &["from file"]),
            ("$${TOKEN} $$x", "${TOKEN} $$x", &[]),
        ] {
            let (parsed, diags) = read(text);
            assert!(diags.is_empty(), "{text}: {diags:?}");
            let resolved = parsed.resolve("k", &environment()).unwrap();
            assert_eq!(resolved.value, value, "{text}");
            assert_eq!(resolved.secret_parts, secrets, "{text}");
            assert_eq!(parsed.written(), text);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for (text, what) in [("${NONE}", "`NONE`"), ("${file:gone}", "`gone`"), ("${save.id}", "save.id")] {
            let error = read(text).0.resolve("url", &environment()).unwrap_err();
            assert!(error.message.contains(what) && error.message.contains("`url`"), "{}", error.message);
        }
    }

    #[test]
    fn what_is_no_variable_is_a_mistake() {
        for text in ["${", "${}", "${1A}", "${A B}", "${file:}", "${save.}", "${A:b}", "x${A"] {
            assert_eq!(read(text).1.len(), 1, "{text}");
        }
    }
}

//! Steps: one call each, and what is expected of it.

use crate::base::name::Name;
use std::sync::Arc;

use super::advice;
use crate::audit::{Rule, rules};
use crate::base::glob;
use crate::check::path::Path;
use crate::check::rules::Selection;
use crate::check::{self, Expectation};
use crate::config::{Diag, Environment, Field, Place, Reading, Section, Template, suggest, text};
use crate::protocol::revision::method_anywhere;
use crate::protocol::{Answers, REVISIONS};

/// Keys of a step that inside `arguments` or `params` are a slip: the table ended up one level too deep.
pub(crate) const STEP_KEYS: &[&str] =
    &["expect", "save", "always", "on_fail", "allow_side_effects", "unlisted", "idempotent", "answers"];

/// The words of `on_fail`.
pub(super) const ON_FAIL: &[(&str, OnFail)] = &[("failed", OnFail::Fail), ("degraded", OnFail::Degrade)];

/// What a failed step does to its probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFail {
    /// The probe fails.
    #[default]
    Fail,
    /// The probe is degraded and goes on.
    Degrade,
}

/// A value that a step saves, and whether a later step uses it.
#[derive(Clone, Debug)]
pub struct Save {
    name: String,
    place: Place,
    used: bool,
}

impl Save {
    /// Advises on what was saved for nobody.
    pub fn advise(saved: &[Self], reading: &Reading<'_>) {
        for save in saved.iter().filter(|save| !save.used) {
            let used = saved.iter().filter(|other| other.used).map(|other| other.name.as_str());
            advice::unused_save(&save.name, &save.place, used, reading);
        }
    }
}

/// One call and what is expected of it.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the file")]
pub struct Step {
    /// Its name; the method (and what it is about) when the file gives none.
    pub name: Name,
    /// The JSON-RPC method.
    pub method: Name,
    /// The parameters; [`Template::fill`] puts in what earlier steps saved.
    pub params: Template,
    /// What is expected of the reply, with the defaults of the method.
    pub checks: Arc<[Expectation]>,
    /// Whether a JSON-RPC error is expected, and `rpc_error` therefore is no reason.
    pub expects_error: bool,
    /// What is saved from the result for later steps, by name.
    pub save: Vec<(String, Path)>,
    /// Consent to call a tool that is not declared read-only.
    pub allow_side_effects: bool,
    /// Consent to call a tool that is not listed.
    pub unlisted: bool,
    /// Whether it may be sent twice.
    pub idempotent: bool,
    /// Whether it runs although an earlier step failed.
    pub always: bool,
    /// What its failure does to the probe.
    pub on_fail: OnFail,
    /// What is answered when the server asks; without it no client capability is declared.
    pub answers: Answers,
    /// `file:line:column`.
    pub place: Name,
}

impl Step {
    /// The tool it calls, if it calls one.
    #[must_use]
    pub fn tool(&self) -> Option<&str> {
        let Template::Object(members) = &self.params else { return None };
        let name = members.iter().find(|(name, _)| name == "name").map(|(_, value)| value)?;
        match name {
            Template::Fixed(name) if self.method == "tools/call" => name.as_str(),
            _ => None,
        }
    }

    /// Whether its reply is compared with the lock file.
    #[must_use]
    pub fn wants_lock(&self) -> bool {
        self.checks.iter().any(|expectation| expectation.check.wants_lock())
    }

    /// Fills in the variables of the parameters.
    ///
    /// # Errors
    /// A diagnostic for each variable that is missing.
    pub fn resolve(&self, environment: &dyn Environment) -> Result<Self, Vec<Diag>> {
        Ok(Self { params: self.params.resolve("params", environment)?, ..self.clone() })
    }
}

/// Reads one `[[probe.step]]`. `saved` holds what earlier steps save, and gets what this one does.
#[must_use]
pub fn parse(section: Section<'_>, saved: &mut Vec<Save>) -> Option<Step> {
    let call = call(&section, saved);
    let checks: Arc<[Expectation]> = {
        let expect = section.field("expect").and_then(|field| field.table("`expect`"));
        let method = call.as_ref().map_or("", |call| call.method.as_str());
        check::parse(expect.as_ref(), method).into()
    };
    rules_known(&section, &checks);
    let mut step = Step {
        name: section.string("name").or_else(|| call.as_ref().map(|call| call.name.clone())).unwrap_or_default().into(),
        method: call.as_ref().map(|call| call.method.clone()).unwrap_or_default().into(),
        params: call.as_ref().map_or_else(Template::object, |call| call.params.clone()),
        expects_error: checks.iter().any(|expectation| expectation.check.kind() == "error"),
        checks,
        save: Vec::new(),
        allow_side_effects: section.bool("allow_side_effects").unwrap_or_default(),
        unlisted: section.bool("unlisted").unwrap_or_default(),
        idempotent: section.bool("idempotent").unwrap_or_default(),
        always: section.bool("always").unwrap_or_default(),
        on_fail: section.one_of("on_fail", ON_FAIL).unwrap_or_default(),
        answers: answers(&section),
        place: section.place().to_string().into(),
    };
    for key in ["allow_side_effects", "unlisted", "idempotent"] {
        if section.has(key) && call.is_some() && step.method != "tools/call" {
            section.wrong(key, format!("`{key}` concerns tools, and `{}` calls none", step.method));
        }
    }
    step.save = save(&section, saved);
    section.finish();
    call.map(|_| step)
}

/// Rules that are named but cannot be judged would be green for ever.
fn rules_known(section: &Section<'_>, checks: &[Expectation]) {
    let named = checks.iter().filter_map(|expectation| expectation.check.rules()).flat_map(Selection::patterns);
    for (pattern, place) in named {
        let matching = || rules::all().filter(|rule| glob::matches(pattern, rule.id));
        if matching().any(Rule::is_of_steps) {
            continue;
        }
        let diag = match matching().next() {
            Some(rule) => Diag::error(place, format!("`{pattern}` cannot be judged by the reply of a step"))
                .help(format!("`mcp-probe audit --rule {}` sends what it needs", rule.id)),
            None => {
                let judged = rules::all().filter(|rule| rule.is_of_steps()).map(|rule| rule.id);
                let help = match suggest::nearest(pattern, judged) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "`mcp-probe explain rules` lists them".to_owned(),
                };
                Diag::error(place, format!("`{pattern}` is no rule")).help(help)
            }
        };
        section.reading().report(diag);
    }
}

struct Call {
    name: String,
    method: String,
    params: Template,
}

fn call(section: &Section<'_>, saved: &mut [Save]) -> Option<Call> {
    const KINDS: [&str; 4] = ["method", "tool", "resource", "prompt"];
    let given: Vec<&'static str> = KINDS.into_iter().filter(|key| section.has(key)).collect();
    let (params, arguments) = (section.field("params"), section.field("arguments"));
    for field in [params, arguments].into_iter().flatten() {
        misplaced(field);
        unknown_saves(field, saved);
    }
    let kind = match given.as_slice() {
        [kind] => *kind,
        [] => {
            let help =
                "write `method = \"tools/list\"`, `tool = \"name\"`, `resource = \"URI\"` or `prompt = \"name\"`";
            if KINDS.into_iter().all(|kind| section.lacks(kind)) {
                section.wrong("", "this step calls nothing").help(help);
            }
            return None;
        }
        [first, second, ..] => {
            section.wrong(second, format!("this step has both `{first}` and `{second}`")).help("a step is one call");
            return None;
        }
    };
    let field = section.field(kind)?;
    let word = field.text()?;
    let about = Template::of(field.node);
    if word.literal() == Some("") {
        field.wrong(format!("`{kind}` is empty"));
        return None;
    }
    unfitting(section, kind);
    let object = |field: Option<Field<'_>>, key: &str| match field {
        Some(field) if field.is_table() => Some(field.template()),
        Some(field) => {
            field.wrong(format!("`{key}` must be a table"));
            None
        }
        None => None,
    };
    let shown = word.written();
    Some(match kind {
        "tool" => {
            let arguments = object(arguments, "arguments").unwrap_or_else(Template::object);
            let params = Template::Object(vec![("name".into(), about), ("arguments".into(), arguments)]);
            Call { name: format!("tools/call {shown}"), method: "tools/call".into(), params }
        }
        "resource" => {
            let params = Template::Object(vec![("uri".into(), about)]);
            Call { name: format!("resources/read {shown}"), method: "resources/read".into(), params }
        }
        "prompt" => {
            let mut members = vec![("name".into(), about)];
            members.extend(object(arguments, "arguments").map(|arguments| ("arguments".into(), arguments)));
            Call {
                name: format!("prompts/get {shown}"),
                method: "prompts/get".into(),
                params: Template::Object(members),
            }
        }
        _ => {
            let method = field.string()?;
            check_method(&method, field);
            let params = object(params, "params").unwrap_or_else(Template::object);
            Call { name: method.clone(), method, params }
        }
    })
}

/// `params` and `arguments` where the call has no place for them.
fn unfitting(section: &Section<'_>, kind: &str) {
    let reject = |key: &str, why: &str| {
        section.wrong(key, format!("`{key}` does not go with `{kind}`")).help(why);
    };
    if kind != "method" && section.has("params") {
        reject("params", "write `arguments`, or the whole call as `method` and `params`");
    }
    if matches!(kind, "method" | "resource") && section.has("arguments") {
        let help = if kind == "method" { "write `params = { … }`" } else { "a resource is read by its URI alone" };
        reject("arguments", help);
    }
}

fn check_method(method: &str, field: Field<'_>) {
    let list = format!("{method}/list");
    if method.starts_with("notifications/") {
        field.wrong(format!("`{method}` is a notification: nothing answers it"));
    } else if method.chars().any(|c| c.is_whitespace() || c.is_control()) {
        field.wrong("a method has no spaces");
    } else if method_anywhere(method).is_none() {
        let known = REVISIONS.iter().flat_map(|revision| revision.methods).map(|method| method.name);
        let near = method_anywhere(&list).map(|method| method.name).or_else(|| suggest::nearest(method, known));
        let diag = Diag::warning(field.place(), format!("`{method}` is a method of no MCP revision"));
        field.reading().report(diag.maybe_help(near.map(|near| format!("did you mean `{near}`?"))));
    }
}

/// A key of a step inside `arguments` or `params`: the table that was to be continued is another one.
fn misplaced(field: Field<'_>) {
    let crate::config::Value::Table(table) = &field.node.value else { return };
    for (key, _) in table.entries.iter().filter(|(key, _)| STEP_KEYS.contains(&key.name.as_str())) {
        let name = &key.name;
        field.reading().report(
            Diag::error(&key.place, format!("`{name}` is a key of the step, but stands inside `{}`", field.key)).help(
                format!(
                    "write it above `[probe.step.{0}]`, or write `{0} = {{ … }}`; a tool that really has an argument \
                     `{name}` is called by `method = \"tools/call\"` with `params.arguments`",
                    field.key
                ),
            ),
        );
    }
}

fn unknown_saves(field: Field<'_>, saved: &mut [Save]) {
    let template = field.template();
    for name in template.saved_names() {
        // A name that was saved twice is what was saved last.
        if let Some(save) = saved.iter_mut().rev().find(|save| save.name == name) {
            save.used = true;
            continue;
        }
        let help = suggest::sentence(name, saved.iter().map(|save| save.name.as_str()));
        field
            .wrong(format!("no earlier step saves `{name}`"))
            .maybe_help(help.or_else(|| Some(format!("write `save.{name} = \"$.path\"` in an earlier step"))));
    }
}

fn save(section: &Section<'_>, saved: &mut Vec<Save>) -> Vec<(String, Path)> {
    let mut saves = Vec::new();
    for (key, value) in section.section("save").iter().flat_map(Section::entries) {
        if !text::is_name(&key.name) {
            let diag = Diag::error(&key.place, format!("{:?} cannot name a saved value", key.name));
            section.reading().report(diag.help("a name is letters, digits and `_`"));
        }
        saved.push(Save { name: key.name.clone(), place: key.place.clone(), used: false });
        match value.string().map(|path| Path::parse(&path)) {
            Some(Ok(path)) => saves.push((key.name.clone(), path)),
            Some(Err(why)) => drop(value.wrong(why)),
            None => {}
        }
    }
    saves
}

fn answers(section: &Section<'_>) -> Answers {
    let Some(answers) = section.section("answers") else { return Answers::default() };
    let roots = answers.field("roots").and_then(|field| field.items("an array of roots, each with a `uri`"));
    let read = Answers {
        roots: roots.map(|roots| roots.iter().filter_map(Field::json).collect()),
        sampling: answers.json("sampling"),
        elicitation: answers.json("elicitation"),
    };
    answers.finish();
    read
}

//! Draft → plan: what was selected, with its variables resolved. Only what is selected needs its variables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::draft::Draft;
use super::target::Target;
use super::target_draft::TargetDraft;
use super::{Plan, Probe, ProbeDraft, Shard, Share, Steps};
use crate::base::glob;
use crate::base::secret::Masker;
use crate::config::secrets::is_secret_name;
use crate::config::{Diag, Environment};

/// What to select; everything empty selects all.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Exact names of targets; a target has to be one of them.
    pub named: Vec<String>,
    /// Patterns of probe names, any of which may match.
    pub probes: Vec<String>,
    /// Patterns of target names, any of which may match.
    pub targets: Vec<String>,
    /// Labels of targets, all of which must match.
    pub labels: Vec<(String, String)>,
    /// Which share of what the others select; none leaves it to the files.
    pub shard: Option<Shard>,
    /// Targets that every share has.
    pub everywhere: Vec<String>,
}

/// What was selected.
#[derive(Clone)]
pub struct Selected {
    /// What is to be done.
    pub plan: Plan,
    /// Every value that must not be shown.
    pub masker: Masker,
    /// What is selected of other programs' files and cannot be used.
    pub unusable: Vec<Unusable>,
}

/// A target of another program's file that cannot be used. It keeps nobody from the others.
#[derive(Clone, Debug)]
pub struct Unusable {
    /// The probe.
    pub probe: String,
    /// The target.
    pub target: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Why.
    pub diags: Vec<Diag>,
}

/// Why there is no plan.
#[derive(Clone, Debug)]
pub enum NotSelected {
    /// Nothing matches; the sentence says what there was.
    Nothing(String),
    /// Something selected cannot be used.
    Mistakes(Vec<Diag>),
}

/// A probe with its targets.
type Choice<'a> = (&'a ProbeDraft, Vec<&'a TargetDraft>);

impl Selection {
    pub(super) fn takes_probe(&self, name: &str) -> bool {
        self.probes.is_empty() || self.probes.iter().any(|pattern| glob::matches(pattern, name))
    }

    pub(super) fn takes_target(&self, target: &TargetDraft) -> bool {
        let named = self.named.is_empty() || self.named.contains(&target.name);
        let matches =
            self.targets.is_empty() || self.targets.iter().any(|pattern| glob::matches(pattern, &target.name));
        named && matches && self.labels.iter().all(|(name, value)| target.labels.get(name) == Some(value))
    }
}

impl Draft {
    /// Resolves what is selected.
    ///
    /// # Errors
    /// When nothing is, or when something that is selected misses a variable or a file.
    pub fn select(&self, selection: &Selection, environment: &dyn Environment) -> Result<Selected, NotSelected> {
        let mut chosen: Vec<Choice<'_>> = self.choose(selection);
        if chosen.is_empty() {
            return Err(NotSelected::Nothing(self.nothing(selection)));
        }
        let share = self.share(&mut chosen, selection, environment)?;
        let masker = self.masker(environment);
        let readers = self.readers();
        let mut diags = Vec::new();
        let mut targets: BTreeMap<&str, Arc<Target>> = BTreeMap::new();
        let mut broken: BTreeMap<&str, Vec<Diag>> = BTreeMap::new();
        let mut unusable = Vec::new();
        let mut plan = Plan { share, ..Plan::default() };
        let wanted: BTreeSet<&str> =
            chosen.iter().flat_map(|(_, targets)| targets.iter().map(|target| target.name.as_str())).collect();
        for draft in self.targets.iter().filter(|target| wanted.contains(target.name.as_str())) {
            match self.resolve_target(draft, &readers, environment, &masker) {
                Ok(target) => {
                    let target = Arc::new(target);
                    targets.insert(&draft.name, Arc::clone(&target));
                    plan.targets.push(target);
                }
                // Who names it wants to hear it; the others are judged without it.
                Err(missing) if draft.client().is_some() && !selection.named.contains(&draft.name) => {
                    broken.insert(&draft.name, missing);
                }
                Err(missing) => diags.extend(missing),
            }
        }
        for (draft, drafts) in chosen {
            unusable.extend(drafts.iter().filter_map(|target| {
                let diags = broken.get(target.name.as_str())?.clone();
                Some(Unusable {
                    probe: draft.name.clone(),
                    target: target.name.clone(),
                    labels: target.labels.clone(),
                    diags,
                })
            }));
            let targets: Vec<Arc<Target>> =
                drafts.iter().filter_map(|target| targets.get(target.name.as_str()).map(Arc::clone)).collect();
            if !targets.is_empty() {
                match resolve_probe(draft, targets, environment) {
                    Ok(probe) => plan.probes.push(probe),
                    Err(missing) => diags.extend(missing),
                }
            }
        }
        if diags.is_empty() { Ok(Selected { plan, masker, unusable }) } else { Err(NotSelected::Mistakes(diags)) }
    }

    /// One target by its exact name, resolved.
    ///
    /// # Errors
    /// A diagnostic for each variable or file that is missing.
    pub fn target(&self, name: &str, environment: &dyn Environment) -> Option<Result<(Target, Masker), Vec<Diag>>> {
        let draft = self.targets.iter().find(|target| target.name == name)?;
        let masker = self.masker(environment);
        Some(self.resolve_target(draft, &self.readers(), environment, &masker).map(|target| (target, masker)))
    }

    /// Leaves what is this prober's, where several divide what was chosen. A target that is named is meant, whoever has it by
    /// the files.
    fn share(
        &self,
        chosen: &mut Vec<Choice<'_>>,
        selection: &Selection,
        environment: &dyn Environment,
    ) -> Result<Option<Share>, NotSelected> {
        let shard = match selection.shard {
            None if selection.named.is_empty() => {
                self.shard(environment).map_err(|diag| NotSelected::Mistakes(vec![*diag]))?
            }
            said => said,
        };
        let Some(shard) = shard else { return Ok(None) };
        let count = |chosen: &[Choice<'_>]| chosen.iter().map(|(_, targets)| targets.len()).sum();
        let all = count(chosen);
        for (_, targets) in chosen.iter_mut() {
            targets.retain(|target| shard.has(&target.name) || selection.everywhere.contains(&target.name));
        }
        chosen.retain(|(_, targets)| !targets.is_empty());
        Ok(Some(Share { shard, pairs: count(chosen), all }))
    }

    /// Which share of the targets is this prober's by the files.
    ///
    /// # Errors
    /// A variable that is missing, or what it gives is no shard.
    pub fn shard(&self, environment: &dyn Environment) -> Result<Option<Shard>, Box<Diag>> {
        self.fleets.first().map_or(Ok(None), |fleet| fleet.resolve(environment))
    }

    fn choose(&self, selection: &Selection) -> Vec<Choice<'_>> {
        let mut chosen = Vec::new();
        let by_name: BTreeMap<&str, &TargetDraft> =
            self.targets.iter().map(|target| (target.name.as_str(), target)).collect();
        for probe in &self.probes {
            // The order in which the probe names them, then that of the files.
            let mut targets: Vec<&TargetDraft> =
                probe.targets.iter().filter_map(|(name, _)| by_name.get(name.as_str()).copied()).collect();
            if probe.targets.iter().any(|(name, _)| name == "*") {
                let named: BTreeSet<&str> = targets.iter().map(|target| target.name.as_str()).collect();
                let others = self.targets.iter().filter(|target| target.disabled.is_none());
                targets.extend(others.filter(|target| !named.contains(target.name.as_str())));
            }
            targets.retain(|target| selection.takes_target(target));
            if selection.takes_probe(&probe.name) && !targets.is_empty() {
                chosen.push((probe, targets));
            }
        }
        let is_used = |target: &TargetDraft| target.disabled.is_none() || selection.named.contains(&target.name);
        for target in self.unprobed().filter(|target| is_used(target)) {
            if selection.takes_probe(&target.built_in.name) && selection.takes_target(target) {
                chosen.push((&*target.built_in, vec![target]));
            }
        }
        chosen
    }

    /// The targets that no file has a probe for: each has its built-in one.
    pub(super) fn unprobed(&self) -> impl Iterator<Item = &TargetDraft> {
        let named: BTreeSet<&str> =
            self.probes.iter().flat_map(|probe| &probe.targets).map(|(name, _)| name.as_str()).collect();
        let is_probed = move |target: &TargetDraft| {
            named.contains(target.name.as_str()) || (named.contains("*") && target.disabled.is_none())
        };
        self.targets.iter().filter(move |target| !is_probed(target))
    }

    /// The built-in probes, each of one target, that the files as they are bring about.
    pub fn built_in(&self) -> impl Iterator<Item = &ProbeDraft> {
        self.unprobed().filter(|target| target.disabled.is_none()).map(|target| &*target.built_in)
    }

    fn nothing(&self, selection: &Selection) -> String {
        if self.targets.is_empty() {
            return "there is nothing to probe: the files define no target".to_owned();
        }
        let probes: Vec<&str> = self.probes.iter().map(|probe| probe.name.as_str()).collect();
        let targets: Vec<&str> = self.targets.iter().map(|target| target.name.as_str()).collect();
        let asked = if selection.probes.is_empty() { &targets } else { &probes };
        let what = if selection.probes.is_empty() { "targets" } else { "probes" };
        let list = crate::config::suggest::list(asked).unwrap_or_else(|| "none".to_owned());
        format!("nothing matches the selection; the {what} there are: {list}")
    }

    /// Who reads which variable, for what each child may not see.
    fn readers(&self) -> Readers<'_> {
        let mut readers = Readers { secrets: self.secret_variables.iter().cloned().collect(), handed: BTreeMap::new() };
        for target in &self.targets {
            readers.secrets.extend(target.secret_variables().map(ToOwned::to_owned));
            for name in target.env_variables() {
                let only = readers.handed.entry(name).or_insert(Some(&target.name));
                *only = only.filter(|have| *have == target.name);
            }
        }
        readers
    }

    /// The value of every variable that the plan reads as a secret, whether selected or not.
    fn masker(&self, environment: &dyn Environment) -> Masker {
        let masker = Masker::default();
        let targets = self.targets.iter();
        let named = targets.flat_map(|target| target.secret_variables().chain(target.env_variables()));
        // What a call says is no secret, unless its variable is called one.
        let steps = self.probes.iter().flat_map(|probe| match &probe.steps {
            Steps::Lists => &[],
            Steps::Given(steps) => steps.as_slice(),
        });
        let said = steps.flat_map(|step| step.params.variables()).filter(|name| is_secret_name(name));
        for name in named.chain(said).chain(self.secret_variables.iter().map(String::as_str)) {
            if let Some(value) = environment.variable(name) {
                masker.add(&value);
            }
        }
        masker
    }

    fn resolve_target(
        &self,
        draft: &TargetDraft,
        readers: &Readers<'_>,
        environment: &dyn Environment,
        masker: &Masker,
    ) -> Result<Target, Vec<Diag>> {
        let mut secrets = Vec::new();
        let target = draft.resolve(environment, &readers.hidden_from(draft), self.found, &mut secrets);
        for secret in &secrets {
            masker.add(secret);
        }
        target
    }
}

/// Who reads which variable.
struct Readers<'a> {
    /// Read as secrets: no child sees them.
    secrets: BTreeSet<String>,
    /// Handed to children by `env`, with the target where it is only one.
    handed: BTreeMap<&'a str, Option<&'a str>>,
}

impl Readers<'_> {
    /// Variables that this target's child may not see: secrets of everybody, and what others hand to their own.
    fn hidden_from(&self, target: &TargetDraft) -> BTreeSet<String> {
        let others = self.handed.iter().filter(|(_, only)| **only != Some(target.name.as_str()));
        let others = others.map(|(name, _)| (*name).to_owned());
        self.secrets.iter().cloned().chain(others).collect()
    }
}

fn resolve_probe(
    draft: &ProbeDraft,
    targets: Vec<Arc<Target>>,
    environment: &dyn Environment,
) -> Result<Probe, Vec<Diag>> {
    let mut diags = draft.unset.clone();
    let steps = match &draft.steps {
        Steps::Lists => Steps::Lists,
        Steps::Given(steps) => {
            let mut resolved = Vec::with_capacity(steps.len());
            for step in steps {
                match step.resolve(environment) {
                    Ok(step) => resolved.push(step),
                    Err(missing) => diags.extend(missing),
                }
            }
            Steps::Given(resolved)
        }
    };
    if !diags.is_empty() {
        return Err(diags);
    }
    Ok(Probe {
        name: draft.name.clone().into(),
        targets,
        timeout: draft.timeout,
        retries: draft.retries,
        session: draft.session,
        cold_every: draft.cold_every,
        steps,
        findings: draft.findings.clone(),
        when: draft.when.clone(),
        locked: false,
        place: draft.is_written.then(|| draft.place.to_string().into()),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::config::text::tests::Given;
    use crate::config::{Place, Reading, Saved, Section, Severity, Source, render, tree};
    use crate::plan::{Effect, Endpoint, Inherit, SessionChoice, When};

    /// The keys of targets and probes that the documentation shows, in one file.
    const DOCUMENTED: &str = r#"
[defaults]
timeout = "10s"
every = "15s"

[target.weather]
url = "https://weather.example/mcp"
protocol = "auto"
transport = "auto"
headers = { X-Team = "${TEAM}" }
auth = { bearer = "${WEATHER_TOKEN}" }
tls = { ca = "ca.pem", cert = "me.pem", key = "me.key", server_name = "weather.example", insecure = false }
labels = { env = "prod" }
startup_timeout = "60s"
restart = ["systemctl", "restart", "weather-mcp"]

[target.files]
command = ["npx", "-y", "@modelcontextprotocol/server-filesystem", "."]
env = { LOG_LEVEL = "error", KEY = "${FILES_KEY:-none}" }
cwd = "."

[target.local]
command = ["./server", "--port", "0"]
inherit_env = ["EXTRA"]

[[probe]]
name = "smoke"
target = ["weather", "files"]
cron = "*/5 * * * *"
timezone = "UTC"
timeout = "5s"
retries = 1
session = "reuse"
findings = { "stdio.stdout_clean" = "fail" }

[[probe.step]]
method = "tools/list"
expect.latency = { warn = "300ms", max = "800ms" }
expect.tools = { include = ["forecast"], min = 3 }

[[probe.step]]
name = "call"
tool = "forecast"
arguments = { city = "Oslo" }
allow_side_effects = true
save.id = "$.structuredContent.id"
expect.json."$.content[0].type" = "text"
expect.json."$.structuredContent.days" = { ge = 1, le = 14 }

[[probe.step]]
tool = "forget"
arguments = { id = "${save.id}" }
always = true
idempotent = true
unlisted = true
on_fail = "degraded"
answers = { roots = [{ uri = "file:///tmp" }] }
"#;

    fn draft(toml: &str, given: &Given) -> Draft {
        let source = Source::new("a.toml", toml, "/srv/probes");
        let (table, mut diags) = tree::parse(&source);
        let reading = Reading::new(given);
        let mut draft =
            Draft { secret_variables: vec!["OPS_WEBHOOK".into(), "PAGERDUTY_KEY".into()], ..Draft::default() };
        let file = Section::new(&table, "a probe file", &Place::new(&source, 0..0), &reading);
        draft.read(&file);
        file.finish();
        diags.extend(reading.into_diags());
        diags.extend(draft.check_names(&[]));
        diags.retain(|diag| diag.severity == Severity::Error);
        assert!(diags.is_empty(), "{}", render(&diags, false, None));
        draft
    }

    fn given() -> Given {
        let variables = [("TEAM", "t-42"), ("WEATHER_TOKEN", "w-secret"), ("OPS_WEBHOOK", "https://hook/1")];
        let made = rcgen::generate_simple_self_signed(["weather.example".to_owned()]).unwrap();
        let (cert, key) = (made.cert.pem().leak() as &str, made.signing_key.serialize_pem().leak() as &str);
        let files = [("/srv/probes/ca.pem", cert), ("/srv/probes/me.pem", cert), ("/srv/probes/me.key", key)];
        Given { variables: variables.into(), files: files.into() }
    }

    fn names(plan: &Plan) -> Vec<String> {
        plan.pairs().map(|(probe, target)| format!("{}@{}", probe.name, target.name)).collect()
    }

    fn select(draft: &Draft, selection: &Selection, given: &Given) -> Selected {
        draft.select(selection, given).unwrap_or_else(|error| panic!("{error:?}"))
    }

    #[test]
    fn the_documented_file_becomes_a_plan() {
        let selected = select(&draft(DOCUMENTED, &given()), &Selection::default(), &given());
        assert_eq!(names(&selected.plan), ["smoke@weather", "smoke@files", "built-in@local"]);
        let probe = &selected.plan.probes[0];
        assert_eq!((probe.timeout, probe.retries), (Duration::from_secs(5), 1));
        assert_eq!(probe.session, SessionChoice::Reuse);
        assert!(matches!(&probe.when, When::Cron { timezone: Some(zone), .. } if zone == "UTC"));
        assert_eq!(probe.findings.effect("stdio.stdout_clean"), Effect::Fail);
        assert_eq!(probe.findings.effect("other"), Effect::Report);
        let Steps::Given(steps) = &probe.steps else { panic!() };
        let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names, ["tools/list", "call", "tools/call forget"]);
        assert_eq!(steps[1].params.fill(&Saved::new()), Ok(json!({"name": "forecast", "arguments": {"city": "Oslo"}})));
        assert_eq!(steps[1].tool(), Some("forecast"));
        assert_eq!(steps[1].checks.len(), 4, "two of the file, isError and the output schema");
        assert_eq!(steps[2].params.fill(&Saved::new()), Err("id".to_owned()));
        let saved = Saved::from([("id".to_owned(), json!(7))]);
        assert_eq!(steps[2].params.fill(&saved).unwrap()["arguments"]["id"], json!(7));
        assert!(steps[2].always && steps[2].idempotent && steps[2].unlisted && !steps[2].expects_error);
        assert_eq!(steps[2].answers.roots, Some(vec![json!({"uri": "file:///tmp"})]));
    }

    #[test]
    fn the_defaults_of_a_file_hold_for_the_built_in_probe_of_its_targets() {
        let defaults = "[defaults]\ntimeout = '3s'\nevery = '5s'\nretries = 2\nsession = 'reuse'\nfindings = 'fail'\n\
                        [target.a]\nurl = 'http://a/mcp'\n";
        let probe = &select(&draft(defaults, &given()), &Selection::default(), &given()).plan.probes[0];
        assert_eq!((probe.name.as_str(), &probe.place), ("built-in", &None));
        assert_eq!((probe.timeout, probe.retries), (Duration::from_secs(3), 2));
        assert_eq!((probe.session, &probe.when), (SessionChoice::Reuse, &When::Every(Duration::from_secs(5))));
        assert_eq!(probe.findings.effect("stdio.stdout_clean"), Effect::Fail);
        // Without them it is the one of the command line.
        let plain =
            &select(&draft("[target.a]\nurl = 'http://a/mcp'\n", &given()), &Selection::default(), &given()).plan;
        let (plain, ad_hoc) = (&plain.probes[0], Probe::built_in(Arc::clone(&plain.targets[0])));
        assert_eq!(format!("{plain:?}"), format!("{ad_hoc:?}"));
    }

    #[test]
    fn targets_are_resolved_and_paths_are_relative_to_the_file() {
        let plan = select(&draft(DOCUMENTED, &given()), &Selection::default(), &given()).plan;
        let [weather, files, local] = plan.targets.as_slice() else { panic!() };
        assert_eq!(weather.headers[0].1.reveal(), "t-42");
        assert_eq!(weather.bearer.as_ref().unwrap().reveal(), "w-secret");
        assert_eq!(weather.tls.ca.as_deref(), Some(std::path::Path::new("/srv/probes/ca.pem")));
        assert_eq!(files.cwd.as_deref(), Some(std::path::Path::new("/srv/probes/.")));
        assert_eq!(local.endpoint, Endpoint::Command(vec!["/srv/probes/./server".into(), "--port".into(), "0".into()]));
        assert_eq!(local.inherit_env, Inherit::Minimal(vec!["EXTRA".into()]));
        let Endpoint::Command(argv) = &files.endpoint else { panic!() };
        assert_eq!(argv[0], "npx", "a bare word is looked up in PATH");
    }

    #[test]
    fn secrets_are_hidden_from_other_children_and_masked() {
        let mut given = given();
        given.variables.insert("FILES_KEY", "k-secret");
        let selected = select(&draft(DOCUMENTED, &given), &Selection::default(), &given);
        let [_, files, local] = selected.plan.targets.as_slice() else { panic!() };
        assert_eq!(files.hidden_env, ["OPS_WEBHOOK", "PAGERDUTY_KEY", "TEAM", "WEATHER_TOKEN"], "not its own");
        assert_eq!(local.hidden_env, ["FILES_KEY", "OPS_WEBHOOK", "PAGERDUTY_KEY", "TEAM", "WEATHER_TOKEN"]);
        assert_eq!(selected.masker.mask("w-secret k-secret t-42 https://hook/1 error"), "*** *** *** *** error");
    }

    #[test]
    fn what_a_call_says_is_masked_where_its_variable_is_called_a_secret() {
        let toml = "[target.a]\nurl = 'http://a/mcp'\n[[probe]]\nname = 'one'\ntarget = '*'\n[[probe.step]]\ntool = 't'\n\
                    arguments = { city = \"${CITY}\", login = [\"by ${SHOP_TOKEN}\"] }\n";
        let variables = [("CITY", "Oslo"), ("SHOP_TOKEN", "s-secret")].into();
        let given = Given { variables, ..Given::default() };
        let selected = select(&draft(toml, &given), &Selection::default(), &given);
        assert_eq!(selected.masker.mask("by s-secret in Oslo"), "by *** in Oslo");
    }

    #[test]
    fn only_what_is_selected_needs_its_variables() {
        let nothing = Given::default();
        let draft = draft(DOCUMENTED, &nothing);
        let by_target = |pattern: &str| Selection { targets: vec![pattern.to_owned()], ..Selection::default() };
        assert_eq!(names(&select(&draft, &by_target("f*"), &nothing).plan), ["smoke@files"]);
        let Err(NotSelected::Mistakes(diags)) = draft.select(&by_target("weather"), &nothing) else { panic!() };
        assert_eq!(diags.len(), 5, "two variables and three files: {diags:?}");
        let by_label = |value: &str| Selection { labels: vec![("env".into(), value.into())], ..Selection::default() };
        assert_eq!(names(&select(&draft, &by_label("prod"), &given()).plan), ["smoke@weather"]);
        assert!(matches!(draft.select(&by_label("dev"), &given()), Err(NotSelected::Nothing(_))));
        let by_probe = |name: &str| Selection { probes: vec![name.to_owned()], ..Selection::default() };
        assert_eq!(names(&select(&draft, &by_probe("built-*"), &nothing).plan), ["built-in@local"]);
        assert!(matches!(draft.select(&by_probe("nope"), &given()), Err(NotSelected::Nothing(_))));
    }

    #[test]
    fn a_plan_is_divided_by_its_targets() {
        let toml = "[fleet]\nshard = \"${SHARD:-}\"\n[target.a]\nurl = 'http://a/mcp'\n[target.b]\nurl = 'http://b/mcp'\n\
                    [target.c]\nurl = 'http://c/mcp'\n[[probe]]\nname = 'one'\ntarget = '*'\n[[probe]]\nname = 'two'\n\
                    target = ['a', 'b']\n";
        let of =
            |shard: &str| Given { variables: [("SHARD", shard.to_owned().leak() as &str)].into(), ..Given::default() };
        let everything = of("");
        let draft = draft(toml, &everything);
        let whole = select(&draft, &Selection::default(), &everything).plan;
        assert_eq!((names(&whole).len(), whole.share), (5, None));
        let mut parts = Vec::new();
        for index in 1..=4 {
            let given = of(&format!("{index}/4"));
            let plan = select(&draft, &Selection::default(), &given).plan;
            let share = plan.share.unwrap();
            assert_eq!((share.pairs, share.all), (names(&plan).len(), 5), "{share}");
            // What the command line says wins, and a target that is named is meant.
            let shard = Some(Shard::parse("1/1").unwrap());
            assert_eq!(
                names(&select(&draft, &Selection { shard, ..Selection::default() }, &given).plan),
                names(&whole)
            );
            let named = Selection { named: vec!["a".into()], ..Selection::default() };
            assert_eq!(names(&select(&draft, &named, &given).plan), ["one@a", "two@a"]);
            let everywhere = Selection { everywhere: vec!["c".into()], ..Selection::default() };
            assert!(names(&select(&draft, &everywhere, &given).plan).contains(&"one@c".to_owned()));
            // The probes of a target stay together.
            for target in ["a", "b"] {
                let here = |probe: &str| names(&plan).contains(&format!("{probe}@{target}"));
                assert_eq!(here("one"), here("two"));
            }
            parts.extend(names(&plan));
        }
        parts.sort();
        let mut all = names(&whole);
        all.sort();
        assert_eq!(parts, all);
        for wrong in ["5/4", "x"] {
            assert!(
                matches!(draft.select(&Selection::default(), &of(wrong)), Err(NotSelected::Mistakes(_))),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_file_of_tls_that_cannot_be_used_is_told_where_it_is_named() {
        let mut given = given();
        given.files.insert("/srv/probes/ca.pem", "nothing of the kind");
        given.files.remove("/srv/probes/me.key");
        let everything = draft(DOCUMENTED, &given);
        let Err(NotSelected::Mistakes(diags)) = everything.select(&Selection::default(), &given) else { panic!() };
        let told: Vec<_> = diags.iter().map(|diag| (diag.place.as_ref().unwrap().to_string(), diag.unset)).collect();
        assert_eq!(told, [("a.toml:12:47".to_owned(), true), ("a.toml:12:14".to_owned(), false)], "{diags:?}");
        let said = render(&diags, false, None);
        assert!(said.contains("`target.weather.tls.key` needs the file `me.key`, which cannot be read"), "{said}");
        assert!(said.contains("`target.weather.tls.ca`: the file `ca.pem` has no PEM CA certificate in it"), "{said}");
        // Another target does not need them, nor does one without TLS.
        let files = Selection { targets: vec!["files".into()], ..Selection::default() };
        assert!(everything.select(&files, &given).is_ok());
        let plain = draft("[target.a]\nurl = 'http://a/mcp'\ntls = { ca = 'nope.pem' }\n", &given);
        assert!(plain.select(&Selection::default(), &given).is_ok());
    }

    #[test]
    fn consent_is_needed_for_what_was_found_and_acts_on_this_machine() {
        let toml = r#"
            [target.demo]
            command = ["mcp-probe", "demo"]
            [target.sly]
            command = ["mcp-probe", "tools/list", "--", "sh"]
            [target.other]
            command = ["sh"]
            [target.plain]
            url = "http://127.0.0.1:1/mcp"
            [target.sends]
            url = "http://127.0.0.1:1/mcp"
            headers = { X = "${TEAM}" }
            [target.starts]
            url = "http://127.0.0.1:0/mcp"
            start = ["sh"]
        "#;
        let mut draft = draft(toml, &given());
        let needs = |draft: &Draft| {
            let plan = select(draft, &Selection::default(), &given()).plan;
            plan.targets.iter().map(|target| target.needs_consent()).collect::<Vec<_>>()
        };
        assert_eq!(needs(&draft), [false; 6]);
        draft.found = true;
        assert_eq!(needs(&draft), [false, true, true, false, true, true]);
    }

    #[test]
    fn a_url_that_is_wrong_only_with_its_variables_is_not_quoted() {
        let draft = draft("[target.a]\nurl = '${TEAM}/mcp'\n", &given());
        let Err(NotSelected::Mistakes(diags)) = draft.select(&Selection::default(), &given()) else { panic!() };
        assert!(!render(&diags, false, None).contains("t-42"));
    }
}

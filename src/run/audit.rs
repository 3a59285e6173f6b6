//! An audit: a target is opened and looked at, then every exercise that is allowed and makes sense here is carried out, and
//! every rule is judged by what came. Judging is `audit`'s; this performs.

pub mod advice;
mod outcome;
mod revisions;
mod talk;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

pub use self::revisions::{Unspoken, audit_every};
use self::talk::{Manner, Talk};
use super::Context;
use super::adhoc::{Found, open};
use super::reach::Reach;
use crate::audit::exercise::{Line, Move};
use crate::audit::{Area, Case, Class, Exercise, Judgement, Named, Place, Rule, Shot, Situation, exercises, rules};
use crate::base::glob;
use crate::base::host::is_loopback;
use crate::base::sanitize::one_line;
use crate::config::suggest::nearest;
use crate::event::{Cause, Era, Finding, Reason, TransportKind};
use crate::plan::{Endpoint, Target};
use crate::protocol::{Answers, Pin, Revision};
use crate::session::ServerFacts;

/// Messages that may follow from the first of a move.
const FOLLOWING_MAX: usize = 12;

/// After so many messages in a row that were not answered in time, no more are sent: each would cost the whole time again.
const SILENCES_MAX: usize = 5;

/// What is to be done.
#[derive(Clone, Debug)]
pub struct AuditPlan {
    /// The classes of exercises beyond the harmless ones that were asked for.
    pub allowed: Vec<Class>,
    /// The tools that may be called.
    pub tools: Vec<Named>,
    /// Of one message.
    pub timeout: Duration,
    /// How long streams are held that nothing happens on.
    pub hold: Duration,
    /// Patterns of the ids of the rules that are wanted; none means all.
    pub rules: Vec<String>,
}

impl AuditPlan {
    /// The rules that are wanted.
    pub fn wanted(&self) -> impl Iterator<Item = &'static Rule> {
        let is_chosen = |rule: &&Rule| self.rules.iter().any(|glob| glob::matches(glob, rule.id));
        rules::all().filter(move |rule| self.rules.is_empty() || is_chosen(rule))
    }

    /// Whether a rule that is wanted needs this exercise. What every audit begins with is always needed.
    fn needs(&self, exercise: &Exercise) -> bool {
        let named = |needed: &Exercise| needed.name == exercise.name;
        let wants = |rule: &Rule| rule.needs.iter().chain(rule.occasions).any(|one| named(one));
        exercise.name == exercises::ORDINARY.name || self.wanted().any(wants)
    }

    /// Whether exercises of that class may be carried out.
    #[must_use]
    pub fn allows(&self, class: Class) -> bool {
        match class {
            Class::Passive | Class::Harmless => true,
            Class::Calls => !self.tools.is_empty(),
            Class::Slow | Class::Invasive => self.allowed.contains(&class),
        }
    }
}

/// What an audit of one target in one revision found.
#[derive(Clone, Debug)]
pub struct Audited {
    /// The target, as far as it could be opened.
    pub found: Found,
    /// What it says of itself.
    pub facts: Option<ServerFacts>,
    /// Everything that was sent and came.
    pub shots: Vec<Shot>,
    /// The definitions that its lists gave, by method.
    pub lists: HashMap<String, Vec<Value>>,
    /// What became of each rule.
    pub judged: Vec<Judgement>,
    /// From its start to its end.
    pub took: Duration,
}

impl Audited {
    /// Of a target that was not opened.
    #[must_use]
    pub fn unreached(target: &str, cause: Cause) -> Self {
        Self::without(Found::unreached(target, cause), Duration::ZERO)
    }

    /// The names of the tools, where there are any and they were read.
    fn listed(lists: &HashMap<String, Vec<Value>>) -> Option<Vec<&str>> {
        let tools = lists.get("tools/list").filter(|tools| !tools.is_empty())?;
        Some(tools.iter().filter_map(|tool| tool.get("name")?.as_str()).collect())
    }

    /// Those of these tools that the server does not list, each with a sentence; none where its list could not be read.
    #[must_use]
    pub fn unlisted(&self, tools: &[Named]) -> Vec<(String, String)> {
        let Some(names) = Self::listed(&self.lists) else { return Vec::new() };
        let absent = tools.iter().filter(|named| !names.contains(&named.name.as_str()));
        let said = |named: &Named| {
            let name = named.name.as_str();
            let close = nearest(name, names.iter().copied());
            let close = close.map_or_else(String::new, |close| format!("; did you mean {:?}?", one_line(close, 80)));
            let listed = names.len();
            (
                named.name.clone(),
                format!("the server lists no tool {name:?} ({listed} are listed), so it is not called{close}"),
            )
        };
        absent.map(said).collect()
    }

    fn without(found: Found, took: Duration) -> Self {
        Self { found, facts: None, shots: Vec::new(), lists: HashMap::new(), judged: Vec::new(), took }
    }
}

/// Is told of each exercise before it is carried out.
pub type Progress<'a> = &'a dyn Fn(&'static Revision, &'static Exercise);

/// Audits one target.
pub async fn audit(
    cx: &Context,
    reach: &Reach,
    pin: Pin,
    place: &Place,
    plan: &AuditPlan,
    progress: Progress<'_>,
) -> Audited {
    let begun = Instant::now();
    let session = match open(cx, reach, pin, &Answers::default(), "audit").await {
        Ok(session) => session,
        Err(refused) => {
            let (mut found, closing) = Found::refused(reach, *refused);
            if let Some(closing) = closing {
                found.note(&closing.finish(cx.grace).await.findings);
            }
            return match of_refused(reach, pin, &found) {
                Some(facts) => {
                    let audited = perform(cx, reach, place, plan, progress, (found, facts)).await;
                    Audited { took: begun.elapsed(), ..audited }
                }
                None => Audited::without(found, begun.elapsed()),
            };
        }
    };
    let mut found = Found::of(&reach.name, &session);
    let facts = session.facts().clone();
    found.note(&session.close(cx.grace).await.findings);
    let audited = perform(cx, reach, place, plan, progress, (found, facts)).await;
    Audited { took: begun.elapsed(), ..audited }
}

/// Of a server that wants credentials, its refusal and what that leads to can be judged: in the revision that is asked for.
fn of_refused(reach: &Reach, pin: Pin, found: &Found) -> Option<ServerFacts> {
    let refused = found.cause.as_ref().is_some_and(|cause| cause.reason == Reason::Auth);
    if !refused || !reach.dial.transports().contains(&TransportKind::StreamableHttp) {
        return None;
    }
    let revision = match pin {
        Pin::Version(revision) => revision,
        pin => Revision::newest(pin.era().unwrap_or(Era::Modern)),
    };
    Some(ServerFacts {
        identity: None,
        instructions: None,
        capabilities: no_arguments(),
        revision,
        transport: TransportKind::StreamableHttp,
        supported: Vec::new(),
    })
}

/// Carries out the exercises and judges; where no session could be had, only what needs none.
async fn perform(
    cx: &Context,
    reach: &Reach,
    place: &Place,
    plan: &AuditPlan,
    progress: Progress<'_>,
    (mut found, facts): (Found, ServerFacts),
) -> Audited {
    let refusal = found.cause.as_ref().filter(|_| !found.connected);
    let refusal = refusal.map(|cause| format!("the server opens no session: {}", cause.message));
    let manner = Manner {
        dial: &*reach.dial,
        place,
        revision: facts.revision,
        transport: facts.transport,
        timeout: plan.timeout,
        cancel: cx.cancel.clone(),
        tap: cx.tap("audit", reach),
    };
    let mut performance = Performance {
        manner: &manner,
        plan,
        facts: &facts,
        place,
        refusal: refusal.as_deref(),
        grace: cx.grace,
        shots: Vec::new(),
        lists: HashMap::new(),
        schemas: Arc::default(),
        tools: plan.tools.clone(),
        performed: HashMap::new(),
        findings: Vec::new(),
        silences: 0,
    };
    performance.all(progress).await;
    let Performance { shots, lists, tools, performed, findings, .. } = performance;
    found.note(&findings);
    let noticed = &found.findings;
    let case = Case { facts: &facts, shots: &shots, place, tools: &tools, findings: Some(noticed) };
    let done = |exercise: &Exercise| performed.get(exercise.name).cloned().unwrap_or_else(|| Err(String::new()));
    let judged = plan.wanted().map(|rule| match &refusal {
        // What refusals look like says nothing of the rest.
        Some(why) if rule.area != Area::Authorization => Judgement::unseen(rule, &facts, why),
        _ => Judgement::of(rule, &case, &done),
    });
    let judged = judged.collect();
    Audited { found, facts: Some(facts), shots, lists, judged, took: Duration::ZERO }
}

/// What an audit would send to a server that speaks this revision over this transport.
#[must_use]
pub fn rehearse(
    revision: &'static Revision,
    transport: TransportKind,
    plan: &AuditPlan,
) -> Vec<(&'static Exercise, Vec<Move>)> {
    let situation = Situation {
        revision,
        transport,
        capabilities: None,
        url: None,
        loopback: true,
        lists: &|_| &[],
        tools: &plan.tools,
        guarded: true,
        hold: plan.hold,
    };
    exercises::all()
        .filter(|exercise| exercise.applies(revision, transport) && plan.allows(exercise.class) && plan.needs(exercise))
        .map(|exercise| (exercise, (exercise.plan)(&situation)))
        .filter(|(_, moves)| !moves.is_empty())
        .collect()
}

/// The exercises at work.
struct Performance<'a> {
    manner: &'a Manner<'a>,
    plan: &'a AuditPlan,
    facts: &'a ServerFacts,
    place: &'a Place,
    /// Why no session could be had.
    refusal: Option<&'a str>,
    grace: Duration,
    shots: Vec<Shot>,
    /// What the lists gave, once they were read.
    lists: HashMap<String, Vec<Value>>,
    /// The input schemas of the tools among them, by name.
    schemas: Arc<HashMap<String, Value>>,
    /// The tools that may be called; of a server whose tools were read, those that it lists.
    tools: Vec<Named>,
    /// By the exercise's name: that it was carried out, or why not.
    performed: HashMap<&'static str, Result<(), String>>,
    findings: Vec<Finding>,
    /// Messages in a row that were not answered in time.
    silences: usize,
}

impl<'a> Performance<'a> {
    async fn all(&mut self, progress: Progress<'_>) {
        let mut shared: Option<Talk<'a>> = None;
        for exercise in exercises::all() {
            let done = match self.excuse(exercise) {
                Some(why) => Err(why),
                None => {
                    progress(self.facts.revision, exercise);
                    let before = self.shots.len();
                    let done = Box::pin(self.one(exercise, &mut shared)).await;
                    self.count_silences(before);
                    done
                }
            };
            self.performed.insert(exercise.name, done);
            if exercise.name == exercises::ORDINARY.name {
                self.learn();
            }
        }
        if let Some(shared) = shared {
            self.part(shared).await;
        }
    }

    /// How many messages in a row were not answered in time, up to now.
    fn count_silences(&mut self, before: usize) {
        for shot in &self.shots[before..] {
            let is_late = shot.fault.as_ref().is_some_and(|fault| fault.reason == Reason::Timeout);
            let is_silent = is_late && shot.came.is_empty() && shot.head.is_none();
            self.silences = if is_silent { self.silences + 1 } else { 0 };
        }
    }

    /// Why an exercise is not carried out.
    fn excuse(&self, exercise: &Exercise) -> Option<String> {
        if self.manner.cancel.is_cancelled() {
            return Some("interrupted".to_owned());
        }
        if self.silences >= SILENCES_MAX {
            return Some(format!("the server did not answer {} messages in a row", self.silences));
        }
        if let Some(why) = self.refusal.filter(|_| !exercise.of_refused) {
            return Some(why.to_owned());
        }
        if !self.plan.needs(exercise) {
            return Some("no rule that was chosen needs it".to_owned());
        }
        if !exercise.applies(self.facts.revision, self.facts.transport) {
            return Some("there is no way to see it in this revision over this transport".to_owned());
        }
        if !self.plan.allows(exercise.class) {
            let option = exercise.class.option().unwrap_or_default();
            return Some(format!("{option} was not given"));
        }
        None
    }

    async fn one(&mut self, exercise: &'static Exercise, shared: &mut Option<Talk<'a>>) -> Result<(), String> {
        let moves = self.knowing(exercise.plan);
        if moves.is_empty() {
            return Err("this server gives no occasion for it".to_owned());
        }
        if exercise.line == Line::Shared {
            let talk = match shared.take() {
                Some(talk) if !talk.is_gone() => talk,
                gone => {
                    if let Some(gone) = gone {
                        self.part(gone).await;
                    }
                    self.talk(exercise, 0).await?
                }
            };
            let mut talks = vec![Some(talk)];
            let done = self.moves(exercise, &moves, &mut talks).await;
            *shared = talks.remove(0);
            for talk in talks.into_iter().flatten() {
                self.part(talk).await;
            }
            return done;
        }
        let mut talks = Vec::new();
        let done = self.moves(exercise, &moves, &mut talks).await;
        for talk in talks.into_iter().flatten() {
            self.part(talk).await;
        }
        done
    }

    /// What is planned with what is known by now.
    fn knowing<T>(&self, plan: impl FnOnce(&Situation<'_>) -> T) -> T {
        let refused = |shot: &Shot| shot.status() == Some(401);
        plan(&Situation {
            revision: self.facts.revision,
            transport: self.facts.transport,
            capabilities: Some(&self.facts.capabilities),
            url: self.place.url.as_deref(),
            loopback: self.place.loopback,
            lists: &|method| self.lists.get(method).map_or(&[], Vec::as_slice),
            tools: &self.tools,
            hold: self.plan.hold,
            guarded: self.refusal.is_some() || self.place.has_credentials || self.shots.iter().any(refused),
        })
    }

    async fn moves(
        &mut self,
        exercise: &'static Exercise,
        moves: &[Move],
        talks: &mut Vec<Option<Talk<'a>>>,
    ) -> Result<(), String> {
        for one in moves {
            let place = match one {
                Move::Send(send) | Move::Follow(send, _) | Move::Trail(send, _) => send.place,
                Move::Together(sends) => sends.first().map_or(0, |send| send.place),
                Move::Listen(_) => 0,
            };
            while talks.len() <= place {
                talks.push(None);
            }
            if talks[place].is_none() {
                talks[place] = Some(self.talk(exercise, place).await?);
            }
            let Some(talk) = &mut talks[place] else { continue };
            talk.schemas = Arc::clone(&self.schemas);
            match one {
                Move::Send(send) if send.pages => talk.say_pages(exercise.name, send, &mut self.shots).await,
                Move::Send(send) => self.shots.push(talk.say(exercise.name, send).await),
                Move::Together(sends) => self.shots.extend(talk.say_together(exercise.name, sends).await),
                Move::Follow(send, next) => {
                    let first = self.shots.len();
                    self.shots.push(talk.say(exercise.name, send).await);
                    for _ in 0..FOLLOWING_MAX {
                        let Some(send) = next(&self.shots[first..]) else { break };
                        self.shots.push(talk.say(exercise.name, &send).await);
                    }
                }
                Move::Trail(send, next) => {
                    let first = self.shots.len();
                    self.shots.push(talk.say(exercise.name, send).await);
                    for _ in 0..FOLLOWING_MAX {
                        let following = self.knowing(|situation| next(situation, &self.shots[first..]));
                        let Some(send) = following else { break };
                        self.shots.push(talk.say(exercise.name, &send).await);
                    }
                }
                Move::Listen(time) => self.shots.push(talk.listen(exercise.name, place, *time).await),
            }
        }
        Ok(())
    }

    /// A new connection, opened as the exercise wants it.
    async fn talk(&mut self, exercise: &'static Exercise, place: usize) -> Result<Talk<'a>, String> {
        let failed = |fault: crate::transport::Fault| format!("no further connection could be had: {}", fault.message);
        let mut talk = Talk::bare(self.manner).await.map_err(failed)?;
        if exercise.line != Line::Bare {
            talk.greet(exercise.name, place, &mut self.shots).await;
        }
        Ok(talk)
    }

    async fn part(&mut self, talk: Talk<'a>) {
        let farewell = talk.close(self.grace).await;
        super::adhoc::note(&mut self.findings, &farewell.findings);
    }

    /// Keeps what the lists gave, for the exercises that come.
    fn learn(&mut self) {
        let (place, tools) = (self.place, self.tools.as_slice());
        let case = Case { facts: self.facts, shots: &self.shots, place, tools, findings: None };
        let methods = self.facts.revision.methods.iter().filter(|method| method.list.is_some());
        let list = |name: &'static str| (name.to_owned(), case.offered(name).into_iter().cloned().collect());
        let lists: HashMap<String, Vec<Value>> = methods.map(|method| list(method.name)).collect();
        let tools = lists.get("tools/list").into_iter().flatten();
        let schema = |tool: &Value| Some((tool.get("name")?.as_str()?.to_owned(), tool.get("inputSchema")?.clone()));
        self.schemas = Arc::new(tools.filter_map(schema).collect());
        // A name that is not listed is a slip of whoever typed it: what a server says to it shows nothing of a tool.
        let is_listed =
            |named: &Named| Audited::listed(&lists).is_none_or(|names| names.contains(&named.name.as_str()));
        self.tools.retain(is_listed);
        self.lists = lists;
    }
}

/// Where a target is, as far as rules care.
#[must_use]
pub fn place_of(target: &Target) -> Place {
    let Endpoint::Url(written) = &target.endpoint else { return Place::default() };
    let Ok(mut url) = url::Url::parse(written) else { return Place::default() };
    let has_user = !url.username().is_empty() || url.password().is_some();
    // What cannot have credentials has none to take out.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    // A socket is one of this machine.
    let loopback = url.host().is_none() || is_loopback(&url);
    let named = |(name, _): &(String, crate::base::secret::Secret)| name.eq_ignore_ascii_case("authorization");
    Place {
        loopback,
        tls: url.scheme() == "https",
        has_credentials: has_user || target.bearer.is_some() || target.headers.iter().any(named),
        url: Some(url.to_string()),
    }
}

/// The arguments that a tool is called with where the user gives none.
#[must_use]
pub fn no_arguments() -> Value {
    Value::Object(Map::new())
}

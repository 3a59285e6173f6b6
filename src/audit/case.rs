//! What a rule judges: everything that was said to a server and came from it, what it is, and what it offers.

use std::collections::HashSet;

use serde_json::Value;

use super::exercise::{Exercise, Named};
use super::shot::Shot;
use super::verdict::{Verdict, Violation};
use crate::base::sanitize;
use crate::event::Finding;
use crate::session::ServerFacts;

/// Where a server is, as far as rules care.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its URL without credentials and query; `None` over stdio.
    pub url: Option<String>,
    /// Whether the URL names this machine.
    pub loopback: bool,
    /// Whether messages are encrypted on their way.
    pub tls: bool,
    /// Whether we have credentials for it.
    pub has_credentials: bool,
}

/// What is judged.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// What the server said of itself.
    pub facts: &'a ServerFacts,
    /// Everything that was sent and came, in order.
    pub shots: &'a [Shot],
    /// Where it is.
    pub place: &'a Place,
    /// The tools that may be called.
    pub tools: &'a [Named],
    /// What the transports noticed over all connections, the ends of processes included; `None` while one is still open.
    pub findings: Option<&'a [Finding]>,
}

impl<'a> Case<'a> {
    /// The shots of an exercise, with their places.
    pub fn of(&self, exercise: &Exercise) -> impl Iterator<Item = (usize, &'a Shot)> + use<'a> {
        let name = exercise.name;
        self.shots.iter().enumerate().filter(move |(_, shot)| shot.exercise == name)
    }

    /// The first shot of that label in an exercise.
    #[must_use]
    pub fn shot(&self, exercise: &Exercise, label: &str) -> Option<(usize, &'a Shot)> {
        self.of(exercise).find(|(_, shot)| shot.label == label)
    }

    /// Every shot, with its place; but for what was said without credentials, or with wrong ones, where refusals are right.
    pub fn all(&self) -> impl Iterator<Item = (usize, &'a Shot)> + use<'a> {
        self.shots.iter().enumerate().filter(|(_, shot)| !super::exercises::is_unauthorized(shot.exercise))
    }

    /// Every result, with the place of its shot and the method that was asked.
    pub fn results(&self) -> impl Iterator<Item = (usize, &'a str, &'a Value)> + use<'a> {
        self.all().filter_map(|(place, shot)| Some((place, shot.method.as_deref()?, shot.result()?)))
    }

    /// The results of one method.
    pub fn results_of(&self, method: &'static str) -> impl Iterator<Item = (usize, &'a Value)> + use<'a> {
        self.results().filter(move |(_, of, _)| *of == method).map(|(place, _, result)| (place, result))
    }

    /// The definitions that a list gave, over its pages as they were first read: shot, path within its result, definition.
    #[must_use]
    pub fn definitions(&self, method: &'static str) -> Vec<(usize, String, &'a Value)> {
        let Some(member) = crate::protocol::revision::array_member(method) else { return Vec::new() };
        let mut found = Vec::new();
        let mut reading = None;
        for (place, shot) in self.all().filter(|(_, shot)| shot.method.as_deref() == Some(method)) {
            // Another reading of the same list would show everything twice.
            let of = (shot.exercise, shot.label, shot.place);
            if *reading.get_or_insert(of) != of {
                break;
            }
            let items = shot.result().and_then(|result| result.get(member)).and_then(Value::as_array);
            for (at, item) in items.into_iter().flatten().enumerate() {
                found.push((place, format!("$.{member}[{at}]"), item));
            }
        }
        found
    }

    /// The shots of definitions whose page came before, as it is.
    #[must_use]
    pub fn repeated_pages(&self, items: &[(usize, String, &Value)]) -> HashSet<usize> {
        let mut places: Vec<usize> = items.iter().map(|(place, ..)| *place).collect();
        places.dedup();
        let mut seen: Vec<Option<Value>> = Vec::new();
        let mut again = HashSet::new();
        for place in places {
            let page = self.shots[place].result().map(without_cursor);
            if seen.contains(&page) {
                again.insert(place);
            } else {
                seen.push(page);
            }
        }
        again
    }

    /// What a list offers: its definitions, without pages that came again.
    #[must_use]
    pub fn offered(&self, method: &'static str) -> Vec<&'a Value> {
        let items = self.definitions(method);
        let again = self.repeated_pages(&items);
        items.into_iter().filter(|(place, ..)| !again.contains(place)).map(|(.., item)| item).collect()
    }

    /// Judges the reply to one message of an exercise. Where nothing was sent, or the link went before, it could not be exercised.
    #[must_use]
    pub fn judge(
        &self,
        exercise: &Exercise,
        label: &str,
        judge: impl FnOnce(&'a Shot) -> Result<(), Violation>,
    ) -> Verdict {
        match self.shot(exercise, label) {
            None => Verdict::unsent(),
            Some((place, shot)) => match judge(shot) {
                Ok(()) => Verdict::Passes,
                Err(violation) if violation.shot.is_none() => Verdict::Violates(violation.shown_by(place)),
                Err(violation) => Verdict::Violates(violation),
            },
        }
    }
}

/// The items of a page, without what belongs to the message.
fn without_cursor(result: &Value) -> Value {
    let lists = result.as_object().into_iter().flatten().filter(|(_, value)| value.is_array());
    Value::Object(lists.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// Characters of evidence that a violation quotes.
const QUOTED_CHARS_MAX: usize = 300;

/// JSON, bounded.
#[must_use]
pub fn quote(value: &Value) -> String {
    cut(&value.to_string())
}

/// Text, bounded.
#[must_use]
pub fn cut(text: &str) -> String {
    sanitize::cut(text, QUOTED_CHARS_MAX)
}

//! JSON Schema (draft 4, 6, 7, 2019-09, 2020-12), compiled once and judged within bounds. A schema may come from a
//! server that means harm: nothing is ever fetched, size and depth are bounded before compiling, and judging counts
//! its steps and watches its stack. The one file that names the library for it.

mod meter;
mod survey;

use std::collections::BTreeSet;
use std::fmt;

use jsonschema::error::ValidationErrorKind;
use jsonschema::paths::{Location, LocationSegment};
use jsonschema::{Draft, PatternOptions, Registry, ValidationError, Validator};
use serde_json::Value;

use super::{quote, quote_json};
pub use meter::with_stack;
use meter::{Spent, TICK, Tick, metered};
use survey::survey;

/// Evaluations of one (sub)schema at one place that judging one instance may take.
const STEPS_MAX: u64 = 1_000_000;
/// The same for telling what is wrong, where every branch that failed is kept until its siblings are through.
const TELLING_STEPS_MAX: u64 = 30_000;
/// Subschemas that compiling a server's schema may go through; references can lead through one many times.
const COMPILING_STEPS_MAX: u64 = 5_000;
/// The same for a schema of the user's.
const OWN_COMPILING_STEPS_MAX: u64 = 200_000;
/// Memory that one compiled pattern may take, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Memory that all compiled patterns of a server's schema may take, in bytes.
const PATTERNS_BYTES_MAX: usize = 32 << 20;
/// Steps back that a pattern of a server may take.
const BACKTRACKS_MAX: usize = 10_000;
/// Violations that are counted.
const VIOLATIONS_MAX: usize = 1_000;

/// The dialects, by the names they have in `$schema`, without scheme and closing `#`.
const DIALECTS: &[(&str, &str, Dialect)] = &[
    ("json-schema.org/draft/2020-12/schema", "https://json-schema.org/draft/2020-12/schema", Dialect::Draft202012),
    ("json-schema.org/draft/2019-09/schema", "https://json-schema.org/draft/2019-09/schema", Dialect::Draft201909),
    ("json-schema.org/draft-07/schema", "http://json-schema.org/draft-07/schema#", Dialect::Draft7),
    ("json-schema.org/draft-06/schema", "http://json-schema.org/draft-06/schema#", Dialect::Draft6),
    ("json-schema.org/draft-04/schema", "http://json-schema.org/draft-04/schema#", Dialect::Draft4),
];

/// Keywords by which nothing fails.
const SAYS_NOTHING: &[&str] = &[
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "definitions",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
];

/// A dialect of JSON Schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Draft 4.
    Draft4,
    /// Draft 6.
    Draft6,
    /// Draft 7.
    Draft7,
    /// 2019-09.
    Draft201909,
    /// 2020-12, which holds where nothing else is said.
    #[default]
    Draft202012,
}

/// What a pattern may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Patterns {
    /// A regex of linear time; any other makes the schema unfit.
    #[default]
    Linear,
    /// ECMA-262 with a bound on backtracking; one that cannot be compiled is set aside and told.
    Backtracking,
}

/// Documents at hand that a schema may refer to, by their addresses.
#[derive(Debug)]
pub struct Documents(Registry<'static>);

impl Documents {
    /// Documents of a dialect (where they name none themselves).
    ///
    /// # Errors
    /// The library's words about an address or a document that cannot be used.
    pub fn new(dialect: Dialect, documents: Vec<(String, Value)>) -> Result<Self, String> {
        let mut builder = Registry::new().retriever(Nowhere);
        for (address, document) in documents {
            let named = document.get("$schema").map(|named| named.as_str().and_then(Dialect::named));
            // What names a dialect that is described by another document is left to the library.
            builder = match named {
                Some(None) => builder.add(address, document),
                Some(Some(own)) => builder.add(address, own.draft().create_resource(document)),
                None => builder.add(address, dialect.draft().create_resource(document)),
            }
            .map_err(|error| error.to_string())?;
        }
        builder.prepare().map(Self).map_err(|error| error.to_string())
    }
}

/// How a schema is compiled.
#[derive(Clone, Copy, Debug, Default)]
pub struct Compile<'a> {
    /// The dialect where `$schema` names none.
    pub dialect: Dialect,
    /// What patterns may be.
    pub patterns: Patterns,
    /// Whether `format` is asserted; else it says what a string is meant to be, and no more.
    pub formats: bool,
    /// What may be referred to beside the schema itself and the dialects' own schemas.
    pub documents: Option<&'a Documents>,
}

/// Why a schema cannot be judged with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// `$schema` names an unknown dialect.
    Dialect(String),
    /// It refers to a document that is not at hand.
    Outside(String),
    /// It breaks the rules of its dialect: where, and how.
    Invalid(String, String),
    /// A pattern cannot be compiled: where, and the pattern.
    Pattern(String, String),
    /// It is over a bound.
    Bounds(String),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dialect(name) => {
                let known: Vec<&str> = DIALECTS.iter().map(|(_, name, _)| *name).collect();
                write!(f, "`$schema` names the unknown dialect {name:?}; known are {}", known.join(", "))
            }
            Self::Outside(address) => {
                write!(f, "it refers to {address:?}, which is outside, and nothing is fetched")
            }
            Self::Invalid(at, why) => write!(f, "it is no valid JSON Schema at {at}: {why}"),
            Self::Pattern(at, pattern) => write!(f, "the pattern {pattern:?} at {at} cannot be compiled"),
            Self::Bounds(why) => write!(f, "{why}"),
        }
    }
}

/// A pattern that was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Its place in the schema.
    pub at: String,
    /// The pattern.
    pub pattern: String,
}

/// What breaks a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where, as a JSONPath behind `$`.
    pub path: String,
    /// The keyword with its value and its place in the schema.
    pub expected: String,
    /// What stands there.
    pub actual: String,
}

/// How an instance and a schema agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conformance {
    /// It meets the schema.
    Conforms,
    /// It does not: the first violation, and how many more there are.
    Violates(Violation, usize),
    /// It cannot be told, and why.
    Undecided(String),
}

/// A compiled schema.
pub struct Schema {
    source: Value,
    validator: Validator,
    /// The same with every pattern set aside matching nothing; it decides where the two agree.
    narrow: Option<Validator>,
    set_aside: Vec<SetAside>,
    /// Names of `patternProperties` that may go back and forth over a name.
    hard_names: u64,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema")
            .field("source", &self.source)
            .field("set_aside", &self.set_aside)
            .finish_non_exhaustive()
    }
}

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// Why it is unfit.
    pub fn compile(schema: &Value, how: Compile<'_>) -> Result<Self, Unfit> {
        let bounds = match how.patterns {
            Patterns::Linear => &survey::OWN,
            Patterns::Backtracking => &survey::SERVERS,
        };
        let mut metered = survey(schema, bounds)?;
        let dialect = dialect(&mut metered, how)?;
        let built = match build(&metered, dialect, how) {
            Ok(validator) => return Ok(Self::of(schema, validator, None, Vec::new())),
            Err(unfit @ Unfit::Bounds(_)) => return Err(unfit),
            Err(unfit) => unfit,
        };
        // A pattern may be what is wrong, and the library's words may not say which.
        let compiles = |pattern: &str| build(&serde_json::json!({ "pattern": pattern }), dialect, how).is_ok();
        let found = survey::patterns(&metered, &compiles);
        let Some(first) = found.first() else { return Err(built) };
        if how.patterns == Patterns::Linear {
            return Err(Unfit::Pattern(first.place(schema), first.pattern.clone()));
        }
        let (wide, narrow) = survey::without(&metered, &found);
        let set_aside =
            found.iter().map(|hit| SetAside { at: hit.place(schema), pattern: hit.pattern.clone() }).collect();
        let narrow = build(&narrow, dialect, how)?;
        Ok(Self::of(schema, build(&wide, dialect, how)?, Some(narrow), set_aside))
    }

    fn of(source: &Value, validator: Validator, narrow: Option<Validator>, set_aside: Vec<SetAside>) -> Self {
        let hard_names = survey::hard_names(source);
        Self { source: source.clone(), validator, narrow, set_aside, hard_names }
    }

    /// The patterns that could not be compiled; the rest is judged without them.
    #[must_use]
    pub fn set_aside(&self) -> &[SetAside] {
        &self.set_aside
    }

    /// Whether it asks nothing of an object, as far as its keywords alone tell.
    #[must_use]
    pub fn takes_every_object(&self) -> bool {
        match &self.source {
            Value::Bool(takes) => *takes,
            Value::Object(members) => members.iter().all(|(keyword, value)| match keyword.as_str() {
                "type" => value == "object",
                "required" => value.as_array().is_some_and(Vec::is_empty),
                "properties" => value.as_object().is_some_and(serde_json::Map::is_empty),
                _ => SAYS_NOTHING.contains(&keyword.as_str()),
            }),
            _ => false,
        }
    }

    /// Judges an instance.
    #[must_use]
    pub fn judge(&self, instance: &Value) -> Conformance {
        // The library looks at the names before the keyword that counts comes to it.
        if self.hard_names > 0 && meter::names_cost(instance).saturating_mul(self.hard_names) > STEPS_MAX {
            return Conformance::Undecided("its patterns for names take too many steps on these".to_owned());
        }
        let wide = self.judge_by(&self.validator, instance);
        let Some(narrow) = &self.narrow else { return wide };
        let narrow = self.judge_by(narrow, instance);
        match (&wide, &narrow) {
            (Conformance::Conforms, Conformance::Violates(..)) | (Conformance::Violates(..), Conformance::Conforms) => {
                let pattern = self.set_aside.first().map_or("", |set_aside| set_aside.pattern.as_str());
                Conformance::Undecided(format!(
                    "it hangs on the pattern {:?}, which cannot be compiled",
                    quote(pattern)
                ))
            }
            (_, Conformance::Undecided(_)) => narrow,
            _ => wide,
        }
    }

    fn judge_by(&self, validator: &Validator, instance: &Value) -> Conformance {
        match metered(STEPS_MAX, || validator.is_valid(instance)) {
            Ok(true) => Conformance::Conforms,
            Ok(false) => metered(TELLING_STEPS_MAX, || self.violations(validator, instance)).unwrap_or_else(|_| {
                let expected = "a value that meets the schema; saying where it does not takes too many steps";
                let violation =
                    Violation { path: String::new(), expected: expected.into(), actual: quote_json(instance) };
                Conformance::Violates(violation, 0)
            }),
            Err(Spent::Steps) => Conformance::Undecided(format!("judging takes over {STEPS_MAX} steps")),
            Err(Spent::Stack) => Conformance::Undecided("its references go too deep".to_owned()),
            Err(Spent::Broken) => Conformance::Undecided("the validator failed on it".to_owned()),
        }
    }

    fn violations(&self, validator: &Validator, instance: &Value) -> Conformance {
        let mut errors = validator.iter_errors(instance).take(VIOLATIONS_MAX);
        let Some(first) = errors.next() else { return Conformance::Conforms };
        let mut broken = engine_failed(&first);
        let told = self.tell(&first);
        let mut more = 0;
        for error in errors {
            broken = broken || engine_failed(&error);
            more += 1;
        }
        if broken {
            return Conformance::Undecided("a pattern takes too many steps on this text".to_owned());
        }
        Conformance::Violates(told, more)
    }

    fn tell(&self, error: &ValidationError<'_>) -> Violation {
        let at = &survey::original(&self.source, error.schema_path().as_str());
        let keyword = at.rsplit('/').next().unwrap_or_default();
        let asked = self.source.pointer(at).map(|value| format!(" {}", quote_json(value))).unwrap_or_default();
        let expected = match error.kind() {
            ValidationErrorKind::FalseSchema => format!("nothing here (false at #{at})"),
            _ => format!("{keyword}{asked} (#{at})"),
        };
        let came = || quote_json(error.instance());
        let actual = match error.kind() {
            ValidationErrorKind::Required { property } => format!("no {property} in {}", came()),
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                format!("{} in {}", quote(&format!("{unexpected:?}")), came())
            }
            ValidationErrorKind::PropertyNames { error } => format!("the name {}", quote_json(error.instance())),
            _ => came(),
        };
        Violation { path: json_path(error.instance_path()), expected: quote(&expected), actual: quote(&actual) }
    }
}

/// Whether a pattern gave up, here or in a branch.
fn engine_failed(error: &ValidationError<'_>) -> bool {
    match error.kind() {
        ValidationErrorKind::BacktrackLimitExceeded { .. } | ValidationErrorKind::RegexEngineFailure { .. } => true,
        ValidationErrorKind::AnyOf { context }
        | ValidationErrorKind::OneOfNotValid { context }
        | ValidationErrorKind::OneOfMultipleValid { context } => context.iter().flatten().any(engine_failed),
        ValidationErrorKind::PropertyNames { error } => engine_failed(error),
        _ => false,
    }
}

/// Behind `$`: names as members where RFC 9535 lets them stand bare, else quoted.
fn json_path(location: &Location) -> String {
    let mut path = String::new();
    for segment in location.segments() {
        match segment {
            LocationSegment::Index(index) => path.push_str(&format!("[{index}]")),
            LocationSegment::Property(name) => path.push_str(&super::path::member(&name)),
        }
    }
    path
}

impl Dialect {
    fn draft(self) -> Draft {
        match self {
            Self::Draft4 => Draft::Draft4,
            Self::Draft6 => Draft::Draft6,
            Self::Draft7 => Draft::Draft7,
            Self::Draft201909 => Draft::Draft201909,
            Self::Draft202012 => Draft::Draft202012,
        }
    }

    /// The dialect that a `$schema` names.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        known(name).map(|(_, dialect)| dialect)
    }
}

fn known(name: &str) -> Option<(&'static str, Dialect)> {
    let bare = name.strip_prefix("https://").or_else(|| name.strip_prefix("http://"))?;
    let bare = bare.strip_suffix('#').unwrap_or(bare);
    DIALECTS.iter().find(|(known, ..)| *known == bare).map(|(_, canonical, dialect)| (*canonical, *dialect))
}

/// The dialect of a schema; none where a document at hand describes it.
fn dialect(schema: &mut Value, how: Compile<'_>) -> Result<Option<Dialect>, Unfit> {
    let Some(named) = schema.get_mut("$schema") else { return Ok(Some(how.dialect)) };
    let Value::String(name) = named else {
        return Err(Unfit::Invalid("#/$schema".to_owned(), format!("{} is no string", quote_json(named))));
    };
    if let Some((canonical, dialect)) = known(name) {
        canonical.clone_into(name);
        return Ok(Some(dialect));
    }
    let at_hand = how.documents.is_some_and(|documents| documents.0.contains_resource(name));
    if at_hand { Ok(None) } else { Err(Unfit::Dialect(quote(name))) }
}

/// Refuses to fetch: the library's own word for it names Cargo features.
struct Nowhere;

impl jsonschema::Retrieve for Nowhere {
    fn retrieve(&self, _: &jsonschema::Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err("nothing is fetched".into())
    }
}

fn build(schema: &Value, dialect: Option<Dialect>, how: Compile<'_>) -> Result<Validator, Unfit> {
    let mut options = jsonschema::options().with_keyword(TICK, |_, value, _| Ok(Box::new(Tick::compile(value))));
    // The newer dialects assert nothing by themselves, and can be described so that they do.
    if how.formats || matches!(dialect, Some(Dialect::Draft4 | Dialect::Draft6 | Dialect::Draft7)) {
        options = options.should_validate_formats(how.formats);
    }
    let steps = match how.patterns {
        Patterns::Linear => {
            options = options.with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES_MAX));
            OWN_COMPILING_STEPS_MAX
        }
        Patterns::Backtracking => {
            let bytes = (PATTERNS_BYTES_MAX / survey::count_patterns(schema).max(1)).min(PATTERN_BYTES_MAX);
            let engine = PatternOptions::fancy_regex().backtrack_limit(BACKTRACKS_MAX).size_limit(bytes);
            options = options.with_pattern_options(engine);
            COMPILING_STEPS_MAX
        }
    };
    if let Some(dialect) = dialect {
        options = options.with_draft(dialect.draft());
    }
    if let Some(documents) = how.documents {
        options = options.with_registry(&documents.0);
    }
    options = options.offline();
    match metered(steps, || options.build(schema)) {
        Ok(built) => built.map_err(|error| unfit(&error)),
        Err(Spent::Steps) => Err(Unfit::Bounds(format!("its references lead to over {steps} schemas"))),
        Err(Spent::Stack) => Err(Unfit::Bounds("its references go too deep".to_owned())),
        // The library has panicked on schemas before; that is no reason to end a run.
        Err(Spent::Broken) => Err(Unfit::Invalid("#".to_owned(), "the validator cannot read it".to_owned())),
    }
}

fn unfit(error: &ValidationError<'_>) -> Unfit {
    use jsonschema::ReferencingError as Reference;
    let at = format!("#{}", error.instance_path().as_str());
    match error.kind() {
        ValidationErrorKind::Referencing(Reference::Unretrievable { uri, .. }) => {
            // What the library puts before an address that is relative to no other.
            Unfit::Outside(quote(uri.strip_prefix("json-schema:///").unwrap_or(uri)))
        }
        ValidationErrorKind::Referencing(Reference::UnknownSpecification { specification }) => {
            Unfit::Dialect(quote(specification))
        }
        _ => Unfit::Invalid(quote(&at), quote(&error.to_string())),
    }
}

/// Every distinct place, for sentences that name several.
#[must_use]
pub fn places(set_aside: &[SetAside]) -> String {
    let places: BTreeSet<&str> = set_aside.iter().map(|one| one.at.as_str()).collect();
    quote(&places.into_iter().collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests;

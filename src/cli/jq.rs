//! `--jq FILTER`: compiled before anything is sent, so that a typing error costs no call; then run over the
//! reply's result, or over the document of a command.

use jaq_core::load::{Arena, File, Loader, lex, parse};
use jaq_core::{Compiler, Ctx, Vars, data, load};
use jaq_json::Val;
use serde_json::Value;

use super::complaint::Complaint;
use super::exit::Code;
use super::output::{self, Kind};
use crate::base::sanitize;
use crate::report::Look;
use crate::report::render::value;

/// What a filter sees of a call, with an example.
const OF_A_CALL: &str = "the reply's `result`: --jq '.tools[].name'";

/// What a filter sees of a run of probes, with an example.
pub const OF_A_REPORT: &str = "the report: --jq '.probes[] | select(.status != \"healthy\") | .name'";

/// A filter that yields without end must not fill the memory.
const OUTPUTS_MAX: usize = 1_000_000;

/// A compiled filter.
pub struct Jq {
    filter: jaq_core::Filter<data::JustLut<Val>>,
}

impl Jq {
    /// Compiles a filter of the reply's result.
    ///
    /// # Errors
    /// With what is wrong, exit code 2.
    pub fn compile(code: &str) -> Result<Self, Complaint> {
        Self::compile_for(code, OF_A_CALL)
    }

    /// Compiles a filter; `sees` says what it is run over, with an example, in the hint of a complaint.
    ///
    /// # Errors
    /// As [`Jq::compile`].
    pub fn compile_for(code: &str, sees: &str) -> Result<Self, Complaint> {
        let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
        let functions = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
        let arena = Arena::default();
        let modules = Loader::new(definitions)
            .load(&arena, File { code, path: () })
            .map_err(|errors| wrong(code, sees, errors.into_iter().map(|(_, error)| describe(code, error)).next()))?;
        let filter = Compiler::default().with_funs(functions).compile(modules).map_err(|errors| {
            let first = errors.into_iter().flat_map(|(_, undefined)| undefined).next();
            wrong(code, sees, first.map(|(name, kind)| format!("there is no {} `{name}`", kind.as_str())))
        })?;
        Ok(Self { filter })
    }

    /// Runs the filter over a result; gives the lines for stdout.
    ///
    /// # Errors
    /// When the filter fails on this input; exit code 1, and what was printed before it stays.
    pub fn run(&self, input: &Value, look: &Look) -> Result<String, (String, Complaint)> {
        let mut text = String::new();
        let failed = |why: String| Complaint::new(Code::Usage, format!("--jq: {}", sanitize::one_line(&why, 400)));
        let input = match jaq_json::read::parse_single(input.to_string().as_bytes()) {
            Ok(input) => input,
            Err(error) => return Err((text, failed(format!("{error}")))),
        };
        let context = Ctx::<data::JustLut<Val>>::new(&self.filter.lut, Vars::new([]));
        for (count, output) in self.filter.id.run((context, input)).enumerate() {
            if count == OUTPUTS_MAX {
                return Err((text, failed(format!("more than {OUTPUTS_MAX} outputs"))));
            }
            match output {
                Ok(output) => text.push_str(&line(&output, look)),
                // What is no error is `halt`: it ends the filter, never the program.
                Err(exception) => match exception.get_err() {
                    Ok(error) => return Err((text, failed(error.to_string()))),
                    Err(_) => break,
                },
            }
        }
        Ok(text)
    }
}

/// Strings bare, everything else as JSON. On a terminal a bare string is made safe; a pipe gets it as it is.
fn line(output: &Val, look: &Look) -> String {
    match output {
        Val::TStr(bytes) | Val::BStr(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            let safe = if look.is_terminal() { sanitize::printable(&text).into_owned() } else { text.into_owned() };
            safe + "\n"
        }
        other => {
            let json = other.to_string();
            match serde_json::from_str::<Value>(&json) {
                // A bare string is text; this stays JSON that says the same.
                Ok(parsed) => {
                    let document = value::document(&parsed, look);
                    String::from_utf8_lossy(&output::harmless(document.as_bytes(), Kind::Json)).into_owned()
                }
                // jq's `nan` and the like are no JSON.
                Err(_) => sanitize::printable(&json).into_owned() + "\n",
            }
        }
    }
}

fn wrong(code: &str, sees: &str, why: Option<String>) -> Complaint {
    let why = why.unwrap_or_else(|| "it cannot be read".into());
    Complaint::usage(format!("`--jq {}`: {why}", sanitize::one_line(code, 120)))
        .hint(format!("the filter sees {sees}; quote it for the shell"))
}

fn describe(code: &str, error: load::Error<&str>) -> String {
    let at = |rest: &str| match rest {
        "" => "at the end".to_owned(),
        rest => format!(
            "at {:?} (character {})",
            rest.chars().take(12).collect::<String>(),
            code.len().saturating_sub(rest.len()) + 1
        ),
    };
    match error {
        load::Error::Io(errors) => {
            errors.into_iter().next().map_or_else(String::new, |(path, why)| format!("module `{path}`: {why}"))
        }
        load::Error::Lex(errors) => errors.into_iter().next().map_or_else(String::new, |(expected, got)| {
            let expected = match expected {
                lex::Expect::Delim("(") => "a closing parenthesis",
                lex::Expect::Delim("[") => "a closing bracket",
                lex::Expect::Delim("{") => "a closing brace",
                lex::Expect::Delim(_) => "a closing quote",
                other => other.as_str(),
            };
            format!("expected {expected} {}", at(got))
        }),
        load::Error::Parse(errors) => errors.into_iter().next().map_or_else(String::new, |(expected, got)| {
            let expected: parse::Expect<&str> = expected;
            format!("expected {} {}", expected.as_str(), at(got))
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(filter: &str, input: &Value) -> String {
        Jq::compile(filter).unwrap().run(input, &Look::PLAIN).unwrap()
    }

    #[test]
    fn strings_are_bare_and_the_rest_is_json() {
        let input = json!({"tools": [{"name": "a", "n": 1}, {"name": "b\u{1b}", "n": 12_345_678_901_234_567_890_u64}]});
        assert_eq!(run(".tools[].name", &input), "a\nb\u{1b}\n");
        assert_eq!(run(".tools[1].n, (.tools | length), null", &input), "12345678901234567890\n2\nnull\n");
        assert_eq!(run(".tools[0]", &input), "{\"name\":\"a\",\"n\":1}\n");
        assert_eq!(run("[.tools[] | select(.n > 1) | .n] | length | tostring", &input), "1\n");
        let person = Look { width: Some(80), colour: false };
        assert_eq!(Jq::compile(".tools[1].name").unwrap().run(&input, &person).unwrap(), "b\\u{1b}\n");
    }

    #[test]
    fn mistakes_are_found_before_anything_is_sent() {
        for (filter, wanted) in [
            (".tools[", "closing bracket"),
            (".a | nosuch", "there is no filter `nosuch`"),
            ("$x", "there is no variable `$x`"),
            (".a b", "expected nothing at \"b\""),
            ("\"x", "closing quote"),
            ("import \"x\" as y; .", "module"),
        ] {
            let complaint = Jq::compile(filter).err().unwrap();
            assert_eq!(complaint.code, Code::Usage);
            assert!(complaint.message.contains(wanted), "{filter}: {}", complaint.message);
        }
    }

    #[test]
    fn failing_on_the_input_keeps_what_was_printed() {
        let (printed, complaint) = Jq::compile(".[] | . + 1").unwrap().run(&json!([1, "x"]), &Look::PLAIN).unwrap_err();
        assert_eq!(printed, "2\n");
        assert_eq!(complaint.code, Code::Usage);
    }

    #[test]
    fn what_reaches_out_of_the_filter_is_harmless() {
        assert_eq!(run("1, halt, 2", &json!(null)), "1\n");
        for filter in
            ["input", "[inputs]", "env | type", "$ENV | type", "now | type", "halt_error", "input_filename", "debug"]
        {
            if let Ok(jq) = Jq::compile(filter) {
                drop(jq.run(&json!({"a": 1}), &Look::PLAIN));
            }
        }
    }

    #[test]
    fn outputs_are_bounded() {
        let (_, complaint) = Jq::compile("repeat(1)").unwrap().run(&json!(1), &Look::PLAIN).unwrap_err();
        assert!(complaint.message.contains("more than"), "{complaint:?}");
    }
}

//! The grammars of URIs (RFC 3986) and of URI templates (RFC 6570), as far as rules ask for them: what is wrong with a text,
//! and whether a usual reader minds.

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nobody can use it.
    Broken(String),
    /// A letter that should be escaped, a name in other letters: usual readers take it.
    Lax(String),
}

/// Characters that stand for themselves in a URI (section 2).
const URI_MARKS: &str = "-._~:/?#[]@!$&'()*+,;=";
/// Characters that a template's literals do not have (section 2.1), besides blanks, controls and what is beyond ASCII.
const NOT_LITERAL: &str = "\"<>\\^`|";
/// The operators of expressions, reserved ones last (section 2.2).
const OPERATORS: &str = "+#./;?&=,!@|";
/// Operators that mean nothing yet.
const RESERVED: &str = "=,!@|";
/// The longest prefix modifier (section 2.4.1).
const PREFIX_MAX: usize = 9_999;

/// What is wrong with a URI; relative references are none.
#[must_use]
pub fn uri(text: &str) -> Option<Fault> {
    let Some((scheme, rest)) = text.split_once(':') else {
        return Some(Fault::Broken("it has no scheme".to_owned()));
    };
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.chars().all(good) {
        return Some(Fault::Broken("what stands before the first colon is no scheme".to_owned()));
    }
    if let Some(c) = rest.chars().find(|c| c.is_control()) {
        return Some(Fault::Broken(format!("it has the control character {c:?}")));
    }
    if let Some(c) = rest.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '%' && !URI_MARKS.contains(*c)) {
        return Some(Fault::Lax(format!("{c:?} must be percent-encoded")));
    }
    let digits = |two: &str| two.len() >= 2 && two.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if rest.split('%').skip(1).any(|behind| !digits(behind)) {
        return Some(Fault::Lax("a % is not followed by two hexadecimal digits".to_owned()));
    }
    if rest.matches('#').count() > 1 {
        return Some(Fault::Lax("it has more than one #".to_owned()));
    }
    None
}

/// What is wrong with a URI template.
#[must_use]
pub fn template(text: &str) -> Option<Fault> {
    let mut lax = None;
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (literal, behind) = rest.split_at(at);
        lax = lax.or_else(|| literals(literal));
        let Some(behind) = behind.strip_prefix('{') else {
            return Some(Fault::Broken("a } closes nothing".to_owned()));
        };
        let Some((expression, behind)) = behind.split_once('}') else {
            return Some(Fault::Broken("a { is not closed".to_owned()));
        };
        match variables(expression) {
            Some(broken @ Fault::Broken(_)) => return Some(broken),
            other => lax = lax.or(other),
        }
        rest = behind;
    }
    lax.or_else(|| literals(rest))
}

fn literals(text: &str) -> Option<Fault> {
    let bad = |c: char| c.is_control() || c == ' ' || NOT_LITERAL.contains(c);
    let c = text.chars().find(|c| bad(*c))?;
    Some(Fault::Lax(format!("{c:?} must be percent-encoded")))
}

fn variables(expression: &str) -> Option<Fault> {
    if expression.contains('{') {
        return Some(Fault::Broken("a { stands within an expression".to_owned()));
    }
    let operator = expression.chars().next().filter(|c| OPERATORS.contains(*c));
    let list = expression.strip_prefix(|c| OPERATORS.contains(c)).unwrap_or(expression);
    if list.is_empty() {
        return Some(Fault::Broken("an expression has no variable".to_owned()));
    }
    let mut lax = operator
        .filter(|operator| RESERVED.contains(*operator))
        .map(|operator| Fault::Lax(format!("the operator {operator:?} is reserved")));
    for variable in list.split(',') {
        let name = match (variable.strip_suffix('*'), variable.split_once(':')) {
            (Some(name), _) => name,
            (None, Some((name, prefix))) => {
                if !prefix.parse().is_ok_and(|prefix: usize| (1..=PREFIX_MAX).contains(&prefix)) {
                    lax = lax.or_else(|| Some(Fault::Lax("a prefix is no number from 1 to 9999".to_owned())));
                }
                name
            }
            (None, None) => variable,
        };
        if name.is_empty() {
            return Some(Fault::Broken("a variable has no name".to_owned()));
        }
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '%');
        if !name.chars().all(good) {
            lax = lax.or_else(|| {
                Some(Fault::Lax("a variable's name has other characters than letters, digits, _ and .".to_owned()))
            });
        }
    }
    lax
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(fault: Option<Fault>) -> Option<bool> {
        fault.map(|fault| matches!(fault, Fault::Broken(_)))
    }

    #[test]
    fn uris_are_absolute_and_escaped() {
        for good in [
            "file:///a/b.txt",
            "demo://text/readme",
            "urn:isbn:0451450523",
            "https://u@h:1/p?q=1#f",
            "http://[::1]/",
            "x:%2F",
            "UI://widget",
        ] {
            assert_eq!(uri(good), None, "{good}");
        }
        for lax in ["file:///a b", "notes://日本", "x:%2", "x:%zz", "C:\\dir", "a://b#c#d", "x:{y}"] {
            assert_eq!(broken(uri(lax)), Some(false), "{lax}");
        }
        for bad in ["", "readme", "/etc/hosts", "://x", "1a:b", "a_b://c", "x:a\nb"] {
            assert_eq!(broken(uri(bad)), Some(true), "{bad}");
        }
    }

    #[test]
    fn templates_have_closed_expressions() {
        for good in [
            "demo://echo/{text}",
            "file:///{+path}",
            "x://{a,b}{?q*,r:3}{&s}{#t}",
            "plain://none",
            "{scheme}://x",
            "x://{a.b_c}/é%20",
            "x://it's/{a%20b}",
        ] {
            assert_eq!(template(good), None, "{good}");
        }
        for lax in ["x://{user-id}", "x://a b/{c}", "x://{a:0}", "x://{!a}", "x://{a:x}", "x://<{a}>"] {
            assert_eq!(broken(template(lax)), Some(false), "{lax}");
        }
        for bad in ["x://{a", "x://a}", "x://{}", "x://{+}", "x://{a,}", "x://{a{b}}"] {
            assert_eq!(broken(template(bad)), Some(true), "{bad}");
        }
    }
}

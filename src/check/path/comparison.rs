//! Comparisons in filters, put so that the library takes them as RFC 9535 (section 2.3.5.2.2) has them: its `<` and `==` are
//! right, but its `>` and `>=` hold between values that have no order, and its `<=` and `>=` not between nothing and nothing.
//! Where it compares, and for the parameters of functions, it finds nothing at a negative index, but does so by a slice.

/// One level of brackets while it is read.
#[derive(Default)]
struct Level {
    /// What is through.
    done: String,
    /// The operand that is being read.
    operand: String,
    /// The comparison that waits for its right side, and its left side.
    waiting: Option<(&'static str, String)>,
    /// Whether these are the parameters of a function that takes values.
    takes_values: bool,
    /// The same of nodes.
    takes_nodes: bool,
}

/// Comparisons, the longer ones first.
const SIGNS: [&str; 6] = [">=", "<=", "==", "!=", ">", "<"];
/// Functions whose parameters are values and not nodes.
const OF_VALUES: [&str; 3] = ["length", "match", "search"];
/// Functions whose parameters are nodes.
const OF_NODES: [&str; 2] = ["count", "value"];

/// An operand that the library gets right.
fn found(operand: &str) -> String {
    let sliced = sliced(operand);
    if sliced == operand { sliced } else { format!("value({})", sliced.trim()) }
}

/// A path with each negative index as the slice that has this one item.
fn sliced(path: &str) -> String {
    if !path.trim_start().starts_with(['@', '$']) {
        return path.to_owned();
    }
    let mut done = String::new();
    let mut rest = path;
    while let Some(c) = rest.chars().next() {
        let index = rest.strip_prefix('[').and_then(|inside| inside.split(']').next()).map(str::trim);
        let negative = index.filter(|index| index.starts_with('-')).and_then(|index| index.parse::<i64>().ok());
        let taken = match (c, negative) {
            ('\'' | '"', _) => quoted(rest),
            (_, Some(index)) => {
                let end = if index == -1 { String::new() } else { (index + 1).to_string() };
                done.push_str(&format!("[{index}:{end}]"));
                rest = rest.split_once(']').map_or("", |(_, after)| after);
                continue;
            }
            _ => c.len_utf8(),
        };
        done.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    done
}

impl Level {
    /// The operand is over.
    fn settle(&mut self) {
        let right = std::mem::take(&mut self.operand);
        match self.waiting.take() {
            None if self.takes_values => self.done.push_str(&found(&right)),
            None if self.takes_nodes => self.done.push_str(&sliced(&right)),
            None => self.done.push_str(&right),
            Some((sign, left)) => {
                let (left, right) = (found(&left), found(&right));
                self.done.push_str(&match sign {
                    ">" => format!("({right}<{left})"),
                    ">=" => format!("({right}<{left}||{left}=={right})"),
                    "<=" => format!("({left}<{right}||{left}=={right})"),
                    _ => format!("{left}{sign}{right}"),
                });
            }
        }
    }
}

/// A valid path with every `>`, `>=` and `<=` said by `<` and `==`, and negative indexes by slices.
pub(super) fn plain(path: &str) -> String {
    let mut levels = Vec::new();
    let mut level = Level::default();
    let mut rest = path;
    while let Some(c) = rest.chars().next() {
        let comparison = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
        let joint = ["&&", "||", "?", ","].into_iter().find(|sign| rest.starts_with(sign));
        let taken = match (c, comparison, joint) {
            ('\'' | '"', ..) => {
                let length = quoted(rest);
                level.operand.push_str(&rest[..length]);
                length
            }
            ('[' | '(', ..) => {
                let is_one = |names: &[&str]| c == '(' && names.contains(&level.operand.trim());
                let (takes_values, takes_nodes) = (is_one(&OF_VALUES), is_one(&OF_NODES));
                level.operand.push(c);
                levels.push(std::mem::replace(&mut level, Level { takes_values, takes_nodes, ..Level::default() }));
                1
            }
            (']' | ')', ..) => {
                level.settle();
                let inside = std::mem::replace(&mut level, levels.pop().unwrap_or_default());
                level.operand.push_str(&inside.done);
                level.operand.push(c);
                1
            }
            (_, Some(sign), _) => {
                level.waiting = Some((sign, std::mem::take(&mut level.operand)));
                sign.len()
            }
            (_, _, Some(sign)) => {
                level.settle();
                level.done.push_str(sign);
                sign.len()
            }
            _ => {
                level.operand.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    level.settle();
    level.done
}

/// How long the text in quotes is that this begins with.
fn quoted(text: &str) -> usize {
    let quote = text.chars().next();
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if Some(c) == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn comparisons_are_said_otherwise_and_all_else_stays() {
        for same in
            ["$", "$.a[0]['x>=1, ?']", "$[?@.a==1&&@.b!='<=']", "$..[1:2, *]", "$[?match(@.a, '[>]') || @.b < 3]"]
        {
            assert_eq!(plain(same), same);
        }
        for (path, put) in [
            ("$[?@.a>1]", "$[?(1<@.a)]"),
            ("$[?@.a>=1&&@.b<='x']", "$[?(1<@.a||@.a==1)&&(@.b<'x'||@.b=='x')]"),
            ("$[?(@>1||!(@.a<=2)),0]", "$[?((1<@)||!((@.a<2||@.a==2))),0]"),
            ("$[?count(@[?@>1])>2]", "$[?(2<count(@[?(1<@)]))]"),
            ("$[?@.a[-1]==1]", "$[?value(@.a[-1:])==1]"),
            ("$[?length(@[ -1 ].a)<1]", "$[?length(value(@[-1:].a))<1]"),
            ("$[?match(@[-1], 'a-b')&&count(@[-2])==-1]", "$[?match(value(@[-1:]), 'a-b')&&count(@[-2:-1])==-1]"),
            ("$[?@['[-1]']==1]", "$[?@['[-1]']==1]"),
            ("$[?@['>']>\"]\"]", "$[?(\"]\"<@['>'])]"),
        ] {
            assert_eq!(plain(path), put);
        }
    }
}

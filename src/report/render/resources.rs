//! `resources/list`, `resources/templates/list`, `resources/read`.

use serde_json::Value;

use super::{content, text};
use crate::base::duration::human_bytes;
use crate::base::sanitize;
use crate::report::grid::{Cell, Column, Fit, Grid};
use crate::report::{Ink, Look};

const LINES_MAX: usize = 4;

const COLUMNS: &[Column] = &[
    Column { head: "URI", fit: Fit::Share(45) },
    Column { head: "NAME", fit: Fit::Share(25) },
    Column { head: "TYPE", fit: Fit::Share(20) },
    Column { head: "SIZE", fit: Fit::Number },
    Column { head: "DESCRIPTION", fit: Fit::Rest },
];

/// One row per resource.
#[must_use]
pub fn grid(resources: &[Value], look: &Look) -> Grid {
    rows(resources, "uri", look)
}

/// One row per template.
#[must_use]
pub fn template_grid(templates: &[Value], look: &Look) -> Grid {
    rows(templates, "uriTemplate", look)
}

fn rows(items: &[Value], uri: &str, look: &Look) -> Grid {
    let mut grid = Grid::new(COLUMNS, LINES_MAX);
    for item in items {
        let name = Some(text(item, "title")).filter(|title| !title.is_empty()).unwrap_or(text(item, "name"));
        // A name that the URI ends with says nothing new to a person.
        let name = if look.is_terminal() && text(item, uri).ends_with(name) { "" } else { name };
        let size = item.get("size").and_then(Value::as_u64).map(human_bytes).unwrap_or_default();
        grid.row(vec![
            Cell::inked(text(item, uri), Ink::Strong),
            Cell::new(name),
            Cell::inked(text(item, "mimeType"), Ink::Dim),
            Cell::inked(&size, Ink::Dim),
            Cell::new(text(item, "description").trim()),
        ]);
    }
    grid
}

/// What was read: text as it is, binary content as a line saying what it is.
#[must_use]
pub fn contents(result: &Value, look: &Look) -> Option<String> {
    let contents = result.get("contents")?.as_array()?;
    let mut shown = String::new();
    for item in contents {
        if !item.is_object() {
            return None;
        }
        if contents.len() > 1 && look.is_terminal() {
            let head = format!("── {} ", sanitize::one_line(text(item, "uri"), 200));
            shown.push_str(&look.paint(Ink::Dim, &head));
            shown.push('\n');
        }
        shown.push_str(&content::resource_body(item, look)?);
    }
    Some(shown)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn resources_are_rows() {
        let list = [json!({"uri": "file:///a", "name": "a", "title": "A file", "mimeType": "text/plain", "size": 2048,
            "description": "x\ty"})];
        assert_eq!(grid(&list, &Look::PLAIN).render(&Look::PLAIN), "file:///a\tA file\ttext/plain\t2.0 KiB\tx y\n");
        let templates = [json!({"uriTemplate": "file:///{path}", "name": "files"})];
        let look = Look { width: Some(80), colour: false };
        assert_eq!(template_grid(&templates, &look).render(&look), "URI             NAME\nfile:///{path}  files\n");
    }

    #[test]
    fn text_is_printed_and_binary_described() {
        let result = json!({"contents": [{"uri": "a", "text": "hi\u{7}"}, {"uri": "b", "mimeType": "image/png", "blob": "AAAA"}]});
        assert_eq!(contents(&result, &Look::PLAIN).unwrap(), "hi\\u{7}\nimage/png, 3 B (base64)\n");
        let look = Look { width: Some(80), colour: false };
        assert_eq!(contents(&result, &look).unwrap(), "── a \nhi\\u{7}\n── b \nimage/png, 3 B (base64)\n");
        assert_eq!(contents(&json!({"contents": [{"uri": "a"}]}), &look), None);
    }
}

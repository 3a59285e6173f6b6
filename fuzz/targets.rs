//! What is fuzzed, as plain functions: they panic when something holds that must not. cargo-fuzz calls them with what
//! it finds, `cargo test` with seeded inputs.

use bytes::Bytes;
use mcp_probe::check::json_schema::{Compile, Patterns, Schema};
use mcp_probe::check::path::Path;
use mcp_probe::config::{self, Environment};
use mcp_probe::files::clients::{CLIENTS, Format};
use mcp_probe::files::{self, Folders};
use mcp_probe::plan::{NotSelected, Selection};
use mcp_probe::wire::event_stream::{EventDecoder, Item};
use mcp_probe::wire::lines::{Line, LineDecoder};
use mcp_probe::wire::{Message, message};

/// The first byte says how the rest is cut into pieces, the second the limit.
fn cut(input: &[u8]) -> Option<(usize, usize, &[u8])> {
    let (head, rest) = input.split_at_checked(2)?;
    Some((usize::from(head[0]) + 1, usize::from(head[1]) + 1, rest))
}

/// Lines of stdio: any split gives the same lines, none is longer than the limit, and no byte is lost.
pub fn lines(input: &[u8]) {
    let Some((piece, limit, rest)) = cut(input) else { return };
    let decode = |piece: usize| {
        let mut decoder = LineDecoder::new(limit);
        let mut all = Vec::new();
        for chunk in rest.chunks(piece) {
            decoder.push(chunk);
            while let Some(line) = decoder.next_line() {
                all.push(line);
            }
        }
        all.extend(decoder.finish());
        assert!(!decoder.is_midway(), "nothing is left after the end");
        all
    };
    let whole = decode(rest.len().max(1));
    assert_eq!(decode(piece), whole, "the split must not matter");
    let mut bytes_all = whole.len();
    for line in &whole {
        bytes_all += match line {
            Line::Whole { bytes, crlf } => {
                assert!(bytes.len() <= limit && !bytes.contains(&b'\n'));
                bytes.len() + usize::from(*crlf)
            }
            Line::TooLong { bytes } => {
                assert!(*bytes > limit as u64);
                usize::try_from(*bytes).unwrap_or(usize::MAX)
            }
        };
    }
    // The last line has no line feed, unless the input ended with one.
    let unfinished = usize::from(!rest.is_empty() && !rest.ends_with(b"\n"));
    assert_eq!(bytes_all, rest.len() + unfinished);
}

/// Event streams: any split gives the same items, and no event is over the limit.
pub fn events(input: &[u8]) {
    let Some((piece, limit, rest)) = cut(input) else { return };
    let decode = |piece: usize| {
        let mut decoder = EventDecoder::new(limit);
        let mut all = Vec::new();
        for chunk in rest.chunks(piece) {
            decoder.push(chunk);
            while let Some(item) = decoder.next_item() {
                all.push(item);
            }
        }
        all
    };
    let whole = decode(rest.len().max(1));
    assert_eq!(decode(piece), whole, "the split must not matter");
    for item in &whole {
        if let Item::Event(event) = item {
            assert!(event.data.as_ref().is_none_or(|data| data.len() <= limit));
            assert!(event.id.as_ref().is_none_or(|id| !id.contains('\0')));
        }
    }
}

/// Messages: reading never panics, keeps what came, and what was understood can be written and read again.
pub fn message(input: &[u8]) {
    let raw = Bytes::copy_from_slice(input);
    for frame in message::read(&raw) {
        assert!(frame.raw.len() <= raw.len());
        match &frame.parsed {
            Ok(Message::Request { id, method, .. }) => {
                let again = message::read(&message::request(id, method, None));
                let same = matches!(&again[0].parsed, Ok(Message::Request { id: read, method: name, .. }) if read == id && name == method);
                assert!(same, "{again:?}");
            }
            Ok(Message::Notification { method, .. }) => {
                let again = message::read(&message::notification(method, None));
                assert!(matches!(&again[0].parsed, Ok(Message::Notification { method: name, .. }) if name == method));
            }
            Ok(Message::Reply { .. }) => {}
            Err(broken) => assert!(!broken.to_string().is_empty()),
        }
    }
}

/// A schema, a path and a value from the server, each on a line of its own: whatever they are, there is a judgement or a
/// reason why not, and the same again.
pub fn schema(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut lines = text.split('\n');
    let (Some(schema), Some(path), Some(value)) = (lines.next(), lines.next(), lines.next()) else { return };
    let value = serde_json::from_str(value).unwrap_or(serde_json::Value::Null);
    match Path::parse(path) {
        Ok(path) => {
            let found = path.find(&value);
            assert_eq!(found.is_some(), path.find(&value).is_some());
        }
        Err(why) => assert!(!why.is_empty(), "a refusal has a reason"),
    }
    let Ok(schema) = serde_json::from_str(schema) else { return };
    for patterns in [Patterns::Linear, Patterns::Backtracking] {
        match Schema::compile(&schema, Compile { patterns, ..Compile::default() }) {
            Ok(schema) => assert_eq!(schema.judge(&value), schema.judge(&value)),
            Err(unfit) => assert!(!unfit.to_string().is_empty(), "a refusal has a reason"),
        }
    }
}

struct Nothing;

impl Environment for Nothing {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "SET").then(|| "value".to_owned())
    }

    fn file(&self, _: &std::path::Path) -> Result<String, String> {
        Err("it does not exist".to_owned())
    }
}

/// Probe files: whatever the text, there is a plan or there are mistakes, and what is shown does nothing to a terminal.
pub fn plan(input: &[u8]) {
    let path = std::env::temp_dir().join(format!("mcp-probe-fuzz-{}.toml", std::process::id()));
    if std::fs::write(&path, input).is_err() {
        return;
    }
    let paths = [path];
    let read = files::load(&paths, false, &Nothing);
    let examined = files::examine(&paths, false, &Nothing);
    let _ = std::fs::remove_file(&paths[0]);
    assert_eq!(read.is_err(), config::has_errors(&examined.diags), "what can be used does not depend on who asks");
    let mut said = match read {
        Err(diags) => {
            assert!(!diags.is_empty(), "a refusal has a reason");
            diags
        }
        Ok(loaded) => match loaded.draft.select(&Selection::default(), &Nothing) {
            Err(NotSelected::Mistakes(diags)) => diags,
            Ok(_) | Err(NotSelected::Nothing(_)) => loaded.warnings,
        },
    };
    assert!(!config::has_errors(&examined.advice), "advice is no mistake");
    said.extend(examined.advice);
    said.extend(examined.draft.lacking(&Nothing));
    for diag in &said {
        let (Some(place), false) = (&diag.place, diag.message.is_empty()) else { continue };
        assert!(place.source.text.get(place.span.clone()).is_some(), "a place is within its text");
    }
    let shown = config::render(&said, false, Some(80)) + &config::render(&said, false, None);
    let harmless = |c: char| !c.is_control() || c == '\n';
    assert!(shown.chars().all(harmless), "{shown:?}");
}

/// Files of other clients: whatever the text, every reader makes targets or mistakes of it, each of which can be resolved
/// and shown. The first byte says in which format the rest is written.
pub fn clients(input: &[u8]) {
    let Some((first, text)) = input.split_first() else { return };
    let format = if first % 2 == 0 { Format::Json } else { Format::Toml };
    let folder = std::env::temp_dir().join(format!("mcp-probe-fuzz-{}", std::process::id()));
    let path = folder.join(if first % 4 < 2 { "file" } else { ".claude.json" });
    if std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, text)).is_err() {
        return;
    }
    let folders = Folders { project: folder.clone(), home: Some(folder.clone()) };
    let harmless = |c: char| !c.is_control() || c == '\n';
    let show = |diags: &[config::Diag]| {
        let shown = config::render(diags, false, Some(120));
        assert!(shown.chars().all(harmless), "{shown:?}");
    };
    let _ = files::clients::recognise(&path);
    for client in CLIENTS.iter().filter(|client| client.format == format) {
        match files::clients::read(client, &path, &folders, &Nothing) {
            Err(diag) => show(&[*diag]),
            Ok(parts) => {
                assert!(!parts.is_empty());
                for loaded in parts.iter().map(|held| &held.loaded) {
                    show(&loaded.warnings);
                    for target in &loaded.draft.targets {
                        show(target.problems());
                        show(target.warnings());
                        match loaded.draft.target(&target.name, &Nothing) {
                            Some(Err(diags)) => {
                                assert!(!diags.is_empty(), "a refusal has a reason");
                                show(&diags);
                            }
                            Some(Ok((target, _))) => assert_eq!(target.origin.client, Some(client.id)),
                            None => unreachable!("{} has no target {}", client.id, target.name),
                        }
                    }
                }
            }
        }
    }
    let _ = std::fs::remove_file(&path);
}

//! A client's file as it is on the disk: text in whatever encoding editors use → a table; and whose file it is, told by
//! its place, else by its outermost keys.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{CLIENTS, Client, Format};
use crate::config::{Diag, Place, Source, Table, json, tree};
use crate::files::machine::read_bytes;

/// A client's file is never larger, in bytes: some keep their history in the same file.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// A file that was read.
pub struct Opened {
    /// Where it is.
    pub path: PathBuf,
    /// Its text. The folder that relative paths are relative to is the one in which the client works.
    pub source: Arc<Source>,
    /// What it says.
    pub root: Table,
    /// What is unwise about it.
    pub warnings: Vec<Diag>,
}

impl Opened {
    /// Reads a file of the program `title`, which works in `folder`.
    ///
    /// # Errors
    /// The file cannot be read, or is not what its format asks for.
    pub fn new(title: &str, format: Format, path: &Path, folder: &Path) -> Result<Self, Box<Diag>> {
        let name = path.strip_prefix("./").unwrap_or(path).display().to_string();
        let cannot = |why: String| Diag::general(format!("{name} ({title}) cannot be read: {why}"));
        let bytes = read_bytes(path, FILE_BYTES_MAX).map_err(cannot)?;
        let (text, is_wide) = decode(bytes).map_err(cannot)?;
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
        let source = Source::foreign(name, text, folder);
        let (root, mut warnings) = parse(format, &source)?;
        if is_wide {
            let warning = Diag::warning(&Place::new(&source, 0..0), "this file is written in UTF-16");
            warnings.push(warning.help("most clients read UTF-8 alone: save it as UTF-8"));
        }
        Ok(Self { path: path.to_path_buf(), source, root, warnings })
    }
}

fn parse(format: Format, source: &Arc<Source>) -> Result<(Table, Vec<Diag>), Box<Diag>> {
    match format {
        Format::Json => json::parse(source),
        Format::Toml => {
            let (table, mut errors) = tree::parse_foreign(source);
            if errors.is_empty() { Ok((table, Vec::new())) } else { Err(Box::new(errors.swap_remove(0))) }
        }
    }
}

/// UTF-8, or UTF-16 where a byte order mark says so.
fn decode(bytes: Vec<u8>) -> Result<(String, bool), String> {
    let unit: fn([u8; 2]) -> u16 = match bytes.get(..2) {
        Some([0xff, 0xfe]) => u16::from_le_bytes,
        Some([0xfe, 0xff]) => u16::from_be_bytes,
        _ => {
            let text = String::from_utf8(bytes);
            return text
                .map(|text| (text, false))
                .map_err(|error| format!("it is not UTF-8 at byte {}", error.utf8_error().valid_up_to()));
        }
    };
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    text.map(|text| (text, true)).map_err(|_| "its UTF-16 is broken".to_owned())
}

/// Whose file a path on the command line is.
pub enum Recognised {
    /// A client's.
    Client(&'static Client, Opened),
    /// Ours, or a folder, or nothing: whoever reads probe files will say.
    Ours,
    /// JSON, but of no client that is known; or a client's, and broken.
    Nobody(Box<Diag>),
}

/// The outermost key of every client that writes TOML.
const TOML_KEY: &[u8] = b"mcp_servers";

/// Whose file this is: told by its name and folder, else by what stands in it.
#[must_use]
pub fn recognise(path: &Path) -> Recognised {
    if !path.is_file() {
        return Recognised::Ours;
    }
    let folder = workplace(path);
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    if let Some(client) = CLIENTS.iter().find(|client| (client.by_place)(&absolute)) {
        return match Opened::new(client.title, client.format, path, &folder) {
            Ok(opened) => Recognised::Client(client, opened),
            Err(diag) => Recognised::Nobody(diag),
        };
    }
    let format = if extension == "toml" { Format::Toml } else { Format::Json };
    let is_json = matches!(extension, "json" | "jsonc" | "json5");
    // A probe file of a thousand probes is not to be read twice for a key that it does not even mention.
    if format == Format::Toml
        && read_bytes(path, FILE_BYTES_MAX).is_ok_and(|bytes| memchr::memmem::find(&bytes, TOML_KEY).is_none())
    {
        return Recognised::Ours;
    }
    let opened = match Opened::new("JSON", format, path, &folder) {
        Ok(opened) => opened,
        Err(diag) if is_json => return Recognised::Nobody(diag),
        Err(_) => return Recognised::Ours,
    };
    let of_format = CLIENTS.iter().filter(|client| client.format == format);
    match of_format.into_iter().find(|client| (client.by_keys)(&opened.root)) {
        Some(client) => Recognised::Client(client, opened),
        None if is_json => Recognised::Nobody(Box::new(nobody(&opened))),
        None => Recognised::Ours,
    }
}

fn nobody(opened: &Opened) -> Diag {
    let message = "this JSON is the file of no client that mcp-probe knows, and probe files are TOML";
    Diag::error(&Place::new(&opened.source, 0..1), message).help(
        "looked for the outermost keys `mcpServers` (Claude Code and most others), `servers` (VS Code), `mcp.servers` \
         (OpenClaw), `mcp` (opencode), `packages` and `remotes` (server.json of the registry), `serverCommand` under \
         `mcp` (Gemini CLI)",
    )
}

/// The folder in which the client of a file works: the project, where the file lies in one of its folders.
fn workplace(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let folder = absolute.parent().unwrap_or(Path::new("/"));
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_inside = matches!(name, ".vscode" | ".cursor" | ".gemini" | ".codex" | ".devcontainer" | ".grok");
    let project = if is_inside { folder.parent().unwrap_or(folder) } else { folder };
    project.to_path_buf()
}

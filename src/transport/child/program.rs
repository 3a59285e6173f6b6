//! Finds the program that a command word means, as a shell in the child's environment would, and says clearly why
//! one cannot be started.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::Start;
use crate::base::sanitize;
use crate::event::Reason;
use crate::transport::Fault;

/// The command word that means this very executable.
pub const OWN_NAME: &str = "mcp-probe";

/// What systems search when no PATH is set.
const PATH_DEFAULT: &str = "/usr/local/bin:/usr/bin:/bin";

/// The file that the command word means: a path when it holds a slash (relative to the child's folder), else the
/// first executable of that name in the child's PATH. `mcp-probe` is this very executable.
///
/// # Errors
/// A fault with reason `spawn`: no word, no such file, a folder, not executable, no such working folder.
pub fn resolve_program(start: &Start<'_>) -> Result<PathBuf, Fault> {
    let Some(word) = start.argv.first().filter(|word| !word.is_empty()) else {
        return Err(Fault::new(Reason::Spawn, "cannot start the server: the command is empty"));
    };
    let folder = working_folder(word, start.cwd)?;
    if word == OWN_NAME {
        return own_executable().map_err(|error| refuse(word, &format!("its own file cannot be found: {error}")));
    }
    if word.contains('/') {
        let path = folder.join(word);
        return match judge(&path) {
            Judged::Executable => Ok(path),
            Judged::Absent if word.starts_with("~/") => {
                Err(refuse(word, "only a shell expands `~`; write the whole path"))
            }
            Judged::Absent => Err(refuse(word, &format!("there is no file {}{}", show(&path), words_hint(start.argv)))),
            Judged::Folder => Err(refuse(word, &format!("{} is a directory", show(&path)))),
            Judged::NotExecutable => Err(not_executable(word, &path)),
        };
    }
    search(start, word, &folder)
}

/// A PATH of up to so many characters is shown, of a longer one only how many folders it has.
const PATH_CHARS_SHOWN: usize = 100;

fn search(start: &Start<'_>, word: &str, folder: &Path) -> Result<PathBuf, Fault> {
    let searched = search_path(start);
    let mut found_but = None;
    for place in std::env::split_paths(&searched) {
        // An empty entry and a relative one are relative to the child's folder.
        let path = folder.join(place).join(word);
        match judge(&path) {
            Judged::Executable => return Ok(path),
            Judged::NotExecutable => found_but = found_but.or(Some(path)),
            Judged::Absent | Judged::Folder => {}
        }
    }
    if let Some(path) = found_but {
        return Err(not_executable(word, &path));
    }
    // A short PATH is an unusual one, and then worth seeing.
    let folders = std::env::split_paths(&searched).count();
    let shown = match searched.to_string_lossy() {
        text if text.len() <= PATH_CHARS_SHOWN => sanitize::one_line(&text, PATH_CHARS_SHOWN),
        _ => format!("{folders} folders"),
    };
    Err(refuse(
        word,
        &format!(
            "not found in PATH ({shown}); is it installed? A program that only your shell's profile puts into PATH \
             (nvm, mise, pyenv) needs its whole path here{}",
            words_hint(start.argv)
        ),
    ))
}

/// The PATH that the child will see.
fn search_path(start: &Start<'_>) -> OsString {
    let own = start.env.iter().rev().find(|(name, _)| name == "PATH").map(|(_, value)| OsString::from(value));
    own.or_else(|| start.inherit.path().map(OsString::from))
        .or_else(|| start.inherit.passes("PATH").then(|| std::env::var_os("PATH")).flatten())
        .unwrap_or_else(|| PATH_DEFAULT.into())
}

fn working_folder(word: &str, cwd: Option<&PathBuf>) -> Result<PathBuf, Fault> {
    let own = std::env::current_dir();
    let Some(cwd) = cwd else {
        return own.map_err(|error| refuse(word, &format!("the current directory cannot be read: {error}")));
    };
    let folder = own.unwrap_or_default().join(cwd);
    match fs::metadata(&folder) {
        Ok(found) if found.is_dir() => Ok(folder),
        Ok(_) => Err(refuse(word, &format!("its working directory {} is a file", show(&folder)))),
        Err(error) => Err(refuse(word, &format!("its working directory {}: {}", show(&folder), plain(&error)))),
    }
}

/// The file of this very process, also when it was replaced since: then the kernel's own name for it is used.
///
/// # Errors
/// When the system does not tell.
pub fn own_executable() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    let kernel = Path::new("/proc/self/exe");
    if path.exists() || !kernel.exists() { Ok(path) } else { Ok(kernel.to_owned()) }
}

enum Judged {
    Executable,
    NotExecutable,
    Folder,
    Absent,
}

fn judge(path: &Path) -> Judged {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Judged::Folder,
        Ok(found) if found.permissions().mode() & 0o111 != 0 => Judged::Executable,
        Ok(_) => Judged::NotExecutable,
        Err(_) => Judged::Absent,
    }
}

/// Says why the system refused to start a program that was found.
pub(super) fn spawn_fault(start: &Start<'_>, path: &Path, error: &io::Error) -> Fault {
    let word = start.argv.first().map_or("", String::as_str);
    let shown = show(path);
    let Some(number) = error.raw_os_error() else {
        let why = if error.kind() == io::ErrorKind::InvalidInput {
            "its arguments or environment hold a NUL character".to_owned()
        } else {
            error.to_string()
        };
        return refuse(word, &why);
    };
    match Errno::from_raw(number) {
        Errno::ENOEXEC => refuse(
            word,
            &format!(
                "{shown} is not a program this system can run: a script needs a first line such as \
                 `#!/bin/sh`, a binary must be built for this machine"
            ),
        ),
        Errno::ENOENT => match interpreter(path) {
            Some(interpreter) => {
                refuse(word, &format!("{shown} asks for the interpreter {interpreter}, which does not exist"))
            }
            None => refuse(word, &format!("{shown} cannot be loaded: it, or the loader it names, does not exist")),
        },
        Errno::EACCES | Errno::EPERM => refuse(
            word,
            &format!("{shown}: permission denied (may this user run it, and is its file system mounted with exec?)"),
        ),
        Errno::E2BIG => refuse(word, "its arguments and environment are larger than the system allows"),
        errno @ (Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE) => Fault::new(
            Reason::Internal,
            format!("cannot start `{}`: mcp-probe ran out of a resource: {}", name(word), errno.desc()),
        ),
        errno => refuse(word, &format!("{shown}: {}", errno.desc())),
    }
}

/// The interpreter that a script's first line names, by its whole path.
fn interpreter(path: &Path) -> Option<String> {
    let mut start = [0; 256];
    let read = fs::File::open(path).ok()?.read(&mut start).ok()?;
    let line = start[..read].strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let text = String::from_utf8_lossy(line);
    let carriage = if text.ends_with('\r') { " (its line ends with a carriage return)" } else { "" };
    let word = text.split_ascii_whitespace().next()?;
    Some(format!("`{}`{carriage}", sanitize::one_line(word, 120)))
}

fn not_executable(word: &str, path: &Path) -> Fault {
    let shown = show(path);
    refuse(word, &format!("{shown} is not executable; `chmod +x {shown}` makes it so, or name its interpreter first"))
}

/// A whole command line in one word is the commonest mistake.
fn words_hint(argv: &[String]) -> &'static str {
    if argv.len() == 1 && argv[0].contains(' ') {
        "; the command is one word with blanks in it: give each argument as a word of its own"
    } else {
        ""
    }
}

fn refuse(word: &str, why: &str) -> Fault {
    Fault::new(Reason::Spawn, format!("cannot start `{}`: {why}", name(word)))
}

fn name(word: &str) -> String {
    sanitize::one_line(word, 120)
}

fn show(path: &Path) -> String {
    sanitize::one_line(&path.to_string_lossy(), 300)
}

fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}

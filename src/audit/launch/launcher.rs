//! Programs that fetch what they run: `npx pkg`, `uvx pkg`, `docker run image`. Without a version the program that is
//! probed may be another one tomorrow, and nobody will know why the probe changed its mind.

/// What of a command is fetched, and how it is pinned.
#[derive(Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Which word of the command.
    pub index: usize,
    /// The same word with a version.
    pub pinned: String,
}

/// A program that fetches what it runs.
struct Launcher {
    /// The words before its options.
    words: &'static [&'static str],
    /// Options that name the package; without them it is the first word that is no option.
    package: &'static [&'static str],
    /// Other options that take the next word.
    valued: &'static [&'static str],
    /// The word with a version, where it has none.
    pin: fn(&str) -> Option<String>,
}

const NPM: &[&str] = &["-p", "--package"];
const NPM_VALUED: &[&str] = &["-c", "--call", "-w", "--workspace", "--registry", "--cache", "--userconfig", "--prefix"];
const UV: &[&str] = &[
    "--with",
    "--with-editable",
    "--with-requirements",
    "-p",
    "--python",
    "--index",
    "--index-url",
    "--default-index",
    "--extra-index-url",
    "-c",
    "--constraints",
    "--overrides",
    "--env-file",
    "--directory",
    "--cache-dir",
    "-f",
    "--find-links",
    "--prerelease",
    "--resolution",
    "--exclude-newer",
    "--link-mode",
    "--color",
    "-w",
];

const LAUNCHERS: &[Launcher] = &[
    Launcher { words: &["npx"], package: NPM, valued: NPM_VALUED, pin: npm },
    Launcher { words: &["npm", "exec"], package: NPM, valued: NPM_VALUED, pin: npm },
    Launcher { words: &["npm", "x"], package: NPM, valued: NPM_VALUED, pin: npm },
    Launcher { words: &["bunx"], package: NPM, valued: &[], pin: npm },
    Launcher { words: &["bun", "x"], package: NPM, valued: &[], pin: npm },
    Launcher { words: &["pnpm", "dlx"], package: &["--package"], valued: NPM_VALUED, pin: npm },
    Launcher { words: &["pnpx"], package: &["--package"], valued: NPM_VALUED, pin: npm },
    Launcher { words: &["yarn", "dlx"], package: NPM, valued: &[], pin: npm },
    Launcher { words: &["uvx"], package: &["--from"], valued: UV, pin: python },
    Launcher { words: &["uv", "tool", "run"], package: &["--from"], valued: UV, pin: python },
    Launcher {
        words: &["pipx", "run"],
        package: &["--spec"],
        valued: &["--python", "--index-url", "-i", "--pip-args"],
        pin: python,
    },
    Launcher {
        words: &["deno", "run"],
        package: &[],
        valued: &["-c", "--config", "--import-map", "--env-file"],
        pin: deno,
    },
];

/// What a command fetches without a version. Words with variables are taken for pinned.
#[must_use]
pub fn fetched(argv: &[Option<&str>]) -> Option<Fetched> {
    let mut at = 0;
    match argv.first().copied().flatten().map(program)? {
        "env" => {
            at = 1;
            while argv.get(at).copied().flatten().is_some_and(|word| word.contains('=')) {
                at += 1;
            }
        }
        "cmd" if argv.get(1).copied().flatten().is_some_and(|word| word.eq_ignore_ascii_case("/c")) => at = 2,
        _ => {}
    }
    let rest = argv.get(at..)?;
    let starts = |words: &[&str]| {
        words.iter().enumerate().all(|(i, word)| rest.get(i).copied().flatten().map(program) == Some(*word))
    };
    if let Some(launcher) = LAUNCHERS.iter().find(|launcher| starts(launcher.words)) {
        let index = package(rest, launcher)?;
        return (launcher.pin)(rest[index]?).map(|pinned| Fetched { index: at + index, pinned });
    }
    for words in [&["docker", "run"][..], &["podman", "run"], &["docker", "container", "run"], &["nerdctl", "run"]] {
        if starts(words) {
            let index = image(rest, words.len())?;
            return container(rest[index]?).map(|pinned| Fetched { index: at + index, pinned });
        }
    }
    None
}

/// The name of a program without its folder and without the ending it has on Windows.
fn program(word: &str) -> &str {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
    name.strip_suffix(".cmd").or_else(|| name.strip_suffix(".exe")).unwrap_or(name)
}

/// Which word is the package.
fn package(argv: &[Option<&str>], launcher: &Launcher) -> Option<usize> {
    let mut at = launcher.words.len();
    loop {
        let word = (*argv.get(at)?)?;
        if launcher.package.contains(&word) {
            return (at + 1 < argv.len()).then_some(at + 1);
        }
        if launcher.package.iter().any(|option| word.strip_prefix(option).is_some_and(|rest| rest.starts_with('='))) {
            return Some(at);
        }
        if word.starts_with('-') && word != "-" {
            at += if launcher.valued.contains(&word) { 2 } else { 1 };
        } else {
            return Some(at);
        }
    }
}

/// Which word is the image: the first that is neither an option nor the value of one.
fn image(argv: &[Option<&str>], mut at: usize) -> Option<usize> {
    const SWITCHES: &[&str] = &[
        "--detach",
        "--interactive",
        "--tty",
        "--rm",
        "--init",
        "--privileged",
        "--read-only",
        "--publish-all",
        "--no-healthcheck",
        "--oom-kill-disable",
        "--quiet",
        "--sig-proxy",
        "--disable-content-trust",
        "--replace",
    ];
    loop {
        let word = (*argv.get(at)?)?;
        if let Some(letters) = word.strip_prefix('-').filter(|rest| !rest.starts_with('-') && !rest.is_empty()) {
            let switches = letters.chars().all(|letter| "ditPq".contains(letter));
            at += if switches || letters.chars().count() > 1 { 1 } else { 2 };
        } else if word.starts_with("--") {
            at += if SWITCHES.contains(&word) || word.contains('=') { 1 } else { 2 };
        } else {
            return Some(at);
        }
    }
}

/// `pkg`, `@scope/pkg`, `pkg@latest`.
fn npm(word: &str) -> Option<String> {
    let (option, spec) = match word.split_once('=') {
        Some((option, spec)) if option.starts_with('-') => (format!("{option}="), spec),
        _ => (String::new(), word),
    };
    if spec.starts_with(['.', '/', '~']) || spec.contains(':') || spec.is_empty() {
        return None;
    }
    let name_end = spec.char_indices().skip(1).find(|(_, c)| *c == '@').map_or(spec.len(), |(at, _)| at);
    let version = spec[name_end..].trim_start_matches('@');
    let exact = version.starts_with(|c: char| c.is_ascii_digit() || c == 'v');
    (!exact).then(|| format!("{option}{}@1.2.3", &spec[..name_end]))
}

/// `pkg`, `pkg[extra]`, `pkg@latest`, `pkg>=1`.
fn python(word: &str) -> Option<String> {
    let (option, spec) = match word.split_once('=') {
        Some((option, spec)) if option.starts_with("--") => (format!("{option}="), spec),
        _ => (String::new(), word),
    };
    if spec.starts_with(['.', '/', '~']) || spec.contains("://") || spec.contains("==") || spec.is_empty() {
        return None;
    }
    let name = spec.split(['@', '>', '<', '=', '~', '!', ';', ' ']).next().unwrap_or(spec);
    let version = spec[name.len()..].strip_prefix('@').unwrap_or_default();
    (!version.starts_with(|c: char| c.is_ascii_digit())).then(|| format!("{option}{name}==1.2.3"))
}

/// `npm:pkg`, `jsr:@scope/pkg`; what stands for itself is a file.
fn deno(word: &str) -> Option<String> {
    let (registry, spec) = word.split_once(':').filter(|(registry, _)| matches!(*registry, "npm" | "jsr"))?;
    let (scope, name) = match spec.strip_prefix('@').and_then(|spec| spec.split_once('/')) {
        Some((scope, name)) => (format!("@{scope}/"), name),
        None => (String::new(), spec),
    };
    let (bare, path) = name.split_once('/').map_or((name, String::new()), |(bare, path)| (bare, format!("/{path}")));
    let exact = |version: &str| version.starts_with(|c: char| c.is_ascii_digit());
    let bare = match bare.split_once('@') {
        Some((_, version)) if exact(version) => return None,
        Some((bare, _)) => bare,
        None => bare,
    };
    Some(format!("{registry}:{scope}{bare}@1.2.3{path}"))
}

/// `image`, `registry:5000/image`, `image:latest`.
fn container(image: &str) -> Option<String> {
    if image.contains('@') {
        return None;
    }
    let name_start = image.rfind('/').map_or(0, |slash| slash + 1);
    let bare = match image[name_start..].split_once(':') {
        Some((_, tag)) if tag != "latest" => return None,
        Some((bare, _)) => &image[..name_start + bare.len()],
        None => image,
    };
    Some(format!("{bare}:1.2.3"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<(usize, String)> {
        let words: Vec<Option<&str>> = line.split(' ').map(|word| (word != "$").then_some(word)).collect();
        fetched(&words).map(|fetched| (fetched.index, fetched.pinned))
    }

    #[test]
    fn what_is_fetched_without_a_version_is_found() {
        for (line, index, pinned) in [
            ("npx pkg", 1, "pkg@1.2.3"),
            ("npx -y @scope/pkg . --option", 2, "@scope/pkg@1.2.3"),
            ("/usr/bin/npx.cmd --yes pkg@latest", 2, "pkg@1.2.3"),
            ("npx --registry r -p pkg@^1 command", 4, "pkg@1.2.3"),
            ("npx --package=pkg command", 1, "--package=pkg@1.2.3"),
            ("cmd /c npx -y pkg", 4, "pkg@1.2.3"),
            ("env A=1 B=2 bunx pkg", 4, "pkg@1.2.3"),
            ("pnpm dlx pkg", 2, "pkg@1.2.3"),
            ("yarn dlx -q pkg", 3, "pkg@1.2.3"),
            ("uvx pkg --flag", 1, "pkg==1.2.3"),
            ("uvx --python 3.12 --from pkg[cli]>=2 command", 4, "pkg[cli]==1.2.3"),
            ("uv tool run pkg@latest", 3, "pkg==1.2.3"),
            ("pipx run --spec pkg command", 3, "pkg==1.2.3"),
            ("docker run -i --rm -e KEY -v /a:/b image", 8, "image:1.2.3"),
            ("docker run -it --name x registry:5000/image:latest arg", 5, "registry:5000/image:1.2.3"),
            ("podman run -p8080:80 --env=A ghcr.io/a/b", 4, "ghcr.io/a/b:1.2.3"),
            ("deno run -A npm:pkg/server", 3, "npm:pkg@1.2.3/server"),
            ("deno run jsr:@scope/pkg", 2, "jsr:@scope/pkg@1.2.3"),
        ] {
            assert_eq!(of(line), Some((index, pinned.to_owned())), "{line}");
        }
    }

    #[test]
    fn what_is_pinned_or_local_is_left_alone() {
        for line in [
            "node server.js",
            "npx -y pkg@1.2.3",
            "npx @scope/pkg@1",
            "npx ./server",
            "npx",
            "npx -y $",
            "npx -p",
            "npx github:a/b",
            "uvx pkg==1.2",
            "uvx pkg@1.2",
            "uvx --from git+https://host/x pkg",
            "uvx --from . pkg",
            "uv run server.py",
            "docker run image:1.2",
            "docker run -i image@sha256:abc",
            "docker run -e KEY $",
            "docker ps",
            "docker run --rm",
            "deno run -A server.ts",
            "deno run npm:@scope/pkg@1.0.0",
            "mcp-probe demo",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
    }
}

//! `mcp-probe top` in a real terminal, before a real daemon: it shows the fleet, obeys keys, goes on when the daemon is gone,
//! and gives the terminal back as it was.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "stage/watching.rs"]
mod watching;

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use nix::sys::signal::Signal;
use watching::{BINARY, Watch, server, until, write};

/// `top` in a terminal of its own.
struct Top {
    child: Child,
    shown: Arc<Mutex<String>>,
}

impl Top {
    fn start(url: &str) -> Self {
        let line = format!(
            "stty cols 100 rows 30; was=$(stty -g); {BINARY} top --url {url} --interval 200ms; echo \"code $?\"; \
             [ \"$(stty -g)\" = \"$was\" ] && echo as-it-was"
        );
        let mut script = Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = script.spawn().expect("script(1) is there");
        let shown = Arc::new(Mutex::new(String::new()));
        let (heard, mut stdout) = (Arc::clone(&shown), child.stdout.take().unwrap());
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = stdout.read(&mut chunk) {
                heard.lock().unwrap().push_str(&String::from_utf8_lossy(&chunk[..read]));
            }
        });
        Self { child, shown }
    }

    /// What came since the last look has this word. Spaces are not drawn where nothing was.
    fn shows(&self, word: &str) {
        until(&format!("{word:?} is shown"), || self.shown.lock().unwrap().contains(word).then_some(()));
    }

    fn press(&mut self, key: &str) {
        self.shown.lock().unwrap().clear();
        self.child.stdin.as_mut().unwrap().write_all(key.as_bytes()).unwrap();
    }
}

impl Drop for Top {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn top_shows_the_fleet_obeys_keys_and_gives_the_terminal_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = server(folder);
    write(
        folder,
        &format!(
            "[watch]\nrun_at_start = true\n[target.weather]\n{server}\n[[probe]]\nname = \"smoke\"\ntarget = \
             \"weather\"\nevery = \"500ms\"\ntimeout = \"450ms\"\n"
        ),
    );
    let mut watch = Watch::start(folder);
    until("it is healthy", || (watch.status()["summary"]["healthy"] == 1).then_some(()));
    let mut top = Top::start(&format!("http://{}", watch.address().unwrap()));
    // On a screen of its own.
    for word in ["\u{1b}[?1049h", "weather", "smoke", "healthy", "quit", "choose"] {
        top.shows(word);
    }
    // The probe in detail, over all of the screen, and back.
    top.press("\r");
    top.shows("back");
    top.press("\u{7f}");
    top.shows("choose");
    // A daemon that is gone is said, and what was known stays.
    top.shown.lock().unwrap().clear();
    watch.signal(Signal::SIGTERM);
    assert_eq!(watch.ended().code(), Some(0));
    until("it says that nobody answers", || {
        let shown = top.shown.lock().unwrap().clone();
        ["what", "shown", "old:"].iter().any(|word| shown.contains(word)).then_some(())
    });
    top.press("q");
    top.shows("\u{1b}[?1049l");
    top.shows("\u{1b}[?25h");
    top.shows("code 0");
    top.shows("as-it-was");
}

//! Chromium on its own protocol, over a pair of pipes: any width, keys, scripts switched off.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use serde_json::{Value, json};

/// A page in a browser without a window.
pub struct Tab {
    to: File,
    from: BufReader<File>,
    events: VecDeque<Value>,
    session: String,
    count: u64,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Tab {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Tab {
    /// Starts a browser with an empty page.
    pub fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pipe = |name: &str| {
            let path = folder.path().join(name);
            nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
            path
        };
        let (into, out) = (pipe("in"), pipe("out"));
        let script = format!(
            "exec chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars --no-first-run \
             --disable-background-networking --disable-component-update --disable-extensions --remote-debugging-pipe \
             --user-data-dir={0}/profile 3<{0}/in 4>{0}/out",
            folder.path().display()
        );
        let child = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let to = File::options().write(true).open(into).unwrap();
        let from = BufReader::new(File::open(out).unwrap());
        let (events, session) = (VecDeque::new(), String::new());
        let mut tab = Self { to, from, events, session, count: 0, child, _folder: folder };
        let target = tab.call("Target.createTarget", json!({"url": "about:blank"}));
        let attached = json!({"targetId": target["targetId"], "flatten": true});
        let session = tab.call("Target.attachToTarget", attached)["sessionId"].as_str().unwrap().to_owned();
        tab.session = session;
        tab.call("Page.enable", json!({}));
        tab
    }

    fn read(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.from.read_until(0, &mut bytes).unwrap();
        bytes.pop();
        serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("the browser ended: {error}"))
    }

    /// Asks the browser for something.
    #[allow(clippy::needless_pass_by_value, reason = "parameters are written where they are used")]
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.count += 1;
        let mut request = json!({"id": self.count, "method": method, "params": params});
        if !self.session.is_empty() {
            request["sessionId"] = self.session.as_str().into();
        }
        self.to.write_all(format!("{request}\0").as_bytes()).unwrap();
        loop {
            let message = self.read();
            if message["id"] == self.count {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
            self.events.push_back(message);
        }
    }

    /// Goes to a page, and waits until it is loaded.
    pub fn go(&mut self, url: &str) {
        self.events.clear();
        self.call("Page.navigate", json!({"url": url}));
        self.loaded();
    }

    /// Waits until a page is loaded.
    pub fn loaded(&mut self) {
        loop {
            let event = self.events.pop_front().unwrap_or(Value::Null);
            if event["method"] == "Page.loadEventFired" {
                return;
            }
            if event.is_null() {
                let event = self.read();
                self.events.push_back(event);
            }
        }
    }

    /// A screen of this width, light or dark.
    pub fn looks(&mut self, width: u32, dark: bool) {
        let size = json!({"width": width, "height": 1400, "deviceScaleFactor": 1, "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", size);
        let value = if dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": value}]});
        self.call("Emulation.setEmulatedMedia", features);
    }

    /// Switches the scripts of pages on or off.
    pub fn scripts(&mut self, on: bool) {
        self.call("Emulation.setScriptExecutionDisabled", json!({"value": !on}));
    }

    /// What an expression comes to in the page.
    pub fn value(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true});
        self.call("Runtime.evaluate", asked)["result"]["value"].clone()
    }

    /// Presses a key.
    pub fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "Tab" => (9, ""),
            "Escape" => (27, ""),
            other => (0, other),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({"type": kind, "key": key, "windowsVirtualKeyCode": code});
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = text.into();
            }
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// A picture of the whole page.
    pub fn picture(&mut self, to: &Path) {
        let shot = self.call("Page.captureScreenshot", json!({"captureBeyondViewport": true}));
        let bytes = base64::engine::general_purpose::STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        std::fs::write(to, bytes).unwrap();
    }
}

//! A receiver of telemetry that others wrote: what it decoded, and when it came.
#![allow(dead_code, reason = "each test program uses a part of the stage")]

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// What `ci/witnesses` installs.
pub fn installed(path: &str) -> PathBuf {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/witnesses").join(path);
    assert!(whole.exists(), "the witness {path} is not installed: run ci/test (or ci/witnesses) first");
    whole
}

pub fn script(name: &str) -> String {
    format!("{}/tests/witnesses/python/{name}", env!("CARGO_MANIFEST_DIR"))
}

pub fn python() -> String {
    installed("python-telemetry/bin/python").display().to_string()
}

/// `telemetry.py` at work.
pub struct Telemetry {
    child: Child,
    came: Arc<Mutex<Vec<Value>>>,
    pub http: u64,
    pub grpc: u64,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Telemetry {
    pub fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(python())
            .arg(script("telemetry.py"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first: Value = serde_json::from_str(&lines.next().expect("its ports").unwrap()).unwrap();
        let came: Arc<Mutex<Vec<Value>>> = Arc::default();
        let hearing = Arc::clone(&came);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                hearing.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        let port = |name: &str| first[name].as_u64().unwrap();
        Self { child, came, http: port("http"), grpc: port("grpc") }
    }

    pub fn http_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http)
    }

    pub fn grpc_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.grpc)
    }

    /// Everything that came so far.
    pub fn came(&self) -> Vec<Value> {
        self.came.lock().unwrap().clone()
    }

    /// What came, once it is as wanted.
    pub fn until(&self, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let limit = Instant::now() + Duration::from_secs(30);
        loop {
            let came = self.came();
            if wanted(&came) {
                return came;
            }
            assert!(Instant::now() < limit, "{what}: {came:#?}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The value of an attribute, as text.
pub fn attribute(of: &Value, key: &str) -> Option<String> {
    let attributes = of["attributes"].as_array()?;
    let value = &attributes.iter().find(|attribute| attribute["key"] == key)?["value"];
    value.as_object()?.values().next().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// The hexadecimal digits of bytes that JSON holds in Base64.
pub fn hex(value: &Value) -> String {
    let bytes = STANDARD.decode(value.as_str().unwrap_or_default()).unwrap();
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// All items of requests of one signal: metrics, spans or records.
pub fn items(came: &[Value], signal: &str) -> Vec<Value> {
    let (resources, scopes, items) = match signal {
        "metrics" => ("resource_metrics", "scope_metrics", "metrics"),
        "traces" => ("resource_spans", "scope_spans", "spans"),
        _ => ("resource_logs", "scope_logs", "log_records"),
    };
    let each = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    came.iter()
        .filter(|request| request["signal"] == signal)
        .flat_map(|request| each(&request["message"], resources))
        .flat_map(|resource| each(&resource, scopes))
        .flat_map(|scope| each(&scope, items))
        .collect()
}

//! Chromium without a window: what it makes of a page, and how that looks.

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

/// How a page is looked at.
#[derive(Clone, Copy, Default)]
pub struct Looking {
    pub dark: bool,
    pub width: u32,
    /// How long it is looked at.
    pub seconds: u32,
}

/// What it prints with these arguments.
pub async fn chromium(url: &str, looking: Looking, arguments: &[String]) -> String {
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new("chromium");
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--no-first-run",
    ]);
    command.args(["--disable-background-networking", "--disable-component-update", "--disable-extensions"]);
    // Timers of the page run through so much time at once.
    command.arg(format!("--virtual-time-budget={}", looking.seconds.max(3) * 1000));
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    command.arg(format!("--window-size={},1100", if looking.width == 0 { 1280 } else { looking.width }));
    if looking.dark {
        command.arg("--blink-settings=preferredColorScheme=0");
    }
    command.args(arguments).arg(url).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(50), command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The document after scripts ran.
pub async fn dom(url: &str, looking: Looking) -> String {
    chromium(url, looking, &["--dump-dom".to_owned()]).await
}

/// A picture of it.
pub async fn picture(url: &str, looking: Looking, to: &Path) {
    chromium(url, looking, &[format!("--screenshot={}", to.display())]).await;
}

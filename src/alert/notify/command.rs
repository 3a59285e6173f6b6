//! `kind = "command"`: a program gets the notification as JSON on its stdin, and the most important words as variables.

use std::time::Duration;

use super::{Message, Notifier, Settings};
use crate::base::secret::Secret;
use crate::deliver::{CommandPayload, Payload};

/// How long it may take where the file says nothing.
const TIMEOUT: Duration = Duration::from_secs(30);

struct Command {
    argv: Vec<Secret>,
    timeout: Duration,
}

/// Reads its settings.
pub(super) fn compile(settings: &Settings) -> Result<Box<dyn Notifier>, String> {
    let argv = settings.texts("command").to_vec();
    if argv.first().is_none_or(|program| program.reveal().is_empty()) {
        return Err("`command` names no program".to_owned());
    }
    if argv.iter().any(|word| word.reveal().contains('\0')) {
        return Err("`command` holds a NUL character, which no program can be given".to_owned());
    }
    Ok(Box::new(Command { argv, timeout: settings.timeout(TIMEOUT) }))
}

impl Notifier for Command {
    fn render(&self, message: &Message) -> Result<Vec<Payload>, String> {
        let told = message.notification();
        let first = told.alerts.first();
        let of = |read: fn(&crate::alert::AlertView) -> &String| first.map(read).cloned().unwrap_or_default();
        let variables = [
            ("TRANSITION", told.transition.name().to_owned()),
            ("STATUS", message.status().to_owned()),
            ("TITLE", message.title()),
            ("CHANNEL", told.channel.clone()),
            ("DEDUP_KEY", told.dedup_key.clone()),
            ("INSTANCE", told.instance.clone()),
            ("AT", told.at.to_string()),
            ("ALERT", of(|view| &view.alert)),
            ("PROBE", of(|view| &view.probe)),
            ("TARGET", of(|view| &view.target)),
            ("SEVERITY", message.severity().to_owned()),
            ("SUMMARY", of(|view| &view.summary)),
        ];
        let mut stdin = message.document().to_string();
        stdin.push('\n');
        Ok(vec![Payload::Command(CommandPayload {
            argv: self.argv.clone(),
            env: variables.map(|(name, value)| (format!("MCP_PROBE_{name}"), value)).to_vec(),
            stdin: stdin.into_bytes(),
            timeout: self.timeout,
        })])
    }
}

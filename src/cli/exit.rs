//! Exit codes: their names, their meaning, and the one way from outcomes to a code.

use std::process::ExitCode;

use crate::event::{Reason, Status};

macro_rules! codes {
    ($($variant:ident = $number:literal, $name:literal, $meaning:literal;)*) => {
        /// How the program ended. The numbers are a promise to scripts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $(#[doc = $meaning] $variant,)* }

        impl Code {
            /// Every code, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The number that the shell sees.
            #[must_use]
            pub fn number(self) -> u8 {
                match self { $(Self::$variant => $number,)* }
            }

            /// A short name for it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

codes! {
    Healthy = 0, "healthy", "healthy (and degraded, unless `--fail-on degraded`)";
    Failed = 1, "failed", "answered, but wrong or too slow; or different kinds of failure in one run";
    Usage = 2, "usage", "usage error, an unknown name, or a probe file with mistakes";
    Auth = 3, "auth", "authentication required or refused";
    Unreachable = 4, "unreachable", "unreachable: no working connection could be had (resolve, connect, TLS, spawn, exit, time-out before the handshake was complete)";
    ServerError = 5, "server error", "the server answered with a JSON-RPC error or `isError` that nobody expected";
    Nothing = 6, "nothing to do", "nothing to do: no probe or target selected";
    Undelivered = 7, "undelivered", "healthy, but a required push or report could not be delivered";
    Unknown = 8, "unknown", "could not tell (unknown; a load run limited by the client)";
    Bug = 70, "bug", "a bug in mcp-probe";
    Interrupted = 130, "interrupted", "a one-shot command was interrupted (Ctrl-C)";
    Terminated = 143, "terminated", "a one-shot command was terminated (SIGTERM)";
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code.number())
    }
}

/// How one probe or call ended, as far as the exit code cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Its status.
    pub status: Status,
    /// Its reason, where it is not healthy.
    pub reason: Option<Reason>,
    /// Whether the handshake was complete.
    pub connected: bool,
}

impl Ending {
    /// Of an outcome.
    #[must_use]
    pub fn new(status: Status, cause: Option<&crate::event::Cause>, connected: bool) -> Self {
        Self { status, reason: cause.map(|cause| cause.reason), connected }
    }
}

/// The code of a failure.
#[must_use]
pub fn of_reason(reason: Reason, connected: bool) -> Code {
    match reason {
        Reason::Auth => Code::Auth,
        Reason::Spawn | Reason::Exited | Reason::Resolve | Reason::Connect | Reason::Tls | Reason::Closed => {
            Code::Unreachable
        }
        Reason::Timeout if !connected => Code::Unreachable,
        Reason::RpcError | Reason::ToolError => Code::ServerError,
        Reason::Internal => Code::Bug,
        Reason::Timeout
        | Reason::Http
        | Reason::RateLimited
        | Reason::Protocol
        | Reason::Incompatible
        | Reason::Check
        | Reason::Slow
        | Reason::Drift
        | Reason::Flaky
        | Reason::TooLarge
        | Reason::Suspended
        | Reason::Cancelled => Code::Failed,
    }
}

/// The code of one ending. `fail_on_degraded` is `--fail-on degraded`.
#[must_use]
pub fn of(ending: Ending, fail_on_degraded: bool) -> Code {
    match ending.status {
        Status::Healthy | Status::Skipped => Code::Healthy,
        Status::Degraded if !fail_on_degraded => Code::Healthy,
        Status::Unknown if ending.reason == Some(Reason::Internal) => Code::Bug,
        Status::Unknown => Code::Unknown,
        Status::Degraded | Status::Failed => {
            ending.reason.map_or(Code::Failed, |reason| of_reason(reason, ending.connected))
        }
    }
}

/// One code for many endings: a bug outranks all, then failed (different kinds are 1), then unknown, then what
/// could not be delivered. No endings at all are [`Code::Nothing`].
#[must_use]
pub fn fold(endings: impl IntoIterator<Item = Ending>, fail_on_degraded: bool, undelivered: bool) -> Code {
    let codes: Vec<Code> = endings.into_iter().map(|ending| of(ending, fail_on_degraded)).collect();
    if codes.is_empty() {
        return Code::Nothing;
    }
    if codes.contains(&Code::Bug) {
        return Code::Bug;
    }
    let mut failed = codes.iter().filter(|code| !matches!(code, Code::Healthy | Code::Unknown));
    if let Some(first) = failed.next() {
        return if failed.all(|code| code == first) { *first } else { Code::Failed };
    }
    if codes.contains(&Code::Unknown) {
        return Code::Unknown;
    }
    if undelivered { Code::Undelivered } else { Code::Healthy }
}

/// The code of a run that came to nothing, in the style that argv asks for. It is looked for in the raw words, because
/// the run may have ended over the words themselves.
#[must_use]
pub fn styled(code: u8, argv: &[std::ffi::OsString]) -> u8 {
    let ours = || argv.iter().take_while(|word| *word != "--");
    let style = |word: &std::ffi::OsString| word.to_str().is_some_and(|word| word == "--exit-style=nagios");
    let apart = ours().zip(ours().skip(1)).any(|(option, value)| option == "--exit-style" && value == "nagios");
    let known = Code::ALL.iter().copied().find(|known| known.number() == code);
    match known {
        Some(known) if apart || ours().any(style) => nagios([], known),
        _ => code,
    }
}

/// What Nagios and its kin understand: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
#[must_use]
pub fn nagios(endings: impl IntoIterator<Item = Ending>, code: Code) -> u8 {
    match code {
        Code::Healthy => u8::from(endings.into_iter().any(|ending| ending.status == Status::Degraded)),
        Code::Undelivered => 1,
        Code::Failed | Code::Auth | Code::Unreachable | Code::ServerError => 2,
        Code::Usage | Code::Nothing | Code::Unknown | Code::Bug | Code::Interrupted | Code::Terminated => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(reason: Reason, connected: bool) -> Ending {
        Ending { status: Status::Failed, reason: Some(reason), connected }
    }

    const HEALTHY: Ending = Ending { status: Status::Healthy, reason: None, connected: true };
    const UNKNOWN: Ending = Ending { status: Status::Unknown, reason: Some(Reason::Cancelled), connected: true };
    const FLAKY: Ending = Ending { status: Status::Degraded, reason: Some(Reason::Flaky), connected: true };

    #[test]
    fn every_reason_has_the_code_of_the_contract() {
        for reason in Reason::ALL {
            for connected in [false, true] {
                let expected = match reason.code() {
                    "auth" => 3,
                    "spawn" | "exited" | "resolve" | "connect" | "tls" | "closed" => 4,
                    "timeout" => {
                        if connected {
                            1
                        } else {
                            4
                        }
                    }
                    "rpc_error" | "tool_error" => 5,
                    "internal" => 70,
                    _ => 1,
                };
                assert_eq!(of(failed(*reason, connected), false).number(), expected, "{reason} {connected}");
            }
        }
    }

    #[test]
    fn many_endings_make_one_code() {
        let auth = failed(Reason::Auth, true);
        let check = failed(Reason::Check, true);
        for (endings, expected) in [
            (vec![], 6),
            (vec![HEALTHY], 0),
            (vec![HEALTHY, FLAKY], 0),
            (vec![HEALTHY, auth], 3),
            (vec![auth, auth], 3),
            (vec![auth, check], 1),
            (vec![auth, failed(Reason::Connect, false)], 1),
            (vec![UNKNOWN, HEALTHY], 8),
            (vec![UNKNOWN, auth], 3),
            (vec![UNKNOWN, auth, failed(Reason::Internal, false)], 70),
        ] {
            assert_eq!(fold(endings.clone(), false, false).number(), expected, "{endings:?}");
        }
        assert_eq!(fold([HEALTHY], false, true), Code::Undelivered);
        assert_eq!(fold([UNKNOWN], false, true), Code::Unknown);
        assert_eq!(fold([FLAKY], true, false), Code::Failed);
    }

    #[test]
    fn nagios_has_four() {
        for (endings, expected) in [
            (vec![HEALTHY], 0),
            (vec![HEALTHY, FLAKY], 1),
            (vec![failed(Reason::Auth, true)], 2),
            (vec![UNKNOWN], 3),
            (vec![], 3),
        ] {
            let code = fold(endings.clone(), false, false);
            assert_eq!(nagios(endings.clone(), code), expected, "{endings:?}");
        }
    }

    #[test]
    fn numbers_are_those_of_the_contract() {
        let numbers: Vec<u8> = Code::ALL.iter().map(|code| code.number()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 70, 130, 143]);
    }
}

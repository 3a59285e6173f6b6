//! A real terminal for the binary: what it showed, and an answer to each of its questions.
#![allow(dead_code, reason = "each test program uses a part of the stage")]

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

/// Before the cursor waits for an answer, this was said.
const QUESTION: &str = "[y/N/q] ";

/// Runs a line of shell in a terminal of so many columns and answers its questions one by one; gives the exit code and
/// all that was shown. A question beyond the answers gets the end of the input.
pub fn at_terminal(command: &mut Command, columns: u16, answers: &[&str]) -> (i32, String) {
    while_asked(command, columns, answers, || ())
}

/// The same, doing something while the first question stands there.
pub fn while_asked(command: &mut Command, columns: u16, answers: &[&str], doing: impl FnOnce()) -> (i32, String) {
    let mut doing = Some(doing);
    let shell = command.get_args().map(|word| format!("'{}'", word.to_str().unwrap())).collect::<Vec<_>>().join(" ");
    let line = format!("stty cols {columns} rows 50 -echo; {} {shell}", command.get_program().to_str().unwrap());
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]);
    if let Some(folder) = command.get_current_dir() {
        script.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    let mut script = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script(1) is there");
    let mut stdin = script.stdin.take();
    let mut stdout = script.stdout.take().unwrap();
    let (mut seen, mut chunk, mut answered) = (Vec::new(), [0; 4096], 0);
    while let Ok(read @ 1..) = stdout.read(&mut chunk) {
        seen.extend_from_slice(&chunk[..read]);
        let asked = String::from_utf8_lossy(&seen).matches(QUESTION).count();
        while answered < asked {
            if let Some(doing) = doing.take() {
                doing();
            }
            match (answers.get(answered), &mut stdin) {
                (Some(answer), Some(stdin)) => stdin.write_all(format!("{answer}\n").as_bytes()).unwrap(),
                _ => drop(stdin.take()),
            }
            answered += 1;
        }
    }
    let code = script.wait().unwrap().code().unwrap_or(-1);
    (code, String::from_utf8_lossy(&seen).replace('\r', ""))
}

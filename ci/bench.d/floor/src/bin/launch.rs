//! Runs one command and prints its cost: wall, user and system time in microseconds, peak memory in KiB, exit code.
//!
//! It must stay small. A child's peak memory starts at what its parent had at the time of exec, so a launcher that is
//! bigger than the program hides the program. Output goes to a file that the first argument names.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args_os().skip(1);
    let (output, program) = args.next().zip(args.next()).ok_or("usage: launch OUTPUT COMMAND ARG...")?;
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(File::create(output)?).stderr(Stdio::null());
    let started = Instant::now();
    let status = command.spawn()?.wait()?;
    let wall = started.elapsed().as_micros();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let (user, system) = (usage.user_time().num_microseconds(), usage.system_time().num_microseconds());
    println!("{wall} {user} {system} {} {}", usage.max_rss(), status.code().unwrap_or(-1));
    Ok(())
}

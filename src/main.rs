//! argv → cli → exit code.
use clap::Parser;
#[derive(Parser)]
enum Command {
    Demo(mcp_probe::cli::demo::DemoArgs),
}
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<std::process::ExitCode> {
    match Command::parse() {
        Command::Demo(args) => mcp_probe::cli::demo::run(args).await,
    }
}

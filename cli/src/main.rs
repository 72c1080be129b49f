//! The binary `warder`.

mod dev;

use std::process::ExitCode;

use clap::Parser as _;

/// Warder, an MCP gateway.
#[derive(Debug, clap::Parser)]
#[command(name = "warder", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Run both planes on this machine, on an embedded database, for trying things out.
    Dev(dev::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    warder_shared::install_crypto();
    warder_shared::exit_code(match arguments.command {
        Command::Dev(options) => dev::run(options).await,
    })
}

//! The binary `warder-control-plane`.

use std::{io::Write as _, process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::Parser as _;
use secrecy::ExposeSecret as _;
use warder_control_plane::{
    app::{self, App},
    authorize,
    config::Config,
    service::bootstrap,
};
use warder_shared::{clock::Clock, config::duration, telemetry};

/// Warder's control plane: it owns users, servers, access and credentials.
#[derive(Debug, clap::Parser)]
#[command(name = "warder-control-plane", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    config: Config,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Serve (the default).
    Serve,
    /// Bring the database's schema up to date, and end.
    Migrate,
    /// Make the first administrator and print a personal access token, once.
    Bootstrap {
        /// The administrator's address.
        #[arg(long)]
        email: String,
        /// The administrator's name.
        #[arg(long, default_value = "")]
        name: String,
        /// How long the token lives.
        #[arg(long, default_value = "30d", value_parser = duration)]
        expires_in: Duration,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    warder_shared::exit_code(run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { command, config } = arguments;
    telemetry::init(&config.log, config.log_format)?;
    warder_shared::install_crypto();
    let clock = Clock::system();
    match command.unwrap_or(Command::Serve) {
        Command::Serve => {
            let app = App::build(&config, clock).await?;
            app.drain().on_signals()?;
            app.run().await
        }
        Command::Migrate => app::migrate(&config, clock).await.map(drop),
        Command::Bootstrap {
            email,
            name,
            expires_in,
        } => {
            let email = email.parse().context("--email")?;
            let services = app::services(&config, clock).await?;
            let issued = bootstrap::first_administrator(
                &services,
                &authorize::operator(),
                email,
                name,
                Some(expires_in),
            )
            .await?;
            writeln!(std::io::stdout(), "{}", issued.token.expose_secret())?;
            Ok(())
        }
    }
}

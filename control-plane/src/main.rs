//! The binary `warder-control-plane`.

use std::{io::Write as _, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::Parser as _;
use secrecy::ExposeSecret as _;
use warder_control_plane::{
    app::{self, App},
    authorize,
    config::Config,
    service::{bootstrap, vault_upkeep},
    vault::Vault,
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
    /// Look after the vault.
    Vault {
        #[command(subcommand)]
        command: VaultCommand,
    },
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

#[derive(Debug, clap::Subcommand)]
enum VaultCommand {
    /// Take every sealed value for the newest, after a backup was restored on purpose. Stop every control
    /// plane first.
    AcceptRestore,
    /// Wrap the vault's keys with a new root key. Afterwards WARDER_ROOT_KEY_FILE has to name the new one;
    /// control planes that run go on until they are restarted with it.
    RotateRootKey {
        /// File with the new root key: 32 bytes in base64 on one line.
        #[arg(long)]
        new_root_key_file: PathBuf,
    },
    /// Seal every value with a new key and destroy the old ones, while control planes run.
    RotateSealingKey,
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
        Command::Vault { command } => look_after_vault(command, &config, clock).await,
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

async fn look_after_vault(
    command: VaultCommand,
    config: &Config,
    clock: Clock,
) -> anyhow::Result<()> {
    let permit = authorize::operator();
    let done = match command {
        VaultCommand::AcceptRestore => {
            let root_key = app::root_key(config)?;
            let store = app::migrate(config, clock).await?;
            let values = vault_upkeep::accept_restore(&store, &permit, &root_key).await?;
            format!("{values} sealed values are taken for the newest")
        }
        VaultCommand::RotateRootKey { new_root_key_file } => {
            let old = app::root_key(config)?;
            let new = app::read_root_key(&new_root_key_file).context("--new-root-key-file")?;
            let store = app::migrate(config, clock).await?;
            let terms = vault_upkeep::rotate_root_key(&store, &permit, &old, &new).await?;
            format!("{terms} key terms are wrapped with the new root key")
        }
        VaultCommand::RotateSealingKey => {
            let store = app::migrate(config, clock).await?;
            let vault = Vault::open(store.clone(), app::root_key(config)?).await?;
            let values = vault_upkeep::rotate_sealing_key(&store, &vault, &permit).await?;
            format!("{values} values are sealed with a new key, and the old keys are destroyed")
        }
    };
    writeln!(std::io::stdout(), "{done}")?;
    Ok(())
}

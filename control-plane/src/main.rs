//! The binary `warder-control-plane`.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use clap::Parser as _;
use secrecy::{ExposeSecret as _, SecretString};
use warder_control_plane::{
    app::{self, App},
    authorize,
    config::Config,
    domain::{Email, password},
    service::{bootstrap, sign_in, vault_upkeep},
    vault::Vault,
};
use warder_shared::{clock::Clock, config::duration, secret::read_secret_file, telemetry};

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
        /// File with a password for signing in to the console, 15 to 128 characters on one line.
        #[arg(long)]
        password_file: Option<PathBuf>,
    },
    /// Set the password with which somebody signs in to the console, and end their sessions.
    SetPassword {
        /// The user's address.
        #[arg(long)]
        email: String,
        /// File with the password, 15 to 128 characters on one line.
        #[arg(long)]
        password_file: PathBuf,
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
            password_file,
        } => {
            let email: Email = email.parse().context("--email")?;
            let password = password_file.as_deref().map(password).transpose()?;
            let services = app::services(&config, clock).await?;
            let issued = bootstrap::first_administrator(
                &services,
                &authorize::operator(),
                email.clone(),
                name,
                Some(expires_in),
            )
            .await?;
            if let Some(password) = password {
                sign_in::set_password(&services, &authorize::operator(), &email, password).await?;
            }
            writeln!(std::io::stdout(), "{}", issued.token.expose_secret())?;
            Ok(())
        }
        Command::SetPassword {
            email,
            password_file,
        } => {
            let email = email.parse().context("--email")?;
            let password = password(&password_file)?;
            let services = app::services(&config, clock).await?;
            sign_in::set_password(&services, &authorize::operator(), &email, password).await?;
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

/// A password from a file, looked at before anything is done.
fn password(path: &Path) -> anyhow::Result<SecretString> {
    let text = read_secret_file(path).context("--password-file")?;
    password::check(text.expose_secret()).context("--password-file: the password")?;
    Ok(text)
}

//! The binary `warder-data-plane`.

use std::process::ExitCode;

use clap::Parser as _;
use warder_data_plane::{app::App, config::Config};
use warder_shared::{clock::Clock, telemetry};

fn main() -> ExitCode {
    warder_shared::exit_code(run(&Config::parse()))
}

fn run(config: &Config) -> anyhow::Result<()> {
    telemetry::init(&config.log, config.log_format)?;
    warder_shared::install_crypto();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(workers) = config.workers {
        runtime.worker_threads(workers);
    }
    runtime.enable_all().build()?.block_on(async {
        let app = App::build(config, Clock::system()).await?;
        app.drain().on_signals()?;
        app.run().await;
        Ok(())
    })
}

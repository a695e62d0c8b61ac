//! `portolan serve`: the daemon, its signals and its configuration.

use std::fs;
use std::sync::Arc;

use portolan_api::config::LogFormat as DaemonLogFormat;
use portolan_api::{
    Daemon, DaemonConfig, DaemonError, DaemonHandle, Overrides, Sources, SystemClock,
};
use portolan_net::link::LinkKind;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{LogArgs, LogFormat, ServeArgs};
use crate::exit::{Exit, Failure, OrFail as _};
use crate::runner::EngineRunner;
use crate::{logging, store};

/// Serves until it is told to stop.
///
/// # Errors
/// A configuration that can't be used, with its line; a store or an address that can't be opened.
pub(crate) fn run(args: &ServeArgs, log: &LogArgs) -> Result<Exit, Failure> {
    let config = load(args, log)?;
    let log = LogArgs {
        log_level: Some(config.log.level.clone()),
        log_format: config.log.format.map(|format| match format {
            DaemonLogFormat::Text => LogFormat::Text,
            DaemonLogFormat::Json => LogFormat::Json,
        }),
    };
    logging::start(&log, "info").map_err(Failure::usage)?;
    let store = store::open(&config.data)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let daemon =
            Daemon::bind(config, store, Arc::new(EngineRunner), Arc::new(SystemClock)).await?;
        let signals = tokio::spawn(obey(daemon.handle(), args.clone(), log.clone()));
        let served = daemon.run().await;
        signals.abort();
        served
    });
    served.map_err(|error| {
        let exit = match &error {
            DaemonError::NoToken { .. } => Exit::Usage,
            _ => Exit::Io,
        };
        Failure::new(exit, error)
    })?;
    Ok(Exit::Done)
}

/// File, environment and flags, put together.
fn load(args: &ServeArgs, log: &LogArgs) -> Result<DaemonConfig, Failure> {
    let file = match &args.config {
        None => None,
        Some(path) => Some(fs::read_to_string(path).or_fail(Exit::Io, path.display())?),
    };
    let env: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let flags = Overrides {
        listen: args.listen,
        data: args.data.clone(),
        log_level: log.log_level.clone(),
        log_format: log.log_format.map(|format| match format {
            LogFormat::Text => DaemonLogFormat::Text,
            LogFormat::Json => DaemonLogFormat::Json,
        }),
    };
    let sources = Sources {
        file: file.as_deref(),
        env: &env,
        flags: &flags,
        names: &portolan_fingerprints::lookup,
        links: &|word| word.parse::<LinkKind>().map(drop).map_err(|e| e.to_string()),
    };
    let name = args
        .config
        .as_ref()
        .map_or_else(|| "configuration".to_owned(), |p| p.display().to_string());
    DaemonConfig::load(&sources).or_fail(Exit::Usage, name)
}

/// SIGTERM and SIGINT drain, a second one ends at once; SIGHUP reads the configuration again.
async fn obey(handle: DaemonHandle, args: ServeArgs, log: LogArgs) {
    let signals = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
        signal(SignalKind::hangup()),
    );
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) = signals else {
        tracing::error!("signals can't be watched: only a kill will end this daemon");
        return;
    };
    let mut draining = false;
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {
                match tokio::task::block_in_place(|| load(&args, &log)) {
                    Ok(config) => handle.reload(config).await,
                    Err(failure) => handle.reload_failed(failure.as_error()),
                }
                continue;
            }
        }
        if draining {
            crate::signals::leave();
        }
        draining = true;
        handle.shut_down();
    }
}

//! `quipu serve`: a ledger over HTTP.

mod choices;
mod hello;

use std::error::Error;
use std::io::{ErrorKind, IsTerminal};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use quipu::{Builder, Ledger};
use quipu_api::metrics::Metrics;
use quipu_api::secrets::Secrets;
use quipu_api::server::{self, Limits};
use quipu_api::{Api, Settings};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

pub(crate) use choices::Arguments;
use choices::{Choices, Log};

type Failed = Box<dyn Error + Send + Sync>;

/// Serves until it is told to stop, and then stops cleanly.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failed> {
    let choices = arguments.choices()?;
    log(&choices);
    // One core for shard and connections, one for the committer: a request then wakes no other
    // thread on its way to the shard and back.
    actix::System::new().block_on(serve(&choices))
}

async fn serve(choices: &Choices) -> Result<(), Failed> {
    let began = Instant::now();
    let metrics = Metrics::install()?;
    let secrets = choices.secrets.as_deref().map(secrets_in).transpose()?;
    let listener = listen(choices.listen).await?;
    let at = listener.local_addr()?;
    let (stop, stopping) = watch::channel(false);
    actix::spawn(async move {
        let mut terminate = signal(SignalKind::terminate()).expect("signals can be waited for");
        let mut interrupt = signal(SignalKind::interrupt()).expect("signals can be waited for");
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            // Whoever asks twice does not want to wait.
            if stop.send_replace(true) {
                std::process::exit(130);
            }
        }
    });
    let limits = choices.limits();
    let opening = builder(choices).open();
    let ledger = tokio::select! {
        ledger = opening => ledger?,
        () = server::starting(&listener, &limits) => return Ok(()),
        () = told(stopping.clone()) => return Ok(()),
    };
    let took = began.elapsed();
    let backups = choices.backups();
    let settings =
        Settings { is_loopback: at.ip().is_loopback(), metrics: Some(metrics), secrets, backups };
    let api = Api::new(ledger.clone(), settings).await?;
    hello::say(choices, at, &ledger, &api, took);
    let others = others(choices, &api, &listener, &limits, &stopping)?;
    server::serve(api, listener, &limits, told(stopping)).await;
    for other in others {
        // It answers what it has and ends; a panic there was said already.
        let _ = tokio::task::spawn_blocking(move || other.join()).await;
    }
    ledger.close().await?;
    tracing::info!("stopped");
    Ok(())
}

/// Waits until it is told to stop.
async fn told(mut stopping: watch::Receiver<bool>) {
    // Who tells is there as long as the process.
    let _ = stopping.wait_for(|stops| *stops).await;
}

fn builder(choices: &Choices) -> Builder {
    let mut builder = Ledger::builder(&choices.data).memory(choices.memory);
    if let Some(shards) = choices.shards {
        builder = builder.shards(shards);
    }
    if choices.threads() == 1 { builder.on_this_thread() } else { builder }
}

/// With more cores, shards have threads of their own and connections come in on several.
fn others(
    choices: &Choices,
    api: &std::sync::Arc<Api>,
    listener: &TcpListener,
    limits: &Limits,
    stopping: &watch::Receiver<bool>,
) -> Result<Vec<thread::JoinHandle<()>>, Failed> {
    let mut others = Vec::new();
    for number in 1..choices.threads() {
        let socket = socket_of(listener)?;
        let (api, limits, stopping) = (api.clone(), limits.clone(), stopping.clone());
        let work = move || {
            actix::System::new().block_on(async move {
                match TcpListener::from_std(socket) {
                    Ok(listener) => server::serve(api, listener, &limits, told(stopping)).await,
                    Err(error) => tracing::error!(%error, "a thread cannot listen"),
                }
            });
        };
        others.push(thread::Builder::new().name(format!("quipu-http-{number}")).spawn(work)?);
    }
    Ok(others)
}

/// The same socket once more.
fn socket_of(listener: &TcpListener) -> Result<std::net::TcpListener, Failed> {
    use std::os::fd::AsFd;
    Ok(listener.as_fd().try_clone_to_owned()?.into())
}

async fn listen(at: SocketAddr) -> Result<TcpListener, Failed> {
    let bound = TcpListener::bind(at).await;
    bound.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => {
            format!("{at} is taken: another program listens there; choose another with --listen")
                .into()
        }
        _ => format!("cannot listen on {at}: {error}").into(),
    })
}

/// The keys of a secrets file, which is made where there is none.
fn secrets_in(file: &Path) -> Result<Secrets, Failed> {
    let at = |error| format!("{}: {error}", file.display());
    if let Some(secrets) = Secrets::read(file).map_err(at)? {
        return Ok(secrets);
    }
    Secrets::rotate(file).map_err(at)?;
    eprintln!(
        "made {}: keep a copy of it, for without it no withdrawal's secret can be read",
        file.display()
    );
    Ok(Secrets::read(file).map_err(at)?.ok_or("it was made and is not there")?)
}

/// What happens is said on the error output, a line each.
fn log(choices: &Choices) {
    let out = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(choices.log_level)
        .with_target(false);
    match choices.log {
        Log::Text => out.with_ansi(std::io::stderr().is_terminal()).init(),
        Log::Json => out.json().flatten_event(true).init(),
    }
}

/// Where backups go unless it is said otherwise: beside the ledger, not within.
fn beside(data: &Path) -> PathBuf {
    let mut name = data.as_os_str().to_owned();
    name.push("-backups");
    name.into()
}

//! What may be chosen: by flags, by the environment, and in a file, in that order.

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use quipu_api::server::Limits;
use serde::Deserialize;
use tracing::level_filters::LevelFilter;

/// The memory that a ledger may take, in MiB, unless it is said otherwise.
const MEMORY_MIB: usize = 512;

/// Serve a ledger over HTTP.
#[derive(Args, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Arguments {
    /// The folder of the ledger; it is made where there is none [default: ./quipu-data].
    #[arg(long, env = "QUIPU_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:7070].
    #[arg(long, env = "QUIPU_LISTEN", value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// The file with the keys that secrets of withdrawals are encrypted with; it is made where
    /// there is none. Without it no secret is taken.
    #[arg(long, env = "QUIPU_SECRETS", value_name = "FILE")]
    secrets: Option<PathBuf>,
    /// The folder that backups are written into [default: beside the data, with `-backups`].
    #[arg(long, env = "QUIPU_BACKUPS", value_name = "DIR")]
    backups: Option<PathBuf>,
    /// The memory that the ledger may take, in MiB [default: 512].
    #[arg(long, env = "QUIPU_MEMORY", value_name = "MIB")]
    memory: Option<usize>,
    /// How many shards [default: half as many as there are cores].
    #[arg(long, env = "QUIPU_SHARDS", value_name = "N")]
    shards: Option<usize>,
    /// The most connections at once [default: 10000].
    #[arg(long, env = "QUIPU_CONNECTIONS", value_name = "N")]
    connections: Option<usize>,
    /// How lines of the log are written [default: text].
    #[arg(long, env = "QUIPU_LOG", value_enum)]
    log: Option<Log>,
    /// From which level on: error, warn, info, debug or trace [default: info].
    #[arg(long, env = "QUIPU_LOG_LEVEL", value_name = "LEVEL")]
    log_level: Option<String>,
    /// A file (TOML) with any of these under the same names, which flags and the environment go
    /// before.
    #[arg(long, env = "QUIPU_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
}

/// How lines of the log are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Log {
    /// To be read by people.
    Text,
    /// A JSON object each.
    Json,
}

/// What was chosen.
pub(crate) struct Choices {
    pub(super) data: PathBuf,
    pub(super) listen: SocketAddr,
    pub(super) secrets: Option<PathBuf>,
    backups: Option<PathBuf>,
    /// In bytes.
    pub(super) memory: usize,
    pub(super) shards: Option<usize>,
    connections: Option<usize>,
    pub(super) log: Log,
    pub(super) log_level: LevelFilter,
}

impl Arguments {
    /// What flags, environment, file and defaults come to.
    pub(super) fn choices(self) -> Result<Choices, Box<dyn Error + Send + Sync>> {
        let file = match &self.config {
            None => Self::default(),
            Some(file) => {
                let named = |why: String| format!("{}: {why}", file.display());
                let text = fs::read_to_string(file).map_err(|why| named(why.to_string()))?;
                toml::from_str(&text).map_err(|why| named(why.to_string()))?
            }
        };
        let level = self.log_level.or(file.log_level).unwrap_or_else(|| "info".to_owned());
        let log_level = level.parse().map_err(|_| {
            format!("log-level: {level:?} is none of error, warn, info, debug and trace")
        })?;
        let memory = self.memory.or(file.memory).unwrap_or(MEMORY_MIB);
        let memory = memory.checked_mul(1 << 20).filter(|bytes| *bytes >= 32 << 20);
        let shards = self.shards.or(file.shards);
        if shards.is_some_and(|shards| !(1..=1_024).contains(&shards)) {
            return Err("shards: there are 1 to 1024".into());
        }
        let connections = self.connections.or(file.connections);
        if connections == Some(0) {
            return Err("connections: there is 1 at least".into());
        }
        Ok(Choices {
            data: self.data.or(file.data).unwrap_or_else(|| "quipu-data".into()),
            listen: self
                .listen
                .or(file.listen)
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 7070))),
            secrets: self.secrets.or(file.secrets),
            backups: self.backups.or(file.backups),
            memory: memory.ok_or("memory: a ledger takes 32 MiB at least")?,
            shards,
            connections,
            log: self.log.or(file.log).unwrap_or(Log::Text),
            log_level,
        })
    }
}

impl Choices {
    /// On how many threads connections are served: on that of the only shard, or on as many as
    /// there are cores left beside the shards.
    pub(super) fn threads(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let shards = self.shards.unwrap_or(cores / 2);
        if shards <= 1 { 1 } else { cores.saturating_sub(shards).max(1) }
    }

    pub(super) fn backups(&self) -> PathBuf {
        self.backups.clone().unwrap_or_else(|| super::beside(&self.data))
    }

    pub(super) fn limits(&self) -> Limits {
        let defaults = Limits::default();
        let connections = self.connections.unwrap_or(defaults.connections_max);
        Limits { connections_max: connections.div_ceil(self.threads()), ..defaults }
    }
}

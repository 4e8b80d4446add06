//! Redis in a process of its own, behind a socket in its directory.
//!
//! A ticket is a hash, and the field `claim` says who has it and since when: `HSETNX` sets that
//! once. What Redis is told here needs no client library: arrays of strings go, and one of four
//! shapes comes back.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};

use super::{Contestant, Entrant, Missing, Promise, now_ms};
use crate::round::{Desk, Round, Tally};
use crate::server::{Server, User, command, find, give};
use crate::workload::{Answer, Ask, OPEN, Stock, Text, Work};

pub(super) const ENTRANTS: &[Entrant] = &[Entrant {
    name: "redis",
    promise: Promise::Durable,
    sync: "a sync of the append-only file before replies go (appendfsync always)",
    clients: &[1, 16, 64],
    batch: 1,
    open: Redis::open,
}];

/// How many commands are on their way while the stock is made or counted.
const PIPELINE: usize = 1_000;

struct Redis {
    server: Server,
    socket: PathBuf,
    version: String,
    stock: Option<Stock>,
}

impl Redis {
    fn open(dir: &Path) -> Result<Box<dyn Contestant>> {
        let program = find("redis-server", None).ok_or(Missing("redis-server"))?;
        let user = User::of_server(&["redis", "nobody"])?;
        give(dir, user)?;
        let mut start = command(&program, dir, user)?;
        start.args(["--port", "0", "--unixsocket", "socket", "--dir"]).arg(dir);
        start.args(["--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
        start.args(["--auto-aof-rewrite-percentage", "0"]);
        let mut server = Server::start(&mut start, dir)?;
        let socket = dir.join("socket");
        let info = server.reach(|| Connection::open(&socket)?.ask(&["INFO", "server"])?.text())?;
        let version = field(&info, "redis_version:").unwrap_or("of unknown version").to_owned();
        Ok(Box::new(Self { server, socket, version, stock: None }))
    }
}

impl Contestant for Redis {
    fn about(&self) -> String {
        format!("Redis {}, appendonly yes, appendfsync always, a socket", self.version)
    }

    fn prepare(&mut self, stock: Stock) -> Result<()> {
        self.stock = Some(stock);
        let mut redis = Connection::open(&self.socket)?;
        redis.ask(&["CONFIG", "SET", "appendfsync", "no"])?;
        match stock.work {
            Work::Claims => redis.ask_all(
                stock
                    .tickets()
                    .map(|ticket| ["HSET".into(), key(&ticket), "issued".into(), "1".into()]),
                |_| Ok(()),
            )?,
            Work::Hot => {
                for (id, taken, stock) in stock.drops() {
                    let (taken, stock) = (taken.to_string(), stock.to_string());
                    redis.ask(&["HSET", id, "taken", &taken, "stock", &stock])?;
                }
            }
        }
        // The file as it is after a while, with each ticket once; no rewriting falls into a round.
        redis.ask(&["BGREWRITEAOF"])?;
        redis.rest()?;
        redis.ask(&["CONFIG", "SET", "appendfsync", "always"])?;
        Ok(())
    }

    fn run(&mut self, round: &Round) -> Result<Tally> {
        let client = || Ok(Client { redis: Connection::open(&self.socket)? });
        round.run((0..round.clients).map(|_| client()).collect::<Result<_>>()?)
    }

    fn claims(&mut self) -> Result<u64> {
        let mut redis = Connection::open(&self.socket)?;
        let stock = self.stock.context("nothing was prepared")?;
        match stock.work {
            Work::Claims => {
                let mut claims = 0;
                redis.ask_all(
                    stock.tickets().map(|ticket| ["HEXISTS".into(), key(&ticket), "claim".into()]),
                    |reply| {
                        claims += reply.number()?;
                        Ok(())
                    },
                )?;
                Ok(claims)
            }
            Work::Hot => Ok(redis.ask(&["HGET", OPEN, "taken"])?.text()?.parse()?),
        }
    }

    fn stop(mut self: Box<Self>) -> Result<()> {
        Connection::open(&self.socket)?.send(&["SHUTDOWN", "NOSAVE"])?;
        self.server.ended()
    }
}

fn key(ticket: &Text) -> String {
    format!("ticket:{}", ticket.as_str())
}

/// The value of a line of what `INFO` tells.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name))
}

struct Client {
    redis: Connection,
}

impl Desk for Client {
    fn answer(&mut self, asks: &[Ask], answers: &mut Vec<Answer>) -> Result<()> {
        for ask in asks {
            answers.push(self.answer_one(ask)?);
        }
        Ok(())
    }
}

impl Client {
    fn answer_one(&mut self, ask: &Ask) -> Result<Answer> {
        match ask {
            Ask::Claim { ticket, claimant } => {
                let key = key(ticket);
                let claim = format!("{} {}", claimant.as_str(), now_ms());
                if self.redis.ask(&["HSETNX", &key, "claim", &claim])?.number()? == 1 {
                    return Ok(Answer::Claimed(*claimant));
                }
                let claim = self.redis.ask(&["HGET", &key, "claim"])?.text()?;
                let holder = claim.split(' ').next().unwrap_or_default();
                Ok(Answer::Taken(Text::new(holder)?))
            }
            Ask::Take { drop } => {
                // Both reach Redis together. What is counted beyond the stock is nobody's.
                self.redis.write(&["HINCRBY", drop, "taken", "1"])?;
                self.redis.write(&["HGET", drop, "stock"])?;
                self.redis.flush()?;
                let unit = self.redis.read()?.number()?;
                let stock: u64 = self.redis.read()?.text()?.parse()?;
                Ok(if unit <= stock { Answer::Unit(unit) } else { Answer::SoldOut })
            }
        }
    }
}

/// A connection to Redis.
struct Connection {
    stream: BufReader<UnixStream>,
    /// What was not sent yet.
    unsent: Vec<u8>,
    line: String,
}

/// What Redis says.
#[derive(Debug)]
enum Reply {
    Status,
    Number(i64),
    Bulk(Vec<u8>),
    Nothing,
}

impl Reply {
    fn number(self) -> Result<u64> {
        match self {
            Self::Number(number) => Ok(number.try_into()?),
            other => bail!("{other:?} is no number"),
        }
    }

    fn text(self) -> Result<String> {
        match self {
            Self::Bulk(bytes) => Ok(String::from_utf8(bytes)?),
            other => bail!("{other:?} is no text"),
        }
    }
}

impl Connection {
    fn open(socket: &Path) -> Result<Self> {
        let stream = BufReader::new(UnixStream::connect(socket)?);
        Ok(Self { stream, unsent: Vec::new(), line: String::new() })
    }

    /// Waits until the append-only file is not being rewritten.
    fn rest(&mut self) -> Result<()> {
        loop {
            let info = self.ask(&["INFO", "persistence"])?.text()?;
            let busy = ["aof_rewrite_in_progress:", "aof_rewrite_scheduled:"];
            if busy.iter().all(|name| field(&info, name) == Some("0")) {
                ensure!(field(&info, "aof_last_bgrewrite_status:") == Some("ok"), "{info}");
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Tells a command and waits for its reply.
    fn ask(&mut self, words: &[&str]) -> Result<Reply> {
        self.send(words)?;
        self.read()
    }

    /// Tells many commands, with some of them on their way at a time.
    fn ask_all<const N: usize>(
        &mut self,
        commands: impl Iterator<Item = [String; N]>,
        mut each: impl FnMut(Reply) -> Result<()>,
    ) -> Result<()> {
        let mut under_way = 0;
        for words in commands {
            self.write(&words.each_ref().map(String::as_str))?;
            under_way += 1;
            if under_way == PIPELINE {
                self.flush()?;
                for _ in 0..under_way {
                    each(self.read()?)?;
                }
                under_way = 0;
            }
        }
        self.flush()?;
        for _ in 0..under_way {
            each(self.read()?)?;
        }
        Ok(())
    }

    fn send(&mut self, words: &[&str]) -> Result<()> {
        self.write(words)?;
        self.flush()
    }

    fn write(&mut self, words: &[&str]) -> Result<()> {
        write!(self.unsent, "*{}\r\n", words.len())?;
        for word in words {
            write!(self.unsent, "${}\r\n{word}\r\n", word.len())?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.stream.get_mut().write_all(&self.unsent)?;
        self.unsent.clear();
        Ok(())
    }

    fn read(&mut self) -> Result<Reply> {
        self.line.clear();
        ensure!(self.stream.read_line(&mut self.line)? > 0, "Redis hung up");
        let line = self.line.trim_end_matches("\r\n");
        let rest = line.get(1..).unwrap_or_default();
        match line.as_bytes().first() {
            Some(b'+') => Ok(Reply::Status),
            Some(b':') => Ok(Reply::Number(rest.parse()?)),
            Some(b'$') if rest == "-1" => Ok(Reply::Nothing),
            Some(b'$') => {
                let mut bytes = vec![0; rest.parse::<usize>()? + 2];
                self.stream.read_exact(&mut bytes)?;
                bytes.truncate(bytes.len() - 2);
                Ok(Reply::Bulk(bytes))
            }
            _ => Err(anyhow!("Redis says {line}")),
        }
    }
}

//! All servers in turn, round by round, so that a bad moment of the machine meets each of them.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::Failed;
use crate::client::Client;
use crate::options::Options;
use crate::server::Server;
use crate::workload::{Stock, Workload};
use crate::wrk::{self, SCRIPT, Seen};
use crate::yardstick::{CURRENT_THREAD, Handed, MULTI_THREAD};

/// How many more tickets there are than the fastest run so far would have claimed.
const TICKETS_SPARE: f64 = 1.5;
/// Those of the first runs, whose rate nobody knows.
const TICKETS_FIRST: u64 = 10_000;

/// A workload's figures over so many connections.
#[derive(Serialize)]
pub(crate) struct Measured {
    pub(crate) connections: u64,
    /// The server first, the yardsticks behind it.
    pub(crate) lanes: Vec<Lane>,
}

/// One server's rounds.
#[derive(Serialize)]
pub(crate) struct Lane {
    pub(crate) name: &'static str,
    pub(crate) rounds: Vec<Round>,
    /// The most memory that it has had until then, in bytes.
    pub(crate) resident_most: u64,
}

/// One server's turn.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Round {
    #[serde(flatten)]
    pub(crate) seen: Seen,
    /// What it took of processors, in microseconds.
    pub(crate) user_micros: u64,
    pub(crate) system_micros: u64,
}

/// Measures one workload.
pub(crate) fn measure(
    workload: Workload,
    binary: &Path,
    options: &Options,
) -> Result<Vec<Measured>, Failed> {
    let folder = tempfile::tempdir_in(&options.below)?;
    let (script, answers) = (folder.path().join("wrk.lua"), folder.path().join("answers.json"));
    fs::write(&script, SCRIPT)?;
    let quipu = Server::quipu(binary, folder.path(), options)?;
    let mut client = Client::connect(quipu.at)?;
    workload.prepare(&mut client)?;
    let answer = workload.ask(&mut client)?;
    let fields = serde_json::from_value(answer.clone())?;
    let handed = Handed { workload: workload.name().to_owned(), answer: fields };
    fs::write(&answers, serde_json::to_string(&handed)?)?;
    let multi = Server::yardstick("axum, all cores", MULTI_THREAD, &answers)?;
    let single = Server::yardstick("axum, one thread", CURRENT_THREAD, &answers)?;
    for yardstick in [&multi, &single] {
        let told = workload.ask(&mut Client::connect(yardstick.at)?)?;
        if told != answer {
            return Err(format!("the server answers {answer}, and the yardstick {told}").into());
        }
    }
    let mut course = Course {
        workload,
        script: &script,
        servers: [quipu, multi, single],
        // The ask whose answer was shown to the yardsticks has taken number 0.
        counts: [1; 3],
        client,
        stock: (workload == Workload::Claims).then(Stock::default),
        fastest: 0.0,
        options,
    };
    let connections = options.connections(workload);
    connections.into_iter().map(|connections| course.over(connections)).collect()
}

/// Servers, and how far each of them was asked. The first is the one to be measured.
struct Course<'a> {
    workload: Workload,
    script: &'a Path,
    servers: [Server; 3],
    /// The number of each one's last request.
    counts: [u64; 3],
    /// To the first.
    client: Client,
    /// Where tickets are claimed.
    stock: Option<Stock>,
    /// Requests a second, of whichever server.
    fastest: f64,
    options: &'a Options,
}

impl Course<'_> {
    /// All rounds over so many connections.
    fn over(&mut self, connections: u64) -> Result<Measured, Failed> {
        let lane = |server: &Server| Lane { name: server.name, rounds: vec![], resident_most: 0 };
        let mut lanes: Vec<Lane> = self.servers.iter().map(lane).collect();
        // The yardsticks first: they need no tickets, and tell how many the server may need.
        for at in [1, 2, 0] {
            self.run(at, connections, self.options.warm_up())?;
        }
        for number in 0..self.options.rounds {
            // Each is the first of a round in its turn.
            for turn in 0..lanes.len() {
                let at = (number + turn) % lanes.len();
                let round = self.run(at, connections, self.options.duration())?;
                let (name, rate) = (lanes[at].name, round.seen.rate());
                eprintln!("{connections} connections, round {}: {name} {rate:.0}/s", number + 1);
                lanes[at].rounds.push(round);
            }
        }
        for (lane, server) in lanes.iter_mut().zip(&self.servers) {
            lane.resident_most = server.resident_most();
        }
        Ok(Measured { connections, lanes })
    }

    /// One server's turn.
    fn run(&mut self, at: usize, connections: u64, duration: Duration) -> Result<Round, Failed> {
        if let (Some(stock), 0) = (&mut self.stock, at) {
            let may_be = self.fastest * duration.as_secs_f64() * TICKETS_SPARE;
            let needed = may_be as u64 + TICKETS_FIRST + connections;
            stock.fill(&mut self.client, self.counts[at] + needed)?;
        }
        let server = &self.servers[at];
        let (user, system) = server.processor();
        let what = (self.workload, self.counts[at]);
        let seen = wrk::run(self.script, server.at, what, connections, duration)?;
        let (user_now, system_now) = server.processor();
        self.counts[at] = seen.count;
        self.fastest = self.fastest.max(seen.rate());
        if let (Some(stock), 0) = (&self.stock, at)
            && !stock.has(seen.count)
        {
            return Err("the tickets ran out: the runs before were slower by far".into());
        }
        Ok(Round { seen, user_micros: user_now - user, system_micros: system_now - system })
    }
}

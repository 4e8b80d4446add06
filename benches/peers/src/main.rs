//! One workload, many ledgers, side by side: how many durable claims a second.
//!
//! | module | what it is |
//! |---|---|
//! | `workload` | what everybody is asked, and how an answer is checked |
//! | `round`, `histogram` | clients that ask, and what they saw |
//! | `contestants`, `server` | who takes part, one file each; servers that are started for it |
//! | `machine` | what it was measured on |
//! | `report`, `plot` | what is told: tables, results for programs, pictures |
//! | `options` | what can be set |

mod contestants;
mod histogram;
mod machine;
mod options;
mod plot;
mod report;
mod round;
mod server;
mod workload;

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use contestants::{Contestant, Entrant, Missing, Promise};
use machine::Machine;
use options::{Options, USAGE, is_of};
use report::{Absent, Lane, Report, Seen};
use round::Round;
use workload::Stock;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quipu-peers: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let Some(options) = Options::read(env::args().skip(1))? else {
        print!("{USAGE}");
        return Ok(());
    };
    let report = measure(&options)?;
    print!("{}", report.markdown());
    if let Some(dir) = &options.out {
        report.write(dir)?;
    }
    if let Some(file) = &options.json {
        fs::write(file, report.json()).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

/// One that takes part, with the lanes in which it runs.
struct Running {
    entrant: &'static Entrant,
    contestant: Box<dyn Contestant>,
    lanes: Vec<Lane>,
    /// What it has granted so far.
    granted: u64,
}

fn measure(options: &Options) -> Result<Report> {
    let place = tempfile::Builder::new().prefix("quipu-peers-").tempdir_in(&options.dir)?;
    // Servers that run as somebody else have to find their way.
    fs::set_permissions(place.path(), Permissions::from_mode(0o755))?;
    let machine = Machine::look(place.path())?;
    let stock = Stock { work: options.work, count: options.tickets() };
    let (mut running, absent) = enter(options, place.path(), stock)?;
    if let Some(name) = &options.against {
        let mut lanes = running.iter().flat_map(|one| &one.lanes);
        ensure!(lanes.any(|lane| is_of(&lane.name, name)), "{name} does not take part");
    }
    for round in 0..options.rounds {
        for one in &mut running {
            for lane in 0..one.lanes.len() {
                take_turn(options, &machine, one, round, lane)?;
            }
        }
    }
    let mut lanes = Vec::new();
    for one in running {
        lanes.extend(end(one)?);
    }
    Report::new(options, machine, lanes, absent)
}

/// Opens everybody who is wanted and here, with stock. Tells also who is not here.
fn enter(options: &Options, place: &Path, stock: Stock) -> Result<(Vec<Running>, Vec<Absent>)> {
    let (mut running, mut absent) = (Vec::new(), Vec::new());
    for entrant in contestants::all() {
        let name = entrant.name;
        let clients = entrant.clients.iter().copied();
        let clients: Vec<_> =
            clients.filter(|clients| options.wants(&entrant.lane(*clients))).collect();
        if clients.is_empty() {
            continue;
        }
        let dir = place.join(name);
        fs::create_dir(&dir)?;
        let mut contestant = match (entrant.open)(&dir) {
            Ok(contestant) => contestant,
            Err(error) if error.is::<Missing>() => {
                eprintln!("{name} does not take part: {error}");
                absent.push(Absent { name, why: error.to_string() });
                continue;
            }
            Err(error) => return Err(error.context(name)),
        };
        eprintln!("{name} prepares");
        contestant.prepare(stock).context(name)?;
        let about = contestant.about();
        let lanes = clients.into_iter().map(|clients| Lane::new(entrant, clients, &about));
        running.push(Running { entrant, contestant, lanes: lanes.collect(), granted: 0 });
    }
    ensure!(!running.is_empty(), "nobody takes part");
    Ok((running, absent))
}

/// One round of one lane, over its own share of the tickets.
fn take_turn(
    options: &Options,
    machine: &Machine,
    one: &mut Running,
    round: u32,
    lane: usize,
) -> Result<()> {
    let lanes = one.lanes.len() as u32;
    let stock = match one.entrant.promise {
        // Who looks nothing up needs no stock, and is to show what lasts.
        Promise::Floor => options::TICKETS_MAX,
        _ => options.tickets(),
    };
    let share = stock / (options.rounds * lanes);
    let first = share * (round * lanes + lane as u32);
    let lane = &mut one.lanes[lane];
    let name = lane.name.clone();
    let tickets = (first, first + share);
    let asked = Round::new(options.work, lane.clients, one.entrant.batch, options.round, tickets);
    // Nobody writes out what those before have left behind.
    ensure!(Command::new("sync").status()?.success(), "the disk is not synced");
    let before = machine.told();
    let tally = one.contestant.run(&asked).context(name.clone())?;
    let told = machine.told().zip(before).map(|(after, before)| after.since(before));
    ensure!(tally.units.follow(one.granted), "{name} gave a unit twice, or left one out");
    ensure!(
        tally.granted > 0 && tally.seconds() > 0.0,
        "{name} was through before anything counted: more --tickets or --seconds"
    );
    one.granted += tally.granted_ever;
    eprintln!("round {} {name}: {:.0} claims/s", round + 1, tally.rate());
    lane.rounds.push(Seen { tally, told });
    Ok(())
}

/// Compares what was granted with what is kept, and ends a contestant.
fn end(mut one: Running) -> Result<Vec<Lane>> {
    let (name, granted) = (one.entrant.name, one.granted);
    let kept = one.contestant.claims().context(name)?;
    ensure!(kept == granted, "{name} granted {granted} claims and keeps {kept}");
    one.contestant.stop().context(name)?;
    Ok(one.lanes)
}

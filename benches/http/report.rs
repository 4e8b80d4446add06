//! What is told: a table for each workload, and all figures for programs.

use std::fmt::Write;

use serde_json::json;

use crate::machine::Machine;
use crate::round::{Lane, Measured, Round};
use crate::workload::Workload;

/// All that was measured.
pub(crate) struct Report {
    machine: Machine,
    workloads: Vec<(Workload, Vec<Measured>)>,
}

impl Report {
    pub(crate) fn new(machine: Machine) -> Self {
        Self { machine, workloads: Vec::new() }
    }

    pub(crate) fn add(&mut self, workload: Workload, measured: Vec<Measured>) {
        self.workloads.push((workload, measured));
    }

    /// Whether every request was answered with a success.
    pub(crate) fn is_fine(&self) -> bool {
        let measured = self.workloads.iter().flat_map(|(_, measured)| measured);
        measured.flat_map(|measured| &measured.lanes).all(|lane| lane.errors() == 0)
    }

    /// To be read, or put into a page.
    pub(crate) fn markdown(&self) -> String {
        let mut out = String::new();
        for (name, value) in &self.machine.facts {
            line(&mut out, format_args!("- {name}: {value}"));
        }
        for (workload, measured) in &self.workloads {
            let (name, says) = (workload.name(), workload.says());
            line(&mut out, format_args!("\n{name}: {says}\n"));
            line(&mut out, format_args!("{HEAD}\n|{}", "---|".repeat(HEAD.split(" | ").count())));
            for measured in measured {
                table(&mut out, *workload, measured);
            }
        }
        out
    }

    /// All rounds of all servers.
    pub(crate) fn json(&self) -> String {
        let machine: serde_json::Map<_, _> = self
            .machine
            .facts
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let workload = |(workload, measured): &(Workload, Vec<Measured>)| {
            json!({
                "workload": workload.name(),
                "operations_a_request": workload.operations(),
                "measured": measured,
            })
        };
        let workloads: Vec<_> = self.workloads.iter().map(workload).collect();
        format!("{:#}\n", json!({ "machine": machine, "workloads": workloads }))
    }
}

const HEAD: &str = "| connections | server | operations/s | of the yardstick | p50, µs | p99, µs \
                    | p99, of the yardstick's | processor, µs an operation: user | system \
                    | resident, MiB | errors |";

/// One line for each server; the faster of the two yardsticks is the yardstick.
fn table(out: &mut String, workload: Workload, measured: &Measured) {
    let [quipu, yardsticks @ ..] = measured.lanes.as_slice() else { return };
    let Some(yardstick) =
        yardsticks.iter().max_by(|one, other| one.rate().total_cmp(&other.rate()))
    else {
        return;
    };
    let each = workload.operations() as f64;
    for lane in &measured.lanes {
        let is_it = core::ptr::eq(lane, yardstick);
        let shares = if is_it {
            ["the yardstick".to_owned(), String::new()]
        } else if core::ptr::eq(lane, quipu) {
            let rate = lane.rate() / yardstick.rate();
            [format!("{rate:.2}"), format!("{:.2}", lane.p99() / yardstick.p99())]
        } else {
            [String::new(), String::new()]
        };
        let [of_rate, of_p99] = shares;
        line(
            out,
            format_args!(
                "| {} | {} | {:.0} | {of_rate} | {:.0} | {:.0} | {of_p99} | {:.1} | {:.1} | {:.0} | {} |",
                measured.connections,
                lane.name,
                lane.rate() * each,
                lane.median(|round| round.seen.p50 as f64),
                lane.p99(),
                lane.median(|round| round.processor(round.user_micros) / each),
                lane.median(|round| round.processor(round.system_micros) / each),
                lane.resident_most as f64 / f64::from(1 << 20),
                lane.errors(),
            ),
        );
    }
}

impl Lane {
    /// Requests a second.
    fn rate(&self) -> f64 {
        self.median(|round| round.seen.rate())
    }

    fn p99(&self) -> f64 {
        self.median(|round| round.seen.p99 as f64)
    }

    /// What was no success, of all rounds.
    fn errors(&self) -> u64 {
        self.rounds.iter().map(|round| round.seen.unsent + round.seen.refused).sum()
    }

    /// The middle one of all rounds; of an even number, the mean of the two.
    fn median(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        let mut all: Vec<f64> = self.rounds.iter().map(figure).collect();
        all.sort_by(f64::total_cmp);
        let middle = all.len() / 2;
        match all.len() {
            0 => f64::NAN,
            len if len % 2 == 1 => all[middle],
            _ => f64::midpoint(all[middle - 1], all[middle]),
        }
    }
}

impl Round {
    fn processor(&self, micros: u64) -> f64 {
        micros as f64 / self.seen.requests.max(1) as f64
    }
}

fn line(out: &mut String, text: core::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("memory takes every text");
}

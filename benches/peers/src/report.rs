//! What is told: a table to read, results for programs, pictures.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::contestants::{Entrant, Promise};
use crate::histogram::Histogram;
use crate::machine::{Machine, Told};
use crate::options::{Options, is_of};
use crate::plot;
use crate::round::{LEAD_IN, Tally};
use crate::workload::{RIVALS, Work};

/// One line of the results: a contestant with so many clients.
pub(crate) struct Lane {
    pub(crate) name: String,
    pub(crate) entrant: &'static Entrant,
    pub(crate) clients: usize,
    about: String,
    pub(crate) rounds: Vec<Seen>,
}

/// What was seen in one round.
pub(crate) struct Seen {
    pub(crate) tally: Tally,
    /// What the disk was told meanwhile, by everybody on this machine.
    pub(crate) told: Option<Told>,
}

impl Lane {
    pub(crate) fn new(entrant: &'static Entrant, clients: usize, about: &str) -> Self {
        let name = entrant.lane(clients);
        Self { name, entrant, clients, about: about.to_owned(), rounds: Vec::new() }
    }

    /// Claims a second: the least, the median, the most of the rounds.
    pub(crate) fn rates(&self) -> [f64; 3] {
        spread(self.rounds.iter().map(|seen| seen.tally.rate()))
    }

    /// A quantile of all asks that counted, whatever round they were in.
    pub(crate) fn latency(&self, share: f64) -> Duration {
        let mut all = Histogram::new();
        for seen in &self.rounds {
            all.add(&seen.tally.latency);
        }
        all.quantile(share)
    }

    /// How often the disk's cache was made durable for each claim, in the median round.
    fn flushes(&self) -> Option<f64> {
        let each = |seen: &Seen| Some(seen.told?.flushes as f64 / seen.tally.granted_ever as f64);
        let all: Option<Vec<f64>> = self.rounds.iter().map(each).collect();
        Some(spread(all?.into_iter())[1])
    }

    fn json(&self, report: &Report) -> Value {
        let [least, median, most] = self.rates();
        let rounds = self.rounds.iter().map(|seen| {
            let tally = &seen.tally;
            json!({
                "seconds": tally.seconds(),
                "claims": tally.granted,
                "refusals": tally.refused,
                "claims_with_lead_in": tally.granted_ever,
                "claims_per_second": tally.rate(),
                "latency_us": latencies(|share| tally.latency.quantile(share)),
                "disk_flushes": seen.told.map(|told| told.flushes),
                "disk_bytes_written": seen.told.map(|told| told.bytes),
            })
        });
        json!({
            "name": self.name,
            "about": self.about,
            "answers": self.entrant.promise.about(),
            "sync": self.entrant.sync,
            "clients": self.clients,
            "claims_in_a_commit_max": self.entrant.batch,
            "claims_per_second": { "least": least, "median": median, "most": most },
            "latency_us": latencies(|share| self.latency(share)),
            "flushes_per_claim": self.flushes(),
            "ratio": median / report.reference().rates()[1],
            "rounds": rounds.collect::<Vec<_>>(),
        })
    }
}

fn latencies(quantile: impl Fn(f64) -> Duration) -> Value {
    let us = |share| quantile(share).as_nanos() as f64 / 1_000.0;
    json!({ "p50": us(0.5), "p99": us(0.99), "p999": us(0.999), "max": us(1.0) })
}

/// The least, the median (of two, the lower) and the most; zeros of nothing.
fn spread(figures: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_unstable_by(f64::total_cmp);
    let at = |at: usize| figures.get(at).copied().unwrap_or_default();
    let last = figures.len().saturating_sub(1);
    [at(0), at(last / 2), at(last)]
}

/// One that was wanted and is not on this machine.
pub(crate) struct Absent {
    pub(crate) name: &'static str,
    pub(crate) why: String,
}

/// All results.
pub(crate) struct Report {
    work: Work,
    /// How long a round was to be.
    round: Duration,
    settings: Vec<(&'static str, String)>,
    machine: Machine,
    pub(crate) lanes: Vec<Lane>,
    absent: Vec<Absent>,
    /// Which lane the others are compared with.
    against: usize,
}

impl Report {
    pub(crate) fn new(
        options: &Options,
        machine: Machine,
        lanes: Vec<Lane>,
        absent: Vec<Absent>,
    ) -> Result<Self> {
        let find = |name: &str| lanes.iter().position(|lane| is_of(&lane.name, name));
        let against = match &options.against {
            Some(name) => find(name).with_context(|| format!("{name} does not take part"))?,
            None => find("quipu").or_else(|| find("sqlite-full")).unwrap_or_default(),
        };
        let (seconds, lead_in) = (options.round.as_secs_f64(), LEAD_IN.as_secs_f64());
        let count = thousands(f64::from(options.tickets()));
        let prepared = match options.work {
            Work::Claims => format!("{count} tickets for each"),
            Work::Hot => format!("a drop of {count} units for each"),
        };
        let settings = vec![
            ("work", format!("{}: {}", options.work.name(), options.work.about())),
            ("asks", format!("1 in {RIVALS} wants what is gone; every answer is checked")),
            ("keys", "uniformly random, no skew".to_owned()),
            ("prepared", prepared),
            (
                "rounds",
                format!("{} of {seconds} s each, in turn, {lead_in} s before", options.rounds),
            ),
        ];
        Ok(Self {
            work: options.work,
            round: options.round,
            settings,
            machine,
            lanes,
            absent,
            against,
        })
    }

    pub(crate) fn reference(&self) -> &Lane {
        &self.lanes[self.against]
    }

    /// The work, and where it was measured: a title and a line below it.
    pub(crate) fn said(&self) -> (String, String) {
        let title = match self.work {
            Work::Claims => "Claims of fresh tickets",
            Work::Hot => "Claims of units of one drop",
        };
        let fact = |name| {
            let fact = self.machine.facts.iter().find(|fact| fact.0 == name);
            fact.map_or("", |fact| fact.1.as_str())
        };
        let file_system = fact("file system").split(' ').next().unwrap_or_default();
        let (processor, kernel) = (fact("processor"), fact("kernel"));
        (title.to_owned(), format!("{processor}, {file_system}, Linux {kernel}"))
    }

    /// Everything, as Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.settings.iter().chain(&self.machine.facts) {
            let _ = writeln!(text, "- {name}: {value}");
        }
        if self.machine.forgets {
            text.push_str("\n**The files lie in memory: nothing here survives power loss.** Choose another --dir.\n");
        }
        let reference = self.reference();
        let _ = write!(
            text,
            "\n| | clients | in a commit | claims/s | least to most | p50 | p99 | flushes per claim | of {} | answers are |\n\
             |---|---:|---:|---:|---:|---:|---:|---:|---:|---|\n",
            reference.name
        );
        for lane in &self.lanes {
            let [least, rate, most] = lane.rates();
            let flushes = lane.flushes().map_or("?".to_owned(), |each| format!("{each:.3}"));
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} to {} | {} | {} | {} | {} × | {} |",
                lane.name,
                lane.clients,
                thousands(lane.entrant.batch as f64),
                thousands(rate),
                thousands(least),
                thousands(most),
                time(lane.latency(0.5)),
                time(lane.latency(0.99)),
                flushes,
                times(rate / reference.rates()[1]),
                lane.entrant.promise.about(),
            );
        }
        for Absent { name, why } in &self.absent {
            let _ = writeln!(text, "| {name} | | | missing: {why} | | | | | | |");
        }
        text.push('\n');
        let mut told: Option<&str> = None;
        for lane in &self.lanes {
            if told != Some(lane.entrant.name) {
                let (name, sync) = (lane.entrant.name, lane.entrant.sync);
                let _ = writeln!(text, "- {name}: {}; an answer waits for {sync}", lane.about);
            }
            told = Some(lane.entrant.name);
        }
        self.note_short_rounds(&mut text);
        text
    }

    /// A round that ended before its time is a short one, and a fast contestant is all it says.
    fn note_short_rounds(&self, text: &mut String) {
        for lane in &self.lanes {
            let [shortest, ..] = spread(lane.rounds.iter().map(|seen| seen.tally.seconds()));
            if shortest < 0.9 * self.round.as_secs_f64() {
                let name = &lane.name;
                let _ = writeln!(
                    text,
                    "- {name} had used up its tickets after {shortest:.1} s; --tickets gives it more"
                );
            }
        }
    }

    /// Everything, for programs.
    pub(crate) fn json(&self) -> String {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let named = |facts: &[(&'static str, String)]| {
            facts.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect::<Value>()
        };
        let absent =
            self.absent.iter().map(|absent| json!({ "name": absent.name, "why": absent.why }));
        let results = json!({
            "unix_seconds": since.as_secs(),
            "work": self.work.name(),
            "settings": named(&self.settings),
            "machine": named(&self.machine.facts),
            "against": self.reference().name,
            "results": self.lanes.iter().map(|lane| lane.json(self)).collect::<Vec<_>>(),
            "missing": absent.collect::<Vec<_>>(),
        });
        format!("{results:#}\n")
    }

    /// Writes table, results and pictures into a directory.
    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        fs::create_dir_all(dir)?;
        let work = self.work.name();
        let files = [
            (format!("{work}.md"), self.markdown()),
            (format!("{work}.json"), self.json()),
            (format!("{work}-rates.svg"), plot::rates(self)),
            (format!("{work}-latencies.svg"), plot::latencies(self)),
        ];
        for (name, text) in files {
            let file = dir.join(name);
            fs::write(&file, text).with_context(|| file.display().to_string())?;
        }
        Ok(())
    }

    /// The promises that are there, in the order in which they come up.
    pub(crate) fn promises(&self) -> Vec<Promise> {
        let mut promises = Vec::new();
        for lane in &self.lanes {
            if !promises.contains(&lane.entrant.promise) {
                promises.push(lane.entrant.promise);
            }
        }
        promises
    }
}

/// A whole number with its thousands apart.
pub(crate) fn thousands(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How many times something is something else.
fn times(ratio: f64) -> String {
    match ratio {
        _ if ratio < 10.0 => format!("{ratio:.2}"),
        _ if ratio < 100.0 => format!("{ratio:.1}"),
        _ => thousands(ratio),
    }
}

/// A time with two or three digits that count.
pub(crate) fn time(time: Duration) -> String {
    let us = time.as_nanos() as f64 / 1_000.0;
    match us {
        _ if us < 10.0 => format!("{us:.1} µs"),
        _ if us < 1_000.0 => format!("{us:.0} µs"),
        _ if us < 10_000.0 => format!("{:.1} ms", us / 1_000.0),
        _ if us < 1_000_000.0 => format!("{:.0} ms", us / 1_000.0),
        _ => format!("{:.1} s", us / 1_000_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_told_as_people_read_them() {
        assert_eq!(thousands(1_234_567.4), "1,234,567");
        assert_eq!(thousands(999.0), "999");
        assert_eq!(time(Duration::from_nanos(950)), "0.9 µs");
        assert_eq!(time(Duration::from_micros(81)), "81 µs");
        assert_eq!(time(Duration::from_micros(1_240)), "1.2 ms");
        assert_eq!(time(Duration::from_millis(81)), "81 ms");
    }

    #[test]
    fn a_median_of_rounds_is_one_of_them() {
        assert_eq!(spread([3.0, 1.0, 2.0].into_iter()), [1.0, 2.0, 3.0]);
        assert_eq!(spread([3.0, 1.0].into_iter()), [1.0, 1.0, 3.0]);
    }
}

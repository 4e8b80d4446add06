//! One round of one contestant: clients that ask, wait for the answer, check it, and ask again.

use std::mem;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::histogram::Histogram;
use crate::workload::{Answer, Ask, Expected, Outcome, RIVALS, Ticket, Work, scatter};

/// What passes before anything counts, or a tenth of the tickets if those are gone sooner.
pub(crate) const LEAD_IN: Duration = Duration::from_millis(200);
/// How many tickets a client remembers, of those it has, to ask for them again.
const REMEMBERED: usize = 1_024;

/// What one client of a contestant talks to: a connection, or the program itself.
pub(crate) trait Desk: Send {
    /// Answers all asks, in order. When it returns, all of that is as durable as the contestant
    /// makes it. Asks in one call are answered by one commit.
    fn answer(&mut self, asks: &[Ask], answers: &mut Vec<Answer>) -> Result<()>;
}

/// What is asked in a round, by how many clients, for how long.
pub(crate) struct Round {
    pub(crate) work: Work,
    pub(crate) clients: usize,
    /// How many asks a client has at a time, for one commit.
    pub(crate) batch: usize,
    pub(crate) duration: Duration,
    /// Fresh tickets: the next one, and the one behind the last.
    next: AtomicU32,
    end: u32,
    /// The lead-in is over at this ticket.
    counts: u32,
}

impl Round {
    /// A round over the tickets from `first` to before `end`.
    pub(crate) fn new(
        work: Work,
        clients: usize,
        batch: usize,
        duration: Duration,
        (first, end): (u32, u32),
    ) -> Self {
        let counts = first + (end - first) / 10;
        Self { work, clients, batch, duration, next: AtomicU32::new(first), end, counts }
    }

    /// Runs one thread for each desk, all from the same moment, and adds up what they saw.
    pub(crate) fn run<D: Desk>(&self, desks: Vec<D>) -> Result<Tally> {
        ensure!(desks.len() == self.clients, "a desk for each client");
        let start = &Barrier::new(desks.len());
        thread::scope(|scope| {
            let clients: Vec<_> = desks
                .into_iter()
                .enumerate()
                .map(|(number, desk)| scope.spawn(move || self.serve(number, desk, start)))
                .collect();
            let mut all: Option<Tally> = None;
            for client in clients {
                let tally = client.join().expect("a client does not panic")?;
                match &mut all {
                    Some(all) => all.add(&tally),
                    None => all = Some(tally),
                }
            }
            all.context("a round needs a client")
        })
    }

    fn serve(&self, number: usize, mut desk: impl Desk, start: &Barrier) -> Result<Tally> {
        start.wait();
        let mut client = self.client(number);
        let (mut asks, mut answers) = (Vec::new(), Vec::new());
        while client.ask(&mut asks) {
            let asked = Instant::now();
            answers.clear();
            desk.answer(&asks, &mut answers)?;
            client.check(&answers, asked, Instant::now())?;
        }
        Ok(client.tally)
    }

    /// A client: what it asks and what it makes of the answers. For contestants that are not
    /// asked thread by thread; the others have [`run`](Self::run).
    pub(crate) fn client(&self, number: usize) -> Client<'_> {
        let from = Instant::now() + LEAD_IN;
        Client {
            round: self,
            number,
            chance: scatter(number as u64 + 1),
            expected: Vec::with_capacity(self.batch),
            remembered: Vec::with_capacity(REMEMBERED),
            until: from + self.duration,
            counts: false,
            tally: Tally::new(from),
        }
    }

    fn leads_in(&self) -> bool {
        self.next.load(Ordering::Relaxed) < self.counts
    }

    fn fresh(&self) -> Option<Ticket> {
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        (at < self.end).then_some(Ticket(at))
    }
}

/// One who asks.
pub(crate) struct Client<'a> {
    round: &'a Round,
    number: usize,
    chance: u64,
    expected: Vec<Expected>,
    remembered: Vec<Ticket>,
    until: Instant,
    /// Whether the lead-in is over.
    counts: bool,
    pub(crate) tally: Tally,
}

impl Client<'_> {
    /// The next asks, as many as a commit takes. None are left once time or tickets are over.
    pub(crate) fn ask(&mut self, asks: &mut Vec<Ask>) -> bool {
        asks.clear();
        self.expected.clear();
        let now = Instant::now();
        if now >= self.until {
            return false;
        }
        let lead_in = now < self.tally.from && self.round.leads_in();
        if !self.counts && !lead_in {
            self.counts = true;
            self.tally.from = now;
        }
        while self.expected.len() < self.round.batch {
            let Some(expected) = self.next() else { break };
            self.expected.push(expected);
            asks.push(expected.ask);
        }
        !asks.is_empty()
    }

    fn next(&mut self) -> Option<Expected> {
        let work = self.round.work;
        let draw = self.draw();
        if draw.is_multiple_of(RIVALS) && !self.remembered.is_empty() {
            let ticket = self.remembered[(draw / RIVALS) as usize % self.remembered.len()];
            return Some(Expected::rival(work, self.number, ticket));
        }
        let ticket = self.round.fresh()?;
        Some(Expected::fresh(work, self.number, ticket))
    }

    /// Checks the answers to the last asks, and counts them unless they came in the lead-in.
    pub(crate) fn check(
        &mut self,
        answers: &[Answer],
        asked: Instant,
        answered: Instant,
    ) -> Result<()> {
        let expected = mem::take(&mut self.expected);
        let (asks, got) = (expected.len(), answers.len());
        ensure!(asks == got, "{got} answers to {asks} asks");
        for (expected, answer) in expected.iter().zip(answers) {
            let outcome = expected.check(*answer)?;
            if let Outcome::Granted { ticket, unit } = outcome {
                self.remember(ticket);
                self.tally.units.extend(unit);
            }
            let granted = outcome != Outcome::Refused;
            self.tally.granted_ever += u64::from(granted);
            if self.counts {
                self.tally.granted += u64::from(granted);
                self.tally.refused += u64::from(!granted);
            }
        }
        if self.counts {
            self.tally.latency.record(answered - asked, asks as u64);
            self.tally.to = answered;
        }
        self.expected = expected;
        Ok(())
    }

    /// Keeps a ticket; once there is no more room, in place of any.
    fn remember(&mut self, ticket: Ticket) {
        if self.remembered.len() < REMEMBERED {
            self.remembered.push(ticket);
        } else {
            let at = self.draw() as usize % REMEMBERED;
            self.remembered[at] = ticket;
        }
    }

    fn draw(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(1 << 20);
        scatter(self.chance)
    }
}

/// What was seen in a round.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Asks that got what they wanted, from the end of the lead-in on.
    pub(crate) granted: u64,
    /// Asks that were told that it is gone.
    pub(crate) refused: u64,
    /// All that were granted, in the lead-in too.
    pub(crate) granted_ever: u64,
    pub(crate) latency: Histogram,
    pub(crate) units: Units,
    from: Instant,
    to: Instant,
}

impl Tally {
    fn new(from: Instant) -> Self {
        let (latency, units) = (Histogram::new(), Units::default());
        Self { granted: 0, refused: 0, granted_ever: 0, latency, units, from, to: from }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.granted += other.granted;
        self.refused += other.refused;
        self.granted_ever += other.granted_ever;
        self.latency.add(&other.latency);
        self.units.add(other.units);
        self.from = self.from.min(other.from);
        self.to = self.to.max(other.to);
    }

    /// What counts, from the end of the lead-in to the last answer.
    pub(crate) fn seconds(&self) -> f64 {
        (self.to - self.from).as_secs_f64()
    }

    pub(crate) fn rate(&self) -> f64 {
        self.granted as f64 / self.seconds()
    }
}

/// The numbers of units that were given out: enough to see one that was given twice, or left out.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Units {
    count: u64,
    sum: u128,
    squares: u128,
}

impl Units {
    fn extend(&mut self, unit: Option<u64>) {
        if let Some(unit) = unit {
            self.count += 1;
            self.sum += u128::from(unit);
            self.squares += u128::from(unit) * u128::from(unit);
        }
    }

    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.squares += other.squares;
    }

    /// Whether they are exactly those behind `before`, each once.
    pub(crate) fn follow(self, before: u64) -> bool {
        let mut expected = Self::default();
        for unit in before + 1..=before + self.count {
            expected.extend(Some(unit));
        }
        self == expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_is_given_twice_is_seen() {
        let units = |given: &[u64]| {
            let mut units = Units::default();
            given.iter().for_each(|unit| units.extend(Some(*unit)));
            units
        };
        assert!(units(&[7, 6, 8]).follow(5));
        assert!(!units(&[6, 7, 7]).follow(5));
        assert!(!units(&[6, 8, 8, 9, 9]).follow(5));
        assert!(!units(&[7, 8, 9]).follow(5));
    }

    /// Answers everything with yes.
    struct Yes;

    impl Desk for Yes {
        fn answer(&mut self, asks: &[Ask], answers: &mut Vec<Answer>) -> Result<()> {
            answers.extend(asks.iter().map(|ask| match ask {
                Ask::Claim { claimant, .. } => Answer::Claimed(*claimant),
                Ask::Take { .. } => Answer::Unit(1),
            }));
            Ok(())
        }
    }

    #[test]
    fn who_gives_a_ticket_to_two_is_found_out() {
        let round = Round::new(Work::Claims, 2, 10, Duration::from_secs(60), (0, 10_000));
        let error = round.run(vec![Yes, Yes]).expect_err("a ticket was given to two");
        assert!(error.to_string().starts_with("wrong:"), "{error}");
    }
}

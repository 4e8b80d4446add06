//! The machine in the simulator: over real files and a real store on a disk that fails, with
//! power that goes at any moment, and clients that ask twice, late, and again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quipu::machine::{Machine as _, Name, Registry, registry};
use quipu::proof::{self, Ask, Key, Reply};
use quipu::words::Timestamp;
use quipu_example_seat_map::{Command, Seat, SeatMap};
use quipu_sim::Random;
use quipu_sim::world::{self, Asked, Crowd, Happened, Model, Tally, Workload};

use crate::model::Hall;
use crate::seeds::{answered, id};

const HALLS: [&str; 2] = ["red", "blue"];
const PEOPLE: [&str; 4] = ["ada", "ben", "cleo", "dora"];

/// People who want the seats of two halls.
#[derive(Default)]
struct BoxOffice {
    key_last: u64,
    shown: Arc<Shown>,
}

/// What models have been shown.
#[derive(Default)]
struct Shown {
    events: AtomicU64,
    answers: AtomicU64,
}

impl Workload for BoxOffice {
    fn registry(&self) -> Registry {
        registry().with::<SeatMap>()
    }

    fn begin(&mut self, _: &mut Random, _: Timestamp) -> Vec<Asked> {
        let open = |hall| ask(hall, Command::Open { rows: 3, places: 3, hold_seconds: 5 }, None);
        HALLS.into_iter().map(open).collect()
    }

    fn next(&mut self, _: usize, random: &mut Random, _: Timestamp) -> Asked {
        let (hall, who) = (random.pick(&HALLS), id(random.pick(&PEOPLE)));
        let mut seat = || Seat::new(1 + random.below(3) as u16, 1 + random.below(3) as u16);
        let (seat, to) = (seat(), seat());
        let command = match random.below(10) {
            0..=3 => Command::Hold { seat, who },
            4..=5 => Command::Book { seat, who },
            6..=8 => Command::Release { seat, who },
            _ => Command::Move { from: seat, to, who },
        };
        let key = random.chance(600).then(|| {
            self.key_last += 1;
            Key::new(&format!("key-{}", self.key_last)).expect("a well-formed key")
        });
        ask(hall, command, key)
    }

    fn streams(&self) -> Vec<Name> {
        HALLS.map(|hall| proof::name::<SeatMap>(hall).expect("a well-formed id")).into()
    }

    fn model(&self) -> Option<Box<dyn Model>> {
        Some(Box::new(Halls { halls: BTreeMap::new(), shown: Arc::clone(&self.shown) }))
    }
}

fn ask(hall: &str, command: Command, key: Option<Key>) -> Asked {
    let leg = proof::leg::<SeatMap>(hall, command).expect("a well-formed id");
    Asked::new(Ask::Command(leg, key))
}

/// The naive halls, as the events of the log fill them.
struct Halls {
    halls: BTreeMap<Name, Hall>,
    shown: Arc<Shown>,
}

impl Model for Halls {
    fn event(&mut self, event: &Happened<'_>) -> Result<(), String> {
        if event.stream.kind == SeatMap::KIND {
            let seating = event.event::<SeatMap>().map_err(|why| why.to_string())?;
            self.halls.entry(event.stream.clone()).or_default().follow(&seating, event.now);
            self.shown.events.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn answer(&self, ask: &Ask, reply: &Reply) -> Result<(), String> {
        let Ask::Command(leg, _) = ask else { return Ok(()) };
        let Some(answer) = answered(leg, reply) else { return Ok(()) };
        self.shown.answers.fetch_add(1, Ordering::Relaxed);
        // That it could happen was looked at when it did.
        let Some(hall) = self.halls.get(&leg.stream).filter(|_| answer.came != Ok(true)) else {
            return Ok(());
        };
        let should = hall.says(&answer.command, answer.at);
        if should == answer.came { Ok(()) } else { Err(format!("it should have been {should:?}")) }
    }
}

#[test]
fn no_seat_is_had_by_two_whatever_happens_to_the_disk() {
    let mut tally = Tally::default();
    let shown = Arc::new(Shown::default());
    let office = |_: &Crowd, _: &mut Random| -> Box<dyn Workload> {
        Box::new(BoxOffice { key_last: 0, shown: Arc::clone(&shown) })
    };
    for seed in 0..24 {
        let end = world::run(seed, &office, None);
        assert_eq!(end.breach, None, "seed {seed}");
        tally.merge(&end.tally);
    }
    // A run in which nothing of this happened would show nothing.
    assert!(tally.ends > 60 && tally.power > 20, "{tally:?}");
    let [events, answers] =
        [&shown.events, &shown.answers].map(|shown| shown.load(Ordering::Relaxed));
    assert!(events > 1_000 && answers > 3_000, "{events} events, {answers} answers");
}

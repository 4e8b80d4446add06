//! Runs of the simulator: what they meet, that they are the same again, and that they notice.

use std::collections::BTreeMap;

use quipu_core::machine::Machine;
use quipu_core::machines::account::{self, Account};
use quipu_core::shard::{Ask, Reply};
use quipu_core::words::{Name, Timestamp};
use quipu_sim::Random;
use quipu_sim::world::{
    self, Asked, Crowd, End, Failing, Happened, LogPlace, Market, Model, Plan, Site, Tally,
    Workload,
};

/// The run of a seed, with a plan that was changed.
fn run_with(seed: u64, change: impl FnOnce(&mut Plan), workload: &world::MakeWorkload<'_>) -> End {
    let mut random = Random::new(seed);
    let mut plan = Plan::draw(&mut random);
    change(&mut plan);
    world::run_plan(plan, random, workload, None)
}

/// Neither ends nor troubles.
fn be_calm(plan: &mut Plan) {
    plan.ends.every = None;
    plan.ends.openings = 0;
    plan.troubles.faults.clear();
    (plan.troubles.jumps, plan.troubles.full, plan.troubles.lies) = (None, None, false);
    plan.crowd.is_bulky = false;
}

#[test]
fn seeds_keep_every_promise_and_meet_most_troubles() {
    let mut tally = Tally::default();
    for seed in 0..48 {
        let end = world::run(seed, &world::market, None);
        assert_eq!(end.breach, None, "seed {seed}");
        tally.merge(&end.tally);
    }
    // Of many seeds half as much again.
    assert!(tally.crashes() >= 3 * tally.seeds, "{tally:?}");
    assert!(tally.operations >= 200 * tally.seeds, "{tally:?}");
    assert!(tally.sites.missing().len() < 6, "{:?}", tally.sites.missing());
}

#[test]
fn one_seed_is_one_run_and_another_is_another() {
    let mut hashes = BTreeMap::new();
    for seed in 100..108 {
        let [one, other] = [0, 1].map(|_| world::run(seed, &world::market, None));
        assert_eq!(one.hash, other.hash, "seed {seed}");
        assert_eq!(one.tally, other.tally, "seed {seed}");
        hashes.insert(one.hash, seed);
    }
    assert_eq!(hashes.len(), 8);
}

#[test]
fn whoever_reads_along_changes_nothing() {
    let mut lines = Vec::new();
    let mut listen = |line: &str| lines.push(line.to_owned());
    let heard = world::run(3, &world::market, Some(&mut listen));
    assert_eq!(heard.hash, world::run(3, &world::market, None).hash);
    let asks = lines.iter().filter(|line| line.contains(" asks ")).count() as u64;
    assert_eq!(asks, heard.tally.asks);
    assert!(lines.iter().any(|line| line.contains("opens the ledger at")), "{lines:?}");
}

#[test]
fn a_run_without_troubles_has_none() {
    for seed in 0..6 {
        let end = run_with(seed, be_calm, &world::market);
        assert_eq!(end.breach, None, "seed {seed}");
        let Tally { ends, power, lost, sites, .. } = &end.tally;
        assert_eq!((*ends, *power, *lost), (0, 0, 0), "seed {seed}");
        for site in [Site::Latch, Site::Unknown, Site::StoreSetAside, Site::Corrupt] {
            assert_eq!(sites.count(site), 0, "seed {seed}: {site:?}");
        }
    }
}

/// Nobody promises to survive a disk that lies about the log, but it does not go unnoticed.
#[test]
fn a_disk_that_lies_about_the_log_is_found_out() {
    let noticed = (0..12).filter(|seed| {
        let lie = |plan: &mut Plan| {
            plan.log = LogPlace::Files;
            plan.troubles.faults = vec![(Failing::Stale, 2, Some("log"))];
            plan.ends.every = Some(20 * plan.habits.think);
            plan.ends.power = 1_000;
        };
        run_with(*seed, lie, &world::market).breach.is_some()
    });
    assert!(noticed.count() >= 9);
}

/// The market, held against an account of deposits and charges that somebody else keeps.
struct Kept {
    market: Market,
    /// How many units it loses of every deposit.
    loses: i128,
}

impl Workload for Kept {
    fn begin(&mut self, random: &mut Random, now: Timestamp) -> Vec<Asked> {
        self.market.begin(random, now)
    }

    fn next(&mut self, client: usize, random: &mut Random, now: Timestamp) -> Asked {
        self.market.next(client, random, now)
    }

    fn streams(&self) -> Vec<Name> {
        self.market.streams()
    }

    fn model(&self) -> Option<Box<dyn Model>> {
        Some(Box::new(Balances { loses: self.loses, of: BTreeMap::new() }))
    }
}

#[derive(Default)]
struct Balances {
    loses: i128,
    of: BTreeMap<Name, i128>,
}

impl Model for Balances {
    fn event(&mut self, event: &Happened<'_>) -> Result<(), String> {
        if event.stream.kind != Account::KIND {
            return Ok(());
        }
        use account::Event as E;
        let after = match event.event::<Account>().map_err(|why| why.to_string())? {
            E::Opened(_) => 0,
            E::Deposited(event) => event.balance_after.get() - self.loses,
            E::Charged(event) => event.balance_after.get(),
            E::Sent(event) => event.balance_after.get(),
            E::Received(event) => event.balance_after.get(),
            // Nothing is known of the others.
            _ => {
                self.of.remove(event.stream);
                return Ok(());
            }
        };
        self.of.insert(event.stream.clone(), after);
        Ok(())
    }

    fn answer(&self, ask: &Ask, reply: &Reply) -> Result<(), String> {
        let (Ask::Read(reading), Reply::Done(outcome)) = (ask, reply) else { return Ok(()) };
        let Some(known) = self.of.get(&reading.stream) else { return Ok(()) };
        let head = outcome.answer.head::<Account>().map_err(|why| why.to_string())?;
        let shown = head.balance.get();
        if shown == *known { Ok(()) } else { Err(format!("{shown} is shown, {known} is there")) }
    }
}

#[test]
fn a_model_of_ones_own_is_asked() {
    let kept = |loses: i128| {
        move |crowd: &Crowd, _: &mut Random| -> Box<dyn Workload> {
            Box::new(Kept { market: Market::new(crowd), loses })
        }
    };
    for seed in 0..6 {
        assert_eq!(world::run(seed, &kept(0), None).breach, None, "seed {seed}");
    }
    let objects = (0..6).filter(|seed| {
        let breach = world::run(*seed, &kept(1), None).breach;
        breach.is_some_and(|breach| breach.check == "model")
    });
    assert!(objects.count() >= 4);
}

#[test]
fn plans_have_each_trouble_on_or_off() {
    type IsWith = fn(&Plan) -> bool;
    let plans: Vec<Plan> = (0..400).map(|seed| Plan::draw(&mut Random::new(seed))).collect();
    let is_with: [(&str, IsWith); 12] = [
        ("ends", |plan| plan.ends.every.is_some()),
        ("ends within openings", |plan| plan.ends.openings > 0),
        ("takeovers", |plan| plan.ends.takeovers > 0),
        ("stops", |plan| plan.ends.stops > 0),
        ("faults", |plan| !plan.troubles.faults.is_empty()),
        ("jumps", |plan| plan.troubles.jumps.is_some()),
        ("a full disk", |plan| plan.troubles.full.is_some()),
        ("intruders", |plan| plan.troubles.intruders.is_some()),
        ("lies", |plan| plan.troubles.lies),
        ("checkpoints", |plan| plan.upkeep.checkpoints.is_some()),
        ("seals", |plan| plan.upkeep.seals.is_some()),
        ("large values", |plan| plan.crowd.is_bulky),
    ];
    for (name, is_with) in is_with {
        let count = plans.iter().filter(|plan| is_with(plan)).count();
        assert!((1..400).contains(&count), "{name}: {count} of 400");
    }
    for failing in [
        Failing::Sync,
        Failing::SyncDir,
        Failing::Write,
        Failing::Short,
        Failing::Read,
        Failing::Name,
        Failing::Space,
        Failing::Misdirected,
        Failing::Stale,
    ] {
        let has = |plan: &&Plan| plan.troubles.faults.iter().any(|(one, ..)| *one == failing);
        assert!(plans.iter().any(|plan| has(&plan)), "{failing:?}");
    }
    for shards in [1, 2, 8] {
        assert!(plans.iter().any(|plan| plan.shards == shards), "{shards} shards");
    }
}

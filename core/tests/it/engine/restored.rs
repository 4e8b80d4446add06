//! A restored ledger: what its backup shows as unfinished is unknown before anything else happens.

use std::collections::BTreeMap;

use super::say::*;
use quipu_core::driver::Driver;
use quipu_core::machines::account::{self, Account, WithdrawalState, withdrawal_key};
use quipu_core::machines::export::{self, Export};
use quipu_core::restored::{self, Step};
use quipu_core::shard::{Ask, Reading, Reply};
use quipu_core::store::MemoryStore;
use quipu_core::verify::{Outside, balance};
use quipu_core::words::{Code, Id, Position, Timestamp};

const STATES: [&str; 5] = ["pending", "dispatched", "completed", "failed", "unknown"];

/// A ledger with a payout in every state, two accounts of them, and exports.
fn original(shards: usize) -> (Driver, BTreeMap<(&'static str, &'static str), Id>) {
    let mut ledger = ledger(shards);
    let mut payouts = BTreeMap::new();
    for who in ["ann", "bo"] {
        done(ledger.ask(command::<Account>(who, open())));
        done(ledger.ask(command::<Account>(who, deposit(1_000))));
        for state in STATES {
            let withdrawal = plan(&mut ledger, who);
            if state != "pending" {
                let fence = lease(&mut ledger, who, &withdrawal);
                let report = match state {
                    "completed" => Some(complete(&withdrawal, fence)),
                    "failed" => Some(account::Command::Fail {
                        withdrawal: withdrawal.clone(),
                        fence,
                        error: "no such iban".to_owned(),
                    }),
                    "unknown" => Some(account::Command::Unknown {
                        withdrawal: withdrawal.clone(),
                        fence,
                        error: "no answer".to_owned(),
                    }),
                    _ => None,
                };
                if let Some(report) = report {
                    done(ledger.ask(command::<Account>(who, report)));
                }
            }
            payouts.insert((who, state), withdrawal);
        }
    }
    for (what, steps) in [("queued", 0), ("running", 1), ("ready", 2)] {
        done(ledger.ask(command::<Export>(
            what,
            export::Command::Request {
                what: export::What::Events,
                format: export::Format::Csv,
                filter: None,
            },
        )));
        if steps > 0 {
            let as_of = Position::new(1);
            let begun = export::Command::Begin { worker: id("w"), as_of };
            let fence = done(ledger.ask(command::<Export>(what, begun))).position;
            if steps > 1 {
                let finish = export::Command::Finish {
                    fence,
                    rows: 1,
                    bytes: 2,
                    sha256: [3; 32],
                    ttl_ms: 3_600_000,
                };
                done(ledger.ask(command::<Export>(what, finish)));
            }
        }
    }
    (ledger, payouts)
}

fn plan(ledger: &mut Driver, who: &str) -> Id {
    let amount = amount(100);
    let destination = "somewhere".to_owned();
    let withdraw = account::Command::Withdraw { amount, destination, secret: None };
    Id::made('w', done(ledger.ask(command::<Account>(who, withdraw))).position)
}

fn lease(ledger: &mut Driver, who: &str, withdrawal: &Id) -> Position {
    let (withdrawal, worker) = (withdrawal.clone(), id("worker"));
    let lease = account::Command::Lease { withdrawal, worker, seconds: 3_600 };
    done(ledger.ask(command::<Account>(who, lease))).position
}

fn complete(withdrawal: &Id, fence: Position) -> account::Command {
    account::Command::Complete { withdrawal: withdrawal.clone(), fence, reference: None }
}

/// What a copy of the ledger's files opens as: the log alone, so the store is made anew.
fn restore(ledger: Driver, shards: usize) -> Driver {
    let now = ledger.now();
    let (log, _) = ledger.into_parts();
    let made = setup(shards);
    let store = MemoryStore::new(made.registry.clone());
    Driver::open(made, log.reopen(), store, now).expect("a backup opens")
}

fn steps(ledger: &Driver, limit: usize) -> Vec<Step> {
    let (mut steps, mut after) = (Vec::new(), None);
    loop {
        let page = restored::commands(ledger.store(), ledger.registry(), after.as_ref(), limit)
            .expect("a readable store");
        assert!(page.steps.len() <= limit, "a page is bounded");
        steps.extend(page.steps);
        after = page.next;
        if after.is_none() {
            return steps;
        }
    }
}

fn withdrawal(ledger: &mut Driver, who: &str, id: &Id) -> account::Withdrawal {
    let key = withdrawal_key(id.position('w').expect("an id of a withdrawal"));
    let read = Ask::Read(Reading { stream: name::<Account>(who), items: vec![key] });
    match done(ledger.ask(read)).answer.item::<Account>() {
        Ok(account::Item::Withdrawal(withdrawal)) => withdrawal,
        other => panic!("no withdrawal {id}: {other:?}"),
    }
}

fn is_balanced(ledger: &Driver) {
    let made =
        balance(ledger.log(), ledger.store(), ledger.registry(), Outside::default(), &mut |_| {});
    let made = made.expect("a balance of what is there");
    assert!(made.is_whole && made.report.is_clean(), "{:?}", made.report);
}

#[test]
fn every_unfinished_payout_is_unknown_and_waits_for_a_look_up() {
    for (shards, limit) in [(1, 1), (1, 100), (3, 2)] {
        let (ledger, payouts) = original(shards);
        let mut ledger = restore(ledger, shards);
        let steps = steps(&ledger, limit);
        assert_eq!(steps.len(), 5, "two payouts of two accounts, and an export: {steps:?}");
        for step in steps {
            assert!(done(ledger.ask(Ask::Restored(step))).changed);
        }
        for who in ["ann", "bo"] {
            for state in STATES {
                let found = withdrawal(&mut ledger, who, &payouts[&(who, state)]);
                let expected = match state {
                    "completed" => WithdrawalState::Completed,
                    "failed" => WithdrawalState::Failed,
                    _ => WithdrawalState::Unknown,
                };
                assert_eq!((found.state, found.lease_until), (expected, None), "{state}");
            }
            assert_eq!(balance(&mut ledger, who), 900, "what is unknown is still held");
        }
        is_balanced(&ledger);
        for (state, completed) in [("pending", true), ("dispatched", false), ("unknown", true)] {
            let withdrawal = payouts[&("ann", state)].clone();
            let look_up = account::Command::Reconcile { withdrawal, completed };
            assert!(done(ledger.ask(command::<Account>("ann", look_up))).changed);
        }
        assert_eq!(balance(&mut ledger, "ann"), 700, "two were paid out by the original");
        is_balanced(&ledger);
        assert!(self::steps(&ledger, limit).is_empty(), "nothing is left to do");
    }

    fn balance(ledger: &mut Driver, who: &str) -> i128 {
        super::say::balance(ledger, who)
    }
}

#[test]
fn a_worker_of_the_original_has_no_say_in_a_restored_ledger() {
    let (ledger, payouts) = original(1);
    let mut ledger = restore(ledger, 1);
    let withdrawals = ["pending", "dispatched"].map(|state| payouts[&("ann", state)].clone());
    let fences = [0, 1].map(|index| withdrawal(&mut ledger, "ann", &withdrawals[index]).fence);
    for step in steps(&ledger, 10) {
        done(ledger.ask(Ask::Restored(step)));
    }
    for (withdrawal, fence) in withdrawals.iter().zip(fences) {
        let late = command::<Account>("ann", complete(withdrawal, fence));
        assert_eq!(code(ledger.ask(late)), Code::StaleFence);
        let (withdrawal, worker) = (withdrawal.clone(), id("worker"));
        let lease = account::Command::Lease { withdrawal, worker, seconds: 60 };
        assert_eq!(code(ledger.ask(command::<Account>("ann", lease))), Code::WrongState);
    }
}

#[test]
fn a_file_that_stayed_with_the_original_is_no_file() {
    let (ledger, _) = original(2);
    let mut ledger = restore(ledger, 2);
    for step in steps(&ledger, 10) {
        done(ledger.ask(Ask::Restored(step)));
    }
    for (what, expected) in [
        ("queued", export::State::Queued),
        ("running", export::State::Running),
        ("ready", export::State::Failed),
    ] {
        let head = done(ledger.ask(read::<Export>(what))).answer.head::<Export>();
        assert_eq!(head.expect("an export's head").state, expected, "{what}");
    }
}

#[test]
fn a_restore_that_was_cut_short_is_begun_again() {
    for cut in 0..6 {
        let (ledger, payouts) = original(2);
        let mut ledger = restore(ledger, 2);
        let first = steps(&ledger, 3);
        for step in first.iter().take(cut) {
            done(ledger.ask(Ask::Restored(step.clone())));
        }
        let now = ledger.now();
        let mut ledger = ledger.crash(false, now).expect("a ledger opens after a crash");
        let again = steps(&ledger, 3);
        assert_eq!(again.len(), 5 - cut.min(5), "what is done is not done again");
        // Steps of the first life are still sound: what they ask for is so already.
        for (index, step) in first.into_iter().enumerate() {
            assert_eq!(done(ledger.ask(Ask::Restored(step))).changed, index >= cut);
        }
        for step in again {
            assert!(!done(ledger.ask(Ask::Restored(step))).changed);
        }
        let found = withdrawal(&mut ledger, "bo", &payouts[&("bo", "pending")]);
        assert_eq!(found.state, WithdrawalState::Unknown);
        is_balanced(&ledger);
    }
}

#[test]
fn time_and_a_restore_agree_on_a_lease_that_is_over() {
    let (ledger, payouts) = original(1);
    let mut ledger = restore(ledger, 1);
    let steps = steps(&ledger, 10);
    let later = ledger.durable().now_limit.ms() + 7_200_000;
    ledger.set_now(Timestamp::from_ms(later));
    let replies = steps.into_iter().map(|step| ledger.ask(Ask::Restored(step)));
    assert!(replies.collect::<Vec<_>>().iter().all(|reply| matches!(reply, Reply::Done(_))));
    let found = withdrawal(&mut ledger, "ann", &payouts[&("ann", "dispatched")]);
    assert_eq!(found.state, WithdrawalState::Unknown);
}

#[test]
fn no_caller_may_ask_for_what_a_restore_gives() {
    let (mut ledger, payouts) = original(1);
    let withdrawal = payouts[&("ann", "pending")].position('w').expect("an id");
    let inherit = command::<Account>("ann", account::Command::Inherit { withdrawal });
    assert_eq!(code(ledger.ask(inherit)), Code::Malformed);
    let lost = command::<Export>("ready", export::Command::FileLost);
    assert_eq!(code(ledger.ask(lost)), Code::Malformed);
}

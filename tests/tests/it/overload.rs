//! More is asked than can be done: what does not fit is told so at once, what was let in is
//! answered, and nothing is left behind.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Waker};

use quipu_actors::{Answer, Settings};
use quipu_core::machine::Machine;
use quipu_core::machines::account::Account;
use quipu_core::shard::{Ask, LEGS_MAX, Reply, Shard};
use quipu_core::words::{Book, Fault, Name};
use quipu_disk::RealDisk;

use crate::load;
use crate::running::{Run, Running, runtime};
use crate::say::*;

const CALLS_MAX: u64 = 32;

/// A ledger behind a gate for 32 calls, with accounts `a0` to `a7`.
fn narrow(shards: usize, folder: &tempfile::TempDir) -> Running<RealDisk> {
    let run = Run::small(shards);
    let settings = Settings { calls_max: CALLS_MAX, calls_bytes_max: 1 << 20, ..run.settings };
    let running = Run { settings, ..run }.start(&RealDisk::open(folder.path()).expect("a disk"));
    for number in 0..8 {
        done(running.handle.ask(open(&format!("a{number}"))).wait());
    }
    running
}

/// What an answer is now, if it is there.
fn now(answer: Pin<&mut Answer>) -> Option<Reply> {
    match answer.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(reply) => Some(reply),
        Poll::Pending => None,
    }
}

/// Holds the committer up until the sender is dropped, while `act` runs.
fn held_up<T: Send>(running: &Running<RealDisk>, act: impl FnOnce(Sender<()>) -> T + Send) -> T {
    let (begun, has_begun): (Sender<()>, Receiver<()>) = channel();
    let (release, released) = channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let hold = move |_: &mut _, _: &mut _| {
                drop(begun);
                let _ = released.recv();
            };
            runtime().block_on(running.engine.order(hold)).expect("it is carried out");
        });
        assert!(has_begun.recv().is_err(), "it says so by letting go");
        act(release)
    })
}

#[test]
fn what_is_too_much_is_told_so_at_once_and_the_rest_is_answered() {
    for shards in [1, 2, 8] {
        let folder = tempfile::tempdir().expect("a folder");
        let running = narrow(shards, &folder);
        let handle = running.handle.clone();
        let flood = |round: usize| {
            (0..4 * CALLS_MAX).map(move |number| {
                command::<Account>(&format!("a{}", number % 8), deposit(1 + round as u64))
            })
        };
        let mut accepted = 0;
        for round in 0..20 {
            held_up(&running, |release| {
                // Those of the round before have left by the time that all are answered.
                while handle.under_way() != (0, 0) {
                    std::thread::yield_now();
                }
                let mut answers: Vec<_> =
                    flood(round).map(|ask| Box::pin(handle.ask(ask))).collect();
                let (calls, bytes) = handle.under_way();
                assert!(calls == CALLS_MAX && bytes <= 1 << 20, "{calls} calls, {bytes} bytes");
                let (let_in, turned_away) = answers.split_at_mut(CALLS_MAX as usize);
                for answer in let_in.iter_mut() {
                    assert_eq!(now(answer.as_mut()), None, "nothing is durable yet");
                }
                for answer in turned_away {
                    let reply = now(answer.as_mut());
                    assert_eq!(reply, Some(Reply::Failed(Fault::Overloaded)));
                }
                let none = handle.ask_all(flood(round).collect()).wait();
                let is_none = |reply: &Reply| *reply == Reply::Failed(Fault::Overloaded);
                assert!(none.iter().all(is_none), "together they come in or they do not");
                drop(release);
                for answer in let_in {
                    done(runtime().block_on(answer.as_mut()));
                    accepted += 1;
                }
            });
        }
        assert_eq!(accepted, 20 * CALLS_MAX);
        // And all is as before.
        for ask in flood(0) {
            done(handle.ask(ask).wait());
        }
        assert!(!running.stop());
        assert_eq!(handle.under_way(), (0, 0));
    }
}

#[test]
fn a_flood_of_threads_never_passes_the_gate() {
    let folder = tempfile::tempdir().expect("a folder");
    let running = narrow(2, &folder);
    let handle = &running.handle;
    let totals: Vec<(u64, u64)> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..16)
            .map(|caller: u64| {
                scope.spawn(move || {
                    let (mut done, mut overloaded) = (0, 0);
                    for number in 0..100 {
                        let asks: Vec<Ask> = (0..1 + number % 7)
                            .map(|leg| {
                                let who = format!("a{}", (caller + leg) % 8);
                                command::<Account>(&who, deposit(1))
                            })
                            .collect();
                        let asked = asks.len() as u64;
                        let replies = handle.ask_all(asks).wait();
                        assert!(handle.under_way().0 <= CALLS_MAX);
                        assert_eq!(replies.len() as u64, asked);
                        for reply in replies {
                            match reply {
                                Reply::Done(_) => done += 1,
                                Reply::Failed(Fault::Overloaded) => overloaded += 1,
                                other => panic!("{other:?}"),
                            }
                        }
                    }
                    (done, overloaded)
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().expect("no panic")).collect()
    });
    let done: u64 = totals.iter().map(|(done, _)| done).sum();
    let balance: i128 = (0..8)
        .map(|number| {
            let reply = handle.ask(load::ask(&format!("read-account a{number}")).0).wait();
            let Reply::Done(outcome) = reply else { panic!("{reply:?}") };
            outcome.answer.head::<Account>().expect("a head").balance.get()
        })
        .sum();
    assert_eq!(balance, i128::from(done), "what was turned away did nothing");
    assert!(!running.stop());
}

/// As many legs, the last of which is on an account that is not there.
fn refused(home: &str, legs: usize) -> Ask {
    let pay = |who: &str| leg::<Account>(who, deposit(1));
    let mut all: Vec<_> = (1..legs).map(|_| pay(home)).collect();
    all.push(pay("nobody"));
    Ask::Transaction(all, None)
}

/// Two names that live on different shards of two.
fn apart() -> [String; 2] {
    [0, 1].map(|shard| {
        (0..8)
            .map(|number| format!("a{number}"))
            .find(|name| {
                let name = Name::new(Book::DEFAULT, Account::KIND, id(name));
                Shard::of(&name, 2) == shard
            })
            .expect("eight names are not all on one")
    })
}

/// Each takes more than half of the ring and gives it back, and nothing is ever written: the
/// other one has to hear of it.
#[test]
fn room_that_is_given_back_unused_wakes_whoever_waits_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = Run::small(2);
    let settings = Settings { ring_slots: 1, ..run.settings };
    let running = Run { settings, ..run }.start(&RealDisk::open(folder.path()).expect("a disk"));
    let names = apart();
    for name in &names {
        done(running.handle.ask(open(name)).wait());
    }
    std::thread::scope(|scope| {
        for name in &names {
            let handle = &running.handle;
            scope.spawn(move || {
                for _ in 0..40 {
                    let reply = handle.ask(refused(name, LEGS_MAX * 6 / 10)).wait();
                    assert!(matches!(reply, Reply::Refused(_)), "{reply:?}");
                }
            });
        }
    });
    assert!(!running.stop());
}

#[test]
fn what_is_larger_than_any_entry_is_refused_and_holds_nobody_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = Run::small(1);
    let settings = Settings { ring_slots: 1, ring_bytes: 1, ..run.settings };
    let running = Run { settings, ..run }.start(&RealDisk::open(folder.path()).expect("a disk"));
    done(running.handle.ask(open("a0")).wait());
    for legs in [LEGS_MAX + 1, 3 * LEGS_MAX, 6 * LEGS_MAX] {
        let mut large = pin!(running.handle.ask(refused("a0", legs)));
        let behind = running.handle.ask(command::<Account>("a0", deposit(1)));
        done(behind.wait());
        let reply = runtime().block_on(large.as_mut());
        let is_refused = matches!(reply, Reply::Failed(Fault::TooLarge | Fault::Internal));
        assert!(is_refused, "{legs} legs: {reply:?}");
    }
    assert!(!running.stop());
}

/// A read that is refused has set no room aside, and gives none back.
#[test]
fn reads_of_what_is_not_there_leave_the_ring_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let running = Run::small(1).start(&RealDisk::open(folder.path()).expect("a disk"));
    done(running.handle.ask(open("a0")).wait());
    for number in 0..2_000 {
        let read = load::ask(&format!("read-account nobody{number}")).0;
        assert!(matches!(running.handle.ask(read).wait(), Reply::Refused(_)));
        if number % 10 == 0 {
            done(running.handle.ask(command::<Account>("a0", deposit(1))).wait());
        }
    }
    assert!(!running.stop());
}

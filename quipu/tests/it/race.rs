//! Many callers at once.

use std::sync::atomic::{AtomicU64, Ordering};

use quipu::Ledger;
use quipu_core::machine::{self, Machine};
use quipu_core::machines::ticket::{Command, Ticket};
use quipu_core::shard::{Ask, Leg, Options, Reading, Reply};
use quipu_core::words::{Book, Id, Metadata, Name};

fn name(id: &str) -> Name {
    Name::new(Book::DEFAULT, Ticket::KIND, Id::new(id).expect("an id"))
}

fn ask(id: &str, command: Command) -> Ask {
    let command = machine::Command::of::<Ticket>(command);
    Ask::Command(Leg { stream: name(id), command, options: Options::default() }, None)
}

pub(crate) fn issue(id: &str) -> Ask {
    ask(
        id,
        Command::Issue {
            amount: None,
            asset: None,
            reference: None,
            expires_at: None,
            metadata: Metadata::default(),
            batch: false,
        },
    )
}

pub(crate) fn claim(id: &str, who: &str) -> Ask {
    ask(id, Command::Claim { claimant: Id::new(who).expect("an id") })
}

pub(crate) fn read(id: &str) -> Ask {
    Ask::Read(Reading { stream: name(id), items: Vec::new() })
}

#[test]
fn every_ticket_is_claimed_once_whoever_races_for_it() {
    const TICKETS: usize = 400;
    const THREADS: usize = 16;
    for shards in [1, 2, 8] {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build();
        let runtime = runtime.expect("a runtime");
        let open = Ledger::builder(folder.path()).shards(shards).open();
        let ledger = runtime.block_on(open).expect("it opens");
        let asks = (0..TICKETS).map(|number| issue(&format!("t{number}"))).collect();
        assert!(ledger.ask_all(asks).wait().iter().all(|reply| matches!(reply, Reply::Done(_))));
        let won = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (ledger, won) = (ledger.clone(), &won);
                scope.spawn(move || {
                    for number in 0..TICKETS {
                        let who = format!("c{thread}");
                        match ledger.ask(claim(&format!("t{number}"), &who)).wait() {
                            Reply::Done(done) => {
                                assert!(done.changed);
                                won.fetch_add(1, Ordering::Relaxed);
                            }
                            Reply::Refused(_) => {}
                            Reply::Failed(fault) => panic!("{fault}"),
                        }
                    }
                });
            }
        });
        assert_eq!(won.load(Ordering::Relaxed), TICKETS as u64);
        runtime.block_on(ledger.close()).expect("it stops");
    }
}

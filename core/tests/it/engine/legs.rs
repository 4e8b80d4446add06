//! Commands of several legs: each leg is told, and no money comes back twice or not at all.

use super::say::*;
use quipu_core::driver::Driver;
use quipu_core::machine::{Command, Machine};
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::collection::{self, Collection};
use quipu_core::machines::drop::{self, Drop, Price};
use quipu_core::machines::export::{self, Export};
use quipu_core::machines::flow::{self, Flow};
use quipu_core::machines::key::{self, Key};
use quipu_core::machines::record::{self, Record};
use quipu_core::machines::ticket::{self, Ticket};
use quipu_core::shard::{Ask, Refused, Reply};
use quipu_core::words::{Asset, Code, Id, Metadata, Position, Timestamp};

const SHARDS: [usize; 3] = [1, 2, 8];

fn replays(ledger: &mut Driver) {
    assert_eq!(ledger.digest(), Ok(ledger.replayed_digest().expect("the log replays")));
}

#[test]
fn what_paid_for_a_claim_comes_back_once() {
    for shards in SHARDS {
        for way in 0..4 {
            let mut ledger = ledger(shards);
            let mut create = new_drop(10);
            if let drop::Command::Create { price, .. } = &mut create {
                *price = Some(Price { amount: amount(10), asset: usd() });
            }
            done(ledger.ask(command::<Drop>("d", create)));
            done(ledger.ask(command::<Account>("buyer", open())));
            done(ledger.ask(command::<Account>("buyer", deposit(10))));
            let buy = drop::Command::Claim {
                claimant: id("al"),
                quantity: 1,
                pay_from: Some(id("buyer")),
            };
            let claim = Id::made('c', done(ledger.ask(command::<Drop>("d", buy))).position);
            assert_eq!(balance(&mut ledger, "buyer"), 0);

            let refund = account::Command::Refund { charge: claim.clone(), amount: None };
            let refund = leg::<Account>("buyer", refund);
            let release = leg::<Drop>("d", drop::Command::Release { claim });
            let (refund_alone, release_alone) =
                (Ask::Command(refund.clone(), None), Ask::Command(release.clone(), None));
            let asks = match way {
                0 => vec![refund_alone, release_alone],
                1 => vec![release_alone, refund_alone],
                2 => vec![Ask::Transaction(vec![release, refund], None), release_alone],
                _ => vec![Ask::Transaction(vec![refund, release], None), release_alone],
            };
            let codes: Vec<_> = asks
                .into_iter()
                .map(|ask| match ledger.ask(ask) {
                    Reply::Done(_) => None,
                    other => Some(code(other)),
                })
                .collect();
            let released =
                if way == 1 { [None, Some(Code::NotFound)] } else { [Some(Code::NotFound), None] };
            assert_eq!(codes, released, "way {way}");
            assert_eq!(balance(&mut ledger, "buyer"), 10, "way {way}");
            replays(&mut ledger);
        }
    }
}

/// A payer with 100, a worker, and nothing else.
fn with_payer_and_worker(shards: usize) -> Driver {
    let mut ledger = ledger(shards);
    for who in ["payer", "worker"] {
        done(ledger.ask(command::<Account>(who, open())));
    }
    done(ledger.ask(command::<Account>("payer", deposit(100))));
    ledger
}

/// 100 in a second, of which some has passed.
fn flow_of(ledger: &Driver, started_ms_ago: u64) -> flow::Command {
    flow::Command::Open {
        asset: usd(),
        total: amount(100),
        duration_ms: 1_000,
        start_at: Some(Timestamp::from_ms(ledger.now().ms() - started_ms_ago)),
        cliff_ms: 0,
        payer: Some(id("payer")),
        recipient: Some(id("worker")),
        metadata: Metadata::default(),
    }
}

fn flow_head(ledger: &mut Driver) -> flow::Head {
    let outcome = done(ledger.ask(read::<Flow>("f")));
    outcome.answer.head::<Flow>().expect("a flow's head")
}

/// What is split sees the flow as it was before, when it was not there: so nothing of it moves
/// between the flow and an account a second time. Otherwise the payer would never be told.
#[test]
fn a_flow_neither_ends_nor_moves_money_where_it_begins() {
    let more = flow::Command::TopUp { amount: amount(1) };
    let all = flow::Command::Withdraw { amount: None };
    let (settle, stop) = (flow::Command::Settle, flow::Command::Stop);
    for shards in SHARDS {
        for (started_ms_ago, next) in [(10_000, &settle), (10_000, &stop), (0, &stop), (0, &more)] {
            let mut ledger = with_payer_and_worker(shards);
            let legs = vec![
                leg::<Flow>("f", flow_of(&ledger, started_ms_ago)),
                leg::<Flow>("f", next.clone()),
            ];
            let Refused { refusal, leg, .. } = refused(ledger.ask(Ask::Transaction(legs, None)));
            assert_eq!((refusal.code, leg), (Code::NotFound, Some(1)), "{next:?}");
            assert_eq!(code(ledger.ask(read::<Flow>("f"))), Code::NotFound);
            assert_eq!(balance(&mut ledger, "payer"), 100);
            done(ledger.ask(command::<Account>("payer", charge(100))));
            done(ledger.ask(command::<Account>("payer", account::Command::Close)));
            replays(&mut ledger);
        }

        // A flow that is funded from outside may be settled, but not paid out.
        let mut ledger = with_payer_and_worker(shards);
        let mut opened = flow_of(&ledger, 10_000);
        if let flow::Command::Open { payer, .. } = &mut opened {
            *payer = None;
        }
        let asked = [opened, settle.clone(), all.clone()].map(|asked| leg::<Flow>("f", asked));
        let no = refused(ledger.ask(Ask::Transaction(asked.to_vec(), None)));
        assert_eq!((no.refusal.code, no.leg), (Code::NotFound, Some(2)));
        done(ledger.ask(Ask::Transaction(asked[..2].to_vec(), None)));
        done(ledger.ask(command::<Flow>("f", all.clone())));
        assert_eq!(balance(&mut ledger, "worker"), 100);
        replays(&mut ledger);
    }
}

#[test]
fn what_is_settled_reaches_a_recipient_that_was_closed() {
    for shards in SHARDS {
        let mut ledger = with_payer_and_worker(shards);
        let opened = flow_of(&ledger, 500);
        done(ledger.ask(command::<Flow>("f", opened)));
        done(ledger.ask(command::<Flow>("f", flow::Command::Settle)));
        done(ledger.ask(command::<Account>("worker", account::Command::Close)));
        done(ledger.ask(command::<Flow>("f", flow::Command::Stop)));
        let settled = flow_head(&mut ledger).settled;
        assert!(settled >= amount(50));
        done(ledger.ask(command::<Flow>("f", flow::Command::Withdraw { amount: None })));
        let worker = balance(&mut ledger, "worker");
        assert_eq!(worker as u128, settled.get());
        assert_eq!(worker + balance(&mut ledger, "payer"), 100);
        let worker = done(ledger.ask(read::<Account>("worker")));
        let head = worker.answer.head::<Account>().expect("an account's head");
        assert_eq!(head.state, account::State::Open);
        replays(&mut ledger);
    }
}

#[test]
fn a_flow_is_opened_for_a_recipient_that_can_take_it() {
    let other_asset = || {
        let mut opened = open();
        if let account::Command::Open { asset, .. } = &mut opened {
            *asset = Asset::new("EUR/2").expect("a well-formed asset");
        }
        opened
    };
    for shards in SHARDS {
        for from_outside in [false, true] {
            for (recipient, expected) in [
                ("worker", None),
                // It funds itself.
                ("payer", None),
                ("nobody", Some(Code::NotFound)),
                ("closed", Some(Code::WrongState)),
                ("euro", Some(Code::AssetMismatch)),
            ] {
                let mut ledger = with_payer_and_worker(shards);
                done(ledger.ask(command::<Account>("closed", open())));
                done(ledger.ask(command::<Account>("closed", account::Command::Close)));
                done(ledger.ask(command::<Account>("euro", other_asset())));
                let mut opened = flow_of(&ledger, 500);
                if let flow::Command::Open { recipient: to, payer, .. } = &mut opened {
                    *to = Some(id(recipient));
                    *payer = payer.take().filter(|_| !from_outside);
                }
                let found = match ledger.ask(command::<Flow>("f", opened)) {
                    Reply::Done(_) => None,
                    other => Some(code(other)),
                };
                assert_eq!(found, expected, "{recipient}");
                let paid = if expected.is_none() && !from_outside { 100 } else { 0 };
                assert_eq!(balance(&mut ledger, "payer"), 100 - paid, "{recipient}");
                replays(&mut ledger);
            }
        }
    }
}

/// A flow reaches its end, and its payer can close: the leg that says so is not forgotten.
#[test]
fn a_payer_can_close_once_its_flow_has_ended() {
    for shards in SHARDS {
        for end in [flow::Command::Settle, flow::Command::Stop] {
            let mut ledger = with_payer_and_worker(shards);
            let opened = flow_of(&ledger, 10_000);
            done(ledger.ask(command::<Flow>("f", opened)));
            let close = || command::<Account>("payer", account::Command::Close);
            assert_eq!(code(ledger.ask(close())), Code::NotEmpty);
            done(ledger.ask(command::<Flow>("f", end)));
            done(ledger.ask(close()));
            replays(&mut ledger);
        }
    }
}

/// What only a machine or time gives says so, and what a caller may ask does not.
#[test]
fn a_command_says_whether_it_is_a_leg() {
    fn of<M: Machine>(asked: M::Command) -> (bool, String) {
        let text = format!("{} {asked:?}", M::NAME);
        (Command::of::<M>(asked).is_leg(), text)
    }
    let (at, one, who) = (Position::new(101), amount(1), || id("al"));
    let legs = [
        of::<Account>(account::Command::Send {
            amount: one,
            to: who(),
            metadata: Metadata::default(),
        }),
        of::<Account>(account::Command::Receive { from: who() }),
        of::<Account>(account::Command::Collect { flow: who() }),
        of::<Account>(account::Command::Expect { flow: who() }),
        of::<Account>(account::Command::Spend { amount: one, on: who() }),
        of::<Account>(account::Command::Fund { flow: who() }),
        of::<Account>(account::Command::Raise { flow: who() }),
        of::<Account>(account::Command::Recover { flow: who() }),
        of::<Account>(account::Command::GiveBack { amount: one, to: who() }),
        of::<Account>(account::Command::TakeBack { from: who() }),
        of::<Account>(account::Command::Restore { amount: one, from: who() }),
        of::<Account>(account::Command::HoldDue { hold: at }),
        of::<Account>(account::Command::LeaseDue { withdrawal: at }),
        of::<Account>(account::Command::AccountDue),
        of::<Account>(account::Command::Inherit { withdrawal: at }),
        of::<Drop>(drop::Command::Buy { claimant: who(), quantity: 1, payer: who() }),
        of::<Drop>(drop::Command::Restock { claim: who(), claimant: who() }),
        of::<Drop>(drop::Command::DropDue),
        of::<Flow>(flow::Command::Split(Box::new(flow::Command::Stop))),
        of::<Ticket>(ticket::Command::TicketDue),
        of::<Record>(record::Command::RecordDue),
        of::<Collection>(collection::Command::Use { era: 0 }),
        of::<Export>(export::Command::ExportDue),
        of::<Export>(export::Command::FileLost),
        of::<Key>(key::Command::Forget),
    ];
    for (is_leg, text) in legs {
        assert!(is_leg, "{text}");
    }
    let asked = [
        of::<Account>(open()),
        of::<Account>(deposit(1)),
        of::<Account>(charge(1)),
        of::<Account>(account::Command::Refund { charge: who(), amount: None }),
        of::<Account>(hold(1, None)),
        of::<Account>(account::Command::Capture { hold: who(), amount: None }),
        of::<Account>(account::Command::Release { hold: who() }),
        of::<Account>(transfer("b", 1)),
        of::<Account>(account::Command::Close),
        of::<Drop>(new_drop(1)),
        of::<Drop>(take("al", 1)),
        of::<Drop>(drop::Command::Release { claim: who() }),
        of::<Drop>(drop::Command::SetStock { stock: 1 }),
        of::<Drop>(drop::Command::Close),
        of::<Flow>(flow_of(&ledger(1), 0)),
        of::<Flow>(flow::Command::Start),
        of::<Flow>(flow::Command::Pause),
        of::<Flow>(flow::Command::Resume),
        of::<Flow>(flow::Command::Settle),
        of::<Flow>(flow::Command::Withdraw { amount: None }),
        of::<Flow>(flow::Command::TopUp { amount: one }),
        of::<Flow>(flow::Command::Stop),
        of::<Flow>(flow::Command::Cancel),
        of::<Ticket>(issue()),
        of::<Ticket>(claim("al")),
        of::<Record>(record::Command::Delete),
        of::<Collection>(collection::Command::Reset),
        of::<Key>(key::Command::Keep { made: None }),
    ];
    for (is_leg, text) in asked {
        assert!(!is_leg, "{text}");
    }
}

/// Asked by a caller, half of a movement would happen without the other half.
#[test]
fn a_caller_may_not_ask_for_a_leg() {
    for shards in [1, 2, 8] {
        let mut ledger = ledger(shards);
        done(ledger.ask(command::<Account>("a", open())));
        done(ledger.ask(command::<Account>("a", deposit(10))));
        done(ledger.ask(command::<Drop>("d", new_drop(1))));
        let buy = drop::Command::Buy { claimant: id("al"), quantity: 1, payer: id("a") };
        let restore = account::Command::Restore { amount: amount(5), from: id("d") };
        assert_eq!(code(ledger.ask(command::<Drop>("d", buy.clone()))), Code::Malformed);
        assert_eq!(code(ledger.ask(keyed::<Account>("k", "a", restore))), Code::Malformed);
        let both = vec![leg::<Account>("a", charge(1)), leg::<Drop>("d", buy)];
        let no = refused(ledger.ask(Ask::Transaction(both, None)));
        assert_eq!((no.refusal.code, no.leg), (Code::Malformed, Some(1)));
        assert_eq!(balance(&mut ledger, "a"), 10);
        assert_eq!(drops(&mut ledger, "d").taken, 0);
    }
}

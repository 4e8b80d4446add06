//! The first things that anybody would try.

use super::say::*;
use quipu_core::machines::account::Account;
use quipu_core::machines::drop::{self, Drop, Price};
use quipu_core::machines::ticket::Ticket;
use quipu_core::shard::Ask;
use quipu_core::words::{Asset, Code, Timestamp};

#[test]
fn a_ticket_is_claimed_once_and_stays_claimed() {
    for shards in [1, 2, 8] {
        let mut ledger = ledger(shards);
        done(ledger.ask(command::<Ticket>("t1", issue())));
        let first = done(ledger.ask(command::<Ticket>("t1", claim("alice"))));
        assert_eq!(code(ledger.ask(command::<Ticket>("t1", claim("bob")))), Code::AlreadyClaimed);
        let again = done(ledger.ask(command::<Ticket>("t1", claim("alice"))));
        assert!(!again.changed);
        assert_eq!(first.answer, again.answer);

        let now = ledger.now();
        let mut ledger = ledger.crash(false, now).expect("it opens again");
        assert_eq!(code(ledger.ask(command::<Ticket>("t1", claim("bob")))), Code::AlreadyClaimed);
        let again = done(ledger.ask(command::<Ticket>("t1", claim("alice"))));
        assert_eq!(first.answer, again.answer);
        assert_eq!(ledger.digest(), Ok(ledger.replayed_digest().expect("the log replays")));
    }
}

#[test]
fn transfers_move_money_between_shards_and_to_oneself() {
    for shards in [1, 2, 8] {
        let mut ledger = ledger(shards);
        for who in ["a", "b", "c", "d"] {
            done(ledger.ask(command::<Account>(who, open())));
        }
        done(ledger.ask(command::<Account>("a", deposit(100))));
        for (from, to, value) in [("a", "b", 60), ("b", "c", 50), ("c", "d", 1), ("a", "a", 40)] {
            done(ledger.ask(command::<Account>(from, transfer(to, value))));
        }
        assert_eq!(
            code(ledger.ask(command::<Account>("a", transfer("a", 41)))),
            Code::InsufficientFunds
        );
        assert_eq!(
            code(ledger.ask(command::<Account>("a", transfer("nobody", 1)))),
            Code::NotFound
        );
        let balances = ["a", "b", "c", "d"].map(|who| balance(&mut ledger, who));
        assert_eq!(balances, [40, 10, 49, 1]);
        assert_eq!(ledger.digest(), Ok(ledger.replayed_digest().expect("the log replays")));
    }
}

#[test]
fn a_key_answers_the_same_for_a_day() {
    for shards in [1, 2, 8] {
        let mut ledger = ledger(shards);
        done(ledger.ask(command::<Account>("a", open())));
        let first = done(ledger.ask(keyed::<Account>("k1", "a", deposit(5))));
        let again = done(ledger.ask(keyed::<Account>("k1", "a", deposit(5))));
        assert!(again.replayed && !first.replayed);
        assert_eq!((&first.answer, first.position), (&again.answer, again.position));
        assert_eq!(
            code(ledger.ask(keyed::<Account>("k1", "a", deposit(6)))),
            Code::IdempotencyKeyReused
        );
        let no = refused(ledger.ask(keyed::<Account>("k2", "a", charge(50))));
        done(ledger.ask(command::<Account>("a", deposit(100))));
        let now = ledger.now();
        let mut ledger = ledger.crash(true, now).expect("it opens again");
        let still = refused(ledger.ask(keyed::<Account>("k2", "a", charge(50))));
        assert_eq!((still.refusal, still.version, still.replayed), (no.refusal, no.version, true));
        let again = done(ledger.ask(keyed::<Account>("k1", "a", deposit(5))));
        assert_eq!(first.answer, again.answer);
        assert_eq!(balance(&mut ledger, "a"), 105);
        let tomorrow = Timestamp::from_ms(ledger.now().ms() + 25 * 3_600_000);
        ledger.set_now(tomorrow);
        assert!(!done(ledger.ask(keyed::<Account>("k2", "a", charge(50)))).replayed);
    }
}

#[test]
fn a_transaction_happens_wholly_or_not_at_all() {
    for shards in [1, 2, 8] {
        let mut ledger = ledger(shards);
        done(ledger.ask(command::<Account>("a", open())));
        done(ledger.ask(command::<Account>("b", open())));
        done(ledger.ask(command::<Drop>("d", new_drop(2))));
        done(ledger.ask(command::<Account>("a", deposit(10))));
        let buy = |value| {
            Ask::Transaction(
                vec![
                    leg::<Drop>("d", take("alice", 1)),
                    leg::<Account>("a", charge(value)),
                    leg::<Account>("b", deposit(value)),
                    leg::<Account>("a", deposit(1)),
                ],
                None,
            )
        };
        let no = refused(ledger.ask(buy(11)));
        assert_eq!((no.refusal.code, no.leg), (Code::InsufficientFunds, Some(1)));
        assert_eq!(drops(&mut ledger, "d").taken, 0);
        let yes = done(ledger.ask(buy(4)));
        assert!(yes.changed);
        assert_eq!(drops(&mut ledger, "d").taken, 1);
        assert_eq!((balance(&mut ledger, "a"), balance(&mut ledger, "b")), (7, 4));
        assert_eq!(ledger.digest(), Ok(ledger.replayed_digest().expect("the log replays")));
    }
}

#[test]
fn a_hold_expires_at_its_instant_and_frees_what_it_held() {
    for shards in [1, 2] {
        let mut ledger = ledger(shards);
        done(ledger.ask(command::<Account>("a", open())));
        done(ledger.ask(command::<Account>("a", deposit(10))));
        done(ledger.ask(command::<Account>("a", hold(10, Some(60)))));
        assert_eq!(code(ledger.ask(command::<Account>("a", charge(1)))), Code::InsufficientFunds);
        let mut ledger = {
            ledger.checkpoint().expect("a checkpoint");
            let now = ledger.now();
            ledger.crash(true, now).expect("it opens again")
        };
        let start = ledger.now().ms();
        ledger.set_now(Timestamp::from_ms(start + 59_000));
        assert_eq!(code(ledger.ask(command::<Account>("a", charge(1)))), Code::InsufficientFunds);
        ledger.set_now(Timestamp::from_ms(start + 62_000));
        done(ledger.ask(command::<Account>("a", charge(1))));
        assert_eq!(ledger.digest(), Ok(ledger.replayed_digest().expect("the log replays")));
    }
}

#[test]
fn a_drop_is_paid_in_the_asset_of_its_price() {
    for (shards, seller) in [(1, None), (2, None), (8, None), (1, Some("s")), (2, Some("s"))] {
        let mut ledger = ledger(shards);
        let euro = Asset::new("EUR/2").expect("a well-formed asset");
        let mut create = new_drop(5);
        if let drop::Command::Create { price, seller: paid, .. } = &mut create {
            *price = Some(Price { amount: amount(7), asset: euro });
            *paid = seller.map(id);
        }
        done(ledger.ask(command::<Drop>("d", create)));
        for who in ["a", "s"] {
            done(ledger.ask(command::<Account>(who, open())));
            done(ledger.ask(command::<Account>(who, deposit(100))));
        }
        let buy = drop::Command::Claim { claimant: id("al"), quantity: 2, pay_from: Some(id("a")) };
        assert_eq!(code(ledger.ask(command::<Drop>("d", buy))), Code::AssetMismatch);
        assert_eq!(drops(&mut ledger, "d").taken, 0);
        assert_eq!((balance(&mut ledger, "a"), balance(&mut ledger, "s")), (100, 100));
        assert_eq!(ledger.digest(), Ok(ledger.replayed_digest().expect("the log replays")));
    }
}

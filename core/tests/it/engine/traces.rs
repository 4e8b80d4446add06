//! What led to an ask is kept with its events, once for all of them.

use super::history::histories_are_the_log;
use super::say::*;
use quipu_core::driver::Driver;
use quipu_core::machines::account::Account;
use quipu_core::machines::record::Record;
use quipu_core::machines::ticket::Ticket;
use quipu_core::records::Entries;
use quipu_core::shard::{Ask, ENTRY_BYTES_MAX, Key, Reply};
use quipu_core::words::{Fault, Position, Trace};

fn trace(number: u8) -> Trace {
    Trace::new([number; 16], [number; 8], 1).expect("no id is all zeros")
}

/// The same ask with a trace context on each of its legs.
pub(crate) fn traced(ask: Ask, number: u8) -> Ask {
    match ask {
        Ask::Command(mut leg, key) => {
            leg.options.trace = Some(trace(number));
            Ask::Command(leg, key)
        }
        Ask::Transaction(mut legs, key) => {
            for (leg, number) in legs.iter_mut().zip((number..=u8::MAX).cycle()) {
                leg.options.trace = Some(trace(number));
            }
            Ask::Transaction(legs, key)
        }
        other => other,
    }
}

/// The entries of the log: first position, parts, whether there is a note, and what led to it.
fn entries(ledger: &Driver) -> Vec<(Position, usize, bool, Option<Trace>)> {
    let frames = ledger.log().frames();
    let entries = frames.iter().flat_map(|frame| Entries::new(&frame.bytes, frame.first));
    let entries = entries.map(|entry| entry.expect("a readable entry"));
    entries.map(|it| (it.first, it.parts.len(), it.note.is_some(), it.trace)).collect()
}

fn last(ledger: &Driver) -> (usize, bool, Option<Trace>) {
    let (_, parts, note, trace) = *entries(ledger).last().expect("a ledger has an entry");
    (parts, note, trace)
}

#[test]
fn an_entry_says_what_led_to_it_and_a_retry_keeps_what_led_to_the_first() {
    for (shards, short_way) in [(1, true), (1, false), (2, true), (8, true)] {
        let mut setup = setup(shards);
        setup.config.short_way = short_way;
        let mut ledger = Driver::create(setup).expect("a new ledger opens");
        done(ledger.ask(command::<Account>("a", open())));
        assert_eq!(last(&ledger), (1, false, None));
        done(ledger.ask(traced(command::<Account>("b", open()), 1)));
        assert_eq!(last(&ledger), (1, false, Some(trace(1))));
        let pay = |number| traced(keyed::<Account>("k", "a", deposit(9)), number);
        let first = done(ledger.ask(pay(2)));
        assert_eq!(last(&ledger), (1, true, Some(trace(2))));
        // A refusal that is kept, and what was so already.
        let no = || keyed::<Account>("no", "a", charge(10));
        let kept = refused(ledger.ask(traced(no(), 3)));
        assert_eq!(last(&ledger), (0, true, Some(trace(3))));
        // One command of two streams; several commands, whose first says it for all.
        done(ledger.ask(traced(command::<Account>("a", transfer("b", 4)), 4)));
        assert_eq!(last(&ledger), (2, false, Some(trace(4))));
        let legs = || vec![leg::<Account>("a", deposit(1)), leg::<Ticket>("t", issue())];
        let key = || Some(Key::new("legs").expect("a well-formed key"));
        let both = done(ledger.ask(traced(Ask::Transaction(legs(), key()), 5)));
        assert_eq!(last(&ledger), (2, true, Some(trace(5))));
        done(ledger.ask(command::<Ticket>("t", claim("a"))));
        assert_eq!(last(&ledger), (1, false, None));

        histories_are_the_log(ledger.log());
        let whole = entries(&ledger);
        for checkpoint in [false, true] {
            if checkpoint {
                ledger.checkpoint().expect("a checkpoint");
            }
            assert_eq!(ledger.digest(), Ok(ledger.replayed_digest().expect("the log replays")));
            let now = ledger.now();
            ledger = ledger.crash(true, now).expect("it opens again");
            let again = done(ledger.ask(pay(12)));
            assert!(again.replayed && again.answer == first.answer);
            let again = refused(ledger.ask(traced(no(), 13)));
            assert!(again.replayed && again.refusal == kept.refusal);
            let again = done(ledger.ask(Ask::Transaction(legs(), key())));
            assert!(again.replayed && again.answer == both.answer);
            assert_eq!(entries(&ledger), whole, "a retry writes nothing");
        }
    }
}

#[test]
fn what_time_leads_to_has_no_trace() {
    let mut ledger = ledger(1);
    done(ledger.ask(command::<Account>("a", open())));
    done(ledger.ask(command::<Account>("a", deposit(5))));
    done(ledger.ask(traced(command::<Account>("a", hold(5, Some(60))), 1)));
    let later = quipu_core::words::Timestamp::from_ms(ledger.now().ms() + 60_000);
    ledger.set_now(later);
    // The hold is freed first, in an entry of its own.
    done(ledger.ask(traced(command::<Account>("a", charge(5)), 2)));
    let traces: Vec<_> = entries(&ledger).into_iter().map(|(.., trace)| trace).collect();
    assert_eq!(traces[traces.len() - 3..], [Some(trace(1)), None, Some(trace(2))]);
}

#[test]
fn room_is_set_aside_for_it() {
    let (_, plain) = command::<Account>("a", deposit(5)).room();
    let (_, with) = traced(command::<Account>("a", deposit(5)), 1).room();
    assert_eq!(with, plain + 32);
    // The longest transaction that fits without one does not fit with it.
    let mut ledger = ledger(1);
    let value = |len| quipu_core::machines::record::Command::Put {
        value: "x".repeat(len),
        ttl_ms: None,
        must_be_absent: false,
        fields: Vec::new(),
        era: 0,
    };
    let legs = |len: usize| {
        let puts = (0..64).map(|key| (format!("r{key}"), 65_000));
        let puts = puts.chain([("last".to_owned(), len)]);
        let puts = puts.map(|(key, len)| {
            let mut put = leg::<Record>("c", value(len));
            put.stream.id = quipu_core::words::Id::pair(&id("c"), &id(&key));
            put
        });
        Ask::Transaction(puts.collect(), None)
    };
    let (_, least) = legs(0).room();
    let len = (ENTRY_BYTES_MAX - least) / 2;
    assert!(len > 0 && legs(len).room().1 > ENTRY_BYTES_MAX - 32, "it only just fits");
    assert_eq!(ledger.ask(traced(legs(len), 1)), Reply::Failed(Fault::TooLarge));
    done(ledger.ask(legs(len)));
    let (_, fits) = traced(legs(len - 32), 1).room();
    assert!(fits <= ENTRY_BYTES_MAX);
}

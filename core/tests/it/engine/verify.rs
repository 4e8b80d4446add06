//! Verification: what is sound passes after any order of steps, and what was planted is named.

use super::say::*;
use quipu_core::driver::{Driver, Setup};
use quipu_core::log::{self, Anchor, Frame, Log, MemoryLog, Reader as _, Settle};
use quipu_core::machine::{ItemKey, Machine, Registry, Stamp};
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::{genesis, registry};
use quipu_core::records::{
    Corrupt, HeadRow, Record, Rows, Table, key_of_head, key_of_index, key_of_name, pack_into,
};
use quipu_core::recovery::Limits;
use quipu_core::store::{Due, MemoryStore, Reader, Store, StoreError};
use quipu_core::verify::{self, Flaw, Met, Outside, Place};
use quipu_core::words::{Book, Epoch, Kind, Number, Position, Signed, Timestamp};

/// Everything that can be verified is sound.
pub(crate) fn is_sound(log: &MemoryLog, store: &dyn Reader, registry: &Registry) {
    let chain = verify::chain(log, Position::ZERO, &[log.anchor()], &mut |_| {});
    let chain = chain.expect("a readable log");
    assert!(chain.report.is_clean(), "{:?}", chain.report);
    assert_eq!(chain.anchors, [Met::Yes]);
    let rows = verify::rows(store, registry, &mut |_| {}).expect("a readable store");
    assert!(rows.report.is_clean(), "{:?}", rows.report);
    assert_eq!(rows.heads, rows.names);
    let made = verify::balance(log, store, registry, Outside::default(), &mut |_| {});
    let made = made.expect("a balance");
    assert!(made.is_whole && made.report.is_clean(), "{:?}", made.report);
    assert!(made.lines.iter().all(|line| line.difference == Some(0)), "{:?}", made.lines);
}

/// A small ledger with some of everything.
fn small() -> Driver {
    let mut ledger = ledger(1);
    for who in ["ann", "bo", "cy"] {
        done(ledger.ask(command::<Account>(who, open())));
        done(ledger.ask(command::<Account>(who, deposit(100))));
        done(ledger.ask(keyed::<Account>("k", who, charge(7))));
        done(ledger.ask(command::<Account>(who, hold(3, Some(60)))));
    }
    done(ledger.ask(command::<Account>("ann", transfer("bo", 5))));
    ledger
}

fn frames_of(ledger: &Driver) -> Vec<Frame> {
    ledger.log().frames()
}

/// A log of these frames, whatever they say of epochs and times.
fn log_of(frames: &[Frame]) -> MemoryLog {
    let mut log = MemoryLog::new(Settle::AtOnce);
    let mut epoch = log.take_epoch().expect("an epoch");
    for frame in frames {
        while epoch < frame.epoch {
            epoch = log.take_epoch().expect("an epoch");
        }
        log.append(frame.clone()).expect("the next frame");
        log.finish().expect("at once");
    }
    log
}

fn flaws(log: &dyn log::Reader) -> Vec<(Place, Flaw)> {
    let chain = verify::chain(log, Position::ZERO, &[], &mut |_| {}).expect("a readable log");
    let findings = chain.report.findings().iter();
    findings.map(|finding| (finding.place.clone(), finding.flaw.clone())).collect()
}

#[test]
fn an_anchor_is_met_by_its_own_history_alone() {
    let ledger = small();
    let mut log = log_of(&frames_of(&ledger));
    let end = log.anchor();
    let frames = log.frames();
    let mid = log.anchor_before(frames[5].first).expect("kept");
    let other = Anchor { hash: [9; 32], ..mid };
    let beyond = Anchor { position: end.position.plus(1), ..end };
    let chain = |log: &MemoryLog, anchors: &[Anchor]| {
        verify::chain(log, Position::ZERO, anchors, &mut |_| {}).expect("a readable log")
    };
    let got = chain(&log, &[end, beyond, other, mid, Anchor::START]);
    assert_eq!(got.anchors, [Met::Yes, Met::Beyond, Met::Differs, Met::Yes, Met::Yes]);
    assert_eq!(got.report.findings().len(), 2);
    assert_eq!((got.end, got.frames), (end, frames.len() as u64));
    let fault =
        got.report.findings().iter().any(|finding| finding.flaw == Flaw::Anchor(Met::Differs));
    assert!(fault, "{:?}", got.report);

    log.trim(frames[5].first).expect("a trim");
    let got = chain(&log, &[Anchor::START, mid, end]);
    assert_eq!(got.anchors, [Met::Before, Met::Yes, Met::Yes]);
    assert_eq!(got.start, mid);
    let early = verify::chain(&log, frames[8].first, &[mid], &mut |_| {}).expect("readable");
    assert_eq!(early.anchors, [Met::Before], "what was not read proves nothing");
}

#[test]
fn a_frame_that_was_changed_has_another_hash() {
    let ledger = small();
    let frames = frames_of(&ledger);
    let anchor = ledger.log().anchor();
    for index in 0..frames.len() {
        let mut changed = frames.clone();
        // The last byte of a frame is padding or payload: either way it is history.
        let last = changed[index].bytes.len() - 1;
        changed[index].bytes[last] ^= 1;
        let log = log_of(&changed);
        let got = verify::chain(&log, Position::ZERO, &[anchor], &mut |_| {}).expect("readable");
        assert_eq!(got.anchors, [Met::Differs], "frame {index}");
    }
}

#[test]
fn an_anchor_within_a_frame_is_no_anchor() {
    let mut ledger = ledger(1);
    done(ledger.ask(command::<Account>("ann", open())));
    for _ in 0..5 {
        ledger.submit(command::<Account>("ann", deposit(1)));
    }
    ledger.run();
    let log = log_of(&frames_of(&ledger));
    let frame = log.frames().pop().expect("a frame");
    assert!(frame.events > 1, "several entries share a frame");
    let within = Anchor { position: frame.first, hash: [1; 32] };
    let got = verify::chain(&log, Position::ZERO, &[within], &mut |_| {}).expect("readable");
    assert_eq!(got.anchors, [Met::Within]);
}

#[test]
fn frames_that_no_committer_makes_are_named() {
    let frames = frames_of(&small());
    type Case = (fn(&mut Frame), fn(&Flaw) -> bool);
    let changes: [Case; 6] = [
        (
            |frame| frame.now_limit = Timestamp::from_ms(1),
            |flaw| matches!(flaw, Flaw::AboveLimit { .. }),
        ),
        (|frame| frame.now_limit = frame.now, |flaw| matches!(flaw, Flaw::LimitFell { .. })),
        (|frame| frame.watermark = frame.first, |flaw| matches!(flaw, Flaw::Unborn(_))),
        (|frame| frame.now = Timestamp::from_ms(2), |flaw| matches!(flaw, Flaw::OutOfTime { .. })),
        (|frame| frame.bytes[4] += 1, |flaw| matches!(flaw, Flaw::Corrupt(_))),
        (|frame| frame.bytes.clear(), |flaw| matches!(flaw, Flaw::NotFilled { .. })),
    ];
    for (index, (change, is_named)) in changes.into_iter().enumerate() {
        let mut frames = frames.clone();
        change(&mut frames[6]);
        let first = frames[6].first;
        let found = flaws(&log_of(&frames));
        let named = |(place, flaw): &(Place, Flaw)| *place == Place::Log(first) && is_named(flaw);
        assert!(found.iter().any(named), "change {index}: {found:?}");
    }
    assert_eq!(flaws(&log_of(&frames)), []);
    // A later writer that decides before what an earlier one had made durable.
    let mut frames = frames;
    for frame in &mut frames[6..] {
        frame.epoch = Epoch::new(frame.epoch.get() + 1);
    }
    let found = flaws(&log_of(&frames));
    assert!(found.iter().all(|(_, flaw)| matches!(flaw, Flaw::OutOfTime { .. })), "{found:?}");
    assert!(!found.is_empty());
}

#[test]
fn a_report_is_bounded() {
    let mut frames = frames_of(&small());
    let mut ledger = small();
    for _ in 0..150 {
        done(ledger.ask(command::<Account>("ann", deposit(1))));
    }
    frames.clone_from(&frames_of(&ledger));
    frames.iter_mut().for_each(|frame| frame.watermark = frame.first);
    let chain = verify::chain(&log_of(&frames), Position::ZERO, &[], &mut |_| {});
    let report = chain.expect("readable").report;
    assert_eq!(report.findings().len(), verify::FINDINGS_MAX);
    assert_eq!(report.beyond(), (frames.len() - verify::FINDINGS_MAX) as u64);
}

/// The flaws of a store's rows.
fn row_flaws(store: &dyn Reader) -> Vec<(Place, Flaw)> {
    let rows = verify::rows(store, &registry(), &mut |_| {}).expect("a readable store");
    let findings = rows.report.findings().iter();
    findings.map(|finding| (finding.place.clone(), finding.flaw.clone())).collect()
}

/// Puts rows into a store behind its machines' back.
fn put(store: &mut MemoryStore, put: impl FnOnce(&mut Rows)) {
    let mut rows = Rows::default();
    put(&mut rows);
    let position = store.position();
    store.apply(&mut rows.iter(), position).expect("applied");
}

fn number_of(store: &dyn Reader, who: &str) -> Number {
    let mut key = Vec::new();
    key_of_name(&name::<Account>(who), &mut key);
    let value = store.get(Table::Name, &key).expect("read").expect("there");
    Number::new(u64::from_le_bytes(value.try_into().expect("eight bytes")))
}

#[test]
fn rows_that_disagree_are_named() {
    let (_, store) = small().into_parts();
    assert_eq!(row_flaws(&store), []);
    let (ann, bo) = (number_of(&store, "ann"), number_of(&store, "bo"));
    let key = |who: &str| {
        let mut key = Vec::new();
        key_of_name(&name::<Account>(who), &mut key);
        key
    };

    let mut one = store.crashed();
    let copy = |one: &mut MemoryStore| {
        let mut rows = Rows::default();
        for table in Table::ALL {
            store
                .scan(table, &[], &mut |key, value| {
                    rows.put(table, |out| out.extend(key), |out| out.extend(value));
                    true
                })
                .expect("readable");
        }
        *one = MemoryStore::new(registry());
        one.apply(&mut rows.iter(), store.position()).expect("applied");
    };

    // Two names for one stream.
    copy(&mut one);
    put(&mut one, |rows| {
        let value = ann.get().to_le_bytes();
        rows.put(Table::Name, |out| out.extend(key("dan")), |out| out.extend(value));
    });
    let other = Flaw::OtherName(ann, name::<Account>("ann"));
    assert_eq!(row_flaws(&one), [(Place::Row(Table::Name, key("dan")), other)]);

    // A name that leads to another stream: both sides are named.
    copy(&mut one);
    put(&mut one, |rows| {
        let value = bo.get().to_le_bytes();
        rows.put(Table::Name, |out| out.extend(key("ann")), |out| out.extend(value));
    });
    let found = row_flaws(&one);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().any(|(_, flaw)| matches!(flaw, Flaw::OtherNumber(..))));

    // A head without its name, and a name without its head.
    copy(&mut one);
    put(&mut one, |rows| rows.remove(Table::Name, |out| out.extend(key("ann"))));
    assert!(matches!(&row_flaws(&one)[..], [(_, Flaw::NoName(_))]));
    copy(&mut one);
    put(&mut one, |rows| rows.remove(Table::Head, |out| out.extend(key_of_head(ann))));
    let found = row_flaws(&one);
    assert!(found.contains(&(Place::Row(Table::Name, key("ann")), Flaw::NoHead(ann))));
    assert!(found.iter().any(|(_, flaw)| *flaw == Flaw::Orphan), "its items: {found:?}");

    // A head ahead of the store.
    copy(&mut one);
    let position = one.position();
    put(&mut one, |rows| {
        let stamp = Stamp { version: position.plus(9), ..Stamp::default() };
        put_head(rows, "ann", ann, stamp, 1);
    });
    assert!(row_flaws(&one).iter().any(|(_, flaw)| *flaw == Flaw::Ahead(position.plus(9))));

    // A row whose bytes changed: the walk goes on behind it.
    copy(&mut one);
    let (table, key) = one.damage(3, 200).expect("a row");
    let found = row_flaws(&one);
    assert!(found.iter().any(|(place, _)| *place == Place::Row(table, key.clone())), "{found:?}");
}

#[test]
fn a_walk_turns_its_pages_and_goes_on_behind_damage() {
    let mut ledger = ledger(1);
    for index in 0..400 {
        let who = format!("a{index}");
        ledger.submit(command::<Account>(&who, open()));
        ledger.submit(command::<Account>(&who, deposit(10)));
        ledger.submit(command::<Account>(&who, hold(1, Some(60))));
    }
    ledger.run();
    is_sound(ledger.log(), ledger.store(), &registry());
    let rows = verify::rows(ledger.store(), &registry(), &mut |_| {}).expect("readable");
    // Every account has a creation, a state and an asset in the indexes; a book has its creation.
    assert_eq!((rows.heads, rows.names, rows.items), (401, 401, 400));
    assert_eq!((rows.listed, rows.due), (1_201, 400));
    let held = verify::held(ledger.store(), &registry()).expect("readable");
    assert_eq!(held.sums[&(Book::DEFAULT, usd())], Some(4_000));

    let (table, key) = ledger.store_mut().damage(30, 99).expect("a row");
    assert_eq!(table, Table::Head);
    let rows = verify::rows(ledger.store(), &registry(), &mut |_| {}).expect("readable");
    assert_eq!((rows.heads, rows.names, rows.items), (400, 401, 400));
    let damaged = Place::Row(table, key);
    let places = rows.report.findings().iter().map(|finding| finding.place.clone());
    let places: Vec<Place> = places.collect();
    assert_eq!(places, std::slice::from_ref(&damaged), "and nothing that depends on it");
    let held = verify::held(ledger.store(), &registry()).expect("readable");
    assert_eq!(held.sums[&(Book::DEFAULT, usd())], Some(3_990));
    assert!(held.report.findings().iter().any(|finding| finding.place == damaged));
}

fn put_head(rows: &mut Rows, who: &str, number: Number, stamp: Stamp, balance: i128) {
    let head = account::Head {
        asset: usd(),
        state: account::State::Open,
        balance: Signed::new(balance),
        held: amount(0),
        floor: Signed::ZERO,
        cap: None,
        spending: None,
        total_in: amount(0),
        total_out: amount(0),
        holds: 0,
        withdrawals: 0,
        flows: 0,
        expires_at: None,
    };
    let name = name::<Account>(who);
    rows.put(
        Table::Head,
        |out| out.extend(key_of_head(number)),
        |out| HeadRow::write(&name, stamp, head.tag(), out, |out| pack_into(&head, out)),
    );
}

#[test]
fn an_index_row_that_is_not_what_its_item_says_is_named_and_so_is_one_that_is_missing() {
    let mut ledger = small();
    let planned = done(ledger.ask(command::<Account>("bo", pay_out(5)))).position;
    let rows = verify::rows(ledger.store(), &registry(), &mut |_| {}).expect("readable");
    assert_eq!((rows.indexed, rows.report.is_clean()), (1, true));
    let bo = number_of(ledger.store(), "bo");
    let key = |state: u8, of: Number, item: &ItemKey| {
        let by = [&[state][..], &planned.get().to_be_bytes()].concat();
        let mut key = Vec::new();
        let place = (Book::DEFAULT, Account::KIND, account::INDEX_WITHDRAWAL_STATE);
        key_of_index(place, &by, of, item, &mut key);
        key
    };
    let item = account::withdrawal_key(planned);
    let (pending, failed) = (key(1, bo, &item), key(4, bo, &item));
    let place = |key: &[u8]| Place::Row(Table::Index, key.to_vec());
    let remove = |ledger: &mut Driver, key: &[u8]| {
        put(ledger.store_mut(), |rows| rows.remove(Table::Index, |out| out.extend(key)));
    };
    let add = |ledger: &mut Driver, key: &[u8], value: &[u8]| {
        put(ledger.store_mut(), |rows| {
            rows.put(Table::Index, |out| out.extend(key), |out| out.extend(value));
        });
    };

    // One that its item does not say: of another state, and of an item that is not there, and
    // of a stream that is not there.
    let nobody = Number::new(u64::MAX);
    let others = [&failed, &key(1, bo, &account::hold_key(planned)), &key(1, nobody, &item)];
    for other in others {
        add(&mut ledger, other, b"");
        assert_eq!(row_flaws(ledger.store()), [(place(other), Flaw::Indexed)]);
        remove(&mut ledger, other);
    }
    // One that is missing, alone and with another one in its place.
    remove(&mut ledger, &pending);
    assert_eq!(row_flaws(ledger.store()), [(place(&pending), Flaw::NotIndexed)]);
    add(&mut ledger, &failed, b"");
    let both = [(place(&pending), Flaw::NotIndexed), (place(&failed), Flaw::Indexed)];
    assert_eq!(row_flaws(ledger.store()), both);
    remove(&mut ledger, &failed);
    // One that is not as it is written, and one that is none.
    add(&mut ledger, &pending, b"1");
    let range = Flaw::Corrupt(Corrupt::Range);
    assert_eq!(row_flaws(ledger.store()), [(place(&pending), range)]);
    add(&mut ledger, &pending, b"");
    add(&mut ledger, b"no key", b"");
    assert_eq!(row_flaws(ledger.store()), [(place(b"no key"), Flaw::Corrupt(Corrupt::Short))]);
    remove(&mut ledger, b"no key");
    assert_eq!(row_flaws(ledger.store()), []);
    let text = place(&pending).to_string();
    assert!(text.starts_with(&format!("item {item:?} of stream {bo} in index 3 of")), "{text}");

    // A replay names it as well.
    add(&mut ledger, &failed, b"");
    let (log, store) = ledger.into_parts();
    let mut scratch = MemoryStore::new(registry());
    let (limits, now) = (Limits::default(), Timestamp::ZERO);
    let made = verify::replayed(&log, &store, &registry(), &mut scratch, &limits, now, &mut |_| {});
    let difference = made.expect("a replay").difference.expect("they differ");
    assert_eq!((difference.table, &difference.key), (Table::Index, &failed));
    assert_eq!((difference.left.as_deref(), difference.right), (Some(&b""[..]), None));
}

/// A store whose indexes are not what its rows say.
struct Skewed {
    store: MemoryStore,
    /// What lists and what is due leave out, or have too much.
    skew: Skew,
}

#[derive(Clone, Copy, PartialEq)]
enum Skew {
    NotListed,
    Listed,
    NotDue,
    NotDueOfStream,
    Due,
}

impl Reader for Skewed {
    fn position(&self) -> Position {
        self.store.position()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(table, key)
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        self.store.scan(table, from, visit)
    }

    fn due(
        &self,
        until: Timestamp,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<Vec<Due>, StoreError> {
        let mut due = self.store.due(until, after, limit)?;
        match self.skew {
            Skew::NotDue => due.retain(|due| due.number != number_of(&self.store, "bo")),
            Skew::Due if after.is_none() => {
                let number = number_of(&self.store, "bo");
                due.insert(0, Due { at: Timestamp::from_ms(5), number, item: None });
            }
            _ => {}
        }
        Ok(due)
    }

    fn next_due(&self, after: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.store.next_due(after)
    }

    fn due_items(
        &self,
        number: Number,
        until: Timestamp,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<(Vec<Due>, Timestamp), StoreError> {
        let (mut due, next) = self.store.due_items(number, until, after, limit)?;
        if self.skew == Skew::NotDueOfStream && number == number_of(&self.store, "bo") {
            due.clear();
        }
        Ok((due, next))
    }

    fn list(
        &self,
        book: Book,
        kind: Kind,
        index: u8,
        after: &[u8],
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Number)>, StoreError> {
        let mut list = self.store.list(book, kind, index, after, limit)?;
        let bo = number_of(&self.store, "bo");
        let here = (kind, index) == (Account::KIND, account::INDEX_STATE);
        match self.skew {
            Skew::NotListed if here => list.retain(|(_, number)| *number != bo),
            Skew::Listed if here && book == Book::DEFAULT && after.is_empty() => {
                list.insert(0, (vec![0; 4], bo));
            }
            _ => {}
        }
        Ok(list)
    }
}

#[test]
fn an_index_that_is_not_what_rows_say_is_named() {
    let found = |skew| row_flaws(&Skewed { store: small().into_parts().1, skew });
    let store = small().into_parts().1;
    let bo = number_of(&store, "bo");
    let not_listed = found(Skew::NotListed);
    assert!(matches!(&not_listed[..], [(Place::Index(..), Flaw::NotListed(of))] if *of == bo));
    let listed = found(Skew::Listed);
    assert!(matches!(&listed[..], [(Place::Index(..), Flaw::Listed(of))] if *of == bo));
    for skew in [Skew::NotDue, Skew::NotDueOfStream] {
        let not_due = found(skew);
        let [(Place::Due(due), Flaw::NotDue)] = &not_due[..] else { panic!("{not_due:?}") };
        assert_eq!((due.number, due.item.as_ref().map(ItemKey::letter)), (bo, Some(b'H')));
    }
    assert!(matches!(&found(Skew::Due)[..], [(Place::Due(_), Flaw::ListedDue)]));
}

#[test]
fn a_trial_balance_shows_what_a_changed_row_took() {
    let ledger = small();
    let made = |ledger: &Driver| {
        verify::balance(
            ledger.log(),
            ledger.store(),
            ledger.registry(),
            Outside::default(),
            &mut |_| {},
        )
        .expect("a balance")
    };
    let sound = made(&ledger);
    assert!(sound.report.is_clean(), "{:?}", sound.report);
    let [line] = sound.lines[..] else { panic!("{:?}", sound.lines) };
    assert_eq!((line.held, line.outside, line.difference), (Some(279), Some(-279), Some(0)));

    let mut ledger = ledger;
    let (ann, position) = (number_of(ledger.store(), "ann"), ledger.store().position());
    let stamp = Stamp { version: position, ..Stamp::default() };
    put(ledger.store_mut(), |rows| put_head(rows, "ann", ann, stamp, 1_000));
    let [line] = made(&ledger).lines[..] else { panic!("one line") };
    // It had 88.
    assert_eq!((line.held, line.difference), (Some(1_191), Some(912)));
    assert!(made(&ledger).report.findings().iter().any(|finding| {
        finding.place == Place::Sum(Book::DEFAULT, usd())
            && matches!(finding.flaw, Flaw::Difference { difference: 912, .. })
    }));

    // More than an i128 can say is a finding, and never a wrong sum.
    let bo = number_of(ledger.store(), "bo");
    put(ledger.store_mut(), |rows| {
        put_head(rows, "ann", ann, stamp, i128::MAX);
        put_head(rows, "bo", bo, stamp, i128::MAX);
    });
    let over = made(&ledger);
    assert_eq!(over.lines[0].held, None);
    assert_eq!(over.lines[0].difference, None);
    assert!(over.report.findings().iter().any(|finding| finding.flaw == Flaw::Overflow));
}

#[test]
fn a_balance_goes_on_from_the_one_before() {
    let mut ledger = small();
    let balance = |ledger: &Driver, base| {
        let (log, store) = (ledger.log(), ledger.store());
        verify::balance(log, store, ledger.registry(), base, &mut |_| {}).expect("a balance")
    };
    let first = balance(&ledger, Outside::default());
    done(ledger.ask(command::<Account>("cy", charge(10))));
    let whole = balance(&ledger, Outside::default());
    let next = balance(&ledger, first.outside.clone());
    assert_eq!((&next.lines, &next.outside), (&whole.lines, &whole.outside));
    assert!(next.report.is_clean() && next.is_whole);

    // History is trimmed: without a base nothing can be said, with one all can.
    let at = ledger.log().frames().last().expect("a frame").first;
    ledger.log_mut().trim(at).expect("a trim");
    let blind = balance(&ledger, Outside::default());
    assert!(!blind.is_whole && blind.report.is_clean());
    assert!(blind.lines.iter().all(|line| line.difference.is_none()));
    let next = balance(&ledger, first.outside);
    assert!(next.is_whole && next.report.is_clean());
    assert_eq!(next.lines, whole.lines);
}

#[test]
fn a_replay_names_the_first_row_that_differs() {
    let mut ledger = small();
    let replayed = |ledger: &Driver| {
        let mut scratch = MemoryStore::new(registry());
        verify::replayed(
            ledger.log(),
            ledger.store(),
            ledger.registry(),
            &mut scratch,
            &Limits::default(),
            ledger.durable().now_limit,
            &mut |_| {},
        )
        .expect("a replay")
    };
    let sound = replayed(&ledger);
    assert_eq!(sound.difference, None);
    assert_eq!(Ok(sound.digest), ledger.digest());

    let (bo, position) = (number_of(ledger.store(), "bo"), ledger.store().position());
    let stamp = Stamp { version: position, ..Stamp::default() };
    put(ledger.store_mut(), |rows| put_head(rows, "bo", bo, stamp, 1_000));
    let difference = replayed(&ledger).difference.expect("they differ");
    assert_eq!((difference.table, &*difference.key), (Table::Head, &key_of_head(bo)[..]));
    let text = difference.describe(&registry());
    assert!(text.contains("balance: 1000") && text.contains("balance: 98"), "{text}");

    put(ledger.store_mut(), |rows| rows.remove(Table::Head, |out| out.extend(key_of_head(bo))));
    let difference = replayed(&ledger).difference.expect("they differ");
    assert_eq!((difference.left, difference.right.is_some()), (None, true));
}

#[test]
fn a_ledger_that_is_new_is_sound() {
    let ledger = Driver::create(Setup::new(registry(), genesis(), 1)).expect("a new ledger");
    is_sound(ledger.log(), ledger.store(), &registry());
    let none = verify::chain(&MemoryLog::new(Settle::AtOnce), Position::ZERO, &[], &mut |_| {});
    assert!(none.expect("an empty log").report.is_clean());
}

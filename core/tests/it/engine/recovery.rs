//! A replay in batches leaves the rows that the shards wrote, wherever it begins and ends.

use std::sync::Arc;

use super::history::log_of;
use super::say::*;
use quipu_core::commit::Published;
use quipu_core::driver::Driver;
use quipu_core::log::{self, Frame, Reader as _};
use quipu_core::machines::account::Account;
use quipu_core::machines::drop::Drop;
use quipu_core::machines::registry;
use quipu_core::machines::ticket::Ticket;
use quipu_core::records::{Corrupt, Entries, HeadRow, Row, Table};
use quipu_core::recovery::{Limits, Notes, Noting, Progress, RecoveryError, recover};
use quipu_core::store::{Checkpoint, MemoryStore, Reader, ReadsFrom, Store, StoreError};
use quipu_core::words::{Position, Timestamp};

/// Every row of a store.
fn rows(store: &dyn Reader) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    for table in Table::ALL {
        let scanned = store.scan(table, &[], &mut |key, value| {
            rows.push((table, key.to_vec(), value.to_vec()));
            true
        });
        scanned.expect("a readable store");
    }
    rows
}

fn replayed(log: &dyn log::Reader, store: &mut dyn Store, limits: &Limits) -> Published {
    recover(log, store, &registry(), limits, &mut |_| {}).expect("a sound log")
}

/// What shards wrote, row for row, is what replay writes.
pub(crate) fn the_same_rows(driver: &Driver, limits: Limits) {
    let mut store = MemoryStore::new(driver.registry().clone());
    let durable = recover(driver.log(), &mut store, driver.registry(), &limits, &mut |_| {});
    assert_eq!(durable.expect("a sound log").watermark, store.position());
    assert_eq!(store.position(), driver.store().position());
    let (wrote, replayed) = (rows(driver.store()), rows(&store));
    for (wrote, replayed) in wrote.iter().zip(&replayed) {
        assert_eq!(wrote, replayed, "a row is not what the shards wrote");
    }
    assert_eq!(wrote.len(), replayed.len(), "as many rows as the shards wrote");
}

/// Streams with items and keys, some of which end again.
fn ledger_of_all() -> Driver {
    let mut ledger = ledger(3);
    for who in ["a", "b", "c"] {
        done(ledger.ask(command::<Account>(who, open())));
        done(ledger.ask(keyed::<Account>(&format!("fund-{who}"), who, deposit(1_000))));
    }
    done(ledger.ask(command::<Drop>("d", new_drop(100))));
    for round in 0..12 {
        let ticket = format!("t{round}");
        done(ledger.ask(command::<Ticket>(&ticket, issue())));
        done(ledger.ask(keyed::<Ticket>(&format!("key-{round}"), &ticket, claim("ann"))));
        done(ledger.ask(command::<Drop>("d", take("ann", 1))));
        done(ledger.ask(command::<Account>("a", hold(5, Some(1)))));
        done(ledger.ask(command::<Account>("b", hold(5, None))));
        done(ledger.ask(keyed::<Account>(&format!("pay-{round}"), "b", transfer("c", 2))));
        done(ledger.ask(command::<Account>("a", transfer("a", 2))));
        let later = Timestamp::from_ms(ledger.now().ms() + 1_500);
        ledger.set_now(later);
        ledger.run();
    }
    ledger
}

#[test]
fn a_store_that_stands_anywhere_ends_with_the_rows_of_the_shards() {
    let ledger = ledger_of_all();
    let wanted = rows(ledger.store());
    let frames: Vec<Frame> =
        ledger.log().frames().into_iter().filter(|frame| frame.events > 0).collect();
    for memory in [0, 20_000, 256 << 20] {
        let limits = Limits { memory, ..Limits::default() };
        for count in 0..=frames.len() {
            let mut store = MemoryStore::new(registry());
            replayed(&log_of(frames[..count].to_vec()), &mut store, &limits);
            replayed(ledger.log(), &mut store, &limits);
            assert_eq!(rows(&store), wanted, "from {count} frames on, {memory} bytes");
            let position = store.position();
            replayed(ledger.log(), &mut store, &limits);
            assert_eq!((rows(&store), store.position()), (wanted.clone(), position));
        }
    }
}

/// The same log in one frame: the store's position lies within it.
#[test]
fn a_store_that_stands_within_a_frame_goes_on_behind_the_entry() {
    let ledger = ledger_of_all();
    let frames: Vec<Frame> =
        ledger.log().frames().into_iter().filter(|frame| frame.events > 0).collect();
    let wanted = rows(ledger.store());
    let mut whole = frames[0].clone();
    for frame in &frames[1..] {
        whole.bytes.extend_from_slice(&frame.bytes);
        whole.events += frame.events;
    }
    let whole = log_of(vec![whole]);
    for count in 1..frames.len() {
        let mut store = MemoryStore::new(registry());
        replayed(&log_of(frames[..count].to_vec()), &mut store, &Limits::default());
        replayed(&whole, &mut store, &Limits::default());
        assert_eq!(rows(&store), wanted, "from {count} entries on");
    }
}

/// Each link to the version before was bent once: recovery names the entry and leaves the
/// store as it was.
#[test]
fn an_entry_that_does_not_follow_is_named_by_its_position() {
    let ledger = ledger_of_all();
    let frames: Vec<Frame> =
        ledger.log().frames().into_iter().filter(|frame| frame.events > 0).collect();
    for index in 1..frames.len() {
        let entry = Entries::new(&frames[index].bytes, frames[index].first).next();
        let entry = entry.expect("an entry").expect("a readable entry");
        let Some(part) = entry.parts.first() else { continue };
        let mut link = part.head.number.get().to_le_bytes().to_vec();
        link.extend_from_slice(&part.head.previous.get().to_le_bytes());
        let mut bent = frames.clone();
        let bytes = &mut bent[index].bytes;
        let place = bytes.windows(16).position(|bytes| bytes == link).expect("its front");
        bytes[place + 8] ^= 1;
        let at = frames[index].first;
        let failed = |at, why| Err(RecoveryError::Entry { at, why });
        let mut store = MemoryStore::new(registry());
        let error = recover(
            &log_of(bent.clone()),
            &mut store,
            &registry(),
            &Limits::default(),
            &mut |_| {},
        );
        assert_eq!(error, failed(at, Corrupt::Range), "frame {index}");
        assert_eq!(store.position(), Position::ZERO);
        // Another number: no stream has it, or one that does not stand there.
        bent[index].bytes[place + 8] ^= 1;
        bent[index].bytes[place + 6] ^= 1;
        let error =
            recover(&log_of(bent), &mut store, &registry(), &Limits::default(), &mut |_| {});
        let why = if part.head.created.is_some() { Corrupt::Range } else { Corrupt::Missing };
        assert_eq!(error, failed(at, why), "frame {index}");
    }
}

#[test]
fn a_frame_that_says_more_than_it_holds_is_named_by_its_position() {
    let ledger = ledger_of_all();
    let mut frames: Vec<Frame> =
        ledger.log().frames().into_iter().filter(|frame| frame.events > 0).collect();
    let last = frames.last_mut().expect("frames");
    let at = last.last().plus(1);
    last.events += 1;
    let mut store = MemoryStore::new(registry());
    let error = recover(&log_of(frames), &mut store, &registry(), &Limits::default(), &mut |_| {});
    assert_eq!(error, Err(RecoveryError::Entry { at, why: Corrupt::Short }));
}

#[test]
fn progress_is_told_up_to_the_end() {
    let ledger = ledger_of_all();
    let (_, next) = ledger.log().bounds();
    for memory in [0, 256 << 20] {
        let limits = Limits { memory, ..Limits::default() };
        let mut told: Vec<Progress> = Vec::new();
        let mut store = MemoryStore::new(registry());
        recover(ledger.log(), &mut store, &registry(), &limits, &mut |at| told.push(at))
            .expect("a sound log");
        assert!(told.is_sorted_by(|left, right| left.reached < right.reached));
        assert!(told.iter().all(|progress| progress.last.plus(1) == next));
        assert_eq!(told.last().map(|progress| progress.reached.plus(1)), Some(next));
        if memory > 0 {
            assert_eq!(told.len(), 1, "not for every frame");
        }
    }
}

/// A long tail is replayed in bounded memory: the store is told to make checkpoints.
#[test]
fn what_the_store_holds_in_memory_stays_bounded() {
    let ledger = ledger_of_all();
    let mut store = Pending { store: MemoryStore::new(registry()), bytes: 0, most: 0, last: 0 };
    let limits = Limits { memory: 0, pending: 3_000 };
    replayed(ledger.log(), &mut store, &limits);
    assert_eq!(rows(&store.store), rows(ledger.store()));
    assert!(store.most <= 3_000 + 2 * store.last, "{} bytes were pending", store.most);
    assert!(store.store.crashed().position() > Position::ZERO, "a checkpoint was made");
}

/// A store that counts what no checkpoint holds.
struct Pending {
    store: MemoryStore,
    bytes: usize,
    most: usize,
    /// The greatest apply.
    last: usize,
}

impl ReadsFrom for Pending {
    fn source(&self) -> &dyn Reader {
        &self.store
    }
}

impl Store for Pending {
    fn apply(
        &mut self,
        rows: &mut dyn Iterator<Item = Row<'_>>,
        through: Position,
    ) -> Result<(), StoreError> {
        let mut bytes = 0;
        let mut counted =
            rows.inspect(|row| bytes += row.key.len() + row.value.map_or(0, <[u8]>::len));
        self.store.apply(&mut counted, through)?;
        self.bytes += bytes;
        self.last = self.last.max(bytes);
        self.most = self.most.max(self.bytes);
        Ok(())
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.store.reader()
    }

    fn snapshot(&mut self) -> Result<Arc<dyn Reader>, StoreError> {
        self.store.snapshot()
    }

    fn freeze(&mut self) -> Result<Checkpoint, StoreError> {
        self.bytes = 0;
        self.store.freeze()
    }

    fn pending_bytes(&self) -> usize {
        self.bytes
    }

    fn drop_keys_before(&mut self, bucket: u32) -> Result<(), StoreError> {
        self.store.drop_keys_before(bucket)
    }
}

/// All that a pass finds in steps of so many rows, for each shard and sorted.
fn noted(
    ledger: &mut Driver,
    opened: Published,
    size: usize,
    between: fn(&mut Driver),
) -> Vec<Notes> {
    let mut noting = Noting::new(3, opened);
    let mut all = vec![Notes::default(); 3];
    while let Some(notes) = noting.step(ledger.store(), size).expect("a readable store") {
        assert!(!all[0].complete, "nothing follows what is complete");
        let found: usize = notes.iter().map(|notes| notes.hashes.len() + notes.keys.len()).sum();
        assert!(found <= size, "{found} rows in a step of {size}");
        for (all, notes) in all.iter_mut().zip(notes) {
            all.hashes.extend(notes.hashes);
            all.keys.extend(notes.keys);
            all.complete = notes.complete;
        }
        between(ledger);
    }
    for notes in &mut all {
        assert!(notes.complete);
        notes.hashes.sort_unstable();
        notes.keys.sort_unstable();
    }
    all
}

#[test]
fn a_pass_notes_every_row_once_whatever_its_steps_and_whatever_comes_meanwhile() {
    let mut ledger = ledger_of_all();
    let opened = ledger.durable();
    let whole = noted(&mut ledger, opened, usize::MAX, |_| {});
    let mut heads = [0; 3];
    let mut counts = [0; 5];
    for (table, _, value) in rows(ledger.store()) {
        counts[table as usize] += 1;
        if table == Table::Head {
            let row = HeadRow::read(&value).expect("a sound row");
            heads[quipu_core::shard::Shard::of(&row.name, 3)] += 1;
        }
    }
    let hashes: usize = whole.iter().map(|notes| notes.hashes.len()).sum();
    assert_eq!(hashes, counts[Table::Head as usize] + counts[Table::Item as usize]);
    let keys: usize = whole.iter().map(|notes| notes.keys.len()).sum();
    assert_eq!(keys, counts[Table::Key as usize]);
    assert!(whole.iter().zip(heads).all(|(notes, heads)| notes.hashes.len() >= heads));
    for size in [1, 2, 7, 64] {
        assert_eq!(noted(&mut ledger, opened, size, |_| {}), whole, "steps of {size}");
    }
    // What begins meanwhile is noted by its shard: the pass has an end and loses nothing.
    let meanwhile = noted(&mut ledger, opened, 1, |ledger| {
        let count = ledger.steps();
        done(ledger.ask(keyed::<Ticket>(&format!("new-{count}"), &format!("n{count}"), issue())));
    });
    assert_eq!(meanwhile, whole);
}

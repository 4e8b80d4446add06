//! The suites that every log, store and disk passes, run on those in memory; and what only
//! those in memory can do.

use std::path::Path;
use std::sync::Arc;

use quipu_core::disk::{self, Disk, DiskError, File, Keep, MemoryDisk};
use quipu_core::log::conformance::{append, frame};
use quipu_core::log::{self, Anchor, Finish, Frame, Log, LogError, MemoryLog, Reader, Settle};
use quipu_core::machine::Registry;
use quipu_core::store::{self, MemoryStore};
use quipu_core::words::{Epoch, Position};

/// Where a store in memory lies between two openings.
struct StorePlace {
    store: Option<MemoryStore>,
    /// Whether a crash takes what no checkpoint covers.
    loses: bool,
}

impl store::conformance::Place for StorePlace {
    type Store = MemoryStore;

    fn open(&mut self, registry: &Registry) -> MemoryStore {
        self.store.take().unwrap_or_else(|| MemoryStore::new(registry.clone()))
    }

    fn crash(&mut self, store: MemoryStore) {
        self.store = Some(if self.loses { store.crashed() } else { store });
    }
}

#[test]
fn the_memory_store_is_a_store() {
    store::conformance::check(|| StorePlace { store: None, loses: true });
}

#[test]
fn a_store_may_keep_more_than_its_checkpoint() {
    store::conformance::check(|| StorePlace { store: None, loses: false });
}

/// A log whose appends take some asking, as a disk's or a network's do.
struct SlowLog {
    log: MemoryLog,
    asked: u32,
}

impl log::ReadsFrom for SlowLog {
    fn source(&self) -> &dyn Reader {
        &self.log
    }
}

impl Log for SlowLog {
    fn take_epoch(&mut self) -> Result<Epoch, LogError> {
        self.log.take_epoch()
    }

    fn append(&mut self, frame: Frame) -> Result<(), LogError> {
        self.asked = 0;
        self.log.append(frame)
    }

    fn finish(&mut self) -> Option<Finish> {
        self.asked += 1;
        if self.asked > 3 {
            self.log.settle(Finish::Durable, true);
        }
        self.log.finish()
    }

    fn room(&self) -> u64 {
        self.log.room()
    }

    fn room_rule(&self) -> fn(usize) -> u64 {
        self.log.room_rule()
    }

    fn tend(&mut self) -> Result<bool, LogError> {
        self.log.tend()
    }

    fn adopt(
        &mut self,
        start: Anchor,
        epoch: Epoch,
        frames: &mut dyn Iterator<Item = Result<Frame, LogError>>,
    ) -> Result<(), LogError> {
        self.log.adopt(start, epoch, frames)
    }

    fn trim(&mut self, before: Position) -> Result<Position, LogError> {
        self.log.trim(before)
    }

    fn reader(&self) -> Arc<dyn Reader + Send + Sync> {
        self.log.reader()
    }
}

/// Where a log in memory lies between two openings.
struct LogPlace {
    log: MemoryLog,
    /// Whether an append under way at a crash is there afterwards.
    writes: bool,
}

impl log::conformance::Place for LogPlace {
    type Log = SlowLog;

    fn open(&mut self) -> SlowLog {
        SlowLog { log: self.log.reopen(), asked: 0 }
    }

    fn crash(&mut self, mut log: SlowLog) {
        log.log.settle(Finish::Unknown, self.writes);
        self.log = log.log;
    }
}

#[test]
fn the_memory_log_is_a_log_however_its_appends_end() {
    for settle in [Settle::AtOnce, Settle::WhenTold] {
        for writes in [false, true] {
            log::conformance::check(|| LogPlace { log: MemoryLog::new(settle), writes });
        }
    }
}

/// A log with one durable frame, under the epoch that it gives.
fn log_of_one() -> (MemoryLog, Epoch) {
    let mut log = MemoryLog::new(Settle::WhenTold);
    let epoch = log.take_epoch().expect("an epoch");
    log.append(frame(epoch, Position::new(1), 1, 1, 64)).expect("the append begins");
    log.settle(Finish::Durable, true);
    assert_eq!(log.finish(), Some(Finish::Durable));
    (log, epoch)
}

#[test]
fn an_append_that_fails_closes_the_log_for_ever() {
    for finish in [Finish::Failed, Finish::Unknown] {
        for written in [false, true] {
            let (mut log, epoch) = log_of_one();
            let begun = frame(epoch, Position::new(2), 2, 2, 64);
            log.append(begun.clone()).expect("the append begins");
            assert!(log.is_busy());
            assert_eq!(log.finish(), None);
            log.settle(finish, written);
            assert_eq!(log.finish(), Some(finish));

            // What is not known to be durable is not shown; what was, still is.
            assert_eq!(log.bounds().1, Position::new(2));
            assert_eq!(log.read(Position::new(2)), Ok(None));
            assert!(log.read(Position::new(1)).is_ok_and(|frame| frame.is_some()));
            assert_eq!(log.append(begun.clone()), Err(LogError::Closed));
            let epoch = log.take_epoch().expect("an epoch");
            let again = Frame { epoch, first: log.bounds().1, ..begun.clone() };
            assert_eq!(log.append(again), Err(LogError::Closed), "not under another epoch either");

            let mut log = log.reopen();
            let next = if written { 4 } else { 2 };
            assert_eq!(log.bounds().1, Position::new(next), "{finish:?}, written: {written}");
            assert_eq!(log.read(Position::new(3)), Ok(written.then_some(begun)));
            let epoch = log.take_epoch().expect("an epoch");
            log.append(frame(epoch, Position::new(next), 1, 3, 64)).expect("it is open again");
        }
    }
}

#[test]
fn an_append_under_way_is_fenced_by_a_higher_epoch() {
    let (mut old, stale) = log_of_one();
    old.append(frame(stale, Position::new(2), 1, 2, 64)).expect("the append begins");
    let mut new = old.reopen();
    let epoch = new.take_epoch().expect("a higher epoch");
    old.settle(Finish::Durable, true);
    assert_eq!(old.finish(), Some(Finish::Fenced));
    assert_eq!(old.append(frame(epoch, Position::new(2), 1, 2, 64)), Err(LogError::Closed));
    assert_eq!(new.bounds().1, Position::new(2), "nothing of it was written");
    new.append(frame(epoch, Position::new(2), 1, 3, 64)).expect("the append begins");
    new.settle(Finish::Durable, true);
    assert_eq!(new.finish(), Some(Finish::Durable));
}

#[test]
fn a_new_writer_sees_what_the_one_before_may_have_written() {
    let (mut old, stale) = log_of_one();
    let mut new = old.reopen();
    old.append(frame(stale, Position::new(2), 1, 2, 64)).expect("the append begins");
    old.settle(Finish::Unknown, true);
    assert_eq!(new.bounds().1, Position::new(2));
    let epoch = new.take_epoch().expect("a higher epoch");
    assert_eq!(new.bounds().1, Position::new(3));
    let mut new = SlowLog { log: new, asked: 0 };
    append(&mut new, frame(epoch, Position::new(3), 1, 3, 64));
}

/// Where a disk in memory lies between two openings.
struct DiskPlace {
    disk: MemoryDisk,
    keep: Keep,
}

impl disk::conformance::Place for DiskPlace {
    type Disk = MemoryDisk;

    fn open(&mut self) -> MemoryDisk {
        self.disk.clone()
    }

    fn crash(&mut self, disk: MemoryDisk) {
        disk.crash(self.keep);
    }
}

#[test]
fn the_memory_disk_is_a_disk_whatever_a_crash_keeps() {
    for keep in [Keep::Nothing, Keep::First(1), Keep::First(2), Keep::First(3), Keep::All] {
        disk::conformance::check(|| DiskPlace { disk: MemoryDisk::new(), keep });
    }
}

/// What is on a disk: every file at its root, with its bytes.
fn files(disk: &MemoryDisk) -> Vec<(String, Vec<u8>)> {
    let names = disk.list(Path::new("")).expect("the root");
    let read = |name: String| {
        let file = disk.open(Path::new(&name)).expect("the file is there");
        let mut bytes = vec![0; file.byte_len().expect("a length") as usize];
        file.read_at(0, &mut bytes).expect("readable");
        (name, bytes)
    };
    names.into_iter().map(read).collect()
}

#[test]
fn a_crash_keeps_the_oldest_operations_that_no_sync_covers() {
    let (a, b, c) = (Path::new("a"), Path::new("b"), Path::new("c"));
    // Durable: `a` with two bytes. Then one operation behind the other.
    let steps: [fn(&MemoryDisk); 6] = [
        |disk| disk.open(Path::new("a")).and_then(|a| a.write_at(1, b"xy")).expect("written"),
        |disk| drop(disk.create(Path::new("b")).expect("created")),
        |disk| disk.open(Path::new("b")).and_then(|b| b.write_at(0, b"new")).expect("written"),
        |disk| disk.open(Path::new("a")).and_then(|a| a.set_len(1)).expect("cut"),
        |disk| disk.rename(Path::new("b"), Path::new("c")).expect("renamed"),
        |disk| disk.remove(Path::new("a")).expect("removed"),
    ];
    let file = |path: &Path, bytes: &[u8]| (path.display().to_string(), bytes.to_vec());
    let after = [
        vec![file(a, b"12")],
        vec![file(a, b"1xy")],
        vec![file(a, b"1xy"), file(b, b"")],
        vec![file(a, b"1xy"), file(b, b"new")],
        vec![file(a, b"1"), file(b, b"new")],
        vec![file(a, b"1"), file(c, b"new")],
        vec![file(c, b"new")],
    ];
    let fresh = || {
        let disk = MemoryDisk::new();
        let a = disk.create(a).expect("created");
        a.write_at(0, b"12").expect("written");
        a.sync().expect("synced");
        disk.sync_dir(Path::new("")).expect("synced");
        assert_eq!(disk.pending(), 0);
        steps.iter().for_each(|step| step(&disk));
        assert_eq!(disk.pending(), steps.len());
        disk
    };
    for (count, after) in after.iter().enumerate() {
        let disk = fresh();
        disk.crash(Keep::First(count));
        assert_eq!(files(&disk), *after, "the first {count}");
        disk.crash(Keep::Nothing);
        assert_eq!(files(&disk), *after, "what a crash has kept is durable");
    }
    for (keep, after) in [(Keep::Nothing, &after[0]), (Keep::All, &after[6])] {
        let disk = fresh();
        disk.crash(keep);
        assert_eq!(files(&disk), *after, "{keep:?}");
    }
}

#[test]
fn bytes_and_names_are_durable_apart() {
    let (root, name) = (Path::new(""), Path::new("file"));
    for (syncs_bytes, syncs_name) in [(false, false), (false, true), (true, false), (true, true)] {
        let disk = MemoryDisk::new();
        let file = disk.create(name).expect("created");
        file.write_at(0, b"abc").expect("written");
        if syncs_bytes {
            file.sync().expect("synced");
        }
        if syncs_name {
            disk.sync_dir(root).expect("synced");
        }
        disk.crash(Keep::Nothing);
        let bytes: &[u8] = if syncs_bytes { b"abc" } else { b"" };
        let wanted: Vec<_> =
            syncs_name.then(|| ("file".to_owned(), bytes.to_vec())).into_iter().collect();
        assert_eq!(files(&disk), wanted, "bytes: {syncs_bytes}, name: {syncs_name}");
        assert!(file.byte_len().is_err(), "a crash ends every handle");
        assert!(file.sync().is_err(), "a crash ends every handle");
    }
}

#[test]
fn a_directory_that_is_lost_takes_its_files_along() {
    let (root, dir, name) = (Path::new(""), Path::new("dir"), Path::new("dir/file"));
    let disk = MemoryDisk::new();
    disk.create_dir(dir).expect("created");
    disk.create(name).expect("created").sync().expect("synced");
    disk.sync_dir(dir).expect("synced");
    disk.crash(Keep::Nothing);
    assert_eq!(disk.list(root), Ok(vec![]));
    disk.create_dir(dir).expect("created");
    assert_eq!(disk.list(dir), Ok(vec![]), "nothing comes back in a new directory of that name");
}

#[test]
fn a_full_disk_takes_nothing_more() {
    let disk = MemoryDisk::new();
    disk.set_capacity(Some(10));
    let (a, b) = (Path::new("a"), Path::new("b"));
    let file = disk.create(a).expect("created");
    file.write_at(0, &[1; 6]).expect("written");
    let other = disk.create(b).expect("names take no room");
    let full = DiskError::NoSpace(b.into());
    assert_eq!(other.write_at(2, &[2; 3]), Err(full.clone()));
    assert_eq!(other.allocate(5), Err(full));
    assert_eq!(other.byte_len(), Ok(0), "nothing was done");
    other.allocate(4).expect("allocated");
    other.write_at(0, &[2; 4]).expect("room that was taken");
    file.write_at(2, &[3; 4]).expect("bytes that are there already");
    disk.remove(a).expect("removed");
    other.write_at(4, &[2; 6]).expect("removing gives room");
    disk.set_capacity(None);
    other.write_at(10, &[2; 1_000]).expect("no end");
}

#[test]
fn a_lock_from_before_a_crash_frees_nothing() {
    let disk = MemoryDisk::new();
    let root = Path::new("");
    let before = disk.try_lock(root).expect("free");
    disk.crash(Keep::All);
    let after = disk.try_lock(root).expect("a crash ends a lock");
    drop(before);
    assert_eq!(disk.try_lock(root).err(), Some(DiskError::Locked(root.into())));
    drop(after);
    assert!(disk.try_lock(root).is_ok());
}

//! A sync fails: the cache then shows what the disk never got, until power is lost.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use quipu_core::disk::{Disk, DiskError, File};
use quipu_core::log::{Finish, Log, LogError, Reader};
use quipu_log_file::FileLog;
use quipu_sim::disk::{Act, Fault, Keep, SimDisk, SimFile, SimLock, When};

use crate::promise::{ID, Promise, Step, run, settings};
use Step::{Append, Open, Tend};

#[test]
fn a_failed_sync_of_an_append_is_final_and_is_never_tried_again() {
    let disk = SimDisk::new();
    let mut promise = Promise::new();
    run(&disk, &mut promise, &[Open, Append(1, 40)]).expect("all goes well");
    let disk = disk.reopen();
    let mut log = promise.open(&disk).expect("it opens");
    promise.take_epoch(&mut log).expect("its epoch");
    disk.schedule(Fault::FailSync, When::nth(1));
    let begun = promise.frame(2, 700);
    promise.begun = Some(begun.clone());
    log.append(begun.clone()).expect("the append begins");
    assert_eq!(log.finish(), Some(Finish::Failed));

    let operations = disk.operations();
    let late = promise.frame(1, 40);
    assert_eq!(log.append(late), Err(LogError::Closed));
    assert_eq!(log.tend(), Err(LogError::Closed));
    assert!(log.take_epoch().is_err());
    assert_eq!(log.room(), 0);
    assert_eq!(log.read(begun.first), Ok(None), "what failed is not shown");
    assert_eq!(log.bounds().1, begun.first);
    drop(log);
    assert_eq!(disk.operations(), operations, "the handle touches nothing any more");

    // The cache still shows the frame. An opening may show it once it has a copy that is durable.
    let disk = disk.reopen();
    let log = promise.open(&disk).expect("it opens");
    assert_eq!(log.bounds().1, begun.last().plus(1), "the cache still has it");
    assert_eq!(log.read(begun.first), Ok(Some(begun)));
    drop(log);
    for keep in [Keep::Nothing, Keep::All, Keep::Torn(5)] {
        promise.clone().open(&disk.image(keep)).expect("what was shown stays");
    }
}

/// An opening writes what only the cache had into a spare, and dies before the spare has lost its
/// name for good. The next opening, without that frame, must not come upon it again.
#[test]
fn an_opening_that_dies_in_a_spare_leaves_nothing_in_it() {
    let opening = {
        let (disk, mut promise) = a_spare_and_a_failed_sync();
        let before = disk.operations();
        promise.open(&disk).expect("it opens");
        disk.operations() - before
    };
    for last in 1..=opening {
        let (disk, promise) = a_spare_and_a_failed_sync();
        disk.die_at(disk.operations() + last);
        assert!(promise.clone().open(&disk).is_err(), "power is lost");
        let keeps = (0..disk.pending()).map(Keep::First).chain((0..20).map(Keep::Torn));
        for keep in keeps.chain([Keep::All]) {
            let (disk, mut promise) = (disk.image(keep), promise.clone());
            promise.open(&disk).expect("it opens");
            promise.open(&disk.reopen()).expect("it opens again");
        }
    }
}

fn a_spare_and_a_failed_sync() -> (SimDisk, Promise) {
    let disk = SimDisk::new();
    let mut promise = Promise::new();
    let mut log = promise.open(&disk).expect("it is made");
    promise.take_epoch(&mut log).expect("its epoch");
    let is_spare = |(path, _): &(PathBuf, u64)| path == Path::new("ahead.spare");
    while !disk.files().iter().any(is_spare) {
        log.tend().expect("it is filled");
    }
    let frame = promise.frame(1, 40);
    promise.append(&mut log, frame).expect("durable");
    disk.schedule(Fault::FailSync, When::nth(1));
    // With it the opening's own frame lies one sector further on than without.
    let begun = promise.frame(2, 600);
    promise.append(&mut log, begun).expect_err("its sync fails");
    drop(log);
    (disk.reopen(), promise)
}

/// Each sync of a file or directory fails in turn; then the process starts anew, shows what it
/// shows, and power is lost.
#[test]
fn whichever_sync_fails_what_is_shown_afterwards_stays() {
    let workloads: [&[Step]; 4] = [
        &[Open, Append(1, 40), Append(2, 700), Append(0, 0)],
        &[Open, Append(1, 40), Tend, Append(2, 700), Open, Append(1, 40)],
        &[Open, Append(1, 40), Append(0, 8 << 20), Tend, Append(2, 1 << 20), Append(1, 40), Open],
        &[Open, Append(1, 40), Append(0, 8 << 20), Append(1, 1 << 20), Open, Append(1, 40)],
    ];
    let mut failures = 0;
    for steps in workloads {
        for fault in [Fault::FailSync, Fault::FailSyncDir] {
            for count in 1.. {
                let disk = SimDisk::new();
                let syncs = Syncs::watch(&disk);
                disk.schedule(fault.clone(), When::nth(count));
                let mut promise = Promise::new();
                let ended = run(&disk, &mut promise, steps);
                if ended.is_ok() {
                    break;
                }
                assert!(!matches!(ended, Err(LogError::Full(_))));
                syncs.check_none_behind_a_failure(count, &fault);
                failures += 1;
                let disk = disk.reopen();
                // Power may also go at once, or while the next process opens the log.
                promise.clone().open(&disk.image(Keep::Nothing)).expect("it opens");
                promise.clone().open(&disk.image(Keep::All)).expect("it opens");
                let mut log = promise.open(&disk).expect("it opens");
                for keep in [Keep::Nothing, Keep::All, Keep::Torn(count)] {
                    promise.clone().open(&disk.image(keep)).expect("it opens");
                }
                promise.take_epoch(&mut log).expect("its epoch");
                let frame = promise.frame(1, 600);
                promise.append(&mut log, frame).expect("it goes on");
                drop(log);
                promise.open(&disk.image(Keep::Nothing)).expect("it opens");
            }
        }
    }
    assert!(failures >= 40, "{failures}");
}

/// The syncs of each file by its last name, and how many there were.
struct Syncs(Arc<Mutex<Vec<(bool, String)>>>);

impl Syncs {
    fn watch(disk: &SimDisk) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&seen);
        disk.on_operation(move |_, operation| {
            let is_dir = operation.act == Act::SyncDir;
            if is_dir || operation.act == Act::Sync {
                let path = operation.path.to_string_lossy().into_owned();
                noted.lock().expect("one thread").push((is_dir, path));
            }
        });
        Self(seen)
    }

    /// Whatever failed is not synced again by the process that saw it fail.
    fn check_none_behind_a_failure(&self, count: u64, fault: &Fault) {
        let syncs = self.0.lock().expect("one thread");
        let of_kind = |(is_dir, _): &&(bool, String)| *is_dir == (*fault == Fault::FailSyncDir);
        let failed = syncs.iter().filter(of_kind).nth(count as usize - 1).expect("it struck");
        let index = syncs.iter().position(|sync| core::ptr::eq(sync, failed)).expect("there");
        assert!(!syncs[index + 1..].contains(failed), "{failed:?} is synced again");
    }
}

/// A disk without room may say so only when it is synced. That is a failed sync all the same.
#[test]
fn a_sync_that_finds_no_room_is_a_failed_sync() {
    let mut struck = 0;
    for which in 1.. {
        let left = Arc::new(AtomicUsize::new(which));
        let disk = LateFull { disk: SimDisk::new(), left: Arc::clone(&left) };
        match work(disk) {
            Ok(()) => break,
            Err(error) => assert!(!matches!(error, LogError::Full(_)), "sync {which}: {error}"),
        }
        struck += 1;
    }
    assert!(struck >= 10, "{struck}");
}

fn work(disk: LateFull) -> Result<(), LogError> {
    let mut log = FileLog::create(disk, Path::new(""), ID, &settings())?;
    let mut promise = Promise::new();
    promise.take_epoch(&mut log)?;
    for (events, len) in [(1, 40), (0, 8 << 20), (1, 1 << 20), (1, 40)] {
        let frame = promise.frame(events, len);
        promise.append(&mut log, frame)?;
        log.tend()?;
        log.tend()?;
    }
    while log.tend()? {}
    Ok(())
}

/// Its n-th sync finds no room. What is being filled with zeros does not count: it is given up
/// and made anew.
#[derive(Clone)]
struct LateFull {
    disk: SimDisk,
    left: Arc<AtomicUsize>,
}

struct LateFile {
    file: SimFile,
    left: Option<Arc<AtomicUsize>>,
}

fn strike(left: &AtomicUsize) -> Result<(), DiskError> {
    let before = left.load(Ordering::Relaxed);
    left.store(before.saturating_sub(1), Ordering::Relaxed);
    if before == 1 { Err(DiskError::NoSpace("late".into())) } else { Ok(()) }
}

impl Disk for LateFull {
    type File = LateFile;
    type Lock = SimLock;

    fn create(&self, path: &Path) -> Result<LateFile, DiskError> {
        let left = (path != Path::new("ahead.tmp")).then(|| Arc::clone(&self.left));
        Ok(LateFile { file: self.disk.create(path)?, left })
    }

    fn open(&self, path: &Path) -> Result<LateFile, DiskError> {
        Ok(LateFile { file: self.disk.open(path)?, left: Some(Arc::clone(&self.left)) })
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        self.disk.remove(path)
    }

    fn create_dir(&self, path: &Path) -> Result<(), DiskError> {
        self.disk.create_dir(path)
    }

    fn remove_dir(&self, path: &Path) -> Result<(), DiskError> {
        self.disk.remove_dir(path)
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, DiskError> {
        self.disk.list(dir)
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), DiskError> {
        strike(&self.left)?;
        self.disk.sync_dir(dir)
    }

    fn try_lock(&self, dir: &Path) -> Result<SimLock, DiskError> {
        self.disk.try_lock(dir)
    }
}

impl File for LateFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), DiskError> {
        self.file.read_at(offset, into)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.file.write_at(offset, bytes)
    }

    fn byte_len(&self) -> Result<u64, DiskError> {
        self.file.byte_len()
    }

    fn set_len(&self, len: u64) -> Result<(), DiskError> {
        self.file.set_len(len)
    }

    fn allocate(&self, len: u64) -> Result<(), DiskError> {
        self.file.allocate(len)
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.left.as_deref().map_or(Ok(()), strike)?;
        self.file.sync()
    }
}

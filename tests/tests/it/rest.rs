//! Ledgers at rest, and what may come of harm that is done to one of their files meanwhile.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use super::rich;
use super::say::*;
use super::told::{Told, tell};
use quipu::{BackupJob, Files, LogKind, OpenError, Options, Verified, backup, verify};
use quipu_core::damage::Damage;
use quipu_core::disk::{Disk as _, File as _};
use quipu_core::log::Log as _;
use quipu_core::machines::account::Account;
use quipu_core::store::Store as _;
use quipu_core::verify::Place;
use quipu_core::words::Position;
use quipu_sim::disk::{Act, Keep, SimDisk};
use quipu_store_redb::store::Opened;

/// A ledger that nobody has open, and what it tells.
pub(crate) struct Rest {
    pub(crate) disk: SimDisk,
    pub(crate) options: Options,
    pub(crate) told: Told,
    /// So many operations are far more than any look at it takes.
    operations_max: u64,
}

/// No read asks for more: a whole segment, or a page of a store.
const READ_MAX: usize = 10 << 20;

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// Whoever opens and reads is told the file and the place.
    Named,
    /// The store was set aside, named, and made anew of the log.
    Rebuilt,
    /// What is read is what was there before, and a verification names the file and the place.
    Verified,
    /// Nobody can see any difference.
    Harmless,
}

/// How often each came of it.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Fates {
    pub(crate) named: u64,
    pub(crate) rebuilt: u64,
    pub(crate) verified: u64,
    pub(crate) harmless: u64,
}

impl Fates {
    pub(crate) fn add(&mut self, fate: Fate) {
        *match fate {
            Fate::Named => &mut self.named,
            Fate::Rebuilt => &mut self.rebuilt,
            Fate::Verified => &mut self.verified,
            Fate::Harmless => &mut self.harmless,
        } += 1;
    }

    pub(crate) fn all(&self) -> u64 {
        self.named + self.rebuilt + self.verified + self.harmless
    }
}

impl fmt::Display for Fates {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { named, rebuilt, verified, harmless } = self;
        write!(out, "{named:>6} named {rebuilt:>6} rebuilt ")?;
        write!(out, "{verified:>6} by verify {harmless:>6} harmless")
    }
}

/// Begun, stopped, opened again, driven on, stopped: sealed segments, a store of several
/// checkpoints, room ahead of need.
pub(crate) fn stopped(log: LogKind) -> Rest {
    let disk = SimDisk::new();
    let mut files = drive(create_or_open(&disk, log).expect("it is made"), rich::begin);
    files.store.checkpoint().expect("a checkpoint");
    files.stop().expect("a clean stop");
    let mut files = drive(create_or_open(&disk, log).expect("it opens"), rich::go_on);
    files.store.checkpoint().expect("a checkpoint");
    let mut files = drive(files, some_more);
    let spare = PathBuf::from("log/ahead.spare");
    while log == LogKind::Files && disk.files().iter().all(|(path, _)| *path != spare) {
        assert!(files.log.tend().expect("there is room"), "a spare is made");
    }
    files.stop().expect("a clean stop");
    Rest::of(disk, options(log))
}

/// The same, but it was not stopped: power went, and its store is behind.
pub(crate) fn behind(log: LogKind) -> Rest {
    let disk = SimDisk::new();
    drop(drive(create_or_open(&disk, log).expect("it is made"), rich::begin));
    let mut files = drive(create_or_open(&disk, log).expect("it opens"), rich::go_on);
    files.store.checkpoint().expect("a checkpoint");
    drop(drive(files, some_more));
    Rest::of(disk, options(log))
}

/// The same, and its first history was trimmed.
pub(crate) fn trimmed(log: LogKind) -> Rest {
    let disk = behind(log).disk;
    let mut files = create_or_open(&disk, log).expect("it opens");
    files.recover(&machines(), &options(log), &mut |_| {}).expect("recovered");
    let kept = files.trim(Position::new(20)).expect("trimmed");
    assert!(kept > Position::new(1));
    drop(drive(files, some_more));
    Rest::of(disk, options(log))
}

/// So many accounts that no opening reads all of the store.
pub(crate) fn large() -> Rest {
    let disk = SimDisk::new();
    let files = drive(create_or_open(&disk, LogKind::Files).expect("it is made"), |ledger| {
        rich::begin(ledger);
        rich::go_on(ledger);
        for number in 0..400 {
            done(ledger.ask(open(&format!("account-with-a-long-name-{number}"))));
        }
    });
    files.stop().expect("a clean stop");
    Rest::of(disk, options(LogKind::Files))
}

/// Goes on a little.
pub(crate) fn some_more(ledger: &mut Ledger<SimDisk>) {
    for who in ["ann", "bo"] {
        done(ledger.ask(command::<Account>(who, deposit(1))));
        done(ledger.ask(command::<Account>(who, transfer("cy", 1))));
    }
}

impl Rest {
    pub(crate) fn of(disk: SimDisk, options: Options) -> Self {
        let disk = disk.image(Keep::All);
        let look = disk.image(Keep::All);
        let (_, told) = tell(&look, &options).expect("it is sound");
        let operations_max = 20 * (look.operations() + look.reads());
        let rest = Self { disk, options, told, operations_max };
        let found = rest.verified(&rest.image()).expect("it can be looked at");
        assert!(found.is_sound(), "{:?}", found.findings);
        rest
    }

    /// A copy to be harmed.
    pub(crate) fn image(&self) -> SimDisk {
        self.disk.image(Keep::All)
    }

    pub(crate) fn len(&self, path: &str) -> u64 {
        let files = self.disk.files();
        let (_, len) = files.iter().find(|(file, _)| file == Path::new(path)).expect("a file");
        *len
    }

    /// The segments, the last one last.
    pub(crate) fn segments(&self) -> Vec<String> {
        let files = self.disk.files();
        let paths = files.iter().filter_map(|(path, _)| path.to_str());
        paths.filter(|path| path.ends_with(".seg")).map(str::to_owned).collect()
    }

    pub(crate) fn bytes(&self, path: &str) -> Vec<u8> {
        read_file(&self.disk, path)
    }

    fn verified(&self, disk: &SimDisk) -> Result<Verified, OpenError> {
        let (scratch, nothing) = (SimDisk::new(), &mut |_| {});
        verify(disk.clone(), Some(&scratch), &[], &machines(), &self.options, nothing)
    }

    /// Opens, reads and verifies a copy of which one file was harmed, at a place or behind it.
    /// Panics where anything is told that is not so, or damage is told of another place.
    pub(crate) fn fate(&self, harmed: &SimDisk, path: &str, at: u64) -> Fate {
        let look = harmed.image(Keep::All);
        look.on_operation(|_, operation| {
            if let Act::Read { len, .. } = operation.act {
                assert!(len <= READ_MAX, "{len} bytes are read at once");
            }
        });
        let opened = catch_unwind(AssertUnwindSafe(|| tell(&look, &self.options)));
        let opened = opened.unwrap_or_else(|_| panic!("{path} at {at}: opening it panicked"));
        let operations = look.operations() + look.reads();
        assert!(operations <= self.operations_max, "{path} at {at}: {operations} operations");
        let look = harmed.image(Keep::All);
        let verified = catch_unwind(AssertUnwindSafe(|| self.verified(&look)));
        let verified = verified.unwrap_or_else(|_| panic!("{path} at {at}: verifying it panicked"));
        let is_named = match &verified {
            Err(error) => {
                check_names(error, path, at);
                true
            }
            Ok(found) if found.is_sound() => {
                assert_eq!(found.digest, Some(self.told.digest), "{path} at {at}");
                assert_eq!(found.anchor, self.told.anchor, "{path} at {at}");
                false
            }
            Ok(found) => {
                let is_it = |place: &Place| match place {
                    Place::File(damage) => is_of(damage, path, at),
                    _ => false,
                };
                let names = found.findings.iter().any(|finding| is_it(&finding.place));
                assert!(names, "{path} at {at}: {:?}", found.findings);
                true
            }
        };
        match opened {
            Err(error) => {
                check_names(&error, path, at);
                assert!(is_named, "{path} at {at}: verify is content, but {error}");
                if path == "store/store.redb" {
                    // Found while it was read. Moved out of the way it is made anew.
                    let look = harmed.image(Keep::All);
                    look.remove(Path::new(path)).expect("removed");
                    let (_, told) = tell(&look, &self.options).expect("it opens without a store");
                    self.check_told(&told, path, at);
                }
                Fate::Named
            }
            Ok((Opened::SetAside { to, why }, told)) => {
                assert_eq!(path, "store/store.redb", "{why}");
                assert_eq!(to, Path::new("store/store.redb.damaged-1"));
                check_names(&why.into(), path, at);
                assert!(is_named, "{path} at {at}: verify is content");
                self.check_told(&told, path, at);
                Fate::Rebuilt
            }
            Ok((_, told)) => {
                self.check_told(&told, path, at);
                if is_named { Fate::Verified } else { Fate::Harmless }
            }
        }
    }

    fn check_told(&self, told: &Told, path: &str, at: u64) {
        let known = &self.told;
        assert_eq!(told.answers, known.answers, "{path} at {at}: an answer");
        assert_eq!(told.now_limit, known.now_limit, "{path} at {at}: time");
        assert_eq!(told.bounds, known.bounds, "{path} at {at}: where history lies");
        assert!(told == known, "{path} at {at}: something else is told");
    }
}

fn check_names(error: &OpenError, path: &str, at: u64) {
    let damage = error.damage().unwrap_or_else(|| panic!("{path} at {at}: {error}"));
    assert!(is_of(damage, path, at), "{path} at {at}: {error}");
}

/// Whether damage is told of a file, and of where it was harmed. In a redb file the sums of
/// pages lie elsewhere than the pages, and either may be what is wrong.
fn is_of(damage: &Damage, path: &str, at: u64) -> bool {
    let is_before = damage.offset <= at || path.ends_with(".redb");
    // A length that is wrong shows where the file ends.
    let is_before = is_before || damage.why.contains("the file ends here");
    damage.file == Path::new(path) && is_before
}

pub(crate) fn read_file(disk: &SimDisk, path: &str) -> Vec<u8> {
    let file = disk.open(Path::new(path)).expect("it is there");
    let mut bytes = vec![0; file.byte_len().expect("a length") as usize];
    file.read_at(0, &mut bytes).expect("readable");
    bytes
}

/// The bytes of a backup of a ledger.
pub(crate) fn backup_of(rest: &Rest) -> Vec<u8> {
    let mut files = Files::open(rest.image(), &machines(), &rest.options).expect("it opens");
    files.recover(&machines(), &rest.options, &mut |_| {}).expect("recovered");
    let job: BackupJob = files.begin_backup().expect("a snapshot");
    let mut bytes = Vec::new();
    job.write(&mut bytes, &mut |_| {}).expect("written");
    backup::Backup::open(&bytes[..], "a backup").expect("one").check(&mut |_| {}).expect("whole");
    bytes
}

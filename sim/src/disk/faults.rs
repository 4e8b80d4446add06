//! Which faults strike which operations, and how often each of them has.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::Random;

/// What can go wrong with one operation.
///
/// A fault strikes only where it can: a short write only a write, "no space" only what takes
/// room. What of it is `None` is drawn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A file's sync fails. What it should have made durable never will be, though reads go on
    /// to show it until power is lost; a later sync that ends well does not write it.
    FailSync,
    /// A directory's sync fails, with the same consequence for its names.
    FailSyncDir,
    /// A write, `set_len` or `allocate` fails and does nothing.
    FailWrite,
    /// Only so many bytes of a write land, fewer than all; then it fails.
    ShortWrite(Option<usize>),
    /// A read fails.
    FailRead,
    /// A name is not given, changed or taken: `create`, `create_dir`, `rename`, `remove` or
    /// `remove_dir` fails and does nothing.
    FailName,
    /// What takes room finds none: a write or `allocate` to where no room was taken yet,
    /// `create`, `create_dir`. Nothing is done.
    NoSpace,
    /// A write that ends well lands elsewhere on the disk. The cache shows it where it was
    /// meant to be, until [`forget`](quipu_core::disk::File::forget) or power loss.
    MisdirectWrite {
        /// The file whose bytes it destroys; `None` is the same one.
        file: Option<PathBuf>,
        /// Where in that file. Drawn, it is another sector, and as deep in it.
        offset: Option<u64>,
    },
    /// A sector of a write that ends well, counted from its first, never reaches the disk,
    /// even if it is synced. The cache shows it as above.
    StaleSector(Option<usize>),
}

impl Fault {
    fn site(&self) -> Site {
        match self {
            Self::FailSync => Site::FailedSync,
            Self::FailSyncDir => Site::FailedSyncDir,
            Self::FailWrite => Site::FailedWrite,
            Self::ShortWrite(_) => Site::ShortWrite,
            Self::FailRead => Site::FailedRead,
            Self::FailName => Site::FailedName,
            Self::NoSpace => Site::NoSpace,
            Self::MisdirectWrite { .. } => Site::MisdirectedWrite,
            Self::StaleSector(_) => Site::StaleSector,
        }
    }
}

/// When a fault strikes.
#[derive(Clone, Debug)]
pub struct When {
    moment: Moment,
    path: Option<String>,
    random: Random,
}

#[derive(Clone, Debug)]
enum Moment {
    Operation(u64),
    Nth(u64),
    Always,
    OneIn(u64),
}

impl When {
    /// At the operation with this [number](super::Operation::number), if it can strike that.
    #[must_use]
    pub fn operation(number: u64) -> Self {
        Self::new(Moment::Operation(number), number)
    }

    /// At the `count`-th operation from now on that it can strike, from 1; once.
    #[must_use]
    pub fn nth(count: u64) -> Self {
        Self::new(Moment::Nth(count), count)
    }

    /// At every operation that it can strike.
    #[must_use]
    pub fn always() -> Self {
        Self::new(Moment::Always, 0)
    }

    /// At one in `count` of the operations that it can strike, drawn from a seed.
    #[must_use]
    pub fn one_in(count: u64, seed: u64) -> Self {
        Self::new(Moment::OneIn(count), seed)
    }

    /// Only on files and directories whose path contains this text. A file's path is what it
    /// was last called.
    #[must_use]
    pub fn of(self, text: &str) -> Self {
        Self { path: Some(text.to_owned()), ..self }
    }

    fn new(moment: Moment, seed: u64) -> Self {
        Self { moment, path: None, random: Random::new(seed) }
    }

    fn is_about(&self, path: &Path) -> bool {
        self.path.as_ref().is_none_or(|text| path.to_string_lossy().contains(text))
    }

    /// Whether it is now, at an operation that the fault can strike.
    fn is_now(&mut self, number: u64) -> bool {
        match &mut self.moment {
            Moment::Operation(at) => *at == number,
            Moment::Nth(left) => {
                *left = left.saturating_sub(1);
                *left == 0
            }
            Moment::Always => true,
            Moment::OneIn(count) => self.random.one_in(*count),
        }
    }

    fn is_once(&self) -> bool {
        matches!(self.moment, Moment::Operation(_) | Moment::Nth(_))
    }
}

/// The faults that are to come.
#[derive(Clone, Default, Debug)]
pub(super) struct Faults {
    rules: Vec<(Fault, When)>,
}

impl Faults {
    pub(super) fn schedule(&mut self, fault: Fault, when: When) {
        self.rules.push((fault, when));
    }

    pub(super) fn end(&mut self) {
        self.rules.clear();
    }

    /// The fault that strikes this operation: of those that are due and that can, the one that
    /// was scheduled first. Another that is due at its n-th operation waits for the next.
    pub(super) fn strike(
        &mut self,
        number: u64,
        path: &Path,
        can: impl Fn(&Fault) -> bool,
    ) -> Option<(Fault, Random)> {
        let mut struck = None;
        for (index, (fault, when)) in self.rules.iter_mut().enumerate() {
            if can(fault) && when.is_about(path) && when.is_now(number) && struck.is_none() {
                struck = Some(index);
            }
        }
        let index = struck?;
        let (fault, when) = &mut self.rules[index];
        let random = Random::new(when.random.draw());
        let fault = fault.clone();
        if when.is_once() {
            self.rules.remove(index);
        }
        Some((fault, random))
    }
}

macro_rules! sites {
    ($($site:ident $name:literal,)*) => {
        /// What can have happened to a disk.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(super) enum Site {
            $($site,)*
        }

        const SITES: &[(Site, &str)] = &[$((Site::$site, $name),)*];
    };
}

sites! {
    FailedSync "failed_sync",
    FailedSyncDir "failed_sync_dir",
    FailedWrite "failed_write",
    ShortWrite "short_write",
    FailedRead "failed_read",
    FailedName "failed_name",
    NoSpace "no_space",
    MisdirectedWrite "misdirected_write",
    StaleSector "stale_sector",
    FlippedBit "flipped_bit",
    LostPower "lost_power",
    LostWrite "lost_write",
    TornWrite "torn_write",
    LostLength "lost_length",
    LostName "lost_name",
    LostRename "lost_rename",
}

/// How often each fault has struck.
#[derive(Clone, Debug)]
pub(super) struct Fired([u64; SITES.len()]);

impl Default for Fired {
    fn default() -> Self {
        Self([0; SITES.len()])
    }
}

impl Fired {
    pub(super) fn add(&mut self, site: Site) {
        self.0[site as usize] += 1;
    }

    pub(super) fn add_fault(&mut self, fault: &Fault) {
        self.add(fault.site());
    }

    /// Every site, also those where nothing has happened.
    pub(super) fn by_name(&self) -> BTreeMap<&'static str, u64> {
        SITES.iter().map(|(site, name)| (*name, self.0[*site as usize])).collect()
    }
}

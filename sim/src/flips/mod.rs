//! Single bits that flip in the files of a ledger at rest: whoever opens and reads it is told
//! what was there before, or which file is damaged and where, and never anything else.
//!
//! | module | what it is |
//! |---|---|
//! | `rich` | a small ledger with something of everything |
//! | `told` | everything that a ledger tells |
//! | [`ground`] | the ledgers, and which of their bytes an answer rests on |
//! | `fate` | what becomes of a ledger in which one bit was turned over |
//! | [`flip`] | one bit as text |

mod fate;
pub mod flip;
pub mod ground;
mod rich;
mod told;

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::Random;
use crate::spread::{spread, timed};

use fate::{Fate, fate};
pub use flip::Flip;
use ground::{Bytes, Ground, Kind, grounds};

/// How many bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// So many.
    pub flips: u64,
    /// What they are drawn from.
    pub seed: u64,
    /// On so many threads.
    pub threads: usize,
}

impl Settings {
    /// What each run of CI turns over, in seconds.
    #[must_use]
    pub fn ci(threads: usize) -> Self {
        Self { flips: 10_000, seed: 0, threads }
    }

    /// What a long run turns over.
    #[must_use]
    pub fn soak(threads: usize) -> Self {
        Self { flips: 1_000_000, ..Self::ci(threads) }
    }
}

/// What came of the bits of one kind.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Told, with file and place, when the ledger was opened.
    pub at_opening: u64,
    /// Told when it was read.
    pub at_reading: u64,
    /// The store was set aside and made anew, and tells the same.
    pub rebuilt: u64,
    /// Nothing that is told differs, and nothing is said.
    pub harmless: u64,
}

/// What came of all bits. None was a breach.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Report {
    /// By what the bytes belong to.
    pub kinds: BTreeMap<Kind, Counts>,
    /// How long it took.
    pub took: Duration,
}

impl Report {
    /// How many bits were turned over.
    #[must_use]
    pub fn flips(&self) -> u64 {
        let all = |counts: &Counts| {
            counts.at_opening + counts.at_reading + counts.rebuilt + counts.harmless
        };
        self.kinds.values().map(all).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "{:<20}{:>12}{:>12}{:>12}{:>12}",
            "", "at opening", "at reading", "rebuilt", "harmless"
        )?;
        for (kind, counts) in &self.kinds {
            let Counts { at_opening, at_reading, rebuilt, harmless } = counts;
            writeln!(out, "{kind:<20}{at_opening:>12}{at_reading:>12}{rebuilt:>12}{harmless:>12}")?;
        }
        writeln!(out, "flips    {:>23}", self.flips())?;
        writeln!(out, "breaches {:>23}", 0)?;
        write!(out, "seconds  {:>23.1}", self.took.as_secs_f64())
    }
}

/// A bit of which something came that must not be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Which; none where no ledger could be made.
    pub flip: Option<Flip>,
    /// What came of it.
    pub breach: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "breach: {}", self.breach)?;
        let Some(flip) = &self.flip else { return Ok(()) };
        write!(out, "\ncargo run --release -p quipu-sim -- --flips --flip {flip}")
    }
}

/// Turns over as many bits as are wanted, each in a copy of its own. `progress` is told after
/// each.
pub fn run(
    settings: &Settings,
    progress: &mut (dyn FnMut(&Report) + Send),
) -> Result<Report, Failure> {
    let place = Place::new()?;
    let sum = Mutex::new((Report::default(), progress));
    let (done, took) = timed(|| {
        spread(settings.threads, 0..settings.flips, |number| {
            // Each number draws by itself, so that it does not matter who takes which.
            let seed = Random::new(settings.seed.wrapping_add(number)).draw();
            let mut random = Random::new(seed);
            let (bytes, flip) = place.draw(&mut random);
            let fate = place.fate(bytes, &flip)?;
            let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
            let (report, progress) = &mut *sum;
            let counts = report.kinds.entry(bytes.kind).or_default();
            *match fate {
                Fate::AtOpening => &mut counts.at_opening,
                Fate::AtReading => &mut counts.at_reading,
                Fate::Rebuilt => &mut counts.rebuilt,
                Fate::Harmless => &mut counts.harmless,
            } += 1;
            progress(report);
            Ok(())
        })
    });
    done?;
    let (report, _) = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Report { took, ..report })
}

/// Looks at one bit again. Says what came of it.
pub fn replay(flip: &Flip) -> Result<String, Failure> {
    let place = Place::new()?;
    let is_it = |bytes: &&Bytes| {
        place.grounds[bytes.ground].name == flip.ledger
            && bytes.file == flip.file
            && bytes.at.contains(&flip.offset)
    };
    let Some(bytes) = place.bytes.iter().find(is_it) else {
        let breach = "no answer rests on that byte, or it is not there".to_owned();
        return Err(Failure { flip: Some(flip.clone()), breach });
    };
    place.fate(bytes, flip).map(|fate| format!("{}: {fate:?}", bytes.kind))
}

/// The ledgers, and all their bytes that count.
struct Place {
    grounds: Vec<Ground>,
    bytes: Vec<Bytes>,
}

impl Place {
    fn new() -> Result<Self, Failure> {
        let failed = |error: quipu_ledger::OpenError| Failure {
            flip: None,
            breach: format!("no ledger to begin with: {error}"),
        };
        let grounds = grounds().map_err(failed)?;
        let mut bytes = Vec::new();
        for (number, ground) in grounds.iter().enumerate() {
            bytes.extend(ground.bytes(number).map_err(failed)?);
        }
        Ok(Self { grounds, bytes })
    }

    /// A kind by its share, and any bit of its bytes.
    fn draw(&self, random: &mut Random) -> (&Bytes, Flip) {
        let mut drawn = random.below(Kind::ALL.iter().map(|(_, share)| share).sum());
        let kind = Kind::ALL.iter().find(|(_, share)| {
            let is_it = drawn < *share;
            drawn = drawn.saturating_sub(*share);
            is_it
        });
        let (kind, _) = kind.expect("it is below the sum of all shares");
        let of_kind = || self.bytes.iter().filter(|bytes| bytes.kind == *kind);
        let mut at = random.below(of_kind().map(|bytes| bytes.at.end - bytes.at.start).sum());
        let mut found = of_kind();
        let bytes = loop {
            let bytes = found.next().expect("it is below the sum of all lengths");
            let len = bytes.at.end - bytes.at.start;
            if at < len {
                break bytes;
            }
            at -= len;
        };
        let flip = Flip {
            ledger: self.grounds[bytes.ground].name.to_owned(),
            file: bytes.file.clone(),
            offset: bytes.at.start + at,
            bit: random.below(8) as u8,
        };
        (bytes, flip)
    }

    fn fate(&self, bytes: &Bytes, flip: &Flip) -> Result<Fate, Failure> {
        let fate = fate(&self.grounds[bytes.ground], bytes.kind, flip);
        fate.map_err(|breach| Failure { flip: Some(flip.clone()), breach })
    }
}

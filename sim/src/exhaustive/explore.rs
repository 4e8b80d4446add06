//! One workload, cut short at every operation, and each recovery from that at every one of its own.
//!
//! One run gives every point: before each operation the disk is copied as power loss would leave
//! it then, with all of what waits for a sync, nothing of it, each of its beginnings, and some of
//! its sectors. Recovery is run on each copy, and is cut short at each of its operations in the
//! same way. Copies that are alike in every byte are looked at once.

use core::fmt;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use quipu_core::log::Anchor;
use quipu_core::shard::Ask;
use quipu_ledger::Options;

use crate::disk::{Keep, SimDisk};

use super::case::{Crash, Moment};
use super::found::{BEGUN, Breach, Found, Look, anchors, find, frames, hold, print_of, verifies};
use super::images::{Image, Images, Watch};
use super::life::{Callers, Step, Told, enter, essence, live};

/// Where a workload begins.
#[derive(Clone)]
pub struct Start {
    disk: SimDisk,
    /// How many frames with events are there; of a ledger that is to be made, that its making
    /// writes.
    frames: usize,
}

impl Start {
    /// A disk on which the ledger is still to be made.
    #[must_use]
    pub fn empty() -> Self {
        Self { disk: SimDisk::new(), frames: 1 }
    }

    /// A ledger that has lived through these steps.
    pub fn after(options: &Options, steps: &[Step]) -> Result<Self, Breach> {
        let disk = SimDisk::new();
        let lived = live(&disk, options, steps, &Callers::default(), &mut || {});
        lived.map_err(|error| format!("a sound disk fails: {error}"))?;
        let disk = disk.image(Keep::All);
        let frames = history(&disk, options)?.len() - 1;
        Ok(Self { disk, frames })
    }
}

/// A workload, of which the end is looked at.
#[derive(Clone, Copy)]
pub struct Workload<'a> {
    /// How the ledger is opened.
    pub options: &'a Options,
    /// Where it begins.
    pub start: &'a Start,
    /// What is done. Every ask has a key.
    pub steps: &'a [Step],
    /// How many steps have been begun when the first image is taken. What power loss leaves
    /// before them belongs to a shorter workload.
    pub from: usize,
}

/// How closely it is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Depth {
    /// How many torn images are taken at each operation of the workload.
    pub torn: u64,
    /// How many at each operation of a recovery.
    pub torn_again: u64,
    /// Recovery is cut short for one in so many images of the workload.
    pub recoveries: usize,
}

/// What was looked at.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Operations at which power was lost.
    pub crashes: u64,
    /// Images of the disk that this left.
    pub images: u64,
    /// Of these, how many differ from each other.
    pub different: u64,
    /// Operations of recoveries at which power was lost again.
    pub crashes_again: u64,
    /// Images that this left.
    pub images_again: u64,
    /// Of these, how many differ from each other.
    pub different_again: u64,
}

impl Counts {
    /// Adds what else was looked at.
    pub fn add(&mut self, other: &Self) {
        self.crashes += other.crashes;
        self.images += other.images;
        self.different += other.different;
        self.crashes_again += other.crashes_again;
        self.images_again += other.images_again;
        self.different_again += other.different_again;
    }
}

/// What does not hold after a crash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    /// Which crash; none where it is the workload itself that went wrong.
    pub(super) crash: Option<Crash>,
    /// What does not hold.
    pub(super) breach: Breach,
}

impl fmt::Display for Broken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.crash {
            Some(crash) => write!(out, "power lost at {crash}: {}", self.breach),
            None => out.write_str(&self.breach),
        }
    }
}

/// Loses power at every operation of the end of a workload, and of each recovery.
pub fn explore(work: Workload<'_>, depth: Depth) -> Result<Counts, Broken> {
    let (images, run) = run(work, depth.torn).map_err(|breach| Broken { crash: None, breach })?;
    let mut counts = Counts {
        crashes: images.operations,
        images: images.taken,
        different: images.different.len() as u64,
        ..Counts::default()
    };
    let mut known = BTreeMap::new();
    for (number, (print, image)) in images.different.iter().enumerate() {
        let torn = number.is_multiple_of(depth.recoveries).then_some(depth.torn_again);
        let again = run.look_at(*print, image, torn, &mut known)?;
        counts.crashes_again += again.operations;
        counts.images_again += again.taken;
    }
    counts.different_again = known.len() as u64;
    Ok(counts)
}

/// Looks at one crash again.
pub(super) fn replay(work: Workload<'_>, crash: Crash) -> Result<(), Broken> {
    let torn = [Some(crash.work), crash.recovery].into_iter().flatten();
    let torn = torn.map(|moment| moment.kept.seeds()).max().unwrap_or_default();
    let broken = |breach| Broken { crash: Some(crash), breach };
    let (images, run) = run(work, torn).map_err(broken)?;
    let is_it = |image: &&Image| [image.first.0, image.last.0].contains(&crash.work);
    let Some(image) = images.different.values().find(is_it) else {
        return Err(broken(
            "the workload has no such moment, or its image is another one's".into(),
        ));
    };
    let print = print_of(&image.disk);
    let torn = crash.recovery.map(|_| torn);
    run.look_at(print, image, torn, &mut BTreeMap::new()).map(drop)
}

/// Lives through a workload, and takes its images.
fn run(work: Workload<'_>, torn: u64) -> Result<(Images, Run<'_>), Breach> {
    let (disk, callers) = (work.start.disk.image(Keep::All), Callers::default());
    let watch = Watch::over(&disk, &callers, torn, work.from);
    let lived = live(&disk, work.options, work.steps, &callers, &mut || {
        let told = callers.told().clone();
        watch.end(&disk, &told);
    });
    lived.map_err(|error| format!("a sound disk fails: {error}"))?;
    let asks = work.steps.iter().filter_map(|step| match step {
        Step::Ask(ask) => Some(ask.clone()),
        _ => None,
    });
    let reference = history(&disk.image(Keep::All), work.options)?;
    Ok((watch.taken(), Run { work, asks: asks.collect(), reference }))
}

/// All history behind each frame of a ledger.
fn history(disk: &SimDisk, options: &Options) -> Result<Vec<Anchor>, Breach> {
    let whole = enter(&disk.image(Keep::All), options).map_err(|error| error.to_string())?.0;
    Ok(anchors(&frames(&whole.log).map_err(|error| error.to_string())?))
}

/// A workload that was lived through.
struct Run<'a> {
    work: Workload<'a>,
    asks: Vec<Ask>,
    /// All history behind each of its frames.
    reference: Vec<Anchor>,
}

impl Run<'_> {
    /// Recovers from an image, and from all that its recovery leaves when it is cut short, with
    /// so many torn images at each operation. `known` is what was found on those already.
    fn look_at(
        &self,
        print: u64,
        image: &Image,
        torn: Option<u64>,
        known: &mut BTreeMap<u64, Found>,
    ) -> Result<Images, Broken> {
        let [(first, first_told), (last, last_told)] = [&image.first, &image.last];
        let broken = |work: Moment, recovery: Option<Moment>| {
            move |breach| Broken { crash: Some(Crash { work, recovery }), breach }
        };
        let (found, recovery) =
            contained(|| self.recovered(print, &image.disk, torn)).map_err(broken(*last, None))?;
        self.check_began(&found, &self.reference, first_told).map_err(broken(*first, None))?;
        self.check(&found, &self.reference, last_told).map_err(broken(*last, None))?;
        contained(|| verifies(&image.disk, self.work.options)).map_err(broken(*last, None))?;
        for (print, cut) in &recovery.different {
            let moment = Some(cut.last.0);
            let again = match known.get(print) {
                Some(again) => again,
                None => {
                    let again = contained(|| self.find(&cut.disk, Look::Digest, || {}));
                    known.entry(*print).or_insert(again.map_err(broken(*last, moment))?)
                }
            };
            let reference = self.with_genesis(again);
            let checked = check_again(&found, again)
                .and_then(|()| self.check(again, &reference, last_told))
                .map_err(broken(*last, moment));
            checked?;
            let began = self.check_began(again, &reference, first_told);
            began.map_err(broken(*first, moment))?;
        }
        Ok(recovery)
    }

    fn find(&self, disk: &SimDisk, look: Look, end: impl FnOnce()) -> Result<Found, Breach> {
        find(disk, self.work.options, &self.asks, look, end)
    }

    /// What is found on an image, and the images of power loss while it is recovered.
    fn recovered(
        &self,
        print: u64,
        image: &SimDisk,
        torn: Option<u64>,
    ) -> Result<(Found, Images), Breach> {
        let disk = image.image(Keep::All);
        let Some(torn) = torn else {
            return Ok((self.find(&disk, Look::Whole, || {})?, Images::default()));
        };
        let watch = Watch::over(&disk, &Callers::default(), torn, 0);
        // A recovery that has done nothing yet is this one.
        watch.knows(print);
        let end = || watch.end(&disk, &Told::default());
        let found = self.find(&disk, Look::Whole, end)?;
        Ok((found, watch.taken()))
    }

    /// That nothing is there which nobody had begun.
    fn check_began(&self, found: &Found, reference: &[Anchor], first: &Told) -> Result<(), Breach> {
        // Each ask is one frame here.
        let place = reference.iter().position(|anchor| *anchor == found.anchor).unwrap_or_default();
        let most = self.work.start.frames + first.begun;
        hold!(place <= most, "more is there than was begun: {found:?}, {first:?}");
        Ok(())
    }

    /// What was found against what callers knew when it was left.
    fn check(&self, found: &Found, reference: &[Anchor], told: &Told) -> Result<(), Breach> {
        hold!(!(found.is_new && told.is_made), "the ledger is gone: {told:?}");
        let is_part = reference.contains(&found.anchor);
        hold!(is_part, "{found:?} is no part of what happened");
        let is_kept = found.anchor.position >= told.position;
        hold!(is_kept, "what an answer rests on is lost: {found:?}, {told:?}");
        hold!(found.now_limit >= told.at, "time runs back: {found:?}, {told:?}");
        for (reply, (is_kept, answer)) in told.replies.iter().zip(&found.answers) {
            let is_stored = match reply {
                quipu_core::shard::Reply::Refused(refused) => refused.refusal.code.is_stored(),
                _ => true,
            };
            hold!(*is_kept || !is_stored, "{reply:?} is not known any more");
            hold!(
                !is_stored || *answer == essence(reply),
                "the same key has another answer: {answer}, not {reply:?}"
            );
        }
        Ok(())
    }

    /// The history that a recovery began by itself is none of the workload's.
    fn with_genesis(&self, again: &Found) -> Vec<Anchor> {
        let began = Some(again.anchor).filter(|anchor| anchor.position == BEGUN);
        began.into_iter().chain(self.reference.iter().copied()).collect()
    }
}

/// A recovery that was cut short against one that was not, of the same disk.
fn check_again(found: &Found, again: &Found) -> Result<(), Breach> {
    let is_lost = !found.is_new && again.is_new;
    hold!(!is_lost, "a recovery that was cut short lost the ledger");
    let runs_on = again.now_limit >= found.now_limit;
    hold!(runs_on, "time runs back behind a second recovery: {found:?}, {again:?}");
    if found.anchor == Anchor::START {
        let is_new = again.anchor.position <= BEGUN;
        hold!(is_new, "a second recovery finds history where there is none: {again:?}");
        return Ok(());
    }
    hold!(
        found.anchor == again.anchor,
        "a second recovery finds another history: {found:?}, {again:?}"
    );
    hold!(
        found.digest == again.digest,
        "a second recovery finds another state: {found:?}, {again:?}"
    );
    for (one, other) in found.answers.iter().zip(&again.answers).filter(|(one, _)| one.0) {
        hold!(one == other, "a second recovery answers {other:?}, the first one {one:?}");
    }
    Ok(())
}

/// A panic is a breach like any other.
fn contained<T>(look: impl FnOnce() -> Result<T, Breach>) -> Result<T, Breach> {
    catch_unwind(AssertUnwindSafe(look)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("a panic: {}", text.unwrap_or("without a word")))
    })
}

//! A paged file by itself: what it gives back, where it looks for room, when it stops.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quipu_core::disk::{Disk, File, MemoryDisk};
use quipu_sim::Random;
use quipu_sim::disk::{Fault, Keep, SimDisk, SimFile, When};
use quipu_store_redb::backend::{Pace, Pacing, PagedFile};
use quipu_store_redb::file::{RedbFile, set_aside};
use quipu_store_redb::guard::Trouble;
use redb::StorageBackend;

use super::log::settings;

const PAGE: u64 = 4_096;

fn path() -> &'static Path {
    Path::new("file")
}

fn create(disk: &SimDisk, pacing: Pacing) -> PagedFile<SimFile> {
    PagedFile::create(disk.create(path()).expect("a new file"), path(), 7, pacing).expect("made")
}

fn page(seed: u64) -> Vec<u8> {
    (0..PAGE).map(|index| (seed * 31 + index * 7) as u8).collect()
}

fn trouble(error: &std::io::Error) -> Trouble {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Trouble>());
    inner.expect("what goes wrong is said").clone()
}

fn offset_of(error: &std::io::Error) -> u64 {
    let Trouble::Rotten(damage) = trouble(error) else { panic!("{error}") };
    assert_eq!(damage.file, path());
    damage.offset
}

#[test]
fn pages_come_back_across_groups_and_more_sums_than_are_kept() {
    let disk = SimDisk::new();
    let paged = create(&disk, Pacing::none());
    // Two groups whose sums share a place in memory, and the bounds of some groups.
    let pages = [1, 2, 510, 511, 512, 513, 1_023, 1_024, 512 * 512, 512 * 512 + 1];
    paged.set_len(512 * 520 * PAGE).expect("longer");
    paged.write(0, &[9; 320]).expect("a header");
    for number in pages {
        paged.write(number * PAGE, &page(number)).expect("written");
    }
    paged.sync_data().expect("synced");
    let again = || PagedFile::open(disk.open(path()).expect("there"), path(), 7, Pacing::none());
    for paged in [paged, again().expect("it opens")] {
        assert_eq!(paged.len().expect("a length"), 512 * 520 * PAGE);
        for number in pages {
            let mut bytes = page(0);
            paged.read(number * PAGE, &mut bytes).expect("readable");
            assert!(bytes == page(number), "page {number}");
        }
        let mut run = vec![0; 4 * PAGE as usize];
        paged.read(510 * PAGE, &mut run).expect("a run over two groups");
        assert!(run[2 * PAGE as usize..][..PAGE as usize] == page(512));
    }
    let other = PagedFile::open(disk.open(path()).expect("there"), path(), 8, Pacing::none());
    assert!(matches!(other, Err(Trouble::Rotten(_))), "another ledger's file");
}

#[test]
fn what_nobody_wrote_is_not_read() {
    let disk = SimDisk::new();
    let paged = create(&disk, Pacing::none());
    paged.set_len(600 * PAGE).expect("longer");
    for number in [5, 599] {
        paged.write(number * PAGE, &page(number)).expect("written");
    }
    let mut bytes = page(0);
    // A group begins with its sums, and the file with its front.
    let error = paged.read(6 * PAGE, &mut bytes).expect_err("nobody wrote it");
    assert_eq!(offset_of(&error), (2 + 6) * PAGE);
    let error = paged.read(600 * PAGE, &mut bytes).expect_err("behind the end");
    assert_eq!(offset_of(&error), (3 + 600) * PAGE);
    assert!(paged.read(u64::MAX - PAGE + 1, &mut bytes).is_err());
    assert!(paged.read(100, &mut bytes[..10]).is_err(), "no whole page");
    drop(paged);

    // What goes and comes back is new, also where its room stayed.
    let paged = create(&SimDisk::new(), Pacing::none());
    paged.reserve(4 << 20, PAGE).expect("room");
    paged.set_len(600 * PAGE).expect("longer");
    for number in [5, 300, 599] {
        paged.write(number * PAGE, &page(number)).expect("written");
    }
    paged.set_len(100 * PAGE).expect("shorter");
    paged.set_len(600 * PAGE).expect("longer");
    paged.read(5 * PAGE, &mut bytes).expect("it stayed");
    for number in [300, 599] {
        assert!(paged.read(number * PAGE, &mut bytes).is_err(), "page {number}");
    }
}

#[test]
fn every_flipped_byte_of_a_page_or_its_sum_is_named() {
    let disk = SimDisk::new();
    let paged = create(&disk, Pacing::none());
    paged.set_len(600 * PAGE).expect("longer");
    paged.write(0, &[9; 320]).expect("a header");
    for number in 1..600 {
        paged.write(number * PAGE, &page(number)).expect("written");
    }
    paged.sync_data().expect("synced");
    let mut bytes = page(0);
    for step in 0..5_000_u64 {
        let number = 1 + step * 7 % 599;
        let at = (number + 2 + number / 512) * PAGE;
        let sums_at = PAGE + number / 512 * 513 * PAGE;
        let flipped = match step % 5 {
            0 => sums_at + number % 512 * 8 + step % 8,
            _ => at + step * 1_009 % PAGE,
        };
        let file = disk.open(path()).expect("there");
        let paged = PagedFile::open(file, path(), 7, Pacing::none()).expect("it opens");
        disk.flip(path(), flipped, (step % 8) as u8).expect("within the file");
        let error = paged.read(number * PAGE, &mut bytes).expect_err("it is rotten");
        assert_eq!(offset_of(&error), at);
        disk.flip(path(), flipped, (step % 8) as u8).expect("within the file");
    }
}

#[test]
fn a_page_that_moved_together_with_its_sum_does_not_pass() {
    let disk = SimDisk::new();
    let paged = create(&disk, Pacing::none());
    paged.set_len(10 * PAGE).expect("longer");
    paged.write(0, &[9; 320]).expect("a header");
    for number in [3, 4] {
        paged.write(number * PAGE, &page(number)).expect("written");
    }
    paged.sync_data().expect("synced");
    let file = disk.open(path()).expect("there");
    let (mut moved, mut sum) = (page(0), [0; 8]);
    file.read_at((2 + 3) * PAGE, &mut moved).expect("readable");
    file.read_at(PAGE + 3 * 8, &mut sum).expect("readable");
    file.write_at((2 + 4) * PAGE, &moved).expect("written");
    file.write_at(PAGE + 4 * 8, &sum).expect("written");
    let paged = PagedFile::open(file, path(), 7, Pacing::none()).expect("it opens");
    paged.read(3 * PAGE, &mut moved).expect("it is where it was");
    let error = paged.read(4 * PAGE, &mut moved).expect_err("it is somewhere else");
    assert_eq!(offset_of(&error), (2 + 4) * PAGE);
}

/// After a failed sync the next process is shown what the disk never got. Opening makes it so.
#[test]
fn what_an_opening_shows_is_durable() {
    let disk = SimDisk::new();
    let paged = create(&disk, Pacing::none());
    disk.sync_dir(Path::new("")).expect("synced");
    paged.set_len(10 * PAGE).expect("longer");
    paged.write(0, &[1; 320]).expect("a header");
    paged.sync_data().expect("synced");
    paged.set_len(20 * PAGE).expect("longer");
    paged.write(0, &[2; 320]).expect("a header");
    disk.schedule(Fault::FailSync, When::nth(1));
    assert!(paged.sync_data().is_err());
    let show = |disk: &SimDisk| {
        let file = disk.open(path()).expect("there");
        let paged = PagedFile::open(file, path(), 7, Pacing::none()).expect("it opens");
        let mut header = [0; 320];
        paged.read(0, &mut header).expect("readable");
        (paged.len().expect("a length"), header[0])
    };
    assert_eq!(show(&disk.image(Keep::Nothing)), (10 * PAGE, 1), "the disk never got it");
    let disk = disk.reopen();
    assert_eq!(show(&disk), (20 * PAGE, 2), "the cache shows it");
    assert_eq!(show(&disk.image(Keep::Nothing)), (20 * PAGE, 2));
}

#[test]
fn nothing_is_written_after_a_failure() {
    for fault in [Fault::FailSync, Fault::FailWrite] {
        let disk = SimDisk::new();
        let paged = create(&disk, Pacing::none());
        paged.set_len(10 * PAGE).expect("longer");
        paged.write(PAGE, &page(1)).expect("written");
        disk.schedule(fault.clone(), When::nth(1));
        let failed = match fault {
            Fault::FailSync => paged.sync_data(),
            _ => paged.write(2 * PAGE, &page(2)),
        };
        let failed = trouble(&failed.expect_err("it fails"));
        let operations = disk.operations();
        for again in [paged.sync_data(), paged.write(PAGE, &page(3)), paged.set_len(20 * PAGE)] {
            assert_eq!(trouble(&again.expect_err("it is final")), failed);
        }
        assert!(paged.reserve(1 << 20, PAGE).is_err());
        assert_eq!(disk.operations(), operations, "the disk is left alone");
    }
}

/// So many pages held back, synced after so many.
fn spread(window: u64, portion: u64, pace: Pace) -> Pacing {
    let [window_bytes, portion_bytes] = [window, portion].map(|pages| (pages * PAGE) as usize);
    Pacing { window_bytes, portion_bytes, pace }
}

#[test]
fn a_large_commit_leaves_in_portions() {
    let disk = SimDisk::new();
    let paces = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&paces);
    let pace = Arc::new(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let paged = create(&disk, spread(128, 64, pace));
    paged.set_len(1_000 * PAGE).expect("longer");
    for number in 1..=640 {
        // In no order that lies beside each other.
        let number = 1 + number * 7 % 641;
        paged.write(number * PAGE, &page(number)).expect("written");
        assert!(disk.pending() < 70, "what waits for a sync is bounded");
    }
    let before = paces.load(Ordering::Relaxed);
    assert!((8..=10).contains(&before), "{before} portions of 640 pages were synced");
    // What redb writes again as it was is not written again.
    let operations = disk.operations();
    for number in 1..=400 {
        paged.write(number * PAGE, &page(number)).expect("written");
    }
    paged.sync_data().expect("synced");
    assert!(disk.operations() - operations < 150, "only what was still held back has left");
}

#[test]
fn what_is_held_back_is_read_as_if_it_were_written() {
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let disk = SimDisk::new();
        let paged =
            create(&disk, spread(1 + random.below(9), 1 + random.below(5), Arc::new(|_| ())));
        disk.sync_dir(Path::new("")).expect("synced");
        let pages = 40;
        paged.set_len((1 + pages) * PAGE).expect("longer");
        let mut model = vec![None; 1 + pages as usize];
        for step in 0..400 {
            let number = 1 + random.below(pages);
            match random.below(10) {
                0..5 => {
                    // Often the same bytes again.
                    let bytes = page(number * 3 + random.below(2));
                    paged.write(number * PAGE, &bytes).expect("written");
                    model[number as usize] = Some(bytes);
                }
                5..9 => {
                    let Some(expected) = &model[number as usize] else { continue };
                    let mut read = vec![0; PAGE as usize];
                    paged.read(number * PAGE, &mut read).expect("readable");
                    assert!(read == *expected, "seed {seed}, step {step}, page {number}");
                }
                _ => paged.sync_data().expect("synced"),
            }
        }
        paged.sync_data().expect("synced");
        let image = disk.image(Keep::Nothing);
        let file = image.open(path()).expect("its name was synced");
        for (number, expected) in model.iter().enumerate() {
            let Some(expected) = expected else { continue };
            let mut read = vec![0; PAGE as usize];
            // The front, a page of sums, and then the pages of the first group.
            file.read_at((2 + number as u64) * PAGE, &mut read).expect("durable");
            assert!(read == *expected, "seed {seed}: page {number} is durable");
        }
    }
}

/// What the cache shows may never have reached the disk, so being the same is no reason not to
/// write: only what this handle wrote since its last sync needs not be written twice.
#[test]
fn what_a_failed_sync_left_is_written_again() {
    let mut disk = SimDisk::new();
    let paged = create(&disk, spread(8, 4, Arc::new(|_| ())));
    paged.set_len(16 * PAGE).expect("longer");
    paged.write(0, &[1; 320]).expect("a header");
    paged.sync_data().expect("synced");
    disk.sync_dir(Path::new("")).expect("synced");
    disk.schedule(Fault::FailSync, When::nth(1));
    paged.write(5 * PAGE, &page(5)).expect("written");
    paged.sync_data().expect_err("it fails");
    drop(paged);
    disk = disk.reopen();
    let file = disk.open(path()).expect("there");
    let again = PagedFile::open(file, path(), 7, spread(8, 4, Arc::new(|_| ()))).expect("it opens");
    again.write(5 * PAGE, &page(5)).expect("written");
    again.sync_data().expect("synced");
    let file = disk.image(Keep::Nothing).open(path()).expect("there");
    let mut read = vec![0; PAGE as usize];
    file.read_at((2 + 5) * PAGE, &mut read).expect("readable");
    assert!(read == page(5), "it is durable now");
}

#[test]
fn room_is_taken_ahead_and_kept() {
    let disk = SimDisk::new();
    let paged = create(&disk, Pacing::none());
    paged.set_len(256 * PAGE).expect("longer");
    assert!(!paged.has_room(1 << 20, PAGE));
    disk.set_capacity(Some(disk.used() + (1 << 20)));
    assert!(matches!(paged.reserve(1 << 20, PAGE), Err(Trouble::Full(_))));
    disk.set_capacity(None);
    paged.reserve(1 << 20, PAGE).expect("it was no failure");
    assert!(paged.has_room(1 << 20, PAGE));
    let used = disk.used();
    disk.set_capacity(Some(used));
    for pages in [512, 100, 512, 256] {
        paged.set_len(pages * PAGE).expect("there is room");
        assert_eq!(disk.used(), used, "{pages} pages: it was given back");
    }
    for number in 1..256 {
        paged.write(number * PAGE, &page(number)).expect("there is room");
    }
    paged.sync_data().expect("synced");
}

#[test]
fn a_file_is_set_aside_under_a_name_of_its_own() {
    let disk = MemoryDisk::new();
    for number in 1..=3 {
        let file = RedbFile::open(&disk, path(), &settings(), |_| Ok(())).expect("it is made");
        file.close().expect("closed");
        let aside = set_aside(&disk, path()).expect("set aside");
        assert_eq!(aside, Path::new(&format!("file.damaged-{number}")));
    }
    assert_eq!(disk.list(Path::new("")).expect("names").len(), 3);
}

/// A panic within redb ends a call, not a process; and after it nothing is written, for redb
/// would commit in one step when it is closed.
#[test]
fn a_panic_is_contained_and_final() {
    let disk = SimDisk::new();
    let file = RedbFile::open(&disk, path(), &settings(), |_| Ok(())).expect("it is made");
    let panicked: Result<(), Trouble> = file.commit(|_| panic!("as redb might"));
    let Err(Trouble::Rotten(damage)) = panicked else { panic!("{panicked:?}") };
    assert!(damage.why.contains("as redb might"), "{damage}");
    let operations = disk.operations();
    assert!(file.commit(|_| Ok(())).is_err());
    assert!(file.close().is_err());
    assert_eq!(disk.operations(), operations, "the disk is left alone");
    let file = RedbFile::open(&disk, path(), &settings(), |_| Ok(())).expect("it opens again");
    file.commit(|_| Ok(())).expect("and goes on");
}

#[test]
fn a_crash_while_a_file_is_made_leaves_one_that_opens_or_none() {
    let make = |disk: &SimDisk| {
        let file = RedbFile::open(disk, path(), &settings(), |_| Ok(()));
        file.and_then(RedbFile::close)
    };
    let disk = SimDisk::new();
    make(&disk).expect("it is made");
    for at in 1..=disk.operations() {
        for seed in 0..4 {
            let disk = SimDisk::new();
            disk.die_at(at);
            assert!(make(&disk).is_err(), "operation {at}");
            let disk = disk.image(Keep::Torn(seed));
            make(&disk).expect("it is made anew, or opens");
            make(&disk).expect("it opens");
            assert_eq!(disk.list(Path::new("")).expect("names"), ["file"]);
        }
    }
    // A file that was there before under the new one's name is no file of anybody.
    let disk = SimDisk::new();
    disk.create(Path::new("file.new")).expect("a file").write_at(0, b"half").expect("written");
    make(&disk).expect("it is made");
}

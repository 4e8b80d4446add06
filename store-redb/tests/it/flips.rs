//! Bits flip, sectors go astray and files end early: an answer is right, or it is an error.

use std::path::Path;

use quipu_core::log::{Finish, Frame, Log, LogError};
use quipu_sim::disk::{Fault, Keep, SimDisk, When};

use quipu_store_redb::file::RedbFile;
use quipu_store_redb::guard::Trouble;
use redb::TableDefinition;

use super::log::{append, frames, next_frame, open, settings};

/// A log over several groups of pages, closed or torn from its owner.
fn made(is_closed: bool) -> (SimDisk, Vec<Frame>) {
    let disk = SimDisk::new();
    let mut log = open(&disk).expect("it opens");
    let epoch = log.take_epoch().expect("an epoch");
    for len in [100, 40_000, 300_000, 9_000, 1_200_000, 700] {
        for _ in 0..4 {
            let made = Frame { epoch, ..next_frame(&log, 1, len) };
            assert_eq!(append(&mut log, made), Some(Finish::Durable));
        }
    }
    let made = frames(&log).expect("readable");
    if is_closed {
        drop(log);
    } else {
        disk.lose_power();
        drop(log);
    }
    (disk.image(Keep::All), made)
}

fn len_of(disk: &SimDisk) -> u64 {
    disk.files().iter().find(|(name, _)| name == Path::new("log")).expect("it is there").1
}

/// Whether damage was found. Anything else is the whole truth.
fn is_found(disk: &SimDisk, made: &[Frame], what: &str) -> bool {
    match open(disk).and_then(|log| frames(&log)) {
        Ok(found) => {
            assert!(found == made, "{what}: another history");
            false
        }
        Err(LogError::Damaged(damage)) => {
            assert_eq!(damage.file, Path::new("log"), "{what}");
            true
        }
        Err(error) => panic!("{what}: {error}"),
    }
}

#[test]
fn no_flipped_bit_goes_unseen() {
    for is_closed in [true, false] {
        let (disk, made) = made(is_closed);
        let len = len_of(&disk);
        assert!(len > 5 << 20, "{len}");
        let mut found = 0;
        // Prime, so that it meets every byte of a page sooner or later.
        let stride = 10_007;
        let flips = len / stride;
        for step in 0..flips {
            let (offset, bit) = (step * stride, (step % 8) as u8);
            let rotten = disk.image(Keep::All);
            rotten.flip(Path::new("log"), offset, bit).expect("within the file");
            let what = format!("bit {bit} of byte {offset}");
            found += u64::from(is_found(&rotten, &made, &what));
        }
        assert!(found * 4 > flips, "{found} of {flips}: most of the file is history");
    }
}

/// Rows without seals, so that nothing but the sums of pages stands between a flipped bit and
/// a row that is not found.
#[test]
fn no_row_goes_missing() {
    const ROWS: TableDefinition<'_, u64, u64> = TableDefinition::new("rows");
    let open = |disk: &SimDisk| {
        RedbFile::open(disk, Path::new("log"), &settings(), |first| {
            let mut rows = first.open_table(ROWS)?;
            (0..30_000).try_for_each(|key| rows.insert(key, key * 3).map(drop))?;
            Ok(())
        })
    };
    let disk = SimDisk::new();
    open(&disk).and_then(RedbFile::close).expect("it is made");
    let (len, stride) = (len_of(&disk), 1_009);
    let mut found = 0;
    for step in 0..len / stride {
        let rotten = disk.image(Keep::All);
        rotten.flip(Path::new("log"), step * stride, (step % 8) as u8).expect("within the file");
        let file = open(&rotten);
        let read = file.and_then(|file| {
            file.guard().run(|| {
                let table = file.begin_read()?.open_table(ROWS)?;
                // One row of each leaf, and some that are not there.
                for key in (0..31_000).step_by(97) {
                    let value = table.get(key)?.map(|value| value.value());
                    let expected = (key < 30_000).then_some(key * 3);
                    assert_eq!(value, expected, "a flip of byte {}", step * stride);
                }
                Ok(())
            })
        });
        found += u64::from(read.is_err());
        let damage = |trouble: &Trouble| matches!(trouble, Trouble::Rotten(d) if d.offset > 0);
        // The front has the offset 0, and a panic of this test would be one of redb's.
        assert!(step == 0 || read.as_ref().err().is_none_or(damage), "{read:?}");
    }
    assert!(found * 3 > len / stride, "{found} of {}", len / stride);
}

/// Front, header and the first sums: every byte.
#[test]
fn no_flipped_bit_of_the_beginning_goes_unseen() {
    let (disk, made) = made(true);
    let mut found = Vec::new();
    for offset in (0..512).chain(4_096..4_300).chain(8_192..8_704) {
        let rotten = disk.image(Keep::All);
        rotten.flip(Path::new("log"), offset, (offset % 8) as u8).expect("within the file");
        if is_found(&rotten, &made, &format!("byte {offset}")) {
            found.push(offset);
        }
    }
    let is_all_of = |mut range: std::ops::Range<u64>| range.all(|at| found.contains(&at));
    assert!(is_all_of(0..512), "the front");
    assert!(is_all_of(8_192..8_704), "the header");
}

#[test]
fn a_file_that_ends_early_is_damaged() {
    let (disk, made) = made(true);
    let len = len_of(&disk);
    let mut found = 0;
    let cuts = (0..40).map(|step| len * step / 40).chain([1, 511, 4_095, 8_200, len - 1, len]);
    for cut in cuts {
        let short = disk.image(Keep::All);
        let file = quipu_core::disk::Disk::open(&short, Path::new("log")).expect("it is there");
        quipu_core::disk::File::set_len(&file, cut).expect("cut");
        found += u32::from(is_found(&short, &made, &format!("cut at {cut}")));
    }
    assert!(found >= 30, "{found}");
}

/// The disk says that a write went well, and put it elsewhere or left out a sector of it.
#[test]
fn no_write_that_went_astray_goes_unseen() {
    let mut struck = 0;
    for seed in 0..150 {
        let disk = SimDisk::new();
        let mut log = open(&disk).expect("it opens");
        let lie = if seed % 2 == 0 {
            Fault::StaleSector(None)
        } else {
            Fault::MisdirectWrite { file: None, offset: None }
        };
        disk.schedule(lie, When::nth(1 + seed / 2));
        let epoch = log.take_epoch().expect("an epoch");
        let mut told = Vec::new();
        for len in [40, 700, 300_000, 4_000, 40, 9_000] {
            let made = Frame { epoch, ..next_frame(&log, 1, len) };
            if append(&mut log, made.clone()) != Some(Finish::Durable) {
                break;
            }
            told.push(made);
        }
        disk.lose_power();
        drop(log);
        let fired = disk.fired();
        struck += fired["stale_sector"] + fired["misdirected_write"];
        match open(&disk.image(Keep::All)).and_then(|log| frames(&log)) {
            Ok(found) => {
                // A header that never came shows the commit before. Only the next one's would
                // tell, and there is none: one disk cannot know what it was never given.
                assert!(found.len() + 1 >= told.len(), "seed {seed}");
                assert!(told.starts_with(&found) || found == told, "seed {seed}");
            }
            Err(error) => assert!(matches!(error, LogError::Damaged(_)), "seed {seed}: {error}"),
        }
    }
    assert!(struck > 100, "{struck}");
}

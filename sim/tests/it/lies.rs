//! Operations that end well and yet have not done it, and bytes that rot.

use std::collections::BTreeSet;

use quipu_core::disk::{Disk, DiskError, File};
use quipu_sim::disk::{Fault, Keep, SimDisk, When};

use super::{content, content_of, durable, path, sync, write};

#[test]
fn a_flipped_bit_is_on_the_disk_and_in_the_cache() {
    let disk = SimDisk::new();
    let file = durable(&disk, "file", &[0; 5_000]);
    disk.flip(path("file"), 4_999, 7).expect("the byte is there");
    assert_eq!(content(&file)[4_990..], [0, 0, 0, 0, 0, 0, 0, 0, 0, 128]);
    assert_eq!(content_of(&disk.image(Keep::Nothing), "file"), content(&file));
    assert_eq!(disk.fired()["flipped_bit"], 1);
    disk.flip(path("file"), 4_999, 7).expect("the byte is there");
    assert_eq!(content(&file), [0; 5_000]);
    let past = DiskError::ShortRead { path: "file".into(), end: 5_001 };
    assert_eq!(disk.flip(path("file"), 5_000, 0), Err(past));
    assert_eq!(disk.flip(path("none"), 0, 0), Err(DiskError::NotFound("none".into())));
}

#[test]
fn every_byte_of_every_file_can_be_aimed_at() {
    let disk = SimDisk::new();
    durable(&disk, "a", b"12");
    disk.create_dir(path("dir")).expect("a directory");
    durable(&disk, "dir/b", b"123");
    assert_eq!(disk.files(), [("a".into(), 2), ("dir/b".into(), 3)]);
    for (name, len) in disk.files() {
        for offset in 0..len {
            disk.flip(&name, offset, 0).expect("the byte is there");
        }
    }
    assert_eq!([content_of(&disk, "a"), content_of(&disk, "dir/b")], [&b"03"[..], b"032"]);
}

#[test]
fn a_misdirected_write_destroys_what_lies_elsewhere() {
    let disk = SimDisk::new();
    let file = durable(&disk, "file", b"........");
    let landing = Fault::MisdirectWrite { file: None, offset: Some(4) };
    disk.schedule(landing, When::operation(disk.operations() + 1));
    write(&file, 0, b"ab");
    sync(&file);
    assert_eq!(content(&file), b"ab......", "the cache shows what was meant");
    assert_eq!(content_of(&disk.image(Keep::Nothing), "file"), b"....ab..");
    file.forget();
    assert_eq!(content(&file), b"....ab..");
    assert_eq!(disk.fired()["misdirected_write"], 1);
}

#[test]
fn a_misdirected_write_can_hit_another_file_but_not_make_it_longer() {
    let disk = SimDisk::new();
    let [file, other] = ["file", "other"].map(|name| durable(&disk, name, b"...."));
    let landing = Fault::MisdirectWrite { file: Some("other".into()), offset: Some(3) };
    disk.schedule(landing.clone(), When::nth(1));
    write(&file, 2, b"abcd");
    sync(&file);
    assert_eq!([content(&file), content(&other)], [&b"..abcd"[..], b"...."]);
    disk.forget();
    assert_eq!([content(&file), content(&other)], [&b"....\0\0"[..], b"...a"]);
    assert_eq!(content_of(&disk.image(Keep::Nothing), "other"), b"...a");
    disk.remove(path("other")).expect("removed");
    disk.schedule(landing, When::nth(1));
    write(&file, 0, b"x");
    assert_eq!(disk.fired()["misdirected_write"], 1, "there is no such file any more");
}

#[test]
fn a_drawn_misdirection_is_never_where_it_was_meant_to_be() {
    let mut hit = BTreeSet::new();
    for seed in 0..100 {
        let disk = SimDisk::new();
        let file = durable(&disk, "file", &[0; 2_048]);
        let landing = Fault::MisdirectWrite { file: None, offset: None };
        disk.schedule(landing, When::one_in(1, seed));
        write(&file, 1_024 + 10, b"x");
        sync(&file);
        disk.forget();
        let bytes = content(&file);
        hit.insert(bytes.iter().position(|byte| *byte == b'x').expect("it is somewhere"));
    }
    assert_eq!(hit, [10, 512 + 10, 1_536 + 10].into());
}

#[test]
fn a_stale_sector_is_old_though_it_was_synced() {
    let disk = SimDisk::new();
    let file = durable(&disk, "file", &[1; 1_536]);
    disk.schedule(Fault::StaleSector(Some(1)), When::nth(1));
    write(&file, 100, &[2; 1_200]);
    sync(&file);
    assert_eq!(content(&file)[100..1_300], [2; 1_200], "the cache shows what was meant");
    let found = content_of(&disk.image(Keep::All), "file");
    let parts = [&found[100..512], &found[512..1_024], &found[1_024..1_300]];
    assert!(parts[0].iter().chain(parts[2]).all(|byte| *byte == 2));
    assert!(parts[1].iter().all(|byte| *byte == 1));
    assert_eq!(disk.fired()["stale_sector"], 1);
    write(&file, 512, &[3; 512]);
    sync(&file);
    assert_eq!(content_of(&disk.image(Keep::All), "file")[512..1_024], [3; 512]);
}

#[test]
fn a_stale_sector_past_the_end_reads_as_zeros() {
    let disk = SimDisk::new();
    let file = durable(&disk, "file", b"");
    disk.schedule(Fault::StaleSector(None), When::nth(1));
    write(&file, 0, &[9; 512]);
    sync(&file);
    assert_eq!(content_of(&disk.image(Keep::All), "file"), [0; 512]);
}

#[test]
fn a_lie_is_as_torn_as_any_other_write() {
    let disk = SimDisk::new();
    let file = durable(&disk, "file", &[0; 2_048]);
    disk.schedule(Fault::StaleSector(Some(1)), When::nth(1));
    write(&file, 0, &[1; 2_048]);
    let found: BTreeSet<_> = (0..200)
        .map(|seed| {
            let bytes = content_of(&disk.image(Keep::Torn(seed)), "file");
            [0, 512, 1_024, 1_536].map(|offset| bytes[offset])
        })
        .collect();
    assert_eq!(found.len(), 8);
    assert!(found.iter().all(|sectors| sectors[1] == 0));
}

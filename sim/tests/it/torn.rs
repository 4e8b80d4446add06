//! Images in which any part of what was not synced survives.

use std::collections::BTreeSet;

use quipu_core::disk::{Disk, File};
use quipu_sim::disk::{Keep, SimDisk};

use super::{content_of, create, durable, names, path, sync, sync_root, write};

/// What all images of so many seeds show.
fn images<T: Ord>(disk: &SimDisk, seeds: u64, show: impl Fn(&SimDisk) -> T) -> BTreeSet<T> {
    (0..seeds).map(|seed| show(&disk.image(Keep::Torn(seed)))).collect()
}

#[test]
fn a_torn_write_keeps_whole_sectors() {
    let disk = SimDisk::new();
    let file = durable(&disk, "file", &[1; 2_048]);
    // The end of the first sector, two whole ones, the begin of the last.
    write(&file, 500, &[2; 1_100]);
    let found = images(&disk, 300, |image| {
        let bytes = content_of(image, "file");
        let written = [500..512, 512..1_024, 1_024..1_536, 1_536..1_600];
        assert!(bytes[..500].iter().chain(&bytes[1_600..]).all(|byte| *byte == 1));
        written.map(|range| {
            let part = &bytes[range];
            assert!(part.iter().all(|byte| *byte == part[0]), "a sector is whole");
            part[0]
        })
    });
    assert_eq!(found.len(), 16, "every subset of its four sectors");
    let torn = (0..300).map(|seed| disk.image(Keep::Torn(seed)).fired()["torn_write"]);
    assert!(torn.sum::<u64>() > 50);
}

#[test]
fn a_seed_gives_one_image() {
    let disk = SimDisk::new();
    let file = durable(&disk, "file", &[1; 20_000]);
    write(&file, 3, &[2; 19_000]);
    let image = |seed| content_of(&disk.image(Keep::Torn(seed)), "file");
    assert_eq!(image(1), image(1));
    assert_ne!(image(1), image(2));
}

#[test]
fn what_is_synced_is_never_torn() {
    let disk = SimDisk::new();
    let file = durable(&disk, "file", &[1; 4_096]);
    write(&file, 512, &[2; 512]);
    sync(&file);
    write(&file, 2_048, &[3; 2_048]);
    let synced = |image: &SimDisk| content_of(image, "file")[..2_048].to_vec();
    assert_eq!(images(&disk, 100, synced).len(), 1);
}

#[test]
fn unsynced_writes_survive_in_any_order() {
    let disk = SimDisk::new();
    let file = durable(&disk, "file", &[0; 1_024]);
    write(&file, 0, &[1]);
    write(&file, 512, &[2]);
    let found = images(&disk, 200, |image| {
        let bytes = content_of(image, "file");
        [bytes[0], bytes[512]]
    });
    assert_eq!(found, BTreeSet::from([[0, 0], [0, 2], [1, 0], [1, 2]]));
}

#[test]
fn of_two_writes_to_one_sector_the_later_never_survives_alone() {
    let disk = SimDisk::new();
    let file = durable(&disk, "file", b"....");
    write(&file, 0, b"a");
    write(&file, 2, b"b");
    let found = images(&disk, 200, |image| content_of(image, "file"));
    assert_eq!(found, [b"....", b"a...", b"a.b."].map(|bytes| bytes.to_vec()).into());
}

#[test]
fn a_write_past_the_end_may_leave_only_its_length() {
    let disk = SimDisk::new();
    let file = durable(&disk, "file", b"old");
    write(&file, 3, b"new");
    let found = images(&disk, 200, |image| content_of(image, "file"));
    assert_eq!(found, [&b"old"[..], b"old\0\0\0", b"oldnew"].map(<[u8]>::to_vec).into());
}

#[test]
fn a_length_survives_or_not() {
    let disk = SimDisk::new();
    let file = durable(&disk, "file", b"abcdef");
    file.set_len(3).expect("cut");
    file.set_len(5).expect("longer");
    let found = images(&disk, 200, |image| content_of(image, "file"));
    // Never "abcde": the later length alone would bring back what was cut.
    assert_eq!(found, [&b"abcdef"[..], b"abc", b"abc\0\0"].map(<[u8]>::to_vec).into());
}

#[test]
fn a_lost_rename_leaves_the_old_name() {
    let disk = SimDisk::new();
    durable(&disk, "file", b"old");
    durable(&disk, "file.new", b"new");
    disk.rename(path("file.new"), path("file")).expect("renamed");
    let found = images(&disk, 50, |image| (names(image), content_of(image, "file")));
    let both = vec!["file".to_owned(), "file.new".to_owned()];
    assert_eq!(found, [(both, b"old".to_vec()), (vec!["file".into()], b"new".to_vec())].into());
    let image = disk.image(Keep::Nothing);
    assert_eq!(content_of(&image, "file.new"), b"new");
    assert_eq!(image.fired()["lost_rename"], 1);
}

#[test]
fn names_survive_or_not_and_no_file_has_two() {
    let disk = SimDisk::new();
    durable(&disk, "removed", b"r");
    let file = create(&disk, "a");
    write(&file, 0, b"file");
    sync(&file);
    disk.rename(path("a"), path("b")).expect("renamed");
    disk.rename(path("b"), path("c")).expect("renamed");
    disk.remove(path("removed")).expect("removed");
    let found = images(&disk, 300, |image| {
        let names = names(image);
        for name in names.iter().filter(|name| *name != "removed") {
            assert_eq!(content_of(image, name), b"file");
        }
        names.join(" ")
    });
    let all = ["", "a", "a removed", "b", "b removed", "c", "c removed", "removed"];
    assert_eq!(found, all.map(str::to_owned).into());
}

#[test]
fn a_name_is_taken_only_from_the_file_that_lost_it() {
    let disk = SimDisk::new();
    durable(&disk, "file", b"old");
    durable(&disk, "file.new", b"new");
    disk.rename(path("file.new"), path("file")).expect("renamed");
    disk.remove(path("file")).expect("removed");
    let found = images(&disk, 100, |image| names(image).join(" "));
    assert_eq!(found, ["", "file", "file file.new"].map(str::to_owned).into());
}

#[test]
fn what_lies_in_a_lost_directory_is_lost() {
    let disk = SimDisk::new();
    disk.create_dir(path("dir")).expect("a directory");
    let file = create(&disk, "dir/file");
    write(&file, 0, b"bytes");
    sync(&file);
    disk.sync_dir(path("dir")).expect("synced");
    let found = images(&disk, 50, |image| image.files());
    assert_eq!(found, [vec![], vec![("dir/file".into(), 5)]].into());
    sync_root(&disk);
    assert_eq!(images(&disk, 50, |image| image.files()).len(), 1);
}

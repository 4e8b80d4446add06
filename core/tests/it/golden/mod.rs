//! Golden files: what a released version has written still reads as the same value.

mod account;
mod book;
mod collection;
mod drop;
mod export;
mod flow;
mod key;
mod record;
mod source;
mod ticket;

use std::path::PathBuf;

use quipu_core::records::{Entries, Record, Tag, pack_into};
use quipu_core::words::Position;

/// A record with its name, its tag and its bytes, and the text of what it says.
pub(crate) struct Sample {
    machine: &'static str,
    part: &'static str,
    tag: Tag,
    bytes: Vec<u8>,
    text: String,
    read: fn(Tag, &[u8]) -> Option<String>,
}

impl Sample {
    /// A sample of a head, an item or an event (`part`) of a machine.
    pub(crate) fn of<R: Record>(machine: &'static str, part: &'static str, record: &R) -> Self {
        let mut bytes = Vec::new();
        pack_into(record, &mut bytes);
        let read = |tag, bytes: &[u8]| Some(format!("{:?}", R::unpack(tag, bytes).ok()?));
        Self { machine, part, tag: record.tag(), bytes, text: format!("{record:?}"), read }
    }

    fn file(&self) -> PathBuf {
        let Tag { number, version } = self.tag;
        let name = format!("{}-{}-{number}-{version}.bin", self.machine, self.part);
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
    }
}

fn all() -> Vec<Sample> {
    let machines = [
        account::samples(),
        flow::samples(),
        ticket::samples(),
        drop::samples(),
        record::samples(),
        export::samples(),
        book::samples(),
        collection::samples(),
        source::samples(),
        key::samples(),
    ];
    machines.into_iter().flatten().collect()
}

/// `QUIPU_GOLDEN=write` adds the files of new records; files that exist are never rewritten.
#[expect(clippy::disallowed_methods, reason = "golden files lie on a disk")]
#[test]
fn every_record_reads_as_it_was_released() {
    let write = std::env::var("QUIPU_GOLDEN").is_ok_and(|value| value == "write");
    for sample in all() {
        let file = sample.file();
        if write && !file.exists() {
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("the folder");
            std::fs::write(&file, &sample.bytes).expect("the file");
        }
        let golden = std::fs::read(&file).unwrap_or_else(|error| {
            panic!("{}: {error}; QUIPU_GOLDEN=write adds it", file.display())
        });
        let text = (sample.read)(sample.tag, &golden);
        assert_eq!(text.as_deref(), Some(&*sample.text), "{}", file.display());
        assert_eq!(golden, sample.bytes, "{} is packed as it was", file.display());
    }
}

/// The layouts around the records: entries with a note and with two parts, rows, a seal, an
/// answer. Their bytes are those of the page of formats.
#[expect(clippy::disallowed_methods, reason = "golden files lie on a disk")]
#[test]
fn every_layout_is_as_it_was_released() {
    use crate::decoding::{answer, entries, head_row, index_row, key_row, sealed, traced_entries};
    let write = std::env::var("QUIPU_GOLDEN").is_ok_and(|value| value == "write");
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden-layout");
    for (name, bytes) in [
        ("entries", entries()),
        ("traced-entries", traced_entries()),
        ("head-row", head_row()),
        ("key-row", key_row()),
        ("index-row", index_row()),
        ("answer", answer()),
        ("sealed", sealed()),
    ] {
        let file = folder.join(name).with_extension("bin");
        if write && !file.exists() {
            std::fs::create_dir_all(&folder).expect("the folder");
            std::fs::write(&file, &bytes).expect("the file");
        }
        let golden = std::fs::read(&file).unwrap_or_else(|error| {
            panic!("{}: {error}; QUIPU_GOLDEN=write adds it", file.display())
        });
        assert_eq!(golden, bytes, "{} is laid out as it was", file.display());
    }
    let (bytes, first) = (entries(), Position::new(1));
    let read: Vec<_> =
        Entries::new(&bytes, first).map(|entry| entry.expect("a golden entry is read")).collect();
    assert_eq!(read.iter().map(|entry| entry.parts.len()).collect::<Vec<_>>(), [1, 2]);
    assert!(read[0].note.is_some() && read[1].note.is_none());
}

//! Feeds bytes to everything that reads bytes. The fuzz target runs this file too.

use quipu_core::machine::{Answer, ItemKey, Postings, Registry, Rules, What};
use quipu_core::records::{Entries, HeadRow, IndexRow, ItemRow, KeyRow, Table, Tag, open};
use quipu_core::words::{Book, Id, Name, Position};

/// Gives the bytes to every reader. Each says what they are or that they are nothing of its
/// own; the only wrong answer is a panic.
pub(crate) fn feed(registry: &Registry, bytes: &[u8]) {
    for first in [0, 1, u64::MAX - 1, u64::MAX] {
        feed_entries(registry, bytes, Position::new(first));
    }
    feed_head_row(registry, bytes);
    feed_item_row(registry, bytes);
    let _ = KeyRow::read(bytes);
    let _ = IndexRow::read(bytes);
    feed_answer(registry, bytes);
    feed_seal(bytes);
    feed_records(registry, bytes);
}

fn feed_entries(registry: &Registry, bytes: &[u8], first: Position) {
    for entry in Entries::new(bytes, first).flatten() {
        for part in entry.parts {
            if let Some(rules) = registry.rules(part.head.kind) {
                let _ = rules.describe_event(part.head.tag, part.payload);
            }
            let _ = format!("{part:?}");
        }
        if let Some(answer) = entry.note.and_then(|note| note.answer) {
            feed_answer(registry, &answer);
        }
    }
}

fn feed_head_row(registry: &Registry, bytes: &[u8]) {
    let Ok(row) = HeadRow::read(bytes) else { return };
    let _ = format!("{row:?}");
    let Some(rules) = registry.rules(row.name.kind) else { return };
    let _ = rules.describe_head(row.tag, row.head);
    let _ = rules.head_due(row.tag, row.head);
    let _ = rules.indexes(row.tag, row.head, &mut |_, _| {});
}

fn feed_item_row(registry: &Registry, bytes: &[u8]) {
    let Ok(row) = ItemRow::read(bytes) else { return };
    let Some(rules) = registry.rules(row.kind) else { return };
    let _ = rules.describe_item(row.tag, row.item);
    let _ = rules.item_due(row.tag, row.item);
    feed_item_indexes(rules, row.tag, row.item);
}

/// Asks what an item is listed by, under every letter that is a capital.
fn feed_item_indexes(rules: &dyn Rules, tag: Tag, item: &[u8]) {
    let Ok(id) = Id::new("a") else { return };
    let name = Name::new(Book::DEFAULT, rules.kind(), Id::pair(&id, &id));
    for letter in b'A'..=b'Z' {
        let key = ItemKey::at(letter, Position::new(7));
        let _ = rules.item_indexes(&name, &key, (tag, item), &mut |_, _| {});
    }
}

fn feed_answer(registry: &Registry, bytes: &[u8]) {
    let answer = Answer::from_bytes(bytes);
    let _ = answer.stamp();
    for piece in answer.pieces().flatten() {
        let _ = format!("{piece:?}");
        let Some(rules) = registry.rules(piece.kind) else { continue };
        let _ = match piece.what {
            What::Event => rules.describe_event(piece.tag, piece.record),
            What::Head(_) => rules.describe_head(piece.tag, piece.record),
            What::Item(_) => rules.describe_item(piece.tag, piece.record),
            What::Leg { .. } => continue,
        };
    }
}

/// The first byte says how much of the rest is the key.
fn feed_seal(bytes: &[u8]) {
    let Some((&key_len, rest)) = bytes.split_first() else { return };
    let (key, sealed) = rest.split_at(usize::from(key_len).min(rest.len()));
    for table in Table::ALL {
        let _ = open(table, key, sealed);
    }
}

/// Every frozen struct, where a disk would have it and one byte beside.
fn feed_records(registry: &Registry, bytes: &[u8]) {
    for bytes in [bytes, bytes.get(1..).unwrap_or_default()] {
        for rules in registry.all() {
            let [heads, items, events] = rules.tags();
            for &tag in heads {
                let _ = rules.describe_head(tag, bytes);
                let _ = rules.head_due(tag, bytes);
                let _ = rules.indexes(tag, bytes, &mut |_, _| {});
                for &event in events {
                    let _ = rules.postings((tag, bytes), (event, bytes), &mut Postings::default());
                }
            }
            for &tag in items {
                let _ = rules.describe_item(tag, bytes);
                let _ = rules.item_due(tag, bytes);
                feed_item_indexes(rules, tag, bytes);
            }
            for &tag in events {
                let _ = rules.describe_event(tag, bytes);
            }
        }
    }
}

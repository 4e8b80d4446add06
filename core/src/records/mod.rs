//! What is kept on a disk: tags, packed records, rows and log entries, each checked before use.

mod entry;
mod index;
mod pack;
mod row;

pub(crate) use entry::TRACE_LEN;
pub use entry::{Entries, Entry, EntryFront, EntryWriter, KeyNote, Part, PartHead};
pub use index::{INDEX_LEN_MAX, IndexRow, escape, key_of_index, prefix_of_index, unescape};
pub use pack::{Packed, Packer, Record, Tag, pack_into, unpack};
pub(crate) use row::{Fields, padding, text};
pub use row::{
    HeadRow, ItemRow, KeyRow, Row, Rows, SEAL_LEN, Table, key_of_head, key_of_item, key_of_name,
    open, seal,
};

/// Bytes that are not what was written there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Corrupt {
    /// The bytes end before the record does.
    #[error("the record is cut short")]
    Short,
    /// The checksum over key and value does not match.
    #[error("the checksum does not match")]
    Checksum,
    /// No record of this machine has such a tag.
    #[error("no record has this tag")]
    Tag,
    /// The bytes are not a valid record of their tag.
    #[error("the bytes are no valid record of their tag")]
    Shape,
    /// A number lies outside of what its place allows.
    #[error("a number is out of range")]
    Range,
    /// A record names a stream or item that is not there.
    #[error("the record names something that is not there")]
    Missing,
}

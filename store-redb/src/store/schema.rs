//! The redb tables of a store, and the one row that says what the file is.

use quipu_core::records::Table;
use quipu_core::words::Position;
use redb::TableDefinition;
use xxhash_rust::xxh3::xxh3_64;

use crate::index::Index;

/// A redb table of rows or of entries.
pub(crate) type Bytes<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;
/// A redb table of index entries.
pub(crate) type Entries<'a> = TableDefinition<'a, &'static [u8], ()>;

/// The redb table of a table. The rows of keys lie in one for each bucket.
pub(crate) fn rows_of(table: Table) -> Option<Bytes<'static>> {
    match table {
        Table::Head => Some(TableDefinition::new("head")),
        Table::Name => Some(TableDefinition::new("name")),
        Table::Item => Some(TableDefinition::new("item")),
        Table::Key => None,
        Table::Index => Some(TableDefinition::new("index")),
    }
}

/// The redb table of an index.
pub(crate) fn entries_of(index: Index) -> Entries<'static> {
    match index {
        Index::Due => TableDefinition::new("due"),
        Index::DueOf => TableDefinition::new("due-of"),
        Index::List => TableDefinition::new("list"),
    }
}

/// The name of the redb table that holds the keys of a bucket.
pub(crate) fn bucket_name(bucket: u32) -> String {
    format!("key-{bucket:010}")
}

/// The bucket of a redb table of that name.
pub(crate) fn bucket_named(name: &str) -> Option<u32> {
    name.strip_prefix("key-")?.parse().ok()
}

/// The redb table with what the file says of itself.
pub(crate) const META: TableDefinition<'static, &'static str, &'static [u8]> =
    TableDefinition::new("meta");
/// Its only key.
pub(crate) const META_KEY: &str = "store";

/// What a store's file says of itself. It is written with every checkpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Meta {
    /// Which store this is.
    pub(crate) id: [u8; 16],
    /// Every row up to here is in it.
    pub(crate) position: Position,
    /// How many checkpoints were written.
    pub(crate) checkpoints: u64,
    /// Whether it is being filled and not whole yet.
    pub(crate) is_filling: bool,
}

/// The format of the tables. Another number is another format.
pub(crate) const FORMAT: u32 = 1;
const META_LEN: usize = 48;

/// Why the row is not what was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BadMeta {
    /// Its bytes are damaged.
    Damaged,
    /// Another version wrote it.
    Format(u32),
}

impl Meta {
    /// `checksum u64 | format u32 | filling u32 | id | position u64 | checkpoints u64`
    pub(crate) fn to_bytes(self) -> [u8; META_LEN] {
        let mut bytes = [0; META_LEN];
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[12..16].copy_from_slice(&u32::from(self.is_filling).to_le_bytes());
        bytes[16..32].copy_from_slice(&self.id);
        bytes[32..40].copy_from_slice(&self.position.get().to_le_bytes());
        bytes[40..].copy_from_slice(&self.checkpoints.to_le_bytes());
        let sum = xxh3_64(&bytes[8..]);
        bytes[..8].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, BadMeta> {
        let (sum, rest) = bytes.split_first_chunk::<8>().ok_or(BadMeta::Damaged)?;
        if u64::from_le_bytes(*sum) != xxh3_64(rest) {
            return Err(BadMeta::Damaged);
        }
        let (format, _) = rest.split_first_chunk::<4>().ok_or(BadMeta::Damaged)?;
        let format = u32::from_le_bytes(*format);
        if format != FORMAT {
            return Err(BadMeta::Format(format));
        }
        let bytes: &[u8; META_LEN] = bytes.try_into().map_err(|_| BadMeta::Damaged)?;
        let eight = |at: usize| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(eight)
        };
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[16..32]);
        let is_filling = match bytes[12..16] {
            [0, 0, 0, 0] => false,
            [1, 0, 0, 0] => true,
            _ => return Err(BadMeta::Damaged),
        };
        Ok(Self { id, position: Position::new(eight(32)), checkpoints: eight(40), is_filling })
    }
}

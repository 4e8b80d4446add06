//! Filling the filters of all shards in one pass over the store, a bounded step at a time.

use crate::commit::Published;
use crate::machine::{ItemKey, item_hash};
use crate::records::{Corrupt, HeadRow, KeyRow, Table, key_of_head};
use crate::shard::{Shard, bucket_of, name_hash, shard_of};
use crate::store::{Reader, StoreError};
use crate::words::Number;

/// What one step has found for one shard, which takes it with [`Shard::note`].
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Notes {
    /// Hashes of names of streams, and of items.
    pub hashes: Vec<u64>,
    /// Hashes of idempotency keys, with their buckets.
    pub keys: Vec<([u8; 16], u32)>,
    /// Whether this is all: a filter may deny from now on.
    pub complete: bool,
}

/// One pass over the store for the filters of all shards.
///
/// A ledger is opened at once, and its filters deny nothing until the pass is over. The store
/// may be written meanwhile: what comes into being after the opening is noted by its own
/// shard, wherever the pass has come to. So nothing is lost behind it, and it has an end.
#[derive(Debug)]
pub struct Noting {
    shards: usize,
    opened: Published,
    at: At,
    /// Streams whose names were noted and whose items follow, with their shards.
    owners: Vec<(Number, usize)>,
}

/// Where the pass stands: the first key that it has not seen.
#[derive(Clone, Debug)]
enum At {
    Heads(Vec<u8>),
    /// Items of the owners; and where the heads go on, unless those were the last.
    Items(Vec<u8>, Option<Vec<u8>>),
    Keys(Vec<u8>),
    Done,
}

impl Noting {
    /// A pass over a store that was brought up to what is durable when a ledger is opened.
    #[must_use]
    pub fn new(shards: usize, opened: Published) -> Self {
        Self { shards, opened, at: At::Heads(Vec::new()), owners: Vec::new() }
    }

    /// Looks at up to `rows` rows, at least one, and gives for each shard what they say.
    /// `None` once all has been said. After an error the same step can be taken again.
    pub fn step(
        &mut self,
        store: &dyn Reader,
        rows: usize,
    ) -> Result<Option<Vec<Notes>>, StoreError> {
        let rows = rows.max(1);
        let mut notes = vec![Notes::default(); self.shards];
        self.at = match self.at.clone() {
            At::Heads(from) => self.heads(store, &from, rows, &mut notes)?,
            At::Items(from, heads) => self.items(store, &from, heads, rows, &mut notes)?,
            At::Keys(from) => self.keys(store, &from, rows, &mut notes)?,
            At::Done => return Ok(None),
        };
        let complete = matches!(self.at, At::Done);
        notes.iter_mut().for_each(|notes| notes.complete = complete);
        Ok(Some(notes))
    }

    fn heads(
        &mut self,
        store: &dyn Reader,
        from: &[u8],
        rows: usize,
        notes: &mut [Notes],
    ) -> Result<At, StoreError> {
        let mut owners = Vec::new();
        let next = scan(store, Table::Head, from, rows, |key, value| {
            let number = number_of(key)?;
            if number.get() > self.opened.watermark.get() {
                return Ok(false);
            }
            let hash = name_hash(&HeadRow::read(value)?.name);
            let shard = shard_of(hash, self.shards);
            notes[shard].hashes.push(hash);
            owners.push((number, shard));
            Ok(true)
        })?;
        self.owners = owners;
        Ok(match self.owners.first() {
            Some((first, _)) => At::Items(key_of_head(*first).to_vec(), next),
            None => At::Keys(Vec::new()),
        })
    }

    fn items(
        &self,
        store: &dyn Reader,
        from: &[u8],
        heads: Option<Vec<u8>>,
        rows: usize,
        notes: &mut [Notes],
    ) -> Result<At, StoreError> {
        let mut owners = self.owners.iter().peekable();
        let next = scan(store, Table::Item, from, rows, |key, _| {
            let number = number_of(key)?;
            let item = key.get(8..).and_then(ItemKey::from_bytes).ok_or(Corrupt::Range)?;
            while owners.next_if(|(owner, _)| *owner < number).is_some() {}
            let Some((owner, shard)) = owners.peek() else { return Ok(false) };
            // A stream that has ended meanwhile has no items, and none that begins now has an
            // old number.
            if *owner == number {
                notes[*shard].hashes.push(item_hash(number, &item));
            }
            Ok(true)
        })?;
        Ok(match (next, heads) {
            (Some(from), heads) => At::Items(from, heads),
            (None, Some(from)) => At::Heads(from),
            (None, None) => At::Keys(Vec::new()),
        })
    }

    fn keys(
        &self,
        store: &dyn Reader,
        from: &[u8],
        rows: usize,
        notes: &mut [Notes],
    ) -> Result<At, StoreError> {
        // Time goes on from here: no key that is kept after the opening lies in an older bucket.
        let bucket_last = bucket_of(self.opened.now_limit);
        let next = scan(store, Table::Key, from, rows, |key, value| {
            let (bucket, hash) = key.split_first_chunk::<4>().ok_or(Corrupt::Short)?;
            let (bucket, hash) = (u32::from_be_bytes(*bucket), hash.try_into());
            let hash: [u8; 16] = hash.map_err(|_| Corrupt::Short)?;
            // What its shard notes is not noted again: a filter of keys has room for each once.
            if KeyRow::read(value)?.position <= self.opened.watermark {
                notes[Shard::of_key(&hash, self.shards)].keys.push((hash, bucket));
            }
            Ok(bucket <= bucket_last)
        })?;
        Ok(next.map_or(At::Done, At::Keys))
    }
}

/// Visits up to `rows` rows, until one says that it lies behind all that is wanted. Gives the
/// key to go on from, unless there is nothing more.
fn scan(
    store: &dyn Reader,
    table: Table,
    from: &[u8],
    rows: usize,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<bool, Corrupt>,
) -> Result<Option<Vec<u8>>, StoreError> {
    let (mut seen, mut next, mut damaged) = (0, None, None);
    store.scan(table, from, &mut |key, value| {
        if seen == rows {
            next = Some(key.to_vec());
            return false;
        }
        seen += 1;
        visit(key, value).unwrap_or_else(|why| {
            damaged = Some(StoreError::Damaged { table, key: key.to_vec(), why });
            false
        })
    })?;
    damaged.map_or(Ok(next), Err)
}

fn number_of(key: &[u8]) -> Result<Number, Corrupt> {
    let bytes = key.first_chunk::<8>().ok_or(Corrupt::Short)?;
    Ok(Number::new(u64::from_be_bytes(*bytes)))
}

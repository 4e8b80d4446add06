//! Reads a backup, from its beginning to its end. Nothing of it is used before its check.

use std::io;

use quipu_core::damage::Damage;
use quipu_core::disk::{Disk, File};
use quipu_core::log::{Frame, LogError};
use quipu_core::records::Table;
use quipu_core::store::StoreError;
use quipu_core::words::{Epoch, Position, Timestamp};
use quipu_store_redb::store::WholeRow;

use super::{
    BACK_LEN, BLOCK_LEN_MAX, BackupManifest, FRONT_LEN, HEADER_LEN, What, checksum, is_in_time,
};
use crate::error::OpenError;
use crate::files::path;

/// A backup that is being read.
pub struct Backup<R> {
    from: R,
    name: String,
    manifest: BackupManifest,
    seed: u64,
    offset: u64,
    hasher: blake3::Hasher,
    /// The block that was read last, and what it holds.
    block: Vec<u8>,
    what: Option<What>,
    counted: Contents,
    is_ended: bool,
}

/// How much a backup holds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Contents {
    /// Frames.
    pub frames: u64,
    /// Rows.
    pub rows: u64,
}

impl<R: io::Read> Backup<R> {
    /// Begins to read a backup. `name` is what damage is told of.
    pub fn open(mut from: R, name: &str) -> Result<Self, OpenError> {
        let mut header = [0; HEADER_LEN];
        let read = fill(&mut from, &mut header)?;
        if read < HEADER_LEN {
            let is_ours = header.starts_with(b"QUIPUBAK");
            let file = name.to_owned();
            let cut = OpenError::BackupCut { file: file.clone(), byte: read as u64 };
            return Err(if is_ours { cut } else { OpenError::NotBackup(file) });
        }
        let manifest = BackupManifest::decode(name, &header)?;
        let seed = manifest.seed();
        let mut this = Self {
            from,
            name: name.to_owned(),
            manifest,
            seed,
            offset: HEADER_LEN as u64,
            hasher: blake3::Hasher::new(),
            block: Vec::new(),
            what: None,
            counted: Contents::default(),
            is_ended: false,
        };
        this.advance()?;
        Ok(this)
    }

    /// What it is of.
    #[must_use]
    pub fn manifest(&self) -> &BackupManifest {
        &self.manifest
    }

    /// Gives every frame, in order, to `take`; then come the [rows](Self::rows).
    pub fn frames<T>(
        &mut self,
        take: impl FnOnce(&mut dyn Iterator<Item = Result<Frame, LogError>>) -> Result<T, OpenError>,
    ) -> Result<T, OpenError> {
        let mut stopped = None;
        let mut frames = std::iter::from_fn(|| {
            if stopped.is_some() || self.what != Some(What::Frame) {
                return None;
            }
            let frame = self.frame().and_then(|frame| self.advance().map(|()| frame));
            match frame {
                Ok(frame) => Some(Ok(frame)),
                Err(error) => {
                    let told = LogError::Failed(error.to_string());
                    stopped = Some(error);
                    Some(Err(told))
                }
            }
        });
        let taken = take(&mut frames);
        match stopped {
            Some(error) => Err(error),
            None => taken,
        }
    }

    /// Gives every row, in the order of tables and keys, to `take`, and checks that the backup
    /// ends as it should.
    pub fn rows<T>(
        &mut self,
        take: impl FnOnce(
            &mut dyn Iterator<Item = Result<WholeRow, StoreError>>,
        ) -> Result<T, OpenError>,
    ) -> Result<T, OpenError> {
        while self.what == Some(What::Frame) {
            self.frame()?;
            self.advance()?;
        }
        let mut stopped = None;
        let mut at = 0;
        let mut rows = std::iter::from_fn(|| {
            if stopped.is_some() || self.what != Some(What::Rows) {
                return None;
            }
            let row = self.row(&mut at).and_then(|row| {
                if at == self.payload().len() {
                    at = 0;
                    self.advance()?;
                }
                Ok(row)
            });
            match row {
                Ok(row) => Some(Ok(row)),
                Err(error) => {
                    let told = StoreError::Failed(error.to_string());
                    stopped = Some(error);
                    Some(Err(told))
                }
            }
        });
        let taken = take(&mut rows);
        if let Some(error) = stopped {
            return Err(error);
        }
        let taken = taken?;
        self.end()?;
        Ok(taken)
    }

    /// Reads all of it and checks every block, and that it is whole.
    pub fn check(mut self, progress: &mut dyn FnMut(Position)) -> Result<Contents, OpenError> {
        let mut anchor = self.manifest.start;
        let expected = self.manifest.anchor;
        let has_frames = self.what == Some(What::Frame);
        self.frames(|frames| {
            for frame in frames {
                let frame = frame?;
                if frame.first != anchor.position.plus(1) {
                    let (next, found) = (anchor.position.plus(1), frame.first);
                    return Err(LogError::NotNext { next, found }.into());
                }
                anchor = anchor.then(&frame);
                progress(anchor.position);
            }
            Ok(())
        })?;
        if has_frames && anchor != expected {
            return Err(OpenError::OtherHistory(expected.position));
        }
        self.rows(|rows| {
            for row in rows {
                row?;
            }
            Ok(())
        })?;
        Ok(self.counted)
    }

    fn payload(&self) -> &[u8] {
        &self.block[FRONT_LEN..self.block.len() - BACK_LEN]
    }

    fn damaged(&self, why: &str) -> OpenError {
        let offset = self.offset - self.block.len() as u64;
        OpenError::Damaged(Damage::new(&self.name, offset, why))
    }

    fn cut(&self, byte: u64) -> OpenError {
        OpenError::BackupCut { file: self.name.clone(), byte }
    }

    fn frame(&mut self) -> Result<Frame, OpenError> {
        let payload = self.payload();
        let wrong = "the frame is not what any backup writes";
        let Some((words, bytes)) = payload.split_at_checked(56) else {
            return Err(self.damaged(wrong));
        };
        let word =
            |at: usize| u64::from_le_bytes(words[at * 8..at * 8 + 8].try_into().expect("eight"));
        let (first, events) = (word(1), word(2));
        if word(6) != bytes.len() as u64 || first == 0 || first.checked_add(events).is_none() {
            return Err(self.damaged(wrong));
        }
        let (epoch, now_limit) = (Epoch::new(word(0)), Timestamp::from_ms(word(4)));
        if !is_in_time(now_limit, epoch) || word(3) > Timestamp::LAST.ms() {
            return Err(self.damaged("the frame is of a time that there is not"));
        }
        let frame = Frame {
            epoch,
            first: Position::new(first),
            events,
            now: Timestamp::from_ms(word(3)),
            now_limit,
            watermark: Position::new(word(5)),
            bytes: bytes.to_vec(),
        };
        self.counted.frames += 1;
        Ok(frame)
    }

    fn row(&mut self, at: &mut usize) -> Result<WholeRow, OpenError> {
        let row = split_row(&self.payload()[*at..]);
        let Some((table, key, value)) = row else {
            return Err(self.damaged("the rows are not what any backup writes"));
        };
        *at += 12 + key.len() + value.len();
        self.counted.rows += 1;
        Ok((table, key, value))
    }

    fn end(&mut self) -> Result<(), OpenError> {
        if self.is_ended {
            return Ok(());
        }
        let Contents { frames, rows } = self.counted;
        let payload = self.payload();
        let is_right = self.what == Some(What::End)
            && payload.len() == 48
            && payload[..8] == frames.to_le_bytes()
            && payload[8..16] == rows.to_le_bytes()
            && payload[16..] == *self.hasher.finalize().as_bytes();
        if !is_right {
            return Err(self.damaged("the backup does not end with what it held"));
        }
        self.is_ended = true;
        Ok(())
    }

    /// Reads the next block.
    fn advance(&mut self) -> Result<(), OpenError> {
        // The end holds the hash of what lies before it.
        self.hasher.update(&self.block);
        self.block.clear();
        self.block.resize(FRONT_LEN, 0);
        let read = fill(&mut self.from, &mut self.block)?;
        if read < FRONT_LEN {
            return Err(self.cut(self.offset + read as u64));
        }
        let half =
            |at: usize| u32::from_le_bytes(self.block[at..at + 4].try_into().expect("four bytes"));
        let (what, len) = (half(0), half(4) as usize);
        let start = self.offset;
        let damaged = |why: &str| OpenError::Damaged(Damage::new(&self.name, start, why));
        if len > BLOCK_LEN_MAX {
            return Err(damaged("the block is longer than any backup writes"));
        }
        self.block.resize(FRONT_LEN + len + BACK_LEN, 0);
        let read = fill(&mut self.from, &mut self.block[FRONT_LEN..])?;
        if read < len + BACK_LEN {
            return Err(self.cut(start + (FRONT_LEN + read) as u64));
        }
        let (all, sum) = self.block.split_last_chunk::<8>().expect("longer than its checksum");
        if u64::from_le_bytes(*sum) != checksum(all, self.seed, start) {
            return Err(damaged("the block is not what was written"));
        }
        self.what = match what {
            1 => Some(What::Frame),
            2 => Some(What::Rows),
            3 => Some(What::End),
            _ => return Err(damaged("the block is of no kind that there is")),
        };
        self.offset = start + self.block.len() as u64;
        Ok(())
    }
}

fn split_row(bytes: &[u8]) -> Option<WholeRow> {
    let (front, rest) = bytes.split_first_chunk::<12>()?;
    let half = |at: usize| u32::from_le_bytes(front[at..at + 4].try_into().expect("four"));
    let table = Table::ALL.into_iter().find(|table| *table as u32 == half(0))?;
    let (key, rest) = rest.split_at_checked(half(4) as usize)?;
    let value = rest.get(..half(8) as usize)?;
    Some((table, key.to_vec(), value.to_vec()))
}

/// Reads until the buffer is full or there is no more.
fn fill(from: &mut dyn io::Read, into: &mut [u8]) -> Result<usize, OpenError> {
    let mut read = 0;
    while read < into.len() {
        match from.read(&mut into[read..]) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let what = "reading the backup";
                return Err(OpenError::Stream { what, why: error.to_string() });
            }
        }
    }
    Ok(read)
}

/// Reads a file from its beginning to its end.
pub(crate) struct Source<F> {
    file: F,
    offset: u64,
    len: u64,
}

impl<F: File> io::Read for Source<F> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len - self.offset).unwrap_or(usize::MAX);
        let len = left.min(into.len());
        self.file.read_at(self.offset, &mut into[..len]).map_err(io::Error::other)?;
        self.offset += len as u64;
        Ok(len)
    }
}

/// Begins to read a backup that is a file.
pub fn open_file<D: Disk>(
    disk: &D,
    name: &str,
) -> Result<Backup<impl io::Read + use<D>>, OpenError> {
    let file = disk.open(&path(name))?;
    let len = file.byte_len()?;
    let source = Source { file, offset: 0, len };
    Backup::open(io::BufReader::with_capacity(1 << 20, source), name)
}

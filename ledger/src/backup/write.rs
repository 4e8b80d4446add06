//! Writes a backup.

use std::io;
use std::path::Path;

use quipu_core::disk::{Disk, DiskError, File};
use quipu_core::log::{self, Frame};
use quipu_core::records::Table;
use quipu_core::store;
use quipu_core::words::Position;

use super::{BackupManifest, FRONT_LEN, ROWS_LEN, What, checksum, open_file};
use crate::error::OpenError;
use crate::files::path;

/// Writes a backup of what a snapshot holds, and of the history up to there, if that is to be in
/// it. Writing to the ledger goes on meanwhile. `progress` is told each position whose history
/// is in it.
pub fn write(
    out: &mut dyn io::Write,
    manifest: &BackupManifest,
    history: Option<&dyn log::Reader>,
    snapshot: &dyn store::Reader,
    progress: &mut dyn FnMut(Position),
) -> Result<(), OpenError> {
    let mut blocks = Blocks::begin(out, manifest)?;
    let mut frames = 0;
    let mut at = manifest.start.position.plus(1);
    while let Some(log) = history
        && at <= manifest.position
    {
        let frame = log.read(at)?.ok_or(OpenError::HistoryMissing { first: at })?;
        blocks.put(What::Frame, &[&words(&frame), &frame.bytes])?;
        at = frame.last().plus(1);
        frames += 1;
        progress(frame.last());
    }
    let mut rows = 0;
    let mut gathered = Vec::with_capacity(2 * ROWS_LEN);
    for table in Table::ALL {
        let mut failed = None;
        snapshot.scan(table, &[], &mut |key, value| {
            rows += 1;
            gathered.extend_from_slice(&[table as u8, 0, 0, 0]);
            gathered.extend_from_slice(&(key.len() as u32).to_le_bytes());
            gathered.extend_from_slice(&(value.len() as u32).to_le_bytes());
            gathered.extend_from_slice(key);
            gathered.extend_from_slice(value);
            if gathered.len() >= ROWS_LEN {
                failed = blocks.put(What::Rows, &[&gathered]).err();
                gathered.clear();
            }
            failed.is_none()
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
    }
    if !gathered.is_empty() {
        blocks.put(What::Rows, &[&gathered])?;
    }
    blocks.end(frames, rows)
}

/// The fields of a frame.
fn words(frame: &Frame) -> [u8; 56] {
    let mut out = [0; 56];
    let words = [
        frame.epoch.get(),
        frame.first.get(),
        frame.events,
        frame.now.ms(),
        frame.now_limit.ms(),
        frame.watermark.get(),
        frame.bytes.len() as u64,
    ];
    for (place, word) in out.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    out
}

struct Blocks<'a> {
    out: &'a mut dyn io::Write,
    seed: u64,
    offset: u64,
    hasher: blake3::Hasher,
    block: Vec<u8>,
}

impl<'a> Blocks<'a> {
    fn begin(out: &'a mut dyn io::Write, manifest: &BackupManifest) -> Result<Self, OpenError> {
        let header = manifest.encode();
        out.write_all(&header).map_err(failed)?;
        let (seed, offset) = (manifest.seed(), header.len() as u64);
        Ok(Self { out, seed, offset, hasher: blake3::Hasher::new(), block: Vec::new() })
    }

    fn put(&mut self, what: What, parts: &[&[u8]]) -> Result<(), OpenError> {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        self.block.clear();
        self.block.extend_from_slice(&(what as u32).to_le_bytes());
        self.block.extend_from_slice(&(len as u32).to_le_bytes());
        debug_assert_eq!(self.block.len(), FRONT_LEN);
        for part in parts {
            self.block.extend_from_slice(part);
        }
        let sum = checksum(&self.block, self.seed, self.offset);
        self.block.extend_from_slice(&sum.to_le_bytes());
        self.hasher.update(&self.block);
        self.out.write_all(&self.block).map_err(failed)?;
        self.offset += self.block.len() as u64;
        Ok(())
    }

    fn end(mut self, frames: u64, rows: u64) -> Result<(), OpenError> {
        let hash = *self.hasher.finalize().as_bytes();
        self.put(What::End, &[&frames.to_le_bytes(), &rows.to_le_bytes(), &hash])?;
        self.out.flush().map_err(failed)
    }
}

fn failed(error: io::Error) -> OpenError {
    OpenError::Stream { what: "writing the backup", why: error.to_string() }
}

/// Lets `fill` write a backup into a file, which gets its name once it is durable and has been
/// read again: in its place may lie one that somebody needs.
pub fn to_file<D: Disk>(
    disk: &D,
    new: &str,
    name: &str,
    fill: impl FnOnce(&mut dyn io::Write) -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    let (new_path, name) = (path(new), path(name));
    match disk.remove(&new_path) {
        Err(DiskError::NotFound(_)) => {}
        removed => removed?,
    }
    let file = disk.create(&new_path)?;
    let filled = {
        let mut out = io::BufWriter::with_capacity(1 << 20, Sink { file: &file, offset: 0 });
        fill(&mut out).and_then(|()| io::Write::flush(&mut out).map_err(failed))
    };
    let synced = filled.and_then(|()| Ok(file.sync()?));
    let checked = synced.and_then(|()| {
        file.forget();
        open_file(disk, new)?.check(&mut |_| {})
    });
    if let Err(error) = checked {
        // It has no name that anybody looks for, so what is left of it harms nobody.
        let _ = disk.remove(&new_path);
        return Err(error);
    }
    disk.rename(&new_path, &name)?;
    Ok(disk.sync_dir(name.parent().unwrap_or(Path::new("")))?)
}

/// Writes a file from its beginning to its end.
struct Sink<'a, F> {
    file: &'a F,
    offset: u64,
}

impl<F: File> io::Write for Sink<'_, F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(self.offset, bytes).map_err(io::Error::other)?;
        self.offset += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! What each operation does to the disk, and what a fault makes of it.

use std::path::Path;

use quipu_core::disk::DiskError;

use crate::Random;

use super::Operation;
use super::content::PAGE;
use super::faults::{Fault, Site};
use super::place::Place;
use super::state::{Power, State, end_of, failed};
use super::tree::{Change, FileId, Landing, Node, Tree, parent};

/// Operations. Each checks first what its caller could have known, then whether a fault
/// strikes, and then changes the tree.
impl State {
    pub(super) fn create(&mut self, at: &Operation<'_>) -> Result<FileId, DiskError> {
        self.take_name(at)?;
        self.file_last += 1;
        let file = FileId(self.file_last);
        self.paths.insert(file, at.path.into());
        self.change(Change::Name { path: at.path.to_owned(), node: Node::File(file) });
        Ok(file)
    }

    pub(super) fn create_dir(&mut self, at: &Operation<'_>) -> Result<(), DiskError> {
        self.take_name(at)?;
        self.change(Change::Name { path: at.path.to_owned(), node: Node::Dir });
        Ok(())
    }

    pub(super) fn rename(&mut self, at: &Operation<'_>, to: &Path) -> Result<(), DiskError> {
        let file = self.file_at(at.path)?;
        if parent(at.path) != parent(to) {
            return Err(failed(to, "a rename stays in its directory"));
        }
        if self.live.has_dir(to) {
            return Err(DiskError::AlreadyExists(to.to_owned()));
        }
        self.strike_name(at)?;
        if at.path != to {
            self.paths.insert(file, to.into());
            self.change(Change::Rename { to: to.to_owned(), file });
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, at: &Operation<'_>) -> Result<(), DiskError> {
        let file = self.file_at(at.path)?;
        self.strike_name(at)?;
        self.change(Change::Unname { path: at.path.to_owned(), node: Node::File(file) });
        Ok(())
    }

    pub(super) fn remove_dir(&mut self, at: &Operation<'_>) -> Result<(), DiskError> {
        let path = at.path;
        match self.live.names.get(path) {
            Some(Node::Dir) => {}
            Some(Node::File(_)) => return Err(failed(path, "a file, not a directory")),
            None => return Err(DiskError::NotFound(path.to_owned())),
        }
        if self.live.names.keys().any(|name| parent(name) == path) {
            return Err(failed(path, "the directory is not empty"));
        }
        self.strike_name(at)?;
        self.change(Change::Unname { path: path.to_owned(), node: Node::Dir });
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, at: &Operation<'_>) -> Result<(), DiskError> {
        self.has_dir(at.path)?;
        let can = |fault: &Fault, _: &Tree| *fault == Fault::FailSyncDir;
        let fails = self.strike(at, can).is_some();
        self.settle(at, fails, |change| change.is_of_dir(at.path))
    }

    pub(super) fn sync(&mut self, at: &Operation<'_>, file: FileId) -> Result<(), DiskError> {
        let can = |fault: &Fault, _: &Tree| *fault == Fault::FailSync;
        let fails = self.strike(at, can).is_some();
        self.settle(at, fails, |change| change.is_of_file(file))
    }

    pub(super) fn read(
        &mut self,
        at: &Operation<'_>,
        file: FileId,
        offset: u64,
        into: &mut [u8],
    ) -> Result<(), DiskError> {
        let end = offset.saturating_add(into.len() as u64);
        let short = || DiskError::ShortRead { path: at.path.to_owned(), end };
        if end > self.live.len(file) as u64 {
            return Err(short());
        }
        if self.strike(at, |fault, _| *fault == Fault::FailRead).is_some() {
            return Err(failed(at.path, "the read failed"));
        }
        let offset = usize::try_from(offset).map_err(|_| short())?;
        if self.live.file(file).read(offset, into) { Ok(()) } else { Err(short()) }
    }

    pub(super) fn write(
        &mut self,
        at: &Operation<'_>,
        file: FileId,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), DiskError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let offset = end_of(at.path, offset.saturating_add(bytes.len() as u64))? - bytes.len();
        let room = self.live.file(file).lacks(offset, bytes.len());
        self.take_room(at.path, room)?;
        let place = Place { file, offset, len: bytes.len() };
        let struck = self.strike(at, |fault, live| match fault {
            Fault::FailWrite => true,
            Fault::NoSpace => room > 0,
            Fault::ShortWrite(landed) => landed.is_none_or(|landed| landed < bytes.len()),
            Fault::StaleSector(index) => index.is_none_or(|index| index < place.sectors().count()),
            Fault::MisdirectWrite { file, offset } => {
                place.can_miss(live, file.as_deref(), *offset)
            }
            _ => false,
        });
        let mut landing = Landing::AsMeant;
        match struck {
            None => {}
            Some((Fault::FailWrite, _)) => return Err(failed(at.path, "the write failed")),
            Some((Fault::NoSpace, _)) => return Err(DiskError::NoSpace(at.path.to_owned())),
            Some((Fault::ShortWrite(landed), mut random)) => {
                let landed = landed.unwrap_or_else(|| random.below(bytes.len() as u64) as usize);
                self.write_change(file, offset, &bytes[..landed], Landing::AsMeant);
                return Err(failed(at.path, "the write stopped short"));
            }
            Some((Fault::StaleSector(index), mut random)) => {
                landing = Landing::Without(place.sector(index, &mut random));
            }
            Some((Fault::MisdirectWrite { file: other, offset: elsewhere }, mut random)) => {
                landing = place.miss(&self.live, other.as_deref(), elsewhere, &mut random);
            }
            Some(_) => unreachable!("no other fault can strike a write"),
        }
        self.write_change(file, offset, bytes, landing);
        Ok(())
    }

    pub(super) fn set_len(
        &mut self,
        at: &Operation<'_>,
        file: FileId,
        len: u64,
    ) -> Result<(), DiskError> {
        let len = end_of(at.path, len)?;
        if self.strike(at, |fault, _| *fault == Fault::FailWrite).is_some() {
            return Err(failed(at.path, "the length was not changed"));
        }
        self.change(Change::SetLen { file, len });
        Ok(())
    }

    pub(super) fn allocate(
        &mut self,
        at: &Operation<'_>,
        file: FileId,
        len: u64,
    ) -> Result<(), DiskError> {
        let len = end_of(at.path, len)?;
        let room = self.live.file(file).lacks(0, len);
        self.take_room(at.path, room)?;
        let can = |fault: &Fault, _: &Tree| match fault {
            Fault::FailWrite => true,
            Fault::NoSpace => room > 0,
            _ => false,
        };
        match self.strike(at, can) {
            None => {}
            Some((Fault::NoSpace, _)) => return Err(DiskError::NoSpace(at.path.to_owned())),
            Some(_) => return Err(failed(at.path, "the room was not taken")),
        }
        self.change(Change::Allocate { file, len });
        Ok(())
    }

    pub(super) fn lock(&mut self, dir: &Path) -> Result<(), DiskError> {
        self.has_dir(dir)?;
        if !self.locks.insert(dir.to_owned()) {
            return Err(DiskError::Locked(dir.to_owned()));
        }
        Ok(())
    }

    pub(super) fn list(&self, dir: &Path) -> Result<Vec<String>, DiskError> {
        self.has_dir(dir)?;
        let here = self.live.names.keys().filter(|path| parent(path) == dir);
        let names = here.filter_map(|path| path.file_name()?.to_str().map(str::to_owned));
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        Ok(names)
    }

    pub(super) fn file_at(&self, path: &Path) -> Result<FileId, DiskError> {
        match self.live.names.get(path) {
            Some(Node::File(file)) => Ok(*file),
            Some(Node::Dir) => Err(failed(path, "a directory, not a file")),
            None => Err(DiskError::NotFound(path.to_owned())),
        }
    }

    fn has_dir(&self, dir: &Path) -> Result<(), DiskError> {
        if self.live.has_dir(dir) { Ok(()) } else { Err(DiskError::NotFound(dir.to_owned())) }
    }

    fn take_name(&mut self, at: &Operation<'_>) -> Result<(), DiskError> {
        let path = at.path;
        self.has_dir(parent(path))?;
        if self.live.has_dir(path) || self.live.names.contains_key(path) {
            return Err(DiskError::AlreadyExists(path.to_owned()));
        }
        self.take_room(path, PAGE)?;
        match self.strike(at, |fault, _| matches!(fault, Fault::FailName | Fault::NoSpace)) {
            None => Ok(()),
            Some((Fault::NoSpace, _)) => Err(DiskError::NoSpace(path.to_owned())),
            Some(_) => Err(failed(path, "the name was not given")),
        }
    }

    fn strike_name(&mut self, at: &Operation<'_>) -> Result<(), DiskError> {
        match self.strike(at, |fault, _| *fault == Fault::FailName) {
            None => Ok(()),
            Some(_) => Err(failed(at.path, "the name was not changed")),
        }
    }

    /// Refuses where `more` bytes have no room.
    fn take_room(&mut self, path: &Path, more: usize) -> Result<(), DiskError> {
        match self.capacity {
            Some(capacity) if more > 0 && self.used() + more as u64 > capacity => {
                self.fired.add(Site::NoSpace);
                Err(DiskError::NoSpace(path.to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn write_change(&mut self, file: FileId, offset: usize, bytes: &[u8], landing: Landing) {
        if !bytes.is_empty() {
            self.change(Change::Write { file, offset, bytes: bytes.into(), landing });
        }
    }

    fn change(&mut self, change: Change) {
        self.live.show(&change);
        self.pending.push(change);
    }

    fn strike(
        &mut self,
        at: &Operation<'_>,
        can: impl Fn(&Fault, &Tree) -> bool,
    ) -> Option<(Fault, Random)> {
        if self.power != Power::On {
            return None;
        }
        let live = &self.live;
        let struck = self.faults.strike(at.number, at.path, |fault| can(fault, live));
        if let Some((fault, _)) = &struck {
            self.fired.add_fault(fault);
        }
        struck
    }

    /// Ends a sync: the pending changes that are meant become durable, or never will.
    fn settle(
        &mut self,
        at: &Operation<'_>,
        fails: bool,
        is_meant: impl Fn(&Change) -> bool,
    ) -> Result<(), DiskError> {
        for change in self.pending.extract_if(.., |change| is_meant(change)) {
            if !fails {
                self.durable.land(&change);
            }
        }
        if fails { Err(failed(at.path, "the sync failed")) } else { Ok(()) }
    }
}

//! A disk that is read and never written: what is changed through it stays in memory.
//!
//! It is for looking at a ledger as an opening would find it without being one. What an opening
//! writes is little, but for a damaged one nothing may change at all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quipu_core::disk::{Disk, DiskError, File};

/// What is written at a time.
const PAGE: usize = 4_096;

/// A disk above another one, which stays as it is.
pub(crate) struct Overlay<D: Disk> {
    below: D,
    /// Names that were given or taken away here.
    names: Arc<Mutex<Names<D>>>,
}

type Names<D> = BTreeMap<PathBuf, Option<OverFile<<D as Disk>::File>>>;

impl<D: Disk> Clone for Overlay<D> {
    fn clone(&self) -> Self {
        Self { below: self.below.clone(), names: Arc::clone(&self.names) }
    }
}

/// A file of an [`Overlay`].
pub(crate) struct OverFile<F>(Arc<Mutex<Over<F>>>);

impl<F> Clone for OverFile<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Over<F> {
    /// What lies below, and how much of it still counts.
    below: Option<(F, u64)>,
    len: u64,
    pages: BTreeMap<u64, Box<[u8]>>,
}

impl<D: Disk> Overlay<D> {
    pub(crate) fn new(below: D) -> Self {
        Self { below, names: Arc::default() }
    }

    fn names(&self) -> MutexGuard<'_, Names<D>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, path: &Path) -> Result<OverFile<D::File>, DiskError> {
        let mut names = self.names();
        match names.get(path) {
            Some(Some(file)) => return Ok(file.clone()),
            Some(None) => return Err(DiskError::NotFound(path.to_owned())),
            None => {}
        }
        let below = self.below.open(path)?;
        let len = below.byte_len()?;
        let over = Over { below: Some((below, len)), len, pages: BTreeMap::new() };
        let file = OverFile(Arc::new(Mutex::new(over)));
        names.insert(path.to_owned(), Some(file.clone()));
        Ok(file)
    }
}

impl<D: Disk> Disk for Overlay<D> {
    type File = OverFile<D::File>;
    /// Whoever looks has locked the disk below.
    type Lock = ();

    fn create(&self, path: &Path) -> Result<Self::File, DiskError> {
        if self.file(path).is_ok() {
            return Err(DiskError::AlreadyExists(path.to_owned()));
        }
        let over = Over { below: None, len: 0, pages: BTreeMap::new() };
        let file = OverFile(Arc::new(Mutex::new(over)));
        self.names().insert(path.to_owned(), Some(file.clone()));
        Ok(file)
    }

    fn open(&self, path: &Path) -> Result<Self::File, DiskError> {
        self.file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        let file = self.file(from)?;
        let mut names = self.names();
        names.insert(from.to_owned(), None);
        names.insert(to.to_owned(), Some(file));
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        self.file(path)?;
        self.names().insert(path.to_owned(), None);
        Ok(())
    }

    fn create_dir(&self, path: &Path) -> Result<(), DiskError> {
        match self.below.list(path) {
            Ok(_) => Err(DiskError::AlreadyExists(path.to_owned())),
            Err(DiskError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn remove_dir(&self, path: &Path) -> Result<(), DiskError> {
        let why = "nobody who looks takes a directory away".to_owned();
        Err(DiskError::Failed { path: path.to_owned(), why })
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, DiskError> {
        let mut listed = match self.below.list(dir) {
            Err(DiskError::NotFound(_)) => Vec::new(),
            names => names?,
        };
        for (path, file) in &*self.names() {
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(name) = name.filter(|_| path.parent() == Some(dir)) else { continue };
            listed.retain(|before| before != name);
            if file.is_some() {
                listed.push(name.to_owned());
            }
        }
        listed.sort_unstable();
        Ok(listed)
    }

    fn sync_dir(&self, _dir: &Path) -> Result<(), DiskError> {
        Ok(())
    }

    fn try_lock(&self, _dir: &Path) -> Result<(), DiskError> {
        Ok(())
    }
}

impl<F: File> Over<F> {
    fn page(&self, number: u64) -> Result<Box<[u8]>, DiskError> {
        if let Some(page) = self.pages.get(&number) {
            return Ok(page.clone());
        }
        let mut page = vec![0; PAGE].into_boxed_slice();
        if let Some((below, len)) = &self.below {
            let start = number * PAGE as u64;
            let there = len.saturating_sub(start).min(PAGE as u64) as usize;
            below.read_at(start, &mut page[..there])?;
        }
        Ok(page)
    }

    fn set_len(&mut self, len: u64) -> Result<(), DiskError> {
        if len < self.len {
            // What is cut reads as zeros if the file grows again.
            let (number, within) = (len / PAGE as u64, (len % PAGE as u64) as usize);
            let mut page = self.page(number)?;
            page[within..].fill(0);
            self.pages.retain(|at, _| *at < number);
            self.pages.insert(number, page);
            if let Some((_, below)) = &mut self.below {
                *below = (*below).min(len);
            }
        }
        self.len = len;
        Ok(())
    }
}

impl<F: File> OverFile<F> {
    fn over(&self) -> MutexGuard<'_, Over<F>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: File> File for OverFile<F> {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), DiskError> {
        let over = self.over();
        let end = offset.saturating_add(into.len() as u64);
        if end > over.len {
            return Err(DiskError::ShortRead { path: PathBuf::new(), end });
        }
        let mut done = 0;
        while done < into.len() {
            let at = offset + done as u64;
            let (number, within) = (at / PAGE as u64, (at % PAGE as u64) as usize);
            let len = (PAGE - within).min(into.len() - done);
            let page = over.page(number)?;
            into[done..done + len].copy_from_slice(&page[within..within + len]);
            done += len;
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let mut over = self.over();
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            let (number, within) = (at / PAGE as u64, (at % PAGE as u64) as usize);
            let len = (PAGE - within).min(bytes.len() - done);
            let mut page = over.page(number)?;
            page[within..within + len].copy_from_slice(&bytes[done..done + len]);
            over.pages.insert(number, page);
            done += len;
        }
        over.len = over.len.max(offset + bytes.len() as u64);
        Ok(())
    }

    fn byte_len(&self) -> Result<u64, DiskError> {
        Ok(self.over().len)
    }

    fn set_len(&self, len: u64) -> Result<(), DiskError> {
        self.over().set_len(len)
    }

    fn allocate(&self, len: u64) -> Result<(), DiskError> {
        let mut over = self.over();
        over.len = over.len.max(len);
        Ok(())
    }

    fn sync(&self) -> Result<(), DiskError> {
        Ok(())
    }
}

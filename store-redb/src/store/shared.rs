//! What all handles of a store share: its layers, and what lies below them.

use std::sync::Arc;

use quipu_core::machine::Registry;
use quipu_core::mutant;
use quipu_core::records::{Row, Table};
use quipu_core::store::{Due, Reader, StoreError};
use quipu_core::words::{Book, Kind, Number, Position, Timestamp};
use quipu_sync::facade::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard, lock, read, write};
use quipu_sync::planted::{Planted, is_planted};
use redb::WriteTransaction;

use super::base::Base;
use super::checkpoint::{self, Stopped};
use super::schema::Meta;
use super::view::{View, find};
use crate::file::RedbFile;
use crate::guard::Trouble;
use crate::layer::Layer;

/// So many frozen layers may lie above the disk. Each read asks them one by one, so beyond
/// that, small neighbours become one.
const LAYERS_MAX: usize = 8;

/// The pages that a row can change in all: those from a root to a leaf, in its own table and in
/// those of its index entries.
const ROW_PAGES_BYTES: u64 = 64 << 10;

/// The least block that redb takes.
const PAGE: u64 = 4_096;

/// What a row takes beside its key and value: its seal, and its place in a page.
const ROW_FRONT: u64 = 64;

/// A store's layers and its file.
pub(crate) struct Shared {
    pub(crate) registry: Registry,
    /// It ends with the store: whoever reads on must not keep open what another handle opens.
    file: RwLock<Option<RedbFile>>,
    state: RwLock<State>,
    /// Held by whoever makes two layers into one.
    merging: Mutex<()>,
    /// Gives the file a name under which it is not opened again.
    set_aside: Box<dyn Fn() -> Result<(), StoreError> + Send + Sync>,
}

struct State {
    /// The newest one takes rows; the others are frozen.
    view: View,
    /// The number of the newest layer that a checkpoint under way brings onto the disk.
    writing: Option<u64>,
    /// Why no further checkpoint can be made.
    failed: Option<StoreError>,
}

/// What a checkpoint is to bring onto the disk.
pub(crate) struct Frozen {
    shared: Arc<Shared>,
    layers: Vec<Arc<Layer>>,
    below: Arc<Base>,
    position: Position,
}

impl Shared {
    pub(crate) fn new(
        registry: Registry,
        file: RedbFile,
        base: Base,
        set_aside: Box<dyn Fn() -> Result<(), StoreError> + Send + Sync>,
    ) -> Self {
        let newest = Layer::new(1, 0, base.meta.position);
        let view = View { layers: Arc::new([Arc::new(newest)]), base: Arc::new(base) };
        let state = RwLock::new(State { view, writing: None, failed: None });
        let file = RwLock::new(Some(file));
        Self { registry, file, state, merging: Mutex::new(()), set_aside }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        read(&self.state)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        write(&self.state)
    }

    /// The file, for as long as that is kept.
    fn file(&self) -> RwLockReadGuard<'_, Option<RedbFile>> {
        read(&self.file)
    }

    /// Waits for the checkpoint under way, and closes the file.
    pub(crate) fn close(&self) {
        drop(write(&self.file).take());
    }

    pub(crate) fn apply(
        &self,
        rows: &mut dyn Iterator<Item = Row<'_>>,
        through: Position,
    ) -> Result<(), StoreError> {
        let applied = {
            // Kept until the last row is in, so that nobody freezes between two rows.
            let state = self.read();
            if is_planted(Planted::FreezeUnderApply) {
                let newest = Arc::clone(&state.view.layers[0]);
                drop(state);
                newest.apply(rows, through)
            } else {
                state.view.layers[0].apply(rows, through)
            }
        };
        if let Err(error) = &applied {
            // Some rows are in and others are not: no checkpoint may be made of that.
            self.write().failed.get_or_insert_with(|| error.clone());
        }
        applied
    }

    pub(crate) fn view(&self) -> View {
        self.read().view.clone()
    }

    /// A view that does not change: what has been applied now.
    pub(crate) fn snapshot(&self) -> Result<View, StoreError> {
        let view = {
            let mut state = self.write();
            state.freeze(0);
            let View { layers, base } = &state.view;
            // Without the newest layer, which is empty; but it knows the position.
            let position = layers[0].read().through;
            let last = Arc::new(Layer::new(layers[0].number, 0, position));
            let layers = core::iter::once(last).chain(layers[1..].iter().cloned()).collect();
            View { layers, base: Arc::clone(base) }
        };
        self.merge_layers()?;
        Ok(view)
    }

    pub(crate) fn drop_keys_before(&self, bucket: u32) -> Result<(), StoreError> {
        self.write().freeze(bucket);
        self.merge_layers()
    }

    pub(crate) fn pending_bytes(&self) -> usize {
        self.read().view.layers.iter().map(|layer| layer.byte_len()).sum()
    }

    pub(crate) fn health(&self) -> Result<(), StoreError> {
        self.read().failed.clone().map_or(Ok(()), Err)
    }

    pub(crate) fn freeze(self: &Arc<Self>) -> Result<Frozen, StoreError> {
        let mut state = self.write();
        if let Some(error) = &state.failed {
            return Err(error.clone());
        }
        if state.writing.is_some() {
            return Err(StoreError::Failed("a checkpoint is being written".into()));
        }
        state.freeze(0);
        let View { layers, base } = &state.view;
        let position = layers[0].read().through;
        let (frozen, below) = (layers[1..].to_vec(), Arc::clone(base));
        state.writing = Some(layers[0].number - 1);
        Ok(Frozen { shared: Arc::clone(self), layers: frozen, below, position })
    }

    /// Makes two neighbours into one for as long as there are too many layers.
    fn merge_layers(&self) -> Result<(), StoreError> {
        let _one = lock(&self.merging);
        loop {
            let layers = self.view().layers;
            if layers.len() <= LAYERS_MAX + 1 {
                return Ok(());
            }
            // One of the two may be on its way to the disk. Then what is made of both stays in
            // memory above it, and says once more what the disk says by then.
            let pairs = layers[1..].windows(2);
            let smallest = pairs.min_by_key(|pair| pair[0].byte_len() + pair[1].byte_len());
            let Some([newer, older]) = smallest else { return Ok(()) };
            let merged = Arc::new(Layer::merged(newer, older)?);
            self.write().replace(newer, older, merged);
        }
    }
}

impl State {
    /// Puts a new layer above the newest one, unless that says nothing yet.
    fn freeze(&mut self, keys_from: u32) {
        let newest = &self.view.layers[0];
        if newest.is_empty() && keys_from == 0 {
            return;
        }
        let above = Arc::new(Layer::new(newest.number + 1, keys_from, newest.read().through));
        let layers = core::iter::once(above).chain(self.view.layers.iter().cloned());
        self.view.layers = layers.collect();
    }

    /// Puts one layer in the place of two neighbours, if they still are there.
    fn replace(&mut self, newer: &Arc<Layer>, older: &Arc<Layer>, by: Arc<Layer>) {
        let mut layers = self.view.layers.to_vec();
        let at = layers
            .windows(2)
            .position(|pair| Arc::ptr_eq(&pair[0], newer) && Arc::ptr_eq(&pair[1], older));
        if let Some(at) = at {
            layers.splice(at..at + 2, [by]);
            self.view.layers = layers.into();
        }
    }
}

impl Frozen {
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    pub(crate) fn has_rows(&self) -> bool {
        !self.layers.is_empty()
    }

    /// Brings it onto the disk, and lets go of the layers.
    pub(crate) fn write(self) -> Result<Position, StoreError> {
        let (position, old) = (self.position, self.below.meta);
        if !self.has_rows() && position == old.position {
            return Ok(position);
        }
        let position = if mutant!(CheckpointAhead) { self.shared.position() } else { position };
        let meta = Meta { position, checkpoints: old.checkpoints + 1, ..old };
        let file = self.shared.file();
        let file = file.as_ref().ok_or_else(closed)?;
        self.take_room(file)?;
        let written = commit(file, |transaction| {
            let registry = &self.shared.registry;
            checkpoint::write(transaction, &self.layers, &self.below.buckets, registry, meta)
        });
        let written = written.and_then(|()| Ok(file.release()?));
        let base = written.and_then(|()| self.opened(file)).map_err(|error| self.fail(error))?;
        let mut state = self.shared.write();
        let last = state.writing.unwrap_or(0);
        if is_planted(Planted::LayersFirst) {
            state.view.layers =
                state.view.layers.iter().filter(|layer| layer.number > last).cloned().collect();
            drop(state);
            state = self.shared.write();
        }
        // Whoever reads sees either these layers or the disk with them, never neither.
        let layers = state.view.layers.iter().filter(|layer| layer.number > last);
        state.view = View { layers: layers.cloned().collect(), base: Arc::new(base) };
        drop(state);
        Ok(position)
    }

    /// Fills an empty store: commits what `part` writes for as long as it says that there is
    /// more.
    pub(crate) fn fill(
        self,
        position: Position,
        part: &mut dyn FnMut(&WriteTransaction, Meta) -> Result<bool, Stopped>,
    ) -> Result<(), StoreError> {
        let meta = Meta { position, checkpoints: 1, ..self.below.meta };
        let file = self.shared.file();
        let file = file.as_ref().ok_or_else(closed)?;
        loop {
            let more = commit(file, |transaction| part(transaction, meta));
            if !more.map_err(|error| self.fail(error))? {
                break;
            }
        }
        let base = self.opened(file).map_err(|error| self.fail(error))?;
        let mut state = self.shared.write();
        let newest = Layer::new(state.view.layers[0].number + 1, 0, position);
        state.view = View { layers: Arc::new([Arc::new(newest)]), base: Arc::new(base) };
        drop(state);
        Ok(())
    }

    fn opened(&self, file: &RedbFile) -> Result<Base, StoreError> {
        Base::open(file, self.below.path())
    }

    /// Takes the room that the checkpoint can need, while a full disk does no harm yet: what
    /// redb finds full is of no more use. No page is copied twice, so all pages of the file, and
    /// what the rows and their index entries take, is the most.
    fn take_room(&self, file: &RedbFile) -> Result<(), StoreError> {
        let (mut rows, mut bytes, mut largest) = (0_u64, 0, PAGE);
        for layer in &self.layers {
            layer.read().rows.all(|row| {
                let len = (row.key.len() + row.value.map_or(0, <[u8]>::len)) as u64 + ROW_FRONT;
                (rows, bytes, largest) = (rows + 1, bytes + len, largest.max(len));
            });
        }
        let rewritten = rows.saturating_mul(ROW_PAGES_BYTES).min(file.redb_len());
        // A row and its index entries, in pages that may be half full.
        let bytes = rewritten + 4 * bytes;
        match file.reserve(bytes, largest.next_power_of_two()) {
            Err(Trouble::Full(why)) => Err(StoreError::Full(why)),
            taken => taken.map_err(|error| self.fail(error.into())),
        }
    }

    /// What is on the disk is not known any more: nobody may take it for a checkpoint. The
    /// caller keeps the file, or the name could be another handle's by now.
    fn fail(&self, error: StoreError) -> StoreError {
        let error = match error {
            // No sync has failed, and nothing was written in place: the file is what the last
            // checkpoint made of it. A full disk is no place to make another one of the log.
            StoreError::Full(_) => error,
            error => match (self.shared.set_aside)() {
                Ok(()) => error,
                Err(aside) => StoreError::Failed(format!(
                    "{error}; and its file could not be set aside: {aside}"
                )),
            },
        };
        self.shared.write().failed = Some(error.clone());
        error
    }
}

fn commit<T>(
    file: &RedbFile,
    write: impl FnOnce(&WriteTransaction) -> Result<T, Stopped>,
) -> Result<T, StoreError> {
    let mut stopped = None;
    let written = file.commit(|transaction| {
        write(transaction).map_err(|why| match why {
            Stopped::Redb(error) => error,
            Stopped::Store(error) => {
                let why = error.to_string();
                stopped = Some(error);
                redb::Error::Corrupted(why)
            }
        })
    });
    match stopped {
        Some(error) => Err(error),
        None => Ok(written?),
    }
}

fn closed() -> StoreError {
    StoreError::Failed("the store is closed".into())
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // Also where it was never written: then the next checkpoint takes these layers as well.
        self.shared.write().writing = None;
    }
}

impl Reader for Shared {
    fn position(&self) -> Position {
        self.read().view.position()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let base = {
            let state = self.read();
            if let Some(value) = find(&state.view.layers, table, key) {
                return Ok(value);
            }
            Arc::clone(&state.view.base)
        };
        base.get(table, key)
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        // Only what is frozen has an order.
        self.snapshot()?.scan(table, from, visit)
    }

    fn due(
        &self,
        until: Timestamp,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<Vec<Due>, StoreError> {
        self.view().due(&self.registry, until, after, limit)
    }

    fn next_due(&self, after: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.view().next_due(&self.registry, after)
    }

    fn due_items(
        &self,
        number: Number,
        until: Timestamp,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<(Vec<Due>, Timestamp), StoreError> {
        self.view().due_items(&self.registry, number, until, after, limit)
    }

    fn list(
        &self,
        book: Book,
        kind: Kind,
        index: u8,
        after: &[u8],
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Number)>, StoreError> {
        self.view().list(&self.registry, book, kind, index, after, limit)
    }
}

//! What is in the files and what they are called, and the changes that make it so.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::content::Content;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct FileId(pub(super) u64);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Node {
    File(FileId),
    Dir,
}

/// Files and names. A file without a name is still open somewhere, or its name is not durable
/// yet. A file never has two names.
#[derive(Clone, Default, Debug)]
pub(super) struct Tree {
    pub(super) files: BTreeMap<FileId, Content>,
    pub(super) names: BTreeMap<PathBuf, Node>,
}

/// One change of a tree, small enough to wait in a list until a sync covers it.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Write { file: FileId, offset: usize, bytes: Arc<[u8]>, landing: Landing },
    SetLen { file: FileId, len: usize },
    Allocate { file: FileId, len: usize },
    Name { path: PathBuf, node: Node },
    Unname { path: PathBuf, node: Node },
    Rename { to: PathBuf, file: FileId },
}

/// Where a write reaches the disk. The cache shows it as it was meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Landing {
    AsMeant,
    /// All of it but these of its bytes.
    Without(Range<usize>),
    /// At another place. What lies past the end of that file is lost.
    Elsewhere {
        file: FileId,
        offset: usize,
    },
}

/// Some bytes of a write, and where they land.
pub(super) struct Piece<'a> {
    pub(super) file: FileId,
    pub(super) offset: usize,
    pub(super) bytes: &'a [u8],
    strays: bool,
}

impl<'a> Piece<'a> {
    pub(super) fn part(&self, range: Range<usize>) -> Piece<'a> {
        Piece { offset: self.offset + range.start, bytes: &self.bytes[range], ..*self }
    }
}

impl Change {
    /// The file whose content it changes.
    pub(super) fn file(&self) -> Option<FileId> {
        match self {
            Self::Write { file, .. } | Self::SetLen { file, .. } | Self::Allocate { file, .. } => {
                Some(*file)
            }
            Self::Name { .. } | Self::Unname { .. } | Self::Rename { .. } => None,
        }
    }

    pub(super) fn is_of_file(&self, file: FileId) -> bool {
        self.file() == Some(file)
    }

    pub(super) fn is_of_dir(&self, dir: &Path) -> bool {
        match self {
            Self::Write { .. } | Self::SetLen { .. } | Self::Allocate { .. } => false,
            Self::Name { path, .. } | Self::Unname { path, .. } => parent(path) == dir,
            Self::Rename { to, .. } => parent(to) == dir,
        }
    }

    /// What of a write reaches the disk, and where; of any other change, nothing.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let pieces = match self {
            Self::Write { file, offset, bytes, landing } => {
                let piece = Piece { file: *file, offset: *offset, bytes, strays: false };
                match landing {
                    Landing::AsMeant => [Some(piece), None],
                    Landing::Without(lost) => {
                        [Some(piece.part(0..lost.start)), Some(piece.part(lost.end..bytes.len()))]
                    }
                    Landing::Elsewhere { file, offset } => {
                        [Some(Piece { file: *file, offset: *offset, bytes, strays: true }), None]
                    }
                }
            }
            _ => [None, None],
        };
        pieces.into_iter().flatten().filter(|piece| !piece.bytes.is_empty())
    }
}

impl Tree {
    /// What the cache shows after a change.
    pub(super) fn show(&mut self, change: &Change) {
        match change {
            Change::Write { file, offset, bytes, .. } => self.file(*file).write(*offset, bytes),
            _ => self.land(change),
        }
    }

    /// What the disk has after a change.
    ///
    /// The changes before it may be lost. Then it still leaves a tree: a name that is given
    /// is the name from then on, whatever it was, and only who has a name loses it.
    pub(super) fn land(&mut self, change: &Change) {
        match change {
            Change::Write { .. } => {
                self.land_len(change);
                for piece in change.pieces() {
                    self.land_piece(&piece);
                }
            }
            Change::SetLen { file, len } => self.file(*file).set_len(*len),
            Change::Allocate { file, len } => self.file(*file).allocate(*len),
            Change::Name { path, node } => {
                if let Node::File(file) = node {
                    self.file(*file);
                }
                self.names.insert(path.clone(), *node);
            }
            Change::Unname { path, node } => {
                if self.names.get(path) == Some(node) {
                    self.names.remove(path);
                }
            }
            Change::Rename { to, file, .. } => {
                // Whatever it was called: an earlier rename may be lost.
                self.names.retain(|_, node| *node != Node::File(*file));
                self.file(*file);
                self.names.insert(to.clone(), Node::File(*file));
            }
        }
    }

    /// The length that a write gives its file, without the bytes.
    pub(super) fn land_len(&mut self, change: &Change) {
        if let Change::Write { file, offset, bytes, .. } = change {
            self.file(*file).grow(offset + bytes.len());
        }
    }

    pub(super) fn land_piece(&mut self, piece: &Piece<'_>) {
        let content = self.file(piece.file);
        let room = content.len().saturating_sub(piece.offset);
        let len = if piece.strays { piece.bytes.len().min(room) } else { piece.bytes.len() };
        content.write(piece.offset, &piece.bytes[..len]);
    }

    pub(super) fn file(&mut self, file: FileId) -> &mut Content {
        self.files.entry(file).or_default()
    }

    pub(super) fn len(&self, file: FileId) -> usize {
        self.files.get(&file).map_or(0, Content::len)
    }

    pub(super) fn has_dir(&self, dir: &Path) -> bool {
        dir == Path::new("") || self.names.get(dir) == Some(&Node::Dir)
    }

    /// The names of all files.
    pub(super) fn file_names(&self) -> impl Iterator<Item = (&Path, FileId)> {
        self.names.iter().filter_map(|(path, node)| match node {
            Node::File(file) => Some((path.as_path(), *file)),
            Node::Dir => None,
        })
    }

    /// Feeds all names, and what is in the files, into a hasher.
    pub(super) fn hash(&self, into: &mut dyn Hasher) {
        for (path, node) in &self.names {
            into.write(path.as_os_str().as_encoded_bytes());
            match node {
                Node::Dir => into.write_u8(0),
                Node::File(file) => {
                    into.write_u8(1);
                    self.files.get(file).cloned().unwrap_or_default().hash(into);
                }
            }
        }
    }

    /// Forgets names in directories that are not there, and files without a name.
    pub(super) fn forget_unreachable(&mut self) {
        let mut reached = Self::default();
        // A directory's path sorts before the paths below it.
        for (path, node) in std::mem::take(&mut self.names) {
            if !reached.has_dir(parent(&path)) {
                continue;
            }
            if let Node::File(file) = node {
                reached.files.insert(file, self.files.remove(&file).unwrap_or_default());
            }
            reached.names.insert(path, node);
        }
        *self = reached;
    }
}

pub(super) fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

//! What is in one file: pages that a copy of the file shares until one of the two changes.

use std::hash::Hasher;
use std::ops::Range;
use std::sync::Arc;

/// The unit in which content is shared and room is counted.
pub(super) const PAGE: usize = 4_096;

/// The bytes of a file. A clone shares all pages.
///
/// Invariants: there is a page for every begun [`PAGE`] of `len` and no other; what a page has
/// behind `len` is zero; `held` counts the pages that are no holes.
#[derive(Clone, Default, Debug)]
pub(super) struct Content {
    len: usize,
    held: usize,
    pages: Arc<Vec<Page>>,
}

#[derive(Clone, Debug)]
enum Page {
    /// Zeros that have no room yet.
    Hole,
    /// Zeros that have their room.
    Room,
    Bytes(Arc<[u8; PAGE]>),
}

impl Page {
    fn is_hole(&self) -> bool {
        matches!(self, Self::Hole)
    }

    fn bytes_mut(&mut self) -> &mut [u8; PAGE] {
        if !matches!(self, Self::Bytes(_)) {
            *self = Self::Bytes(Arc::new([0; PAGE]));
        }
        let Self::Bytes(bytes) = self else { unreachable!("it was just made one") };
        Arc::make_mut(bytes)
    }
}

impl Content {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The bytes of room that it has.
    pub(super) fn held(&self) -> usize {
        self.held * PAGE
    }

    /// Fills `into` from an offset on. Whether all of that is there.
    pub(super) fn read(&self, offset: usize, into: &mut [u8]) -> bool {
        if offset.checked_add(into.len()).is_none_or(|end| end > self.len) {
            return false;
        }
        for (page, within, part) in parts(offset, into.len()) {
            match &self.pages[page] {
                Page::Hole | Page::Room => into[part].fill(0),
                Page::Bytes(bytes) => into[part].copy_from_slice(&bytes[within]),
            }
        }
        true
    }

    /// Puts bytes at an offset; grows where they reach past the end.
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.grow(offset + bytes.len());
        let pages = Arc::make_mut(&mut self.pages);
        for (page, within, part) in parts(offset, bytes.len()) {
            self.held += usize::from(pages[page].is_hole());
            if within.len() == PAGE
                && matches!(&pages[page], Page::Bytes(old) if Arc::strong_count(old) > 1)
            {
                // All of a shared page is new: nothing of the old one needs a copy.
                pages[page] = Page::Room;
            }
            pages[page].bytes_mut()[within].copy_from_slice(&bytes[part]);
        }
    }

    /// Cuts, or grows with zeros that have no room.
    pub(super) fn set_len(&mut self, len: usize) {
        let count = len.div_ceil(PAGE);
        if count != self.pages.len() {
            let pages = Arc::make_mut(&mut self.pages);
            if let Some(cut) = pages.get(count..) {
                self.held -= cut.iter().filter(|page| !page.is_hole()).count();
            }
            pages.resize(count, Page::Hole);
        }
        if len < self.len && !len.is_multiple_of(PAGE) {
            let last = &mut Arc::make_mut(&mut self.pages)[count - 1];
            if matches!(last, Page::Bytes(_)) {
                last.bytes_mut()[len % PAGE..].fill(0);
            }
        }
        self.len = len;
    }

    /// As [`set_len`](Self::set_len), but never cuts.
    pub(super) fn grow(&mut self, len: usize) {
        if len > self.len {
            self.set_len(len);
        }
    }

    /// Gives every page below `len` its room, and grows to it.
    pub(super) fn allocate(&mut self, len: usize) {
        self.grow(len);
        if self.lacks(0, len) == 0 {
            return;
        }
        for page in &mut Arc::make_mut(&mut self.pages)[..len.div_ceil(PAGE)] {
            if page.is_hole() {
                *page = Page::Room;
                self.held += 1;
            }
        }
    }

    /// The bytes of room that a write of `len` bytes at an offset still has to take.
    pub(super) fn lacks(&self, offset: usize, len: usize) -> usize {
        let lacks = |page: usize| self.pages.get(page).is_none_or(Page::is_hole);
        parts(offset, len).filter(|(page, ..)| lacks(*page)).count() * PAGE
    }

    /// Feeds its bytes into a hasher: equal ones are equal there, whatever room they have.
    pub(super) fn hash(&self, into: &mut dyn Hasher) {
        into.write_usize(self.len);
        for (index, page) in self.pages.iter().enumerate() {
            if let Page::Bytes(bytes) = page
                && bytes[..] != [0; PAGE]
            {
                into.write_usize(index);
                into.write(&bytes[..]);
            }
        }
    }

    /// Turns one bit over, if the byte is there.
    pub(super) fn flip(&mut self, offset: usize, bit: u8) {
        let mut byte = [0];
        if self.read(offset, &mut byte) {
            self.write(offset, &[byte[0] ^ (1 << bit)]);
        }
    }
}

/// What `len` bytes from an offset on are, page by page: the page, where in it, and which of
/// the bytes.
fn parts(offset: usize, len: usize) -> impl Iterator<Item = (usize, Range<usize>, Range<usize>)> {
    cuts(offset, len, PAGE).map(move |part| {
        let begin = (offset + part.start) % PAGE;
        ((offset + part.start) / PAGE, begin..begin + part.len(), part)
    })
}

/// Cuts `len` bytes at an offset wherever a multiple of `size` lies between two of them.
pub(super) fn cuts(offset: usize, len: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    let mut begin = 0;
    std::iter::from_fn(move || {
        let end = len.min(((offset + begin) / size + 1) * size - offset);
        let part = begin..end;
        begin = end;
        (!part.is_empty()).then_some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::{Content, PAGE, cuts};

    fn all(content: &Content) -> Vec<u8> {
        let mut bytes = vec![1; content.len()];
        assert!(content.read(0, &mut bytes));
        bytes
    }

    #[test]
    fn it_is_what_plain_bytes_would_be() {
        let mut random = crate::Random::new(3);
        let mut content = Content::default();
        let mut plain: Vec<u8> = Vec::new();
        for round in 0..2_000_u32 {
            let [offset, len] = [random.below(20_000) as usize, random.below(10_000) as usize];
            let byte = (round % 251) as u8 + 1;
            match random.below(6) {
                0 => {
                    content.set_len(offset);
                    plain.resize(offset, 0);
                }
                1 => {
                    content.allocate(len);
                    plain.resize(plain.len().max(len), 0);
                    assert_eq!(content.lacks(0, len), 0);
                }
                2 if offset < plain.len() => {
                    content.flip(offset, byte % 8);
                    plain[offset] ^= 1 << (byte % 8);
                }
                _ => {
                    let before = content.clone();
                    let (was, lacks) = (all(&before), content.lacks(offset, len));
                    content.write(offset, &vec![byte; len]);
                    assert_eq!(content.held(), before.held() + lacks);
                    assert!(all(&before) == was, "a clone does not change");
                    if len > 0 {
                        plain.resize(plain.len().max(offset + len), 0);
                        plain[offset..offset + len].fill(byte);
                    }
                }
            }
            assert!(all(&content) == plain, "round {round}");
            let held = content.pages.iter().filter(|page| !page.is_hole()).count();
            assert_eq!(content.held(), held * PAGE);
        }
    }

    #[test]
    fn a_read_past_the_end_says_so() {
        let mut content = Content::default();
        content.write(0, b"abc");
        assert!(content.read(3, &mut []));
        assert!(!content.read(1, &mut [0; 3]));
        assert!(!content.read(usize::MAX, &mut [0; 3]));
    }

    #[test]
    fn bytes_are_cut_where_a_multiple_lies() {
        let cut = |offset, len| cuts(offset, len, 512).collect::<Vec<_>>();
        assert_eq!(cut(0, 0), []);
        assert_eq!(cut(512, 1_024), [0..512, 512..1_024]);
        assert_eq!(cut(500, 600), [0..12, 12..524, 524..600]);
    }
}

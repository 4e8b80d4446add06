//! The canonical tagged form of a command, from which its fingerprint is taken.

use crate::words::{Amount, Asset, Id, Metadata, Signed, Timestamp};

/// Writes a command as (field number, length, bytes), fields in ascending order, absent and
/// default ones left out. So the order of JSON fields, white space and spelled-out defaults
/// change nothing, and a field that a later version adds changes nothing until it is used.
#[derive(Default, Debug)]
pub struct Canon {
    bytes: Vec<u8>,
    last: u8,
}

impl Canon {
    /// One field. Fields come in ascending order.
    pub fn field(&mut self, number: u8, value: &(impl Canonical + ?Sized)) {
        debug_assert!(number > self.last, "fields ascend");
        self.last = number;
        self.bytes.push(number);
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        value.write(&mut self.bytes);
        let len = (self.bytes.len() - start - 4) as u32;
        self.bytes[start..start + 4].copy_from_slice(&len.to_le_bytes());
    }

    /// A field that may be absent.
    pub fn maybe(&mut self, number: u8, value: Option<&impl Canonical>) {
        if let Some(value) = value {
            self.field(number, value);
        }
    }

    /// A nested list: each element is written by `each` into a form of its own.
    pub fn list<T>(&mut self, number: u8, elements: &[T], each: impl Fn(&T, &mut Canon)) {
        let mut inner = Vec::new();
        for element in elements {
            let mut canon = Canon::default();
            each(element, &mut canon);
            inner.extend_from_slice(&(canon.bytes.len() as u32).to_le_bytes());
            inner.extend_from_slice(&canon.bytes);
        }
        self.field(number, &*inner);
    }

    /// The canonical bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A value with one canonical spelling in bytes.
pub trait Canonical {
    /// Appends the bytes.
    fn write(&self, out: &mut Vec<u8>);
}

impl Canonical for [u8] {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

impl Canonical for str {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

impl Canonical for String {
    fn write(&self, out: &mut Vec<u8>) {
        self.as_str().write(out);
    }
}

impl Canonical for Id {
    fn write(&self, out: &mut Vec<u8>) {
        self.as_str().write(out);
    }
}

impl Canonical for Metadata {
    fn write(&self, out: &mut Vec<u8>) {
        self.as_str().write(out);
    }
}

impl Canonical for Asset {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.bytes());
    }
}

impl Canonical for u64 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
}

impl Canonical for u8 {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }
}

impl Canonical for Amount {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.get().to_le_bytes());
    }
}

impl Canonical for Signed {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.get().to_le_bytes());
    }
}

impl Canonical for Timestamp {
    fn write(&self, out: &mut Vec<u8>) {
        self.ms().write(out);
    }
}

//! Packing one record with rkyv, and unpacking it with validation.

use core::fmt::Debug;

use rkyv::api::serialize_using;
use rkyv::rancor::{Error, Strategy};
use rkyv::ser::allocator::{Arena, ArenaHandle};
use rkyv::ser::{Positional, Serializer, Writer};
use rkyv::util::AlignedVec;

use super::Corrupt;

/// Which frozen struct a record's bytes are: its type within the machine, and its version.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Tag {
    /// The number of the type; stable once released.
    pub number: u8,
    /// The version of that type's struct; a new one for every change.
    pub version: u8,
}

/// A head, item or event as a record: its tag, its bytes, and back.
///
/// The [`records!`](crate::records!) macro writes this for an enum of frozen structs.
pub trait Record: Sized + Clone + PartialEq + Debug + Send + Sync + 'static {
    /// Every tag that [`unpack`](Self::unpack) knows, old versions included.
    const TAGS: &'static [Tag];

    /// The tag under which this value is written.
    fn tag(&self) -> Tag;

    /// Appends the packed struct.
    fn pack(&self, packer: &mut Packer<'_>);

    /// Reads what any released version has written, upcast to today's struct.
    fn unpack(tag: Tag, bytes: &[u8]) -> Result<Self, Corrupt>;
}

/// Where records are packed: appends to a buffer, with an arena for what rkyv sets aside.
pub struct Packer<'a> {
    bytes: &'a mut Vec<u8>,
    arena: &'a mut Arena,
}

/// The rkyv serializer behind a [`Packer`].
pub type Packed<'a> = Strategy<Serializer<Tail<'a>, ArenaHandle<'a>, ()>, Error>;

impl<'a> Packer<'a> {
    /// A packer that appends to `bytes`.
    pub fn new(bytes: &'a mut Vec<u8>, arena: &'a mut Arena) -> Self {
        Self { bytes, arena }
    }

    /// Packs one value behind what is there; the value's layout counts from its own start.
    pub fn put<T>(&mut self, value: &T)
    where
        T: for<'s> rkyv::Serialize<Packed<'s>>,
    {
        let start = self.bytes.len();
        let tail = Tail { bytes: self.bytes, start };
        let mut serializer = Serializer::new(tail, self.arena.acquire(), ());
        serialize_using::<_, Error>(value, &mut serializer)
            .expect("packing into memory fails only where memory does");
    }
}

/// The end of a buffer as a writer of its own, whose positions count from zero.
pub struct Tail<'a> {
    bytes: &'a mut Vec<u8>,
    start: usize,
}

impl Positional for Tail<'_> {
    fn pos(&self) -> usize {
        self.bytes.len() - self.start
    }
}

impl<E> Writer<E> for Tail<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), E> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

/// Packs one record into a fresh buffer; for tests, tools and rare paths.
pub fn pack_into<R: Record>(record: &R, bytes: &mut Vec<u8>) {
    record.pack(&mut Packer::new(bytes, &mut Arena::new()));
}

/// Validates the bytes of one frozen struct and reads it.
pub fn unpack<T>(bytes: &[u8]) -> Result<T, Corrupt>
where
    T: rkyv::Archive,
    T::Archived: for<'a> rkyv::bytecheck::CheckBytes<rkyv::api::high::HighValidator<'a, Error>>
        + rkyv::Deserialize<T, rkyv::api::high::HighDeserializer<Error>>,
{
    let align = align_of::<T::Archived>();
    let aligned = bytes.as_ptr().align_offset(align) == 0;
    if aligned {
        rkyv::from_bytes::<T, Error>(bytes)
    } else {
        let mut copy = AlignedVec::<16>::with_capacity(bytes.len());
        copy.extend_from_slice(bytes);
        rkyv::from_bytes::<T, Error>(&copy)
    }
    .map_err(|_| Corrupt::Shape)
}

/// Makes an enum of frozen structs a [`Record`](crate::records::Record).
///
/// Every variant wraps the struct of its own name; `(type, version)` is its tag and never
/// changes. Older structs are listed behind `from`, and are read through `From`.
///
/// ```text
/// records! {
///     /// What happens to a seat.
///     pub enum Event {
///         Taken = (1, 2) from [TakenV1 = (1, 1)],
///         Freed = (2, 1),
///     }
/// }
/// ```
#[macro_export]
macro_rules! records {
    (
        $(#[$doc:meta])*
        pub enum $name:ident {
            $( $(#[$variant_doc:meta])* $variant:ident = ($kind:literal, $version:literal)
               $(from [ $( $old:ident = ($old_kind:literal, $old_version:literal) ),* $(,)? ])? ),* $(,)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Debug)]
        pub enum $name {
            $( $(#[$variant_doc])* $variant($variant), )*
        }

        impl $crate::records::Record for $name {
            const TAGS: &'static [$crate::records::Tag] = &[
                $( $crate::records::Tag { number: $kind, version: $version },
                   $( $( $crate::records::Tag { number: $old_kind, version: $old_version }, )* )? )*
            ];

            fn tag(&self) -> $crate::records::Tag {
                match self {
                    $( Self::$variant(_) => $crate::records::Tag { number: $kind, version: $version }, )*
                }
            }

            fn pack(&self, packer: &mut $crate::records::Packer<'_>) {
                match self {
                    $( Self::$variant(value) => packer.put(value), )*
                }
            }

            fn unpack(
                tag: $crate::records::Tag,
                bytes: &[u8],
            ) -> Result<Self, $crate::records::Corrupt> {
                match (tag.number, tag.version) {
                    $( ($kind, $version) => {
                           $crate::records::unpack::<$variant>(bytes).map(Self::$variant)
                       }
                       $( $( ($old_kind, $old_version) => {
                           $crate::records::unpack::<$old>(bytes).map(|old| Self::$variant(old.into()))
                       } )* )? )*
                    _ => Err($crate::records::Corrupt::Tag),
                }
            }
        }

        $( impl From<$variant> for $name {
            fn from(value: $variant) -> Self {
                Self::$variant(value)
            }
        } )*
    };
}

/// Makes one frozen struct a [`Record`](crate::records::Record) of its own: a head.
#[macro_export]
macro_rules! record {
    ($name:ident = ($kind:literal, $version:literal)
     $(from [ $( $old:ident = ($old_kind:literal, $old_version:literal) ),* $(,)? ])?) => {
        impl $crate::records::Record for $name {
            const TAGS: &'static [$crate::records::Tag] = &[
                $crate::records::Tag { number: $kind, version: $version },
                $( $( $crate::records::Tag { number: $old_kind, version: $old_version }, )* )?
            ];

            fn tag(&self) -> $crate::records::Tag {
                $crate::records::Tag { number: $kind, version: $version }
            }

            fn pack(&self, packer: &mut $crate::records::Packer<'_>) {
                packer.put(self);
            }

            fn unpack(
                tag: $crate::records::Tag,
                bytes: &[u8],
            ) -> Result<Self, $crate::records::Corrupt> {
                match (tag.number, tag.version) {
                    ($kind, $version) => $crate::records::unpack::<$name>(bytes),
                    $( $( ($old_kind, $old_version) => {
                        $crate::records::unpack::<$old>(bytes).map(Into::into)
                    } )* )?
                    _ => Err($crate::records::Corrupt::Tag),
                }
            }
        }
    };
}

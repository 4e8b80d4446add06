//! Lists: a page of rows, and a cursor that is bound to its list and filters.

use compact_str::CompactString;
use quipu_ledger::call::Seen;
use quipu_ledger::list::{Cursor, Listed};
use quipu_ledger::words::{Hex, Id};
use quipu_ledger::{Error, List, Snapshot};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use crate::problem::Problem;
use crate::reply::Reply;
use crate::request::{Cx, Query};
use crate::shown::Told;

const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;
/// How many bytes of a cursor tell whose it is.
const BOND: usize = 8;

/// A page of rows.
#[derive(Serialize)]
pub(crate) struct Page<T> {
    pub(crate) data: Vec<T>,
    pub(crate) next: Option<String>,
}

impl<T: JsonSchema> JsonSchema for Page<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("{}Page", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let row = generator.subschema_for::<T>();
        json_schema!({
            "type": "object",
            "required": ["data", "next"],
            "properties": {
                "data": { "type": "array", "items": row },
                "next": {
                    "type": ["string", "null"],
                    "description": "The cursor of the next page; null behind the last row.",
                },
            },
            "additionalProperties": false,
        })
    }
}

/// Which page of which list.
pub(crate) struct Place {
    limit: usize,
    /// The key of the row that was shown last.
    after: Option<Vec<u8>>,
    bond: [u8; BOND],
}

impl Place {
    /// Takes `limit` and `cursor` out of a query. What else it says are the filters, which the
    /// cursor is bound to.
    pub(crate) fn of(cx: &Cx, query: &mut Query) -> Result<Self, Problem> {
        let book = cx.caller.book().ok().map_or(Ok(""), |book| book.name().map(Id::as_str))?;
        let limit = query.get::<usize>("limit")?.unwrap_or(LIMIT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Problem::malformed(format!("limit: it is 1 to {LIMIT_MAX}")));
        }
        let cursor = query.text("cursor");
        let mut hash = blake3::Hasher::new();
        for part in [cx.route, book].into_iter().chain(cx.places.iter().map(CompactString::as_str))
        {
            hash.update(part.as_bytes()).update(&[0]);
        }
        query.bind(&mut hash);
        let mut bond = [0; BOND];
        bond.copy_from_slice(&hash.finalize().as_bytes()[..BOND]);
        let after = match cursor {
            None => None,
            Some(text) => Some(open(&text, &bond).ok_or_else(Problem::bad_cursor)?),
        };
        Ok(Self { limit, after, bond })
    }

    /// How many rows a page has at most.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// The key of the row that was shown last.
    pub(crate) fn after(&self) -> Option<&[u8]> {
        self.after.as_deref()
    }

    /// The cursor behind a row.
    pub(crate) fn cursor(&self, key: &[u8]) -> String {
        seal(key, &self.bond)
    }

    /// The rows of a list behind the cursor, as of one snapshot.
    pub(crate) async fn rows<R: Listed, S: Serialize>(
        &self,
        mut list: List<R>,
        mut show: impl FnMut(R::View, &Told) -> Option<S>,
    ) -> Result<Reply, Problem> {
        if let Some(after) = &self.after {
            list = list.after(&Cursor::from_bytes(after));
        }
        let mut page = Page { data: Vec::new(), next: None };
        let mut has_ended = false;
        // A filter that no index knows looks at a bounded number of rows a page, so that the page
        // may have few rows, or none, and others behind it.
        for _ in 0..LIMIT_MAX {
            if page.data.len() == self.limit {
                break;
            }
            let Some(Seen { value, version, at, position }) =
                list.next().await.map_err(cursor_or)?
            else {
                has_ended = true;
                break;
            };
            let told = Told { position, at, version };
            page.data.extend(show(value, &told));
        }
        let cursor = list.cursor();
        if !has_ended && list.next().await?.is_some() {
            page.next = Some(self.cursor(cursor.as_bytes()));
        }
        let position = list.snapshot().map(Snapshot::position);
        let reply = Reply::json(200, &page);
        Ok(match position {
            Some(position) => reply.at(position),
            None => reply,
        })
    }
}

/// A cursor that its list cannot read is no cursor of this list.
fn cursor_or(error: Error) -> Problem {
    match error {
        Error::Malformed(why) if why.starts_with("the cursor ") => Problem::bad_cursor(),
        error => error.into(),
    }
}

fn seal(key: &[u8], bond: &[u8; BOND]) -> String {
    let mut hash = blake3::Hasher::new();
    hash.update(bond).update(key);
    let sum = hash.finalize();
    format!("{}{}", Hex(&sum.as_bytes()[..BOND]), Hex(key))
}

fn open(text: &str, bond: &[u8; BOND]) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2)
        || !text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    {
        return None;
    }
    let digits = text.as_bytes().chunks_exact(2);
    let bytes = digits.map(|two| u8::from_str_radix(core::str::from_utf8(two).ok()?, 16).ok());
    let bytes = bytes.collect::<Option<Vec<u8>>>()?;
    let key = bytes.get(BOND..)?;
    (seal(key, bond) == text).then(|| key.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_that_of_its_list_and_whole() {
        let cursor = seal(b"key", &[1; BOND]);
        assert_eq!(open(&cursor, &[1; BOND]).as_deref(), Some(&b"key"[..]));
        assert_eq!(open(&cursor, &[2; BOND]), None);
        for at in 0..cursor.len() {
            let mut other = cursor.clone().into_bytes();
            other[at] = if other[at] == b'0' { b'1' } else { b'0' };
            let other = String::from_utf8(other).expect("hex");
            assert_eq!(open(&other, &[1; BOND]), None, "{at}");
            assert_eq!(open(&cursor[..at], &[1; BOND]), None, "{at}");
        }
        assert_eq!(open("zz", &[1; BOND]), None);
        assert_eq!(open("é", &[1; BOND]), None);
    }
}

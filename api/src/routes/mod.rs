//! The routes, group by group.

mod accounts;
mod admin;
mod drops;
mod flows;
mod operating;
mod records;
mod tickets;
mod withdrawals;

use std::collections::BTreeMap;

use quipu_ledger::words::{Id, Metadata};
use quipu_ledger::{Book, Call, Read, account};

use crate::problem::Problem;
use crate::request::Cx;
use crate::route::{Answer, Route};
use crate::shown::Body;

/// All routes there are.
pub(crate) fn all() -> Vec<Route> {
    let groups = [
        accounts::routes(),
        withdrawals::routes(),
        flows::routes(),
        drops::routes(),
        tickets::routes(),
        records::routes(),
        admin::routes(),
        operating::routes(),
    ];
    groups.into_iter().flatten().collect()
}

/// What may be made under an id, or without one.
trait Named {
    /// The id that the client has chosen.
    fn id(&self) -> Option<&Id>;
}

impl Cx {
    /// Makes what the client may have named, or else is named here: a repeat under the same key
    /// makes the same.
    async fn create<T: Named>(
        &self,
        body: T,
        call: impl FnOnce(&Book, &Id, T) -> Call<Body>,
    ) -> Answer {
        let book = self.book()?;
        let call = match body.id().cloned() {
            Some(id) => call(book, &id, body),
            None => {
                let id = book.make_id()?;
                call(book, &id, body).made()
            }
        };
        self.make(call).await
    }
}

/// The metadata of an account with these changes: a merge patch of its own.
async fn merged(
    read: Read<account::View>,
    changes: BTreeMap<String, Option<String>>,
) -> Result<Metadata, Problem> {
    let seen = read.look().await??;
    let mut pairs: BTreeMap<String, String> = seen
        .value
        .metadata
        .pairs()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for (name, value) in changes {
        match value {
            Some(value) => pairs.insert(name, value),
            None => pairs.remove(&name),
        };
    }
    let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Metadata::new(pairs).map_err(|why| Problem::malformed(format!("metadata: {why}")))
}

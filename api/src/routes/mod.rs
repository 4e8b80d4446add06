//! The routes, group by group.

mod accounts;
mod across;
mod admin;
mod drops;
mod events;
mod flows;
mod legs;
mod operating;
mod records;
mod tickets;
mod withdrawals;

use quipu_ledger::words::Id;
use quipu_ledger::{Book, Call};

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
        across::routes(),
        events::routes(),
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

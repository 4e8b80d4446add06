//! What can be listed, kind by kind.

use quipu_core::machine::Machine;
use quipu_core::machines;
use quipu_core::records::{ItemRow, Record as _};
use quipu_core::words::Kind as KindNumber;

use super::{Found, Listed, What};
use crate::account::{self, Account, Hold, Payout, Payouts};
use crate::book::{self, Book};
use crate::drop::{self, Drop};
use crate::error::Error;
use crate::flow::{self, Flow};
use crate::record::{self, Record};
use crate::shown::{Kind, Rows, Shown};
use crate::stream::{self, ItemsOf, Stream};
use crate::ticket::{self, Evidence, Ticket};

macro_rules! streams {
    ($($of:ident: $machine:ty, $view:ty;)*) => {$(
        impl Listed for $of {
            type View = $view;
            const KIND: KindNumber = <$machine>::KIND;

            fn view(found: Found<'_>) -> Result<Option<Self::View>, Error> {
                of_kind::<$machine>(&found)
            }
        }
    )*};
}

streams! {
    Book: machines::book::Book, book::View;
    Account: machines::account::Account, account::View;
    Flow: machines::flow::Flow, flow::View;
    Ticket: machines::ticket::Ticket, ticket::View;
    Drop: machines::drop::Drop, drop::View;
    Record: machines::record::Record, record::View;
}

fn of_kind<M: Kind>(found: &Found<'_>) -> Result<Option<M::View>, Error> {
    let Some(rows) = Rows::read(found.snapshot.store(), found.number, &M::items())? else {
        return Ok(None);
    };
    let (name, position, at) = (&rows.name, rows.stamp.version, found.snapshot.at());
    // What lists show has no token in it.
    let shown = Shown { name, position, at, secret: &[0; 32], pieces: &rows.pieces()? };
    Ok(Some(shown.view::<M>()?))
}

macro_rules! items {
    ($($of:ty: $machine:ty, $view:ty, $from:expr;)*) => {$(
        impl Listed for $of {
            type View = $view;
            const KIND: KindNumber = <$machine>::KIND;

            fn view(found: Found<'_>) -> Result<Option<$view>, Error> {
                let What::Item(key, row) = found.what else { return Ok(None) };
                let row = ItemRow::read(row)?;
                let item = <$machine as Machine>::Item::unpack(row.tag, row.item)?;
                Ok($from(found.name, key, item))
            }
        }
    )*};
}

items! {
    Hold: machines::account::Account, account::HoldView, |_, key, item| account::HoldView::of(key, item);
    Payout: machines::account::Account, account::Withdrawal, account::Withdrawal::of;
    Payouts: machines::account::Account, account::Withdrawal, account::Withdrawal::of;
    Evidence: machines::ticket::Ticket, Evidence, |_, key, item| Evidence::of(key, item);
    drop::Claim: machines::drop::Drop, drop::ClaimView, |_, key, item| drop::ClaimView::of(key, item);
}

impl<M: Machine> Listed for Stream<M> {
    type View = stream::ViewOf<M>;
    const KIND: KindNumber = M::KIND;

    fn view(found: Found<'_>) -> Result<Option<Self::View>, Error> {
        let Some(rows) = Rows::read(found.snapshot.store(), found.number, &[])? else {
            return Ok(None);
        };
        let (name, position, at) = (&rows.name, rows.stamp.version, found.snapshot.at());
        let shown = Shown { name, position, at, secret: &[0; 32], pieces: &rows.pieces()? };
        Ok(Some(stream::view::<M>(&shown)?))
    }
}

impl<M: Machine> Listed for ItemsOf<M> {
    type View = stream::Item<M::Item>;
    const KIND: KindNumber = M::KIND;

    fn view(found: Found<'_>) -> Result<Option<Self::View>, Error> {
        let What::Item(key, row) = found.what else { return Ok(None) };
        let row = ItemRow::read(row)?;
        let item = M::Item::unpack(row.tag, row.item)?;
        Ok(Some(stream::Item { stream: found.name.id.clone(), key: key.clone(), item }))
    }
}

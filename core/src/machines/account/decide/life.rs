//! How an account begins, changes and ends.

use super::super::{
    Account, Changed, Closed, Expired, Item, MetadataChange, Opened, SpendCap, State, metadata_key,
};
use super::{Decision, found, happens, in_use};
use crate::machine::{Decided, Shows, View};
use crate::words::{Amount, Asset, Code, Fact, Metadata, Position, Refusal, Signed, Timestamp};

/// A floor above zero would be broken from the start: it is set once there is money.
pub(super) fn open(
    view: &View<'_, Account>,
    asset: Asset,
    floor: Signed,
    cap: Option<Amount>,
    spend_cap: Option<SpendCap>,
    expires_at: Option<Timestamp>,
    metadata: &Metadata,
) -> Decision {
    if view.head.is_some() {
        let first = Position::new(view.number.get());
        return Err(Refusal::with(Code::AlreadyExists, Fact::First(first)));
    }
    if floor > Signed::ZERO {
        return Err(Refusal::with(Code::InsufficientFunds, Fact::Available(Signed::ZERO)));
    }
    // Nothing below can fail.
    let metadata = Some(metadata).filter(|metadata| !metadata.is_empty()).cloned();
    happens(Opened { asset, floor, cap, spend_cap, expires_at, metadata })
}

/// A cap may be set below the balance: it then only keeps money from coming in. An end may
/// be set in the past: the account then closes as soon as it is empty. Metadata that is merged is
/// merged with what is there now, whatever its caller has seen.
pub(super) fn change(
    view: &View<'_, Account>,
    floor: Option<Signed>,
    cap: Option<Option<Amount>>,
    spend_cap: Option<Option<SpendCap>>,
    expires_at: Option<Option<Timestamp>>,
    metadata: Option<&MetadataChange>,
) -> Decision {
    let head = in_use(view)?;
    let metadata = metadata.map(|change| metadata_behind(view, change)).transpose()?.flatten();
    if floor.is_some_and(|floor| floor > head.unheld()) {
        let available = Fact::Available(head.available());
        return Err(Refusal::with(Code::InsufficientFunds, available));
    }
    // Nothing below can fail.
    let changed = Changed { floor, cap, spend_cap, expires_at, metadata };
    let nothing =
        Changed { floor: None, cap: None, spend_cap: None, expires_at: None, metadata: None };
    if changed == nothing {
        return Ok(Decided::Already(Shows::head().with(metadata_key())));
    }
    happens(changed)
}

/// The metadata behind a change; none where that is no change.
fn metadata_behind(
    view: &View<'_, Account>,
    change: &MetadataChange,
) -> Result<Option<Metadata>, Refusal> {
    let merge = match change {
        MetadataChange::Whole(metadata) => return Ok(Some(metadata.clone())),
        MetadataChange::Merge(merge) => merge,
    };
    if merge.is_empty() {
        return Ok(None);
    }
    let merged = match view.item(&metadata_key()) {
        Some(Item::Metadata(there)) => merge.onto(there),
        _ => merge.onto(&Metadata::default()),
    };
    merged.map(Some).map_err(|_| Code::Malformed.into())
}

pub(super) fn close(view: &View<'_, Account>) -> Decision {
    let head = in_use(view)?;
    if !head.is_empty() {
        return Err(Code::NotEmpty.into());
    }
    // Nothing below can fail.
    happens(Closed {})
}

/// Time: the account is over and empty.
pub(super) fn end(view: &View<'_, Account>, now: Timestamp) -> Decision {
    let head = found(view)?;
    let is_over = head.expires_at.is_some_and(|end| end <= now);
    if head.state != State::Open || !head.is_empty() || !is_over {
        return Err(Code::WrongState.into());
    }
    // Nothing below can fail.
    happens(Expired {})
}

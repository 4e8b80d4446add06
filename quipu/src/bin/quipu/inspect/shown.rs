//! What records say, field by field. Only what is named here is shown: no hash, no secret.

use quipu_core::machine::Machine;
use quipu_core::machines::{
    account, book, collection, drop, export, flow, key, record, source, ticket,
};
use quipu_core::records::{Corrupt, Record as _, Tag};
use quipu_core::words::{Amount, Asset, Id, Kind, Metadata, Period, Position, Signed, Timestamp};
use serde_json::{Map, Value};

/// What a record says.
pub(super) type Fields = Map<String, Value>;

/// What a field says; none where there is nothing to say.
trait Show {
    fn show(&self) -> Option<Value>;
}

macro_rules! as_text {
    ($($type:ty)*) => {$(
        impl Show for $type {
            fn show(&self) -> Option<Value> {
                Some(self.to_string().into())
            }
        }
    )*};
}

macro_rules! as_number {
    ($($type:ty)*) => {$(
        impl Show for $type {
            fn show(&self) -> Option<Value> {
                Some((*self).into())
            }
        }
    )*};
}

/// Variants without fields, by their names.
macro_rules! as_word {
    ($($type:ty)*) => {$(
        impl Show for $type {
            fn show(&self) -> Option<Value> {
                Some(snake(&format!("{self:?}")).into())
            }
        }
    )*};
}

as_text! { Amount Signed Asset Id String }
as_number! { u64 u32 u8 bool }
as_word! {
    account::State drop::State export::State export::What export::Format flow::State Period
    ticket::State
}

impl Show for Position {
    fn show(&self) -> Option<Value> {
        Some(self.get().into())
    }
}

impl Show for Timestamp {
    fn show(&self) -> Option<Value> {
        (*self != Self::NEVER).then(|| self.to_string().into())
    }
}

impl<T: Show> Show for Option<T> {
    fn show(&self) -> Option<Value> {
        // What was set to nothing is told as nothing; what was not set is not told.
        self.as_ref().map(|some| some.show().unwrap_or(Value::Null))
    }
}

impl<T: Show> Show for Box<T> {
    fn show(&self) -> Option<Value> {
        (**self).show()
    }
}

impl Show for Metadata {
    fn show(&self) -> Option<Value> {
        let pairs = self.pairs().map(|(name, value)| (name.to_owned(), value.into()));
        (!self.is_empty()).then(|| Value::Object(pairs.collect()))
    }
}

impl Show for collection::Indexes {
    fn show(&self) -> Option<Value> {
        Some(self.names().map(|name| Value::from(name.as_str())).collect())
    }
}

impl Show for Vec<(Id, String)> {
    fn show(&self) -> Option<Value> {
        let pairs = self.iter().map(|(name, value)| (name.to_string(), value.as_str().into()));
        Some(Value::Object(pairs.collect()))
    }
}

macro_rules! fields {
    ($of:expr; $($field:ident)*) => {{
        let all: Vec<(&str, Option<Value>)> = vec![$((stringify!($field), $of.$field.show())),*];
        let told = all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        told.collect::<Fields>()
    }};
}

macro_rules! structs {
    ($($type:ty { $($field:ident)* })*) => {$(
        impl Show for $type {
            fn show(&self) -> Option<Value> {
                Some(Value::Object(fields!(self; $($field)*)))
            }
        }
    )*};
}

structs! {
    account::SpendCap { amount period }
    account::Spending { cap spent start }
    drop::Price { amount asset }
    drop::Payment { payer amount }
    // Its token's hash is left out.
    ticket::Claim { claimant at position }
}

macro_rules! events {
    ($kind:expr, $tag:expr, $payload:expr; $($module:ident $machine:ident {
        $($variant:ident { $($field:ident)* })*
    })*) => {
        $(if $kind == $module::$machine::KIND {
            return Ok(match $module::Event::unpack($tag, $payload)? {
                $($module::Event::$variant(_event) => {
                    (snake(stringify!($variant)), fields!(_event; $($field)*))
                })*
            });
        })*
    };
}

/// What happened: its type, and what the event says.
pub(super) fn event(kind: Kind, tag: Tag, payload: &[u8]) -> Result<(String, Fields), Corrupt> {
    events! { kind, tag, payload;
        account Account {
            Opened { asset floor cap spend_cap expires_at metadata }
            Changed { floor cap spend_cap expires_at metadata }
            Closed {}
            Expired {}
            Deposited { amount balance_after reference metadata }
            Charged { amount balance_after reference metadata }
            Refunded { charge amount balance_after }
            HoldPlaced { amount expires_at }
            HoldCaptured { hold amount balance_after }
            HoldReleased { hold amount }
            HoldExpired { hold amount }
            // Its secret is left out.
            WithdrawalPlanned { amount destination }
            WithdrawalLeased { withdrawal until worker }
            WithdrawalCompleted { withdrawal amount balance_after reference }
            WithdrawalFailed { withdrawal amount error }
            WithdrawalRetried { withdrawal error }
            WithdrawalUnknown { withdrawal error }
            LeaseExpired { withdrawal }
            WithdrawalReconciled { withdrawal amount balance_after completed }
            Sent { amount balance_after metadata }
            Received { amount balance_after }
            FlowFunded { amount balance_after }
            FlowRaised { amount balance_after }
            FlowRecovered { amount balance_after ended }
            GaveBack { amount balance_after }
            TookBack { amount balance_after }
            Restored { amount balance_after }
            Spent { amount balance_after }
            WithdrawalInherited { withdrawal }
        }
        flow Flow {
            Opened { asset total duration_ms cliff_ms start_at payer recipient metadata }
            Started { start_at }
            Paused { active_ms }
            Resumed { paused_ms }
            Settled { amount settled ended }
            Withdrawn { amount withdrawn }
            ToppedUp { amount total duration_ms }
            Stopped { amount settled refunded }
            Cancelled { refunded }
        }
        ticket Ticket {
            Issued { amount asset expires_at reference metadata }
            // Its token's hash is left out.
            Claimed { claimant }
            Revoked { reason }
            Expired {}
            EvidenceKept { reference }
        }
        drop Drop {
            Created { stock opens_at closes_at price seller per_claimant metadata }
            Opened {}
            Closed {}
            Claimed { number claimant quantity units remaining payment }
            Released { claim claimant quantity units remaining }
            StockSet { stock remaining }
        }
        record Record {
            Put { value fields expires_at }
            Deleted {}
            Expired {}
        }
        collection Collection {
            Defined { era indexes }
            Used {}
            Reset {}
        }
        source Source {
            Advanced { cursor }
        }
        export Export {
            Requested { what format filter }
            Begun { worker as_of }
            Progressed { done total }
            Finished { rows bytes expires_at }
            Failed { reason expires_at }
            Downloaded { by }
            Expired {}
        }
        key Key {
            Kept { made expires_at }
            Forgotten { expires_at }
        }
        book Book {
            Created { at }
            // The key's hash is left out.
            KeyIssued { scopes label }
            KeyRevoked {}
        }
    }
    Ok((format!("type {}", tag.number), Fields::new()))
}

macro_rules! heads {
    ($kind:expr, $tag:expr, $payload:expr; $($module:ident $machine:ident { $($field:ident)* })*) => {
        $(if $kind == $module::$machine::KIND {
            let head = $module::Head::unpack($tag, $payload)?;
            return Ok(fields!(head; $($field)*));
        })*
    };
}

/// What a stream is now.
pub(super) fn head(kind: Kind, tag: Tag, payload: &[u8]) -> Result<Fields, Corrupt> {
    heads! { kind, tag, payload;
        account Account {
            state asset balance held floor cap spending total_in total_out holds withdrawals flows
            expires_at
        }
        flow Flow {
            state asset total settled withdrawn refunded rate_amount rate_ms duration_ms cliff_ms
            start_at paused_ms frozen_at payer recipient
        }
        ticket Ticket { state amount asset claim expires_at revoked_at evidence }
        drop Drop { state stock taken claims per_claimant price seller opens_at closes_at }
        record Record { value_len field_count expires_at }
        collection Collection { era used indexes }
        source Source { cursor }
        export Export { state what format as_of done total rows bytes expires_at }
        key Key { made expires_at }
        book Book { keys open }
    }
    Ok(Fields::new())
}

/// What an item is called, by its kind and tag.
pub(super) fn item(kind: Kind, tag: Tag) -> String {
    let names: &[&str] = match kind {
        kind if kind == account::Account::KIND => {
            &["hold", "withdrawal", "charge", "reference", "metadata"]
        }
        kind if kind == flow::Flow::KIND => &["metadata"],
        kind if kind == ticket::Ticket::KIND => &["metadata", "reference", "reason", "evidence"],
        kind if kind == drop::Drop::KIND => &["metadata", "claim", "claimant"],
        kind if kind == record::Record::KIND => &["value", "fields"],
        kind if kind == export::Export::KIND => &["audit", "filter", "reason"],
        kind if kind == book::Book::KIND => &["access", "key"],
        _ => &[],
    };
    let name = usize::from(tag.number).checked_sub(1).and_then(|index| names.get(index));
    name.map_or_else(|| format!("item {}", tag.number), |name| (*name).to_owned())
}

/// Fields on one line.
pub(super) fn line(fields: &Fields) -> String {
    let field = |(name, value): (&String, &Value)| format!("{name}={}", short(value));
    fields.iter().map(field).collect::<Vec<_>>().join(" ")
}

/// A value on one line, cut where it is long.
pub(super) fn short(value: &Value) -> String {
    const LEN_MAX: usize = 72;
    let text = match value {
        Value::Null => "none".to_owned(),
        Value::String(text) if !text.chars().any(char::is_control) => text.clone(),
        other => other.to_string(),
    };
    if text.chars().count() <= LEN_MAX {
        return text;
    }
    text.chars().take(LEN_MAX).chain(['…']).collect()
}

/// A name of a variant as a word of the API.
fn snake(name: &str) -> String {
    let mut out = String::new();
    for (index, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && index > 0 {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

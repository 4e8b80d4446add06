//! Samples of every record that the account machine writes.

use quipu_core::machines::account::{
    Changed, Charge, Charged, Closed, Deposited, Event, Expired, First, FlowFunded, FlowRaised,
    FlowRecovered, GaveBack, Head, Hold, HoldCaptured, HoldExpired, HoldPlaced, HoldReleased,
    HoldState, Item, LeaseExpired, Opened, Received, Refunded, Restored, Sent, SpendCap, Spending,
    Spent, State, TookBack, Withdrawal, WithdrawalCompleted, WithdrawalFailed, WithdrawalInherited,
    WithdrawalLeased, WithdrawalPlanned, WithdrawalReconciled, WithdrawalRetried, WithdrawalState,
    WithdrawalUnknown,
};
use quipu_core::words::{Amount, Asset, Id, Metadata, Period, Position, Signed, Timestamp};

use super::Sample;

/// One sample of every head, item and event.
pub(super) fn samples() -> Vec<Sample> {
    let head = Sample::of("account", "head", &head());
    let items = items().into_iter().map(|item| Sample::of("account", "item", &item));
    let events = events().into_iter().map(|event| Sample::of("account", "event", &event));
    core::iter::once(head).chain(items).chain(events).collect()
}

fn head() -> Head {
    Head {
        asset: asset(),
        state: State::Expired,
        balance: Signed::new(-(3 << 65)),
        held: amount(0x102),
        floor: Signed::new(-(5 << 66)),
        cap: Some(amount(0x103)),
        spending: Some(Spending {
            cap: spend_cap(),
            spent: amount(0x104),
            start: time(0x105),
            since: Position::new(0x106),
        }),
        total_in: Amount::MAX,
        total_out: amount(0x107),
        holds: 0x108,
        withdrawals: 0x109,
        flows: 0x10a,
        expires_at: Some(time(0x10b)),
    }
}

fn items() -> Vec<Item> {
    let hold = Hold {
        amount: amount(0x201),
        state: HoldState::Released,
        captured: amount(0x202),
        expires_at: Some(time(0x203)),
    };
    let withdrawal = Withdrawal {
        amount: amount(0x211),
        state: WithdrawalState::Unknown,
        destination: "DE89 3704 0044 0532 0130 00".to_owned(),
        secret: Some(vec![0, 1, 254, 255]),
        attempts: 0x212,
        worker: Some(id("worker-17")),
        fence: Position::new(0x213),
        lease_until: Some(time(0x214)),
        error: Some("the bank did not answer".to_owned()),
        reference: Some(id("provider:0001")),
    };
    vec![
        hold.into(),
        withdrawal.into(),
        Charge { amount: amount(0x221), refunded: amount(0x222) }.into(),
        First { position: Position::new(0x231) }.into(),
        metadata().into(),
    ]
}

fn events() -> Vec<Event> {
    let position = Position::new(0x301);
    let amount = amount(0x302);
    let balance_after = Signed::new(-(7 << 67));
    let error = "no such address".to_owned();
    vec![
        Opened {
            asset: asset(),
            floor: Signed::new(-(1 << 68)),
            cap: Some(amount),
            spend_cap: Some(spend_cap()),
            expires_at: Some(time(0x311)),
            metadata: Some(metadata()),
        }
        .into(),
        Changed {
            floor: Some(Signed::from(-0x312)),
            cap: Some(Some(amount)),
            spend_cap: Some(Some(spend_cap())),
            expires_at: Some(None),
            metadata: Some(metadata()),
        }
        .into(),
        Closed {}.into(),
        Expired {}.into(),
        Deposited {
            amount,
            balance_after,
            reference: Some(id("notice-12345")),
            metadata: Some(metadata()),
        }
        .into(),
        Charged {
            amount,
            balance_after,
            reference: Some(id("order-987654")),
            metadata: Some(metadata()),
        }
        .into(),
        Refunded { charge: position, amount, balance_after }.into(),
        HoldPlaced { amount, expires_at: Some(time(0x313)) }.into(),
        HoldCaptured { hold: position, amount, balance_after }.into(),
        HoldReleased { hold: position, amount }.into(),
        HoldExpired { hold: position, amount }.into(),
        WithdrawalPlanned {
            amount,
            destination: "GB33BUKB20201555555555".to_owned(),
            secret: Some(vec![9, 8, 7]),
        }
        .into(),
        WithdrawalLeased { withdrawal: position, until: time(0x314), worker: id("worker-3") }
            .into(),
        WithdrawalCompleted {
            withdrawal: position,
            amount,
            balance_after,
            reference: Some(id("provider:0002")),
        }
        .into(),
        WithdrawalFailed { withdrawal: position, amount, error: error.clone() }.into(),
        WithdrawalRetried { withdrawal: position, error: error.clone() }.into(),
        WithdrawalUnknown { withdrawal: position, error }.into(),
        LeaseExpired { withdrawal: position }.into(),
        WithdrawalReconciled { withdrawal: position, amount, balance_after, completed: true }
            .into(),
        Sent { amount, balance_after, metadata: metadata() }.into(),
        Received { amount, balance_after }.into(),
        FlowFunded { amount, balance_after }.into(),
        FlowRaised { amount, balance_after }.into(),
        FlowRecovered { amount, balance_after, ended: true }.into(),
        GaveBack { amount, balance_after }.into(),
        TookBack { amount, balance_after }.into(),
        Restored { amount, balance_after }.into(),
        Spent { amount, balance_after }.into(),
        WithdrawalInherited { withdrawal: position }.into(),
    ]
}

fn asset() -> Asset {
    Asset::new("API_CALLS/07").expect("an asset")
}

fn spend_cap() -> SpendCap {
    SpendCap { amount: amount(0x401), period: Period::Week }
}

fn metadata() -> Metadata {
    Metadata::new([("plan", "gold"), ("région", "")]).expect("metadata")
}

/// A distinctive amount that needs both of its words.
fn amount(low: u64) -> Amount {
    Amount::new(u128::from(low) | 0x55 << 72).expect("an amount")
}

fn time(ms: u64) -> Timestamp {
    Timestamp::from_ms(1_795_156_245_000 + ms)
}

fn id(text: &str) -> Id {
    Id::new(text).expect("an id")
}

/// What the log's budget allows: a deposit 100 bytes, half of a transfer 24 + 40.
#[test]
fn records_are_as_small_as_promised() {
    use quipu_core::records::{Record, pack_into};

    fn packed(record: &impl Record) -> usize {
        let mut bytes = Vec::new();
        pack_into(record, &mut bytes);
        bytes.len()
    }
    let (amount, balance_after) = (Amount::MAX, Signed::ZERO);
    let deposited = Deposited { amount, balance_after, reference: None, metadata: None };
    let charged = Charged { amount, balance_after, reference: None, metadata: None };
    let sent = Sent { amount, balance_after, metadata: Metadata::default() };
    assert!(packed(&Event::from(deposited)) <= 100 - 16 - 24);
    assert!(packed(&Event::from(charged)) <= 100 - 16 - 24);
    assert!(packed(&Event::from(sent)) <= 40);
    assert!(packed(&Event::from(Received { amount, balance_after })) <= 40);
    assert!(packed(&head()) <= 256, "{}", packed(&head()));
}

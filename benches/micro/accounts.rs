//! Rows of accounts, as a shard would write them, and the dice that pick among them.

use quipu_core::machine::{Machine, Stamp};
use quipu_core::machines::account::{Account, Head, State};
use quipu_core::records::{HeadRow, Record, Rows, Table, key_of_head, key_of_name, pack_into};
use quipu_core::words::{Amount, Asset, Book, Id, Name, Number, Position, Signed, Timestamp};

fn name(number: u64) -> Name {
    let id = Id::new(&format!("account-{number:09}")).expect("a well-formed id");
    Name::new(Book::DEFAULT, Account::KIND, id)
}

/// The value of an account's head row after some change.
fn head_row(number: u64, change: u64, out: &mut Vec<u8>) {
    let head = Head {
        asset: Asset::new("USD").expect("an asset"),
        state: State::Open,
        balance: Signed::new(i128::from(change)),
        held: Amount::ZERO,
        floor: Signed::ZERO,
        cap: None,
        spending: None,
        total_in: Amount::ZERO,
        total_out: Amount::ZERO,
        holds: 0,
        withdrawals: 0,
        flows: 0,
        expires_at: None,
    };
    let at = Timestamp::from_ms(1_700_000_000_000 + number);
    let stamp = Stamp { version: Position::new(number + change), created: at, updated: at };
    HeadRow::write(&name(number), stamp, head.tag(), out, |out| pack_into(&head, out));
}

/// The head of an account after some change.
pub(crate) fn put(rows: &mut Rows, number: u64, change: u64) {
    rows.put(
        Table::Head,
        |out| out.extend_from_slice(&key_of_head(Number::new(number))),
        |out| head_row(number, change, out),
    );
}

/// The rows of new accounts in the order of a store: all heads, then all names.
pub(crate) fn sorted(count: u64) -> impl Iterator<Item = (Table, Vec<u8>, Vec<u8>)> {
    let heads = (1..=count).map(|number| {
        let mut value = Vec::new();
        head_row(number, 0, &mut value);
        (Table::Head, key_of_head(Number::new(number)).to_vec(), value)
    });
    let names = (1..=count).map(|number| {
        let mut key = Vec::new();
        key_of_name(&name(number), &mut key);
        (Table::Name, key, number.to_le_bytes().to_vec())
    });
    heads.chain(names)
}

/// A small generator, so that every run does the same.
pub(crate) fn dice(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed;
    move |sides| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

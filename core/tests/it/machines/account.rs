//! The rules of the account machine, as a table of cases.
//!
//! Every case is a stream's history, one command, and what comes of it. The first event of a
//! stream has position 101, so the hold behind an opening and a deposit is `h103`.

use super::{are_told_apart, said};
use quipu_core::machine::{Machine, Shows, Side, Solo, Told, Transit};
use quipu_core::machines::account::{
    Account, Command, ERROR_BYTES_MAX, Event, Hold, HoldState, Item, MetadataChange, SpendCap,
    State, Withdrawal, WithdrawalState, hold_key, metadata_key, withdrawal_key,
};
use quipu_core::words::{
    Amount, Asset, Code, Fact, Id, Merge, Metadata, Period, Position, Refusal, Signed, Timestamp,
};

const SECOND: u64 = 1_000;
const DAY: u64 = 86_400 * SECOND;
/// Friday, 2026-11-20, midnight: 11 days before the month ends, 3 before the week does.
const FRIDAY: u64 = 1_795_132_800_000;

/// One command at a time, with what is in transit before it.
#[derive(Clone, Debug)]
struct Step {
    command: Command,
    at: u64,
    transit: Transit,
}

impl From<Command> for Step {
    fn from(command: Command) -> Self {
        Self { command, at: 0, transit: Transit::default() }
    }
}

/// `at` milliseconds after Friday's midnight.
fn at(at: u64, command: Command) -> Step {
    Step { at, ..command.into() }
}

/// A leg that finds this much in transit.
fn with(transit: i128, command: Command) -> Step {
    Step { transit: transit_of(asset(), transit), ..command.into() }
}

/// A leg behind one that ended the flow.
fn ended(mut step: Step) -> Step {
    step.transit.end();
    step
}

fn transit_of(asset: Asset, amount: i128) -> Transit {
    let mut transit = Transit::default();
    let size = Amount::whole(amount.unsigned_abs()).expect("a test's amount");
    let moved = if amount < 0 { transit.take(asset, size) } else { transit.give(asset, size) };
    moved.expect("an empty transit takes anything");
    transit
}

/// What comes of a command.
#[derive(PartialEq, Debug)]
enum Outcome {
    /// It happens, and this moves.
    Moves(Vec<(Side, i128)>),
    /// It was so already.
    Already,
    Refused(Refusal),
}

/// It happens, and no money moves.
fn done() -> Outcome {
    Outcome::Moves(Vec::new())
}

fn moves(amount: i128, from: Side, to: Side) -> Outcome {
    Outcome::Moves(vec![(from, -amount), (to, amount)])
}

fn comes_in(amount: i128) -> Outcome {
    moves(amount, Side::Outside, Side::Stream)
}

fn goes_out(amount: i128) -> Outcome {
    moves(amount, Side::Stream, Side::Outside)
}

fn gives(amount: i128) -> Outcome {
    moves(amount, Side::Stream, Side::Transit)
}

fn takes(amount: i128) -> Outcome {
    moves(amount, Side::Transit, Side::Stream)
}

fn no(code: Code) -> Outcome {
    Outcome::Refused(code.into())
}

fn no_with(code: Code, fact: Fact) -> Outcome {
    Outcome::Refused(Refusal::with(code, fact))
}

fn lacks(available: i128) -> Outcome {
    no_with(Code::InsufficientFunds, Fact::Available(Signed::new(available)))
}

fn capped(left: i128) -> Outcome {
    no_with(Code::SpendCapReached, Fact::Available(Signed::new(left)))
}

fn taken(first: u64) -> Outcome {
    no_with(Code::AlreadyExists, Fact::First(Position::new(first)))
}

/// Asks for a step, and checks what holds for every step of every account.
fn ask(solo: &mut Solo<Account>, step: &Step) -> Outcome {
    let now = Timestamp::from_ms(FRIDAY + step.at);
    solo.fire(now);
    let before = everything(solo);
    let balance = |solo: &Solo<Account>| solo.head().map_or(0, |head| head.balance.get());
    let (balance_before, mut transit) = (balance(solo), step.transit);
    let told = match solo.ask_within(&step.command, now, &mut transit) {
        Err(refusal) => {
            assert_eq!(everything(solo), before, "a refusal changes nothing: {step:?}");
            assert_eq!(transit, step.transit, "a refusal moves nothing: {step:?}");
            return Outcome::Refused(refusal);
        }
        Ok(told) => told,
    };
    let moved = |side: Side| -> i128 {
        let on_side = told.postings.list().iter().filter(|posting| posting.side == side);
        on_side.map(|posting| posting.amount).sum()
    };
    assert_eq!(moved(Side::Stream) + moved(Side::Transit) + moved(Side::Outside), 0);
    assert_eq!(moved(Side::Stream), balance(solo) - balance_before, "{step:?}");
    assert_eq!(moved(Side::Transit), transit.amount() - step.transit.amount(), "{step:?}");
    let head = solo.head().expect("an account never vanishes");
    assert!(head.floor <= head.unheld(), "the floor holds: {step:?}");
    if told.event.is_none() {
        assert_eq!(everything(solo), before, "what was so already changes nothing: {step:?}");
        return Outcome::Already;
    }
    let postings = told.postings.list().iter();
    Outcome::Moves(postings.map(|posting| (posting.side, posting.amount)).collect())
}

fn everything(solo: &Solo<Account>) -> String {
    format!("{:?} {:?} {:?}", solo.head(), solo.items().collect::<Vec<_>>(), solo.version())
}

/// An account with this history, in which nothing is refused.
fn account<const N: usize>(history: [Step; N]) -> Solo<Account> {
    let mut solo = Solo::new("alice");
    for step in &history {
        let outcome = ask(&mut solo, step);
        assert!(!matches!(outcome, Outcome::Refused(_)), "{step:?}: {outcome:?}");
    }
    solo
}

/// Asks for the steps one after the other, each with its outcome.
fn check<const N: usize>(mut solo: Solo<Account>, rows: [(Step, Outcome); N]) -> Solo<Account> {
    for (number, (step, outcome)) in rows.iter().enumerate() {
        assert_eq!(ask(&mut solo, step), *outcome, "row {number}: {step:?}");
    }
    solo
}

/// Checks each row on an account of its own.
fn check_each<const N: usize>(make: impl Fn() -> Solo<Account>, rows: [(Step, Outcome); N]) {
    for (number, (step, outcome)) in rows.iter().enumerate() {
        assert_eq!(ask(&mut make(), step), *outcome, "row {number}: {step:?}");
    }
}

fn asset() -> Asset {
    Asset::new("USD/2").expect("an asset")
}

fn euro() -> Asset {
    Asset::new("EUR/2").expect("an asset")
}

fn id(text: &str) -> Id {
    Id::new(text).expect("an id")
}

fn metadata() -> Metadata {
    Metadata::new([("k", "v")]).expect("metadata")
}

fn open() -> Command {
    Command::Open {
        asset: asset(),
        floor: Signed::ZERO,
        cap: None,
        spend_cap: None,
        expires_at: None,
        metadata: Metadata::default(),
    }
}

fn open_floor(to: i128) -> Command {
    let Command::Open { asset, cap, spend_cap, expires_at, metadata, .. } = open() else {
        unreachable!()
    };
    Command::Open { asset, floor: Signed::new(to), cap, spend_cap, expires_at, metadata }
}

fn open_cap(to: u64) -> Command {
    let Command::Open { asset, floor, spend_cap, expires_at, metadata, .. } = open() else {
        unreachable!()
    };
    Command::Open { asset, floor, cap: Some(to.into()), spend_cap, expires_at, metadata }
}

fn open_spend(amount: u64, period: Period) -> Command {
    let Command::Open { asset, floor, cap, expires_at, metadata, .. } = open() else {
        unreachable!()
    };
    let spend_cap = Some(SpendCap { amount: amount.into(), period });
    Command::Open { asset, floor, cap, spend_cap, expires_at, metadata }
}

fn open_until(at: u64) -> Command {
    let Command::Open { asset, floor, cap, spend_cap, metadata, .. } = open() else {
        unreachable!()
    };
    let expires_at = Some(Timestamp::from_ms(FRIDAY + at));
    Command::Open { asset, floor, cap, spend_cap, expires_at, metadata }
}

fn deposit(amount: u64) -> Command {
    Command::Deposit { amount: amount.into(), reference: None, metadata: Metadata::default() }
}

fn deposit_all() -> Command {
    Command::Deposit { amount: Amount::MAX, reference: None, metadata: Metadata::default() }
}

fn deposit_as(reference: &str, amount: u64) -> Command {
    let reference = Some(id(reference));
    Command::Deposit { amount: amount.into(), reference, metadata: metadata() }
}

fn charge(amount: u64) -> Command {
    Command::Charge { amount: amount.into(), reference: None, metadata: Metadata::default() }
}

fn charge_all() -> Command {
    Command::Charge { amount: Amount::MAX, reference: None, metadata: Metadata::default() }
}

fn charge_as(reference: &str, amount: u64) -> Command {
    let reference = Some(id(reference));
    Command::Charge { amount: amount.into(), reference, metadata: metadata() }
}

fn refund(charge: &str, amount: impl Into<Option<u64>>) -> Command {
    Command::Refund { charge: id(charge), amount: amount.into().map(Amount::from) }
}

fn hold(amount: u64) -> Command {
    Command::Hold { amount: amount.into(), expires_in_seconds: None }
}

fn hold_for(seconds: u64, amount: u64) -> Command {
    Command::Hold { amount: amount.into(), expires_in_seconds: Some(seconds) }
}

fn capture(hold: &str, amount: impl Into<Option<u64>>) -> Command {
    Command::Capture { hold: id(hold), amount: amount.into().map(Amount::from) }
}

fn release(hold: &str) -> Command {
    Command::Release { hold: id(hold) }
}

fn withdraw(amount: u64) -> Command {
    let secret = Some(vec![1, 2, 3]);
    Command::Withdraw { amount: amount.into(), destination: "iban".to_owned(), secret }
}

fn lease(withdrawal: &str, worker: &str) -> Command {
    Command::Lease { withdrawal: id(withdrawal), worker: id(worker), seconds: 10 }
}

fn complete(withdrawal: &str, fence: u64) -> Command {
    let (withdrawal, fence) = (id(withdrawal), Position::new(fence));
    Command::Complete { withdrawal, fence, reference: Some(id("provider-1")) }
}

fn fail(withdrawal: &str, fence: u64) -> Command {
    let (withdrawal, fence) = (id(withdrawal), Position::new(fence));
    Command::Fail { withdrawal, fence, error: "closed".to_owned() }
}

fn retry(withdrawal: &str, fence: u64) -> Command {
    let (withdrawal, fence) = (id(withdrawal), Position::new(fence));
    Command::Retry { withdrawal, fence, error: "busy".to_owned() }
}

fn unknown(withdrawal: &str, fence: u64) -> Command {
    let (withdrawal, fence) = (id(withdrawal), Position::new(fence));
    Command::Unknown { withdrawal, fence, error: "no answer".to_owned() }
}

fn reconcile(withdrawal: &str, completed: bool) -> Command {
    Command::Reconcile { withdrawal: id(withdrawal), completed }
}

fn transfer(amount: u64) -> Command {
    Command::Transfer { to: id("bob"), amount: amount.into(), metadata: metadata() }
}

fn change() -> Command {
    Command::Change { floor: None, cap: None, spend_cap: None, expires_at: None, metadata: None }
}

fn change_floor(to: i128) -> Command {
    Command::Change {
        floor: Some(Signed::new(to)),
        cap: None,
        spend_cap: None,
        expires_at: None,
        metadata: None,
    }
}

fn change_cap(to: impl Into<Option<u64>>) -> Command {
    Command::Change {
        floor: None,
        cap: Some(to.into().map(Amount::from)),
        spend_cap: None,
        expires_at: None,
        metadata: None,
    }
}

fn change_spend(to: impl Into<Option<(u64, Period)>>) -> Command {
    let to = to.into().map(|(amount, period)| SpendCap { amount: amount.into(), period });
    Command::Change {
        floor: None,
        cap: None,
        spend_cap: Some(to),
        expires_at: None,
        metadata: None,
    }
}

fn change_end(to: impl Into<Option<u64>>) -> Command {
    let to = to.into().map(|at| Timestamp::from_ms(FRIDAY + at));
    Command::Change {
        floor: None,
        cap: None,
        spend_cap: None,
        expires_at: Some(to),
        metadata: None,
    }
}

fn change_metadata(to: Metadata) -> Command {
    Command::Change {
        floor: None,
        cap: None,
        spend_cap: None,
        expires_at: None,
        metadata: Some(MetadataChange::Whole(to)),
    }
}

fn merge(changes: &[(&str, Option<&str>)]) -> Command {
    let merge = Merge::new(changes.iter().copied()).expect("a test's merge");
    Command::Change {
        floor: None,
        cap: None,
        spend_cap: None,
        expires_at: None,
        metadata: Some(MetadataChange::Merge(merge)),
    }
}

fn send(amount: u64) -> Command {
    Command::Send { amount: amount.into(), to: id("bob"), metadata: metadata() }
}

fn receive() -> Command {
    Command::Receive { from: id("bob") }
}

fn collect() -> Command {
    Command::Collect { flow: id("flow") }
}

fn expect() -> Command {
    Command::Expect { flow: id("flow") }
}

fn spend(amount: impl Into<Amount>) -> Command {
    Command::Spend { amount: amount.into(), on: id("drop") }
}

fn fund() -> Command {
    Command::Fund { flow: id("flow") }
}

fn raise() -> Command {
    Command::Raise { flow: id("flow") }
}

fn recover() -> Command {
    Command::Recover { flow: id("flow") }
}

fn give_back(amount: u64) -> Command {
    Command::GiveBack { amount: amount.into(), to: id("bob") }
}

fn take_back() -> Command {
    Command::TakeBack { from: id("bob") }
}

fn restore(amount: u64) -> Command {
    Command::Restore { amount: amount.into(), from: id("drop") }
}

fn hold_due(hold: u64) -> Command {
    Command::HoldDue { hold: Position::new(hold) }
}

fn lease_due(withdrawal: u64) -> Command {
    Command::LeaseDue { withdrawal: Position::new(withdrawal) }
}

fn nobody() -> Solo<Account> {
    Solo::new("alice")
}

/// 100 deposited, of which 10 are charged (`c103`), 20 held (`h104`) and 30 to be paid out
/// (`w105`, dispatched under fence 106).
fn busy() -> Solo<Account> {
    account([
        open().into(),
        deposit(100).into(),
        charge(10).into(),
        hold(20).into(),
        withdraw(30).into(),
        lease("w105", "ann").into(),
    ])
}

/// Closed, with one old charge (`c103`).
fn closed() -> Solo<Account> {
    account([open().into(), deposit(10).into(), charge(10).into(), Command::Close.into()])
}

/// Expired after a second, with one old charge (`c103`).
fn expired() -> Solo<Account> {
    let solo = account([open_until(1_000).into(), deposit(10).into(), charge(10).into()]);
    check(solo, [(at(1_000, deposit(1)), no(Code::Expired))])
}

/// Every command in every state of the account.
#[test]
fn what_each_state_allows() {
    use Code::{Expired, NotFound, WrongState};
    let rows: [(Step, Outcome, Option<Code>, Option<Code>); 36] = [
        // command, outcome where busy, code where closed, code where expired (None: happens)
        (open().into(), taken(101), Some(Code::AlreadyExists), Some(Code::AlreadyExists)),
        (change_floor(-5).into(), done(), Some(WrongState), Some(Expired)),
        (change().into(), Outcome::Already, Some(WrongState), Some(Expired)),
        (merge(&[]).into(), Outcome::Already, Some(WrongState), Some(Expired)),
        (merge(&[("k", None)]).into(), done(), Some(WrongState), Some(Expired)),
        (Command::Close.into(), no(Code::NotEmpty), Some(WrongState), Some(Expired)),
        (Command::AccountDue.into(), no(WrongState), Some(WrongState), Some(WrongState)),
        (deposit(1).into(), comes_in(1), Some(WrongState), Some(Expired)),
        (charge(40).into(), goes_out(40), Some(WrongState), Some(Expired)),
        (refund("c103", None).into(), comes_in(10), None, None),
        (hold(40).into(), done(), Some(WrongState), Some(Expired)),
        (capture("h104", None).into(), goes_out(20), Some(NotFound), Some(NotFound)),
        (release("h104").into(), done(), Some(NotFound), Some(NotFound)),
        (hold_due(104).into(), no(WrongState), Some(NotFound), Some(NotFound)),
        (withdraw(40).into(), done(), Some(WrongState), Some(Expired)),
        (lease("w105", "ann").into(), done(), Some(NotFound), Some(NotFound)),
        (complete("w105", 106).into(), goes_out(30), Some(NotFound), Some(NotFound)),
        (fail("w105", 106).into(), done(), Some(NotFound), Some(NotFound)),
        (retry("w105", 106).into(), done(), Some(NotFound), Some(NotFound)),
        (unknown("w105", 106).into(), done(), Some(NotFound), Some(NotFound)),
        (reconcile("w105", true).into(), no(WrongState), Some(NotFound), Some(NotFound)),
        (lease_due(105).into(), no(WrongState), Some(NotFound), Some(NotFound)),
        (send(40).into(), gives(40), Some(WrongState), Some(Expired)),
        (with(7, receive()), takes(7), Some(WrongState), Some(Expired)),
        (with(7, collect()), takes(7), None, None),
        (expect().into(), Outcome::Already, Some(WrongState), Some(Expired)),
        (spend(40_u64).into(), goes_out(40), Some(WrongState), Some(Expired)),
        (with(-40, fund()), gives(40), Some(WrongState), Some(Expired)),
        (with(-40, raise()), gives(40), Some(WrongState), Some(Expired)),
        (with(7, recover()), takes(7), None, None),
        (recover().into(), Outcome::Already, None, None),
        (ended(recover().into()), done(), None, None),
        (give_back(40).into(), gives(40), Some(WrongState), Some(Expired)),
        (with(7, take_back()), takes(7), None, None),
        (restore(7).into(), comes_in(7), None, None),
        (transfer(1).into(), no(Code::Malformed), Some(Code::Malformed), Some(Code::Malformed)),
    ];
    for (step, in_use, after_close, after_end) in rows {
        let missing = match step.command {
            Command::Open { .. } => done(),
            Command::Transfer { .. } => no(Code::Malformed),
            _ => no(NotFound),
        };
        assert_eq!(ask(&mut nobody(), &step), missing, "{step:?}");
        assert_eq!(ask(&mut busy(), &step), in_use, "{step:?}");
        for (mut solo, code) in [(closed(), after_close), (expired(), after_end)] {
            let later = Step { at: 2_000, ..step.clone() };
            let code_was = match ask(&mut solo, &later) {
                Outcome::Refused(refusal) => Some(refusal.code),
                _ => None,
            };
            assert_eq!(code_was, code, "{step:?}");
        }
    }
}

#[test]
fn opening_needs_a_free_id_and_a_floor_of_at_most_nothing() {
    check(
        nobody(),
        [
            (open_floor(1).into(), lacks(0)),
            (open_floor(0).into(), done()),
            (open_floor(0).into(), taken(101)),
            // The id is asked for before the floor.
            (open_floor(1).into(), taken(101)),
        ],
    );
}

#[test]
fn money_comes_in_up_to_the_cap() {
    let solo = check(
        account([open_cap(100).into()]),
        [
            (deposit(0).into(), no(Code::Malformed)),
            (deposit(101).into(), no(Code::BalanceCapReached)),
            (deposit(100).into(), comes_in(100)),
            (deposit(1).into(), no(Code::BalanceCapReached)),
            (with(1, receive()), no(Code::BalanceCapReached)),
            (with(1, collect()), no(Code::BalanceCapReached)),
            // Money on its way back does not ask.
            (restore(1).into(), comes_in(1)),
            (with(1, take_back()), takes(1)),
            (with(1, recover()), takes(1)),
            (charge(100).into(), goes_out(100)),
            (deposit(97).into(), comes_in(97)),
            (refund("c106", None).into(), comes_in(100)),
            // A cap below the balance only keeps money out.
            (change_cap(5).into(), done()),
            (charge(1).into(), goes_out(1)),
            (deposit(1).into(), no(Code::BalanceCapReached)),
            (change_cap(None).into(), done()),
            (deposit(1).into(), comes_in(1)),
        ],
    );
    let head = solo.head().expect("it is open");
    assert_eq!((head.balance.get(), head.total_in.get(), head.total_out.get()), (200, 301, 101));
}

#[test]
fn money_goes_out_down_to_the_floor() {
    for out in [charge(0), hold(0), withdraw(0), send(0), give_back(0), spend(0_u64)] {
        check_each(nobody, [(out.into(), no(Code::Malformed))]);
    }
    for (floor, most) in [(0, 10), (-5, 15)] {
        let make = || account([open_floor(floor).into(), deposit(10).into()]);
        let over = most + 1;
        check_each(
            make,
            [
                (charge(over).into(), lacks(i128::from(most))),
                (hold(over).into(), lacks(i128::from(most))),
                (withdraw(over).into(), lacks(i128::from(most))),
                (send(over).into(), lacks(i128::from(most))),
                (give_back(over).into(), lacks(i128::from(most))),
                (spend(over).into(), lacks(i128::from(most))),
                (with(-i128::from(over), fund()), lacks(i128::from(most))),
                (with(-i128::from(over), raise()), lacks(i128::from(most))),
                (charge(most).into(), goes_out(most.into())),
                (spend(most).into(), goes_out(most.into())),
                (hold(most).into(), done()),
                (withdraw(most).into(), done()),
                (send(most).into(), gives(most.into())),
                (give_back(most).into(), gives(most.into())),
                (with(-i128::from(most), fund()), gives(most.into())),
                (with(-i128::from(most), raise()), gives(most.into())),
            ],
        );
    }
    // What is held cannot be spent, and a floor cannot be raised above the rest.
    check(
        account([open().into(), deposit(10).into(), hold(3).into(), withdraw(3).into()]),
        [
            (charge(5).into(), lacks(4)),
            (change_floor(5).into(), lacks(4)),
            (change_floor(4).into(), done()),
            (charge(1).into(), lacks(0)),
            (change_floor(-1).into(), done()),
            (charge(6).into(), lacks(5)),
            (charge(5).into(), goes_out(5)),
        ],
    );
}

#[test]
fn a_reference_is_taken_once_and_for_ever() {
    check(
        account([open().into()]),
        [
            (deposit_as("r", 10).into(), comes_in(10)),
            (deposit_as("r", 10).into(), taken(102)),
            (deposit_as("r", 99).into(), taken(102)),
            // Deposits and charges have references of their own.
            (charge_as("r", 11).into(), lacks(10)),
            (charge_as("r", 1).into(), goes_out(1)),
            (charge_as("r", 1).into(), taken(103)),
            (refund("c103", None).into(), comes_in(1)),
            (charge_as("r", 1).into(), taken(103)),
            (deposit_as("R", 1).into(), comes_in(1)),
        ],
    );
}

#[test]
fn a_charge_is_given_back_once() {
    let more = |rest| no_with(Code::ExceedsHeld, Fact::Available(Signed::new(rest)));
    check(
        account([open().into(), deposit(10).into(), charge(10).into(), deposit(1).into()]),
        [
            (refund("c103", 0).into(), no(Code::Malformed)),
            (refund("c102", None).into(), no(Code::NotFound)),
            (refund("h103", None).into(), no(Code::NotFound)),
            (refund("c0103", None).into(), no(Code::NotFound)),
            (refund("c99999999999999999999", None).into(), no(Code::NotFound)),
            (refund("c103", 11).into(), more(10)),
            (refund("c103", 4).into(), comes_in(4)),
            (refund("c103", 7).into(), more(6)),
            (refund("c103", None).into(), comes_in(6)),
            (refund("c103", 1).into(), no(Code::WrongState)),
            (refund("c103", None).into(), no(Code::WrongState)),
        ],
    );
    // What was spent as a leg is given back by what it was spent on alone.
    let spent = || account([open().into(), deposit(9).into(), spend(9_u64).into()]);
    assert_eq!(spent().items().count(), 0);
    check_each(
        spent,
        [(refund("c103", None).into(), no(Code::NotFound)), (restore(9).into(), comes_in(9))],
    );
    // What was captured is no charge.
    let captured = [open().into(), deposit(9).into(), hold(9).into(), capture("h103", None).into()];
    check_each(
        || account(captured.clone()),
        [
            (refund("c103", None).into(), no(Code::NotFound)),
            (refund("c104", None).into(), no(Code::NotFound)),
        ],
    );
}

#[test]
fn money_on_its_way_back_opens_the_account_again() {
    let back = [
        (refund("c103", 4).into(), comes_in(4)),
        (with(4, recover()), takes(4)),
        (with(4, take_back()), takes(4)),
        (restore(4).into(), comes_in(4)),
        (with(4, collect()), takes(4)),
    ];
    for (step, outcome) in back {
        let step: Step = step;
        for make in [closed, expired] {
            let later = Step { at: 2_000, ..step.clone() };
            let mut solo = make();
            assert_eq!(ask(&mut solo, &later), outcome, "{step:?}");
            assert_eq!(solo.head().map(|head| head.state), Some(State::Open));
            // An end that has passed holds again once the account is empty.
            let had_end = solo.head().is_some_and(|head| head.expires_at.is_some());
            let then = if had_end { no(Code::Expired) } else { comes_in(1) };
            check(solo, [(at(2_000, charge(4)), goes_out(4)), (at(2_000, deposit(1)), then)]);
        }
    }
    // No money, no opening.
    let solo = check(closed(), [(ended(recover().into()), done())]);
    assert_eq!(solo.head().map(|head| head.state), Some(State::Closed));
}

/// Every command in every state of a hold.
#[test]
fn what_each_state_of_a_hold_allows() {
    let history = || [open().into(), deposit(100).into(), hold_for(10, 20).into()];
    let held = || account(history());
    let captured = || check(held(), [(capture("h103", 5).into(), goes_out(5))]);
    let released = || check(held(), [(release("h103").into(), done())]);
    let over = || check(held(), [(at(10 * SECOND, deposit(1)), comes_in(1))]);
    let more = no_with(Code::ExceedsHeld, Fact::Available(Signed::new(20)));
    check_each(
        held,
        [
            (capture("h103", 0).into(), no(Code::Malformed)),
            (capture("h102", None).into(), no(Code::NotFound)),
            (capture("w103", None).into(), no(Code::NotFound)),
            (release("h104").into(), no(Code::NotFound)),
            (release("h").into(), no(Code::NotFound)),
            (hold_due(104).into(), no(Code::NotFound)),
            (capture("h103", 21).into(), more),
            (capture("h103", 20).into(), goes_out(20)),
            (capture("h103", 1).into(), goes_out(1)),
            (capture("h103", None).into(), goes_out(20)),
            (at(10 * SECOND - 1, capture("h103", None)), goes_out(20)),
            (at(10 * SECOND, capture("h103", None)), no(Code::Expired)),
            (release("h103").into(), done()),
            (at(10 * SECOND - 1, release("h103")), done()),
            (at(10 * SECOND, release("h103")), no(Code::Expired)),
            (hold_due(103).into(), no(Code::WrongState)),
        ],
    );
    for (make, code) in [
        (&captured as &dyn Fn() -> _, Code::WrongState),
        (&released, Code::WrongState),
        (&over, Code::Expired),
    ] {
        check_each(
            make,
            [
                (at(10 * SECOND, capture("h103", None)), no(code)),
                // The state is asked for before the amount.
                (at(10 * SECOND, capture("h103", 21)), no(code)),
                (at(10 * SECOND, release("h103")), no(code)),
                (at(10 * SECOND, hold_due(103)), no(Code::WrongState)),
            ],
        );
    }
    let item = |solo: Solo<Account>| solo.item(&hold_key(Position::new(103))).cloned();
    let left = |state, captured| {
        let expires_at = Some(Timestamp::from_ms(FRIDAY + 10 * SECOND));
        let (amount, captured) = (Amount::from(20), Amount::from(captured));
        Some(Item::from(Hold { amount, state, captured, expires_at }))
    };
    assert_eq!(item(held()), left(HoldState::Held, 0));
    assert_eq!(item(captured()), left(HoldState::Captured, 5));
    assert_eq!(item(released()), left(HoldState::Released, 0));
    assert_eq!(item(over()), left(HoldState::Expired, 0));
    for (solo, balance) in [(captured(), 95), (released(), 100), (over(), 101)] {
        let head = solo.head().expect("it is open");
        assert_eq!((head.balance.get(), head.held.get(), head.holds), (balance, 0, 0));
    }
}

#[test]
fn a_hold_ends_within_the_years_that_can_be_written() {
    let last = (Timestamp::LAST.ms() - FRIDAY) / SECOND;
    check_each(
        || account([open().into(), deposit(5).into()]),
        [
            (hold_for(0, 1).into(), no(Code::Malformed)),
            (hold_for(last, 5).into(), done()),
            (hold_for(last + 1, 5).into(), no(Code::Overflow)),
            (hold_for(u64::MAX, 5).into(), no(Code::Overflow)),
            // The time span is asked for before the funds.
            (hold_for(u64::MAX, 6).into(), no(Code::Overflow)),
        ],
    );
}

/// Every command in every state of a withdrawal.
#[test]
fn what_each_state_of_a_withdrawal_allows() {
    let pending = || account([open().into(), deposit(50).into(), withdraw(30).into()]);
    let dispatched = || check(pending(), [(lease("w103", "ann").into(), done())]);
    let renewed = || check(dispatched(), [(lease("w103", "ann").into(), done())]);
    let reported = || check(dispatched(), [(unknown("w103", 104).into(), done())]);
    let lapsed = || check(dispatched(), [(at(10 * SECOND, deposit(1)), comes_in(1))]);
    let completed = || check(dispatched(), [(complete("w103", 104).into(), goes_out(30))]);
    let failed = || check(dispatched(), [(fail("w103", 104).into(), done())]);
    let stale = |newest| no_with(Code::StaleFence, Fact::Fence(Position::new(newest)));
    let wrong = || no(Code::WrongState);

    check_each(
        pending,
        [
            (lease("w103", "ann").into(), done()),
            (lease("w104", "ann").into(), no(Code::NotFound)),
            (lease("h103", "ann").into(), no(Code::NotFound)),
            (complete("w103", 0).into(), wrong()),
            (fail("w103", 0).into(), wrong()),
            (retry("w103", 0).into(), wrong()),
            (unknown("w103", 0).into(), wrong()),
            (reconcile("w103", true).into(), wrong()),
            (lease_due(103).into(), wrong()),
            (lease_due(102).into(), no(Code::NotFound)),
        ],
    );
    check_each(
        dispatched,
        [
            (lease("w103", "ann").into(), done()),
            (lease("w103", "bob").into(), wrong()),
            (complete("w103", 104).into(), goes_out(30)),
            (complete("w103", 103).into(), stale(104)),
            (complete("w103", 105).into(), stale(104)),
            (fail("w103", 104).into(), done()),
            (fail("w103", 103).into(), stale(104)),
            (retry("w103", 104).into(), done()),
            (retry("w103", 103).into(), stale(104)),
            (unknown("w103", 104).into(), done()),
            (unknown("w103", 103).into(), stale(104)),
            (reconcile("w103", true).into(), wrong()),
            (reconcile("w103", false).into(), wrong()),
            (lease_due(103).into(), wrong()),
            (at(10 * SECOND - 1, retry("w103", 104)), done()),
            // Over at its instant: only now may nobody else have it.
            (at(10 * SECOND, retry("w103", 104)), wrong()),
            (at(10 * SECOND, lease("w103", "ann")), wrong()),
            (at(10 * SECOND, lease("w103", "bob")), wrong()),
            (at(10 * SECOND, complete("w103", 104)), goes_out(30)),
        ],
    );
    check_each(
        renewed,
        [
            (complete("w103", 104).into(), stale(105)),
            (fail("w103", 104).into(), stale(105)),
            (complete("w103", 105).into(), goes_out(30)),
        ],
    );
    for (make, newest) in [(&reported as &dyn Fn() -> _, 104), (&lapsed, 104)] {
        check_each(
            make,
            [
                (at(10 * SECOND, lease("w103", "ann")), wrong()),
                (at(10 * SECOND, complete("w103", newest)), goes_out(30)),
                (at(10 * SECOND, complete("w103", 103)), stale(newest)),
                (at(10 * SECOND, fail("w103", newest)), done()),
                (at(10 * SECOND, fail("w103", 103)), stale(newest)),
                (at(10 * SECOND, retry("w103", newest)), wrong()),
                (at(10 * SECOND, unknown("w103", newest)), wrong()),
                (at(10 * SECOND, reconcile("w103", true)), goes_out(30)),
                (at(10 * SECOND, reconcile("w103", false)), done()),
                (at(10 * SECOND, lease_due(103)), wrong()),
            ],
        );
    }
    for make in [&completed as &dyn Fn() -> _, &failed] {
        check_each(
            make,
            [
                (lease("w103", "ann").into(), wrong()),
                (complete("w103", 104).into(), wrong()),
                (complete("w103", 1).into(), wrong()),
                (fail("w103", 104).into(), wrong()),
                (retry("w103", 104).into(), wrong()),
                (unknown("w103", 104).into(), wrong()),
                (reconcile("w103", true).into(), wrong()),
                (lease_due(103).into(), wrong()),
            ],
        );
    }
    let given_up = || check(reported(), [(reconcile("w103", false).into(), done())]);
    let confirmed = || check(reported(), [(reconcile("w103", true).into(), goes_out(30))]);
    for (solo, balance) in [(completed(), 20), (failed(), 50), (given_up(), 50), (confirmed(), 20)]
    {
        let head = solo.head().expect("it is open");
        assert_eq!((head.balance.get(), head.held.get(), head.withdrawals), (balance, 0, 0));
    }
}

#[test]
fn a_withdrawal_keeps_what_a_worker_needs_to_know() {
    let item = |solo: &Solo<Account>| match solo.item(&withdrawal_key(Position::new(103))) {
        Some(Item::Withdrawal(withdrawal)) => withdrawal.clone(),
        other => panic!("no withdrawal: {other:?}"),
    };
    let planned = Withdrawal {
        amount: 30.into(),
        state: WithdrawalState::Pending,
        destination: "iban".to_owned(),
        secret: Some(vec![1, 2, 3]),
        attempts: 0,
        worker: None,
        fence: Position::ZERO,
        lease_until: None,
        error: None,
        reference: None,
    };
    let solo = account([open().into(), deposit(50).into(), withdraw(30).into()]);
    assert_eq!(item(&solo), planned);

    let solo = check(solo, [(lease("w103", "ann").into(), done())]);
    let leased = Withdrawal {
        state: WithdrawalState::Dispatched,
        worker: Some(id("ann")),
        fence: Position::new(104),
        lease_until: Some(Timestamp::from_ms(FRIDAY + 10 * SECOND)),
        ..planned
    };
    assert_eq!(item(&solo), leased);

    let solo = check(solo, [(retry("w103", 104).into(), done())]);
    let again = Withdrawal {
        state: WithdrawalState::Pending,
        attempts: 1,
        worker: None,
        lease_until: None,
        error: Some("busy".to_owned()),
        ..leased
    };
    assert_eq!(item(&solo), again);

    let solo = check(
        solo,
        [
            (lease("w103", "bob").into(), done()),
            (
                complete("w103", 104).into(),
                no_with(Code::StaleFence, Fact::Fence(Position::new(106))),
            ),
            (complete("w103", 106).into(), goes_out(30)),
        ],
    );
    let completed = Withdrawal {
        state: WithdrawalState::Completed,
        secret: None,
        worker: Some(id("bob")),
        fence: Position::new(106),
        reference: Some(id("provider-1")),
        ..again
    };
    assert_eq!(item(&solo), completed);
}

#[test]
fn what_a_withdrawal_may_hold_is_bounded() {
    let make = || account([open().into(), deposit(50).into()]);
    let plan = |chars: usize, secret: usize| -> Step {
        let (destination, secret) = ("é".repeat(chars), Some(vec![0; secret]));
        Command::Withdraw { amount: 1.into(), destination, secret }.into()
    };
    let lease_for = |seconds| -> Step {
        Command::Lease { withdrawal: id("w103"), worker: id("ann"), seconds }.into()
    };
    check_each(
        make,
        [
            (plan(1024, 4096), done()),
            (plan(1025, 0), no(Code::Malformed)),
            (plan(0, 4097), no(Code::Malformed)),
            (lease_for(0), no(Code::Malformed)),
        ],
    );
    check_each(nobody, [(plan(1025, 0), no(Code::Malformed)), (lease_for(0), no(Code::Malformed))]);
    let last = (Timestamp::LAST.ms() - FRIDAY) / SECOND;
    let planned = || account([open().into(), deposit(50).into(), withdraw(30).into()]);
    check_each(
        planned,
        [
            (lease_for(last), done()),
            (lease_for(last + 1), no(Code::Overflow)),
            (lease_for(u64::MAX), no(Code::Overflow)),
        ],
    );
    // An error is cut between two characters.
    let mut solo = check(planned(), [(lease("w103", "ann").into(), done())]);
    let error = "x".to_owned() + &"é".repeat(ERROR_BYTES_MAX);
    let fail = Command::Fail { withdrawal: id("w103"), fence: Position::new(104), error };
    let told = solo.ask(&fail, Timestamp::from_ms(FRIDAY)).expect("it is dispatched");
    let Some(Event::WithdrawalFailed(failed)) = told.event else { panic!("it failed") };
    assert_eq!(failed.error.len(), ERROR_BYTES_MAX - 1);
}

#[test]
fn legs_meet_in_transit() {
    let make = || account([open().into(), deposit(10).into()]);
    let other =
        |amount, command: Command| Step { transit: transit_of(euro(), amount), ..command.into() };
    check_each(
        make,
        [
            // A leg that takes needs something to take; a leg that pays, something that lacks.
            (receive().into(), no(Code::Malformed)),
            (with(-1, receive()), no(Code::Malformed)),
            (collect().into(), no(Code::Malformed)),
            (with(-1, collect()), no(Code::Malformed)),
            (take_back().into(), no(Code::Malformed)),
            (with(-1, take_back()), no(Code::Malformed)),
            (with(-1, recover()), no(Code::Malformed)),
            (fund().into(), no(Code::Malformed)),
            (with(1, fund()), no(Code::Malformed)),
            (raise().into(), no(Code::Malformed)),
            (with(1, raise()), no(Code::Malformed)),
            // Another asset.
            (other(1, receive()), no(Code::AssetMismatch)),
            (other(1, collect()), no(Code::AssetMismatch)),
            (other(1, take_back()), no(Code::AssetMismatch)),
            (other(1, recover()), no(Code::AssetMismatch)),
            (other(-1, fund()), no(Code::AssetMismatch)),
            (other(-1, raise()), no(Code::AssetMismatch)),
            (other(1, send(1)), no(Code::AssetMismatch)),
            (other(1, give_back(1)), no(Code::AssetMismatch)),
            // A leg that moves nothing may have named the asset.
            (other(0, spend(1_u64)), no(Code::AssetMismatch)),
            (other(0, restore(1)), no(Code::AssetMismatch)),
            (other(0, expect()), no(Code::AssetMismatch)),
            (with(0, spend(1_u64)), goes_out(1)),
            (with(0, restore(1)), comes_in(1)),
            (with(0, expect()), Outcome::Already),
            // A charge is paid to the outside, whatever is on its way.
            (other(0, charge(1)), goes_out(1)),
            // The asset is asked for before the funds.
            (other(1, send(11)), no(Code::AssetMismatch)),
            (other(-11, fund()), no(Code::AssetMismatch)),
            (other(0, spend(11_u64)), no(Code::AssetMismatch)),
            // A leg may give on top of what is there.
            (with(5, send(10)), gives(10)),
            (with(i128::MAX, send(10)), no(Code::Overflow)),
        ],
    );
}

/// Two checks say no, and the one that comes first in the list is the answer.
#[test]
fn the_first_check_that_says_no_is_the_answer() {
    let foreign =
        |amount, command: Command| Step { transit: transit_of(euro(), amount), ..command.into() };
    let charged_as_r = || {
        let opening = open_spend(10, Period::Day).into();
        account([opening, deposit(5).into(), charge_as("r", 5).into()])
    };
    check_each(
        charged_as_r,
        [
            (charge_as("r", 0).into(), no(Code::Malformed)),
            (charge_as("r", 6).into(), taken(103)),
            (charge_as("r", u64::MAX).into(), taken(103)),
            (charge(6).into(), lacks(0)),
            (charge_all().into(), no(Code::Overflow)),
            (foreign(i128::MAX, send(6)), no(Code::AssetMismatch)),
            (foreign(0, spend(0_u64)), no(Code::Malformed)),
            (foreign(0, spend(Amount::MAX)), no(Code::AssetMismatch)),
            (spend(Amount::MAX).into(), no(Code::Overflow)),
            (spend(11_u64).into(), lacks(0)),
            (with(i128::MAX, send(6)), no(Code::Overflow)),
        ],
    );
    let closed_as_r = || check(charged_as_r(), [(Command::Close.into(), done())]);
    check_each(
        closed_as_r,
        [
            (charge_as("r", 1).into(), no(Code::WrongState)),
            (foreign(1, receive()), no(Code::WrongState)),
            (receive().into(), no(Code::Malformed)),
            (collect().into(), no(Code::Malformed)),
            (foreign(1, collect()), no(Code::AssetMismatch)),
            (foreign(0, expect()), no(Code::WrongState)),
            (foreign(0, spend(1_u64)), no(Code::WrongState)),
            (change_floor(1).into(), no(Code::WrongState)),
            (hold_for(u64::MAX, 1).into(), no(Code::WrongState)),
            (
                refund("c103", 6).into(),
                no_with(Code::ExceedsHeld, Fact::Available(Signed::from(5))),
            ),
            (refund("c104", 0).into(), no(Code::Malformed)),
        ],
    );
    let capped_at_5 = || account([open_cap(5).into(), deposit_as("r", 5).into()]);
    check_each(
        capped_at_5,
        [
            (deposit_as("r", 1).into(), taken(102)),
            (deposit_all().into(), no(Code::Overflow)),
            (foreign(1, receive()), no(Code::AssetMismatch)),
            (foreign(1, collect()), no(Code::AssetMismatch)),
        ],
    );
}

#[test]
fn a_transfer_is_two_legs_and_reaches_oneself_too() {
    for to in ["bob", "alice"] {
        let mut solo = account([open().into(), deposit(10).into()]);
        let transfer = |amount: u64| Command::Transfer {
            to: id(to),
            amount: amount.into(),
            metadata: metadata(),
        };
        let legs = solo.expand(&transfer(10), None);
        let [(from_name, send), (to_name, receive)] = &*legs else { panic!("{legs:?}") };
        assert_eq!((from_name.id.as_str(), to_name.id.as_str()), ("alice", to));
        assert_eq!((from_name.kind, to_name.kind), (Account::KIND, Account::KIND));
        let sent = Command::Send { amount: 10.into(), to: id(to), metadata: metadata() };
        assert_eq!(send.get::<Account>(), Some(&sent));
        let received = Command::Receive { from: id("alice") };
        assert_eq!(receive.get::<Account>(), Some(&received));

        let now = Timestamp::from_ms(FRIDAY);
        let mut transit = Transit::default();
        solo.ask_within(&sent, now, &mut transit).expect("it has 10");
        let mut bob = account([open().into()]);
        let receiver = if to == "alice" { &mut solo } else { &mut bob };
        receiver.ask_within(&received, now, &mut transit).expect("it is open");
        assert!(transit.is_empty());
        assert_eq!(receiver.head().map(|head| head.balance.get()), Some(10));
    }
}

#[test]
fn commands_of_one_stream_are_not_split() {
    let solo = busy();
    let legs = solo.expand(&deposit(1), None);
    let [(name, command)] = &*legs else { panic!("{legs:?}") };
    assert_eq!((name.id.as_str(), command.get::<Account>()), ("alice", Some(&deposit(1))));
}

#[test]
fn an_account_closes_once_nothing_can_come_back() {
    let close = || Step::from(Command::Close);
    check(
        account([open_floor(-5).into()]),
        [
            (charge(1).into(), goes_out(1)),
            (close(), no(Code::NotEmpty)),
            (deposit(1).into(), comes_in(1)),
            (hold(1).into(), done()),
            (close(), no(Code::NotEmpty)),
            (release("h104").into(), done()),
            (withdraw(1).into(), done()),
            (close(), no(Code::NotEmpty)),
            (lease("w106", "ann").into(), done()),
            (unknown("w106", 107).into(), done()),
            (close(), no(Code::NotEmpty)),
            (reconcile("w106", false).into(), done()),
            (with(-1, fund()), gives(1)),
            (close(), no(Code::NotEmpty)),
            (with(1, recover()), takes(1)),
            (close(), no(Code::NotEmpty)),
            // The balance is nothing again, but the flow still is.
            (ended(recover().into()), done()),
            (close(), done()),
            (close(), no(Code::WrongState)),
        ],
    );
}

#[test]
fn an_account_expires_once_it_is_over_and_empty() {
    // Over and empty: at its instant.
    check_each(
        || account([open_until(1_000).into()]),
        [
            (at(999, deposit(1)), comes_in(1)),
            (at(1_000, deposit(1)), no(Code::Expired)),
            (at(999, Command::AccountDue), no(Code::WrongState)),
        ],
    );
    // A deposit saves it; it ends when it is empty again. Changes may take the end away.
    check(
        account([open_until(1_000).into(), deposit(2).into()]),
        [
            (at(1_000, deposit(1)), comes_in(1)),
            (at(2_000, hold(3)), done()),
            (at(2_000, capture("h104", 3)), goes_out(3)),
            (at(2_000, deposit(1)), no(Code::Expired)),
            (at(2_000, Command::Close), no(Code::Expired)),
        ],
    );
    for waits in [at(0, hold(1)), at(0, withdraw(1)), Step { at: 0, ..with(-1, fund()) }] {
        let solo = account([open_until(1_000).into(), deposit(1).into(), waits]);
        check(solo, [(at(1_000, deposit(1)), comes_in(1))]);
    }
    check(
        account([open_until(1_000).into()]),
        [
            (at(999, change_end(None)), done()),
            (at(1_000, deposit(1)), comes_in(1)),
            // An end in the past counts from the moment that the account is empty.
            (at(1_000, change_end(500)), done()),
            (at(1_000, charge(1)), goes_out(1)),
            (at(1_000, charge(1)), no(Code::Expired)),
        ],
    );
}

#[test]
fn metadata_is_an_item_while_there_is_some() {
    let key = metadata_key();
    let other = Metadata::new([("a", "b")]).expect("metadata");
    let solo = account([open().into()]);
    assert_eq!(solo.items().count(), 0);
    let solo = check(solo, [(change_metadata(metadata()).into(), done())]);
    assert_eq!(solo.item(&key), Some(&Item::from(metadata())));
    let solo = check(solo, [(change_metadata(other.clone()).into(), done())]);
    assert_eq!(solo.item(&key), Some(&Item::from(other)));
    let solo = check(solo, [(change_metadata(Metadata::default()).into(), done())]);
    assert_eq!(solo.items().count(), 0);
}

#[test]
fn metadata_is_merged_with_what_is_there() {
    let there = |solo: &Solo<Account>, pairs: &[(&str, &str)]| {
        let pairs = Metadata::new(pairs.iter().copied()).expect("metadata");
        assert_eq!(solo.item(&metadata_key()), Some(&Item::from(pairs)));
    };
    let solo = account([open().into()]);
    let solo = check(solo, [(merge(&[("a", Some("1")), ("b", Some("2"))]).into(), done())]);
    there(&solo, &[("a", "1"), ("b", "2")]);
    let solo = check(solo, [(merge(&[("a", None), ("c", Some("3")), ("x", None)]).into(), done())]);
    there(&solo, &[("b", "2"), ("c", "3")]);
    let solo = check(solo, [(merge(&[]).into(), Outcome::Already)]);
    there(&solo, &[("b", "2"), ("c", "3")]);

    // What comes of it is no more than metadata may be, and a limit beside it does not change.
    let long = "x".repeat(Metadata::BYTES_MAX - 2);
    let too_much = merge(&[("l", Some(&long))]);
    let Command::Change { metadata, .. } = too_much.clone() else { panic!("it is a change") };
    let with_floor = Command::Change {
        floor: Some(Signed::new(1_000)),
        cap: None,
        spend_cap: None,
        expires_at: None,
        metadata,
    };
    let solo = check(
        solo,
        [
            (too_much.into(), no(Code::Malformed)),
            // It is about what was asked, so it comes before what the account has.
            (with_floor.into(), no(Code::Malformed)),
        ],
    );
    there(&solo, &[("b", "2"), ("c", "3")]);
    let solo =
        check(solo, [(merge(&[("l", Some(&long)), ("b", None), ("c", None)]).into(), done())]);
    there(&solo, &[("l", &long)]);
    let solo = check(solo, [(merge(&[("l", None)]).into(), done())]);
    assert_eq!(solo.items().count(), 0);
}

#[test]
fn the_spend_cap_counts_what_is_spent() {
    let make = || account([open_spend(10, Period::Day).into(), deposit(100).into()]);
    check_each(
        make,
        [
            (charge(11).into(), capped(10)),
            (hold(11).into(), capped(10)),
            (withdraw(11).into(), capped(10)),
            (send(11).into(), capped(10)),
            (spend(11_u64).into(), capped(10)),
            (with(-11, fund()), capped(10)),
            (with(-11, raise()), capped(10)),
            // The funds are asked for first.
            (charge(101).into(), lacks(100)),
            // Undoing a sale is not spending.
            (give_back(11).into(), gives(11)),
            (charge(10).into(), goes_out(10)),
        ],
    );
    for spent in [
        charge(6).into(),
        hold(6).into(),
        withdraw(6).into(),
        send(6).into(),
        spend(6_u64).into(),
        with(-6, fund()),
        with(-6, raise()),
    ] {
        let solo = account([open_spend(10, Period::Day).into(), deposit(100).into(), spent]);
        check(solo, [(charge(5).into(), capped(4)), (charge(4).into(), goes_out(4))]);
    }
}

#[test]
fn what_is_freed_comes_back_within_its_period_only() {
    // What is spent (as `?103`), and what frees 6 of it.
    let leased = || vec![withdraw(6).into(), lease("w103", "ann").into()];
    let freed: [(Vec<Step>, Vec<Command>); 8] = [
        (vec![hold(6).into()], vec![release("h103")]),
        (vec![hold(8).into()], vec![capture("h103", 2)]),
        (vec![hold_for(60, 6).into()], vec![]),
        (vec![charge(6).into()], vec![refund("c103", None)]),
        (vec![charge(8).into()], vec![refund("c103", 1), refund("c103", 5)]),
        (leased(), vec![fail("w103", 104)]),
        (leased(), vec![unknown("w103", 104), fail("w103", 104)]),
        (leased(), vec![unknown("w103", 104), reconcile("w103", false)]),
    ];
    for (spend, free) in freed {
        let spent_behind = |spend_at: u64, free_at: u64| {
            let mut solo = account([open_spend(20, Period::Day).into(), deposit(100).into()]);
            let on_next_day = Step::from(charge(10));
            let frees = free.iter().cloned().map(Step::from);
            let spends = spend.iter().map(|step| (spend_at, step.clone()));
            let rest = core::iter::once(on_next_day).chain(frees).map(|step| (free_at, step));
            for (at, step) in spends.chain(rest) {
                let outcome = ask(&mut solo, &Step { at, ..step.clone() });
                assert!(!matches!(outcome, Outcome::Refused(_)), "{step:?}: {outcome:?}");
            }
            let now = Timestamp::from_ms(FRIDAY + free_at + 60 * SECOND);
            solo.fire(now);
            let spending = solo.head().and_then(|head| head.spending);
            spending.expect("it has a cap").spent(now).get()
        };
        let total = match spend.first().map(|step| &step.command) {
            Some(Command::Hold { amount, .. } | Command::Charge { amount, .. }) => amount.get(),
            _ => 6,
        };
        assert_eq!(spent_behind(0, SECOND), 10 + total - 6, "{spend:?}");
        assert_eq!(spent_behind(DAY - SECOND, DAY), 10, "{spend:?}");
    }
}

#[test]
fn the_spend_cap_begins_again_with_each_period() {
    // Friday, 2026-11-20: the next Monday is three days on, the next month eleven.
    for (period, days) in [(Period::Day, 1), (Period::Week, 3), (Period::Month, 11)] {
        let next = days * DAY;
        check(
            account([open_spend(10, period).into(), deposit(100).into()]),
            [
                (charge(10).into(), goes_out(10)),
                (at(next - 1, charge(1)), capped(0)),
                (at(next, charge(11)), capped(10)),
                (at(next, charge(4)), goes_out(4)),
                (at(next, charge(7)), capped(6)),
                (at(next, charge(6)), goes_out(6)),
                (at(next + 1, charge(1)), capped(0)),
            ],
        );
    }
}

#[test]
fn a_new_spend_cap_keeps_the_count_of_the_same_period() {
    let make = || {
        let opened = open_spend(10, Period::Day).into();
        account([opened, deposit(100).into(), hold(6).into()])
    };
    check(
        make(),
        [
            (change_spend((8, Period::Day)).into(), done()),
            (charge(3).into(), capped(2)),
            // Below what is spent already.
            (change_spend((5, Period::Day)).into(), done()),
            (charge(1).into(), capped(0)),
            (change_spend(None).into(), done()),
            (charge(20).into(), goes_out(20)),
        ],
    );
    check(
        make(),
        [
            (change_spend((10, Period::Week)).into(), done()),
            (charge(10).into(), goes_out(10)),
            // What was counted before the new count began does not come back to it.
            (release("h103").into(), done()),
            (charge(1).into(), capped(0)),
        ],
    );
    // What was never counted cannot come back.
    check(
        account([open().into(), deposit(100).into(), hold(6).into()]),
        [
            (change_spend((10, Period::Day)).into(), done()),
            (charge(10).into(), goes_out(10)),
            (release("h103").into(), done()),
            (charge(1).into(), capped(0)),
        ],
    );
}

#[test]
fn numbers_that_do_not_fit_are_refused() {
    let all = i128::MAX;
    let full = || account([open().into(), deposit_all().into()]);
    check_each(
        full,
        [
            (deposit(1).into(), no(Code::Overflow)),
            (with(1, receive()), no(Code::Overflow)),
            (restore(1).into(), no(Code::Overflow)),
            (with(1, take_back()), no(Code::Overflow)),
            (with(1, recover()), no(Code::Overflow)),
            (charge_all().into(), goes_out(all)),
        ],
    );
    // The totals are full: new money is refused, money on its way back is not.
    let spent = || check(full(), [(charge_all().into(), goes_out(all))]);
    check(
        spent(),
        [
            (deposit(1).into(), no(Code::Overflow)),
            (refund("c103", 5).into(), comes_in(5)),
            (charge(1).into(), no(Code::Overflow)),
            // Overflow is asked for before the funds.
            (charge(6).into(), no(Code::Overflow)),
            (send(1).into(), no(Code::Overflow)),
            (hold(5).into(), done()),
            (capture("h105", None).into(), no(Code::Overflow)),
            (release("h105").into(), done()),
            // What a worker reports has happened.
            (withdraw(5).into(), done()),
            (lease("w107", "ann").into(), done()),
            (complete("w107", 108).into(), goes_out(5)),
        ],
    );
    // An overdraft without an end: what is held may not outgrow an amount.
    let deep = || account([open_floor(i128::MIN).into(), deposit(1).into()]);
    let hold_all = Command::Hold { amount: Amount::MAX, expires_in_seconds: None };
    check(
        deep(),
        [
            (hold_all.into(), done()),
            (hold(1).into(), no(Code::Overflow)),
            (withdraw(1).into(), no(Code::Overflow)),
            (charge(2).into(), goes_out(2)),
            (charge(1).into(), lacks(0)),
        ],
    );
}

#[test]
fn answers_are_made_of_what_the_caller_asked_about() {
    let now = Timestamp::from_ms(FRIDAY);
    let shown = |solo: &mut Solo<Account>, command: Command| -> Shows {
        let told: Told<Account> = solo.ask(&command, now).expect("it is accepted");
        told.shows
    };
    let stream = Shows::head().with(metadata_key());
    let hold_at = |position| Shows::item(hold_key(Position::new(position)));
    let withdrawal = Shows::item(withdrawal_key(Position::new(105)));
    let mut solo = nobody();
    for (command, shows) in [
        (open(), stream.clone()),
        (deposit(100), Shows::event()),
        (hold(10), hold_at(103)),
        (capture("h103", 5), hold_at(103)),
        (withdraw(10), withdrawal.clone()),
        (lease("w105", "ann"), withdrawal.clone()),
        (complete("w105", 106), withdrawal),
        (hold(10), hold_at(108)),
        (release("h108"), hold_at(108)),
        (charge(85), Shows::event()),
        (refund("c110", None), Shows::event()),
        (spend(85_u64), Shows::event()),
        (change_floor(-1), stream.clone()),
        (change(), stream.clone()),
        (Command::Close, stream),
    ] {
        assert_eq!(shown(&mut solo, command.clone()), shows, "{command:?}");
    }
}

#[test]
fn lists_find_an_account_by_state_and_asset() {
    for (solo, state) in [(busy(), 1), (closed(), 2), (expired(), 3)] {
        let mut rows = Vec::new();
        let head = solo.head().expect("it exists");
        Account::indexes(head, &mut |index, bytes| rows.push((index, bytes.to_vec())));
        assert_eq!(rows, [(1, vec![state]), (2, asset().bytes().to_vec())]);
    }
}

#[test]
fn commands_that_differ_read_differently() {
    let opened = |spend_cap| Command::Open {
        asset: asset(),
        floor: Signed::ZERO,
        cap: None,
        spend_cap,
        expires_at: None,
        metadata: Metadata::default(),
    };
    let day = SpendCap { amount: 7.into(), period: Period::Day };
    let commands = [
        open(),
        open_floor(-1),
        open_cap(7),
        opened(Some(day)),
        opened(Some(SpendCap { period: Period::Week, ..day })),
        open_until(7),
        deposit(7),
        deposit(8),
        deposit_as("r", 7),
        charge(7),
        charge_as("r", 7),
        refund("c7", None),
        refund("c7", 7),
        refund("c8", 7),
        hold(7),
        hold_for(7, 7),
        capture("h7", None),
        capture("h7", 7),
        release("h7"),
        withdraw(7),
        Command::Withdraw { amount: 7.into(), destination: "iban".to_owned(), secret: None },
        lease("w7", "ann"),
        lease("w7", "bob"),
        complete("w7", 7),
        complete("w7", 8),
        fail("w7", 7),
        retry("w7", 7),
        unknown("w7", 7),
        reconcile("w7", true),
        reconcile("w7", false),
        transfer(7),
        change(),
        change_floor(0),
        change_cap(7),
        change_cap(None),
        change_spend((7, Period::Day)),
        change_spend((7, Period::Month)),
        change_spend(None),
        change_end(7),
        change_end(None),
        change_metadata(Metadata::default()),
        change_metadata(metadata()),
        merge(&[("k", Some("v"))]),
        merge(&[("k", Some("w"))]),
        merge(&[("k", None)]),
        merge(&[("k", None), ("l", None)]),
        merge(&[("kl", None)]),
        merge(&[("k", None), ("l", Some("v"))]),
        Command::Close,
        send(7),
        receive(),
        collect(),
        expect(),
        spend(7_u64),
        spend(8_u64),
        fund(),
        raise(),
        recover(),
        give_back(7),
        take_back(),
        restore(7),
        hold_due(7),
        lease_due(7),
        Command::AccountDue,
    ];
    are_told_apart(&commands);
    // A merge has no order, and one of nothing is none.
    let one = merge(&[("a", None), ("b", None), ("c", Some("1")), ("d", Some("2"))]);
    let two = merge(&[("d", Some("2")), ("b", None), ("c", Some("1")), ("a", None)]);
    assert_eq!(said(&one), said(&two));
    assert_eq!(said(&merge(&[])), said(&change()));
    assert_eq!(said(&refund("c7", None)).1, Some(id("c7")));
    assert_eq!(said(&capture("h7", None)).1, Some(id("h7")));
    assert_eq!(said(&fail("w7", 7)).1, Some(id("w7")));
    assert_eq!(said(&deposit(7)).1, None);
}

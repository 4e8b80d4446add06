//! The account machine against a naive model of it.
//!
//! The model keeps lists of what happened and adds them up anew whenever it needs a number.

use std::collections::BTreeSet;
use std::fmt::Debug;

use proptest::prelude::*;
use proptest::sample::select;
use quipu_core::machine::{ItemKey, Side, Solo, Transit};
use quipu_core::machines::account::{
    Account, Command, Head, HoldState, INDEX_WITHDRAWAL_STATE, INDEX_WITHDRAWAL_WORKER, Item,
    MetadataChange, SpendCap, State, WithdrawalState, by_state, by_worker, charge_key,
    charge_reference_key, deposit_reference_key, hold_key, metadata_key, withdrawal_key,
};
use quipu_core::words::{
    Amount, Asset, Code, Fact, Id, Merge, Metadata, Period, Position, Refusal, Signed, Timestamp,
};

const DAY: u64 = 86_400_000;
/// Friday, 2026-11-20, a second before midnight.
const START: u64 = 1_795_219_200_000 - 1_000;
const MOST: i128 = i128::MAX;

/// What came of a command: what moved on the stream, outside and in transit.
#[derive(PartialEq, Debug)]
enum Did {
    Event { stream: i128, outside: i128, transit: i128 },
    Already,
}

const NOTHING_MOVED: Did = Did::Event { stream: 0, outside: 0, transit: 0 };

type No = (Code, Fact);

fn no<T>(code: Code) -> Result<T, No> {
    Err((code, Fact::None))
}

fn no_available<T>(code: Code, available: i128) -> Result<T, No> {
    Err((code, Fact::Available(Signed::new(available))))
}

/// What legs before have set in motion.
#[derive(Clone, Copy, Debug)]
struct Way {
    amount: i128,
    foreign: bool,
    ended: bool,
}

impl Way {
    /// A leg before may name an asset and move nothing of it.
    fn is_ours(self) -> Result<(), No> {
        if self.foreign { no(Code::AssetMismatch) } else { Ok(()) }
    }
}

struct HoldModel {
    at: u64,
    amount: i128,
    end: Option<u64>,
    state: HoldState,
    captured: i128,
}

struct WithdrawalModel {
    at: u64,
    amount: i128,
    state: WithdrawalState,
    has_secret: bool,
    retries: u32,
    leases: Vec<(u64, String, u64)>,
    has_worker: bool,
    error: Option<String>,
    reference: Option<Id>,
}

struct ChargeModel {
    at: u64,
    amount: i128,
    refunds: Vec<i128>,
}

#[derive(Default)]
struct Model {
    opened: Option<u64>,
    last: u64,
    version: u64,
    state: &'static str,
    floor: i128,
    cap: Option<i128>,
    /// The cap, and where its count began.
    spend_cap: Option<(i128, Period, u64)>,
    end: Option<u64>,
    metadata: Option<Metadata>,
    /// Every movement, with its sign.
    moves: Vec<i128>,
    holds: Vec<HoldModel>,
    withdrawals: Vec<WithdrawalModel>,
    charges: Vec<ChargeModel>,
    /// Whether of a deposit, the reference, the position.
    references: Vec<(bool, Id, u64)>,
    /// One for each flow that was funded and has not ended.
    flows: Vec<()>,
    /// Position, time and amount of everything that was spent.
    spent: Vec<(u64, u64, i128)>,
    /// The position of what was spent, and how much of it was freed.
    freed: Vec<(u64, i128)>,
}

impl Model {
    fn new() -> Self {
        Self { last: 100, state: "missing", ..Self::default() }
    }

    fn balance(&self) -> i128 {
        self.moves.iter().sum()
    }

    fn total(&self, sign: i128) -> i128 {
        let moves = self.moves.iter().filter(|amount| amount.signum() == sign);
        moves.fold(0, |total: i128, amount| total.saturating_add(amount.abs()))
    }

    fn held(&self) -> i128 {
        let holds = self.holds.iter().filter(|hold| hold.state == HoldState::Held);
        let holds: i128 = holds.map(|hold| hold.amount).sum();
        let unfinished = self.unfinished().map(|withdrawal| withdrawal.amount);
        holds + unfinished.sum::<i128>()
    }

    fn unfinished(&self) -> impl Iterator<Item = &WithdrawalModel> {
        self.withdrawals.iter().filter(|withdrawal| {
            !matches!(withdrawal.state, WithdrawalState::Completed | WithdrawalState::Failed)
        })
    }

    fn available(&self) -> i128 {
        (self.balance() - self.held()).saturating_sub(self.floor)
    }

    fn is_empty(&self) -> bool {
        let open_holds = self.holds.iter().filter(|hold| hold.state == HoldState::Held).count();
        self.balance() == 0 && open_holds + self.unfinished().count() + self.flows.len() == 0
    }

    /// What counts against the spend cap now: spent in its period, and not freed since.
    fn counted(&self, now: u64) -> i128 {
        let Some((_, period, since)) = self.spend_cap else { return 0 };
        let counts =
            |at: u64, then: u64| at > since && start_of(then, period) == start_of(now, period);
        let spent = self.spent.iter().filter(|(at, then, _)| counts(*at, *then));
        spent
            .map(|(at, _, amount)| {
                let freed = self.freed.iter().filter(|(of, _)| of == at);
                amount - freed.map(|(_, amount)| amount).sum::<i128>()
            })
            .sum()
    }

    fn open(&self) -> Result<(), No> {
        match self.state {
            "missing" => no(Code::NotFound),
            "closed" => no(Code::WrongState),
            "expired" => no(Code::Expired),
            _ => Ok(()),
        }
    }

    /// The metadata that is there, name by name.
    fn merged(&self, merge: &Merge) -> Result<Metadata, No> {
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        for (name, value) in self.metadata.iter().flat_map(Metadata::pairs) {
            let is_removed = merge.removed().iter().any(|removed| **removed == *name);
            let new = merge.set().pairs().find(|(set, _)| *set == name);
            if !is_removed {
                pairs.push((name, new.map_or(value, |(_, new)| new)));
            }
        }
        for (name, value) in merge.set().pairs() {
            if pairs.iter().all(|(there, _)| *there != name) {
                pairs.push((name, value));
            }
        }
        let bytes: usize = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
        if pairs.len() > 32 || bytes > 4096 {
            return no(Code::Malformed);
        }
        Ok(Metadata::new(pairs).expect("it is within its limits"))
    }

    fn exists(&self) -> Result<(), No> {
        if self.state == "missing" { no(Code::NotFound) } else { Ok(()) }
    }

    fn happened(&mut self) -> u64 {
        self.last += 1;
        self.version = self.last;
        self.last
    }

    fn fire(&mut self, now: u64) {
        for index in 0..self.holds.len() {
            let hold = &self.holds[index];
            if hold.state == HoldState::Held && hold.end.is_some_and(|end| end <= now) {
                self.happened();
                let hold = &mut self.holds[index];
                hold.state = HoldState::Expired;
                self.freed.push((hold.at, hold.amount));
            }
        }
        for index in 0..self.withdrawals.len() {
            let withdrawal = &self.withdrawals[index];
            let until = withdrawal.leases.last().map_or(u64::MAX, |lease| lease.2);
            if withdrawal.state == WithdrawalState::Dispatched && until <= now {
                self.happened();
                self.withdrawals[index].state = WithdrawalState::Unknown;
            }
        }
        if self.state == "open" && self.is_empty() && self.end.is_some_and(|end| end <= now) {
            self.happened();
            self.state = "expired";
        }
    }

    /// New money asks the totals and the cap; what comes back does not.
    fn come(&mut self, amount: i128, is_new: bool, outside: bool) -> Result<Did, No> {
        if is_new && self.total(1).checked_add(amount).is_none() {
            return no(Code::Overflow);
        }
        let Some(balance) = self.balance().checked_add(amount) else { return no(Code::Overflow) };
        if is_new && self.cap.is_some_and(|cap| balance > cap) {
            return no(Code::BalanceCapReached);
        }
        self.moves.push(amount);
        if amount > 0 {
            self.state = "open";
        }
        let (outside, transit) = if outside { (-amount, 0) } else { (0, -amount) };
        Ok(Did::Event { stream: amount, outside, transit })
    }

    fn may_spend(&self, amount: i128, now: Option<u64>) -> Result<(), No> {
        if amount > self.available() {
            return no_available(Code::InsufficientFunds, self.available());
        }
        if let (Some((cap, ..)), Some(now)) = (self.spend_cap, now) {
            let left = (cap - self.counted(now)).max(0);
            if amount > left {
                return no_available(Code::SpendCapReached, left);
            }
        }
        Ok(())
    }

    fn may_leave(&self, amount: i128, now: Option<u64>) -> Result<(), No> {
        if self.total(-1).checked_add(amount).is_none() {
            return no(Code::Overflow);
        }
        self.may_spend(amount, now)
    }

    fn may_set_aside(&self, amount: i128, now: u64) -> Result<(), No> {
        if self.held().checked_add(amount).is_none() {
            return no(Code::Overflow);
        }
        self.may_spend(amount, Some(now))
    }

    fn leave(&mut self, amount: i128, outside: bool) -> Did {
        self.moves.push(-amount);
        let (outside, transit) = if outside { (amount, 0) } else { (0, amount) };
        Did::Event { stream: -amount, outside, transit }
    }

    fn reference_is_free(&self, of_deposit: bool, reference: Option<&Id>) -> Result<(), No> {
        let first = self
            .references
            .iter()
            .find(|(deposit, taken, _)| *deposit == of_deposit && Some(taken) == reference);
        match first {
            Some((.., at)) => Err((Code::AlreadyExists, Fact::First(Position::new(*at)))),
            None => Ok(()),
        }
    }

    fn give(&mut self, amount: i128, now: u64, spends: bool, way: Way) -> Result<Did, No> {
        self.open()?;
        way.is_ours()?;
        if way.amount.checked_add(amount).is_none() {
            return no(Code::Overflow);
        }
        self.may_leave(amount, spends.then_some(now))?;
        let at = self.happened();
        if spends {
            self.spent.push((at, now, amount));
        }
        Ok(self.leave(amount, false))
    }

    fn take(&mut self, is_new: bool, way: Way) -> Result<Did, No> {
        if way.foreign && way.amount != 0 {
            return no(Code::AssetMismatch);
        }
        let did = self.come(way.amount, is_new, false)?;
        self.happened();
        Ok(did)
    }

    fn finish(&mut self, index: usize, completed: bool) -> Did {
        let withdrawal = &mut self.withdrawals[index];
        let (at, amount) = (withdrawal.at, withdrawal.amount);
        withdrawal.has_secret = false;
        if completed {
            withdrawal.state = WithdrawalState::Completed;
            self.leave(amount, true)
        } else {
            withdrawal.state = WithdrawalState::Failed;
            self.freed.push((at, amount));
            NOTHING_MOVED
        }
    }

    fn find_withdrawal(&self, id: &Id) -> Result<usize, No> {
        self.exists()?;
        let found = self.withdrawals.iter().position(|w| id.as_str() == format!("w{}", w.at));
        found.map_or_else(|| no(Code::NotFound), Ok)
    }

    /// The withdrawal, if a worker with this fence may report on it.
    fn reported(&self, id: &Id, fence: Position, when_unknown: bool) -> Result<usize, No> {
        let index = self.find_withdrawal(id)?;
        let withdrawal = &self.withdrawals[index];
        let may = match withdrawal.state {
            WithdrawalState::Dispatched => true,
            WithdrawalState::Unknown => when_unknown,
            _ => false,
        };
        if !may {
            return no(Code::WrongState);
        }
        let newest = withdrawal.leases.last().map_or(0, |lease| lease.0);
        if fence.get() != newest {
            return Err((Code::StaleFence, Fact::Fence(Position::new(newest))));
        }
        Ok(index)
    }

    fn find_hold(&self, id: &Id) -> Result<usize, No> {
        self.exists()?;
        let found = self.holds.iter().position(|hold| id.as_str() == format!("h{}", hold.at));
        let Some(index) = found else { return no(Code::NotFound) };
        match self.holds[index].state {
            HoldState::Held => Ok(index),
            HoldState::Expired => no(Code::Expired),
            _ => no(Code::WrongState),
        }
    }

    fn ask(&mut self, command: &Command, now: u64, way: Way) -> Result<Did, No> {
        match command {
            Command::Open { floor, cap, spend_cap, expires_at, metadata, .. } => {
                if let Some(at) = self.opened {
                    return Err((Code::AlreadyExists, Fact::First(Position::new(at))));
                }
                if floor.get() > 0 {
                    return no_available(Code::InsufficientFunds, 0);
                }
                let at = self.happened();
                self.opened = Some(at);
                self.state = "open";
                self.floor = floor.get();
                self.cap = cap.map(whole);
                self.spend_cap = spend_cap.map(|cap| (whole(cap.amount), cap.period, at));
                self.end = expires_at.map(Timestamp::ms);
                self.metadata = Some(metadata.clone()).filter(|metadata| !metadata.is_empty());
                Ok(NOTHING_MOVED)
            }
            Command::Change { floor, cap, spend_cap, expires_at, metadata } => {
                self.open()?;
                let metadata = match metadata {
                    None => None,
                    Some(MetadataChange::Whole(metadata)) => Some(metadata.clone()),
                    Some(MetadataChange::Merge(merge)) if merge.is_empty() => None,
                    Some(MetadataChange::Merge(merge)) => Some(self.merged(merge)?),
                };
                if floor.is_some_and(|floor| self.balance() - self.held() < floor.get()) {
                    return no_available(Code::InsufficientFunds, self.available());
                }
                let nothing = floor.is_none()
                    && cap.is_none()
                    && spend_cap.is_none()
                    && expires_at.is_none()
                    && metadata.is_none();
                if nothing {
                    return Ok(Did::Already);
                }
                let at = self.happened();
                if let Some(floor) = floor {
                    self.floor = floor.get();
                }
                if let Some(cap) = cap {
                    self.cap = cap.map(whole);
                }
                if let Some(cap) = spend_cap {
                    let before = self.spend_cap;
                    self.spend_cap = cap.map(|cap| {
                        let same = before.filter(|before| before.1 == cap.period);
                        (whole(cap.amount), cap.period, same.map_or(at, |same| same.2))
                    });
                }
                if let Some(end) = expires_at {
                    self.end = end.map(Timestamp::ms);
                }
                if let Some(metadata) = metadata {
                    self.metadata = Some(metadata).filter(|metadata| !metadata.is_empty());
                }
                Ok(NOTHING_MOVED)
            }
            Command::Close => {
                self.open()?;
                if !self.is_empty() {
                    return no(Code::NotEmpty);
                }
                self.happened();
                self.state = "closed";
                Ok(NOTHING_MOVED)
            }
            Command::Deposit { amount, reference, .. } => {
                let amount = asked(*amount)?;
                self.open()?;
                self.reference_is_free(true, reference.as_ref())?;
                let did = self.come(amount, true, true)?;
                let at = self.happened();
                self.references.extend(reference.clone().map(|reference| (true, reference, at)));
                Ok(did)
            }
            Command::Charge { amount, reference, .. } => {
                let amount = asked(*amount)?;
                self.open()?;
                self.reference_is_free(false, reference.as_ref())?;
                self.may_leave(amount, Some(now))?;
                let at = self.happened();
                self.references.extend(reference.clone().map(|reference| (false, reference, at)));
                self.charges.push(ChargeModel { at, amount, refunds: Vec::new() });
                self.spent.push((at, now, amount));
                Ok(self.leave(amount, true))
            }
            Command::Refund { charge, amount } => {
                let amount = amount.map(asked).transpose()?;
                self.exists()?;
                let of = |known: &ChargeModel| charge.as_str() == format!("c{}", known.at);
                let found = self.charges.iter().position(of);
                let Some(index) = found else { return no(Code::NotFound) };
                let charge = &self.charges[index];
                let (at, rest) = (charge.at, charge.amount - charge.refunds.iter().sum::<i128>());
                if rest == 0 {
                    return no(Code::WrongState);
                }
                let amount = amount.unwrap_or(rest);
                if amount > rest {
                    return no_available(Code::ExceedsHeld, rest);
                }
                let did = self.come(amount, false, true)?;
                self.happened();
                self.charges[index].refunds.push(amount);
                self.freed.push((at, amount));
                Ok(did)
            }
            Command::Hold { amount, expires_in_seconds } => {
                let amount = asked(*amount)?;
                if *expires_in_seconds == Some(0) {
                    return no(Code::Malformed);
                }
                self.open()?;
                let end = expires_in_seconds.map(|seconds| later(now, seconds)).transpose()?;
                self.may_set_aside(amount, now)?;
                let at = self.happened();
                let state = HoldState::Held;
                self.holds.push(HoldModel { at, amount, end, state, captured: 0 });
                self.spent.push((at, now, amount));
                Ok(NOTHING_MOVED)
            }
            Command::Capture { hold, amount } => {
                let amount = amount.map(asked).transpose()?;
                let index = self.find_hold(hold)?;
                let held = self.holds[index].amount;
                let amount = amount.unwrap_or(held);
                if amount > held {
                    return no_available(Code::ExceedsHeld, held);
                }
                if self.total(-1).checked_add(amount).is_none() {
                    return no(Code::Overflow);
                }
                self.happened();
                let hold = &mut self.holds[index];
                hold.state = HoldState::Captured;
                hold.captured = amount;
                self.freed.push((hold.at, held - amount));
                Ok(self.leave(amount, true))
            }
            Command::Release { hold } => {
                let index = self.find_hold(hold)?;
                self.happened();
                let hold = &mut self.holds[index];
                hold.state = HoldState::Released;
                self.freed.push((hold.at, hold.amount));
                Ok(NOTHING_MOVED)
            }
            Command::Withdraw { amount, secret, .. } => {
                let amount = asked(*amount)?;
                self.open()?;
                self.may_set_aside(amount, now)?;
                let at = self.happened();
                self.spent.push((at, now, amount));
                self.withdrawals.push(WithdrawalModel {
                    at,
                    amount,
                    state: WithdrawalState::Pending,
                    has_secret: secret.is_some(),
                    retries: 0,
                    leases: Vec::new(),
                    has_worker: false,
                    error: None,
                    reference: None,
                });
                Ok(NOTHING_MOVED)
            }
            Command::Lease { withdrawal, worker, seconds } => {
                if *seconds == 0 {
                    return no(Code::Malformed);
                }
                let index = self.find_withdrawal(withdrawal)?;
                let withdrawal = &self.withdrawals[index];
                let last = withdrawal.leases.last();
                let may = match withdrawal.state {
                    WithdrawalState::Pending => true,
                    WithdrawalState::Dispatched => {
                        last.is_some_and(|lease| lease.1 == worker.as_str())
                    }
                    _ => false,
                };
                if !may {
                    return no(Code::WrongState);
                }
                let until = later(now, *seconds)?;
                let at = self.happened();
                let withdrawal = &mut self.withdrawals[index];
                withdrawal.state = WithdrawalState::Dispatched;
                withdrawal.has_worker = true;
                withdrawal.leases.push((at, worker.to_string(), until));
                Ok(NOTHING_MOVED)
            }
            Command::Complete { withdrawal, fence, reference } => {
                let index = self.reported(withdrawal, *fence, true)?;
                self.happened();
                self.withdrawals[index].reference.clone_from(reference);
                Ok(self.finish(index, true))
            }
            Command::Fail { withdrawal, fence, error } => {
                let index = self.reported(withdrawal, *fence, true)?;
                self.happened();
                self.withdrawals[index].error = Some(error.clone());
                Ok(self.finish(index, false))
            }
            Command::Retry { withdrawal, fence, error } => {
                let index = self.reported(withdrawal, *fence, false)?;
                self.happened();
                let withdrawal = &mut self.withdrawals[index];
                withdrawal.state = WithdrawalState::Pending;
                withdrawal.retries += 1;
                withdrawal.has_worker = false;
                withdrawal.error = Some(error.clone());
                Ok(NOTHING_MOVED)
            }
            Command::Unknown { withdrawal, fence, error } => {
                let index = self.reported(withdrawal, *fence, false)?;
                self.happened();
                let withdrawal = &mut self.withdrawals[index];
                withdrawal.state = WithdrawalState::Unknown;
                withdrawal.error = Some(error.clone());
                Ok(NOTHING_MOVED)
            }
            Command::Reconcile { withdrawal, completed } => {
                let index = self.find_withdrawal(withdrawal)?;
                if self.withdrawals[index].state != WithdrawalState::Unknown {
                    return no(Code::WrongState);
                }
                self.happened();
                Ok(self.finish(index, *completed))
            }
            Command::Send { amount, .. } => {
                let amount = asked(*amount)?;
                self.give(amount, now, true, way)
            }
            Command::GiveBack { amount, .. } => {
                let amount = asked(*amount)?;
                self.give(amount, now, false, way)
            }
            Command::Fund { .. } | Command::Raise { .. } => {
                if way.amount >= 0 {
                    return no(Code::Malformed);
                }
                let did = self.give(-way.amount, now, true, way)?;
                if matches!(command, Command::Fund { .. }) {
                    self.flows.push(());
                }
                Ok(did)
            }
            Command::Receive { .. } => {
                if way.amount <= 0 {
                    return no(Code::Malformed);
                }
                self.open()?;
                self.take(true, way)
            }
            Command::Collect { .. } => {
                if way.amount <= 0 {
                    return no(Code::Malformed);
                }
                self.exists()?;
                self.take(true, way)
            }
            Command::Expect { .. } => {
                self.open()?;
                way.is_ours()?;
                Ok(Did::Already)
            }
            Command::Spend { amount, .. } => {
                let amount = asked(*amount)?;
                self.open()?;
                way.is_ours()?;
                self.may_leave(amount, Some(now))?;
                let at = self.happened();
                self.spent.push((at, now, amount));
                Ok(self.leave(amount, true))
            }
            Command::TakeBack { .. } => {
                if way.amount <= 0 {
                    return no(Code::Malformed);
                }
                self.exists()?;
                self.take(false, way)
            }
            Command::Recover { .. } => {
                if way.amount < 0 {
                    return no(Code::Malformed);
                }
                self.exists()?;
                if way.amount == 0 && !way.ended {
                    return Ok(Did::Already);
                }
                let did = self.take(false, way)?;
                if way.ended {
                    self.flows.pop();
                }
                Ok(did)
            }
            Command::Restore { amount, .. } => {
                let amount = asked(*amount)?;
                self.exists()?;
                way.is_ours()?;
                let did = self.come(amount, false, true)?;
                self.happened();
                Ok(did)
            }
            Command::Inherit { withdrawal } => {
                self.exists()?;
                let found = self.withdrawals.iter().position(|w| w.at == withdrawal.get());
                let Some(index) = found else { return no(Code::NotFound) };
                let state = self.withdrawals[index].state;
                if !matches!(state, WithdrawalState::Pending | WithdrawalState::Dispatched) {
                    return Ok(Did::Already);
                }
                let at = self.happened();
                let known = &mut self.withdrawals[index];
                known.state = WithdrawalState::Unknown;
                // A fence that no worker has.
                let worker = known.leases.last().map_or_else(String::new, |lease| lease.1.clone());
                known.leases.push((at, worker, 0));
                Ok(NOTHING_MOVED)
            }
            Command::Transfer { .. } => no(Code::Malformed),
            // Before its time nothing is due, and what was due has fired already.
            Command::HoldDue { .. } | Command::LeaseDue { .. } | Command::AccountDue => {
                self.exists()?;
                let names_one = match command {
                    Command::HoldDue { hold } => self.holds.iter().any(|h| h.at == hold.get()),
                    Command::LeaseDue { withdrawal } => {
                        self.withdrawals.iter().any(|w| w.at == withdrawal.get())
                    }
                    _ => true,
                };
                no(if names_one { Code::WrongState } else { Code::NotFound })
            }
        }
    }

    /// The stream says the same as the lists.
    fn check(&self, solo: &Solo<Account>, now: u64) -> Result<(), TestCaseError> {
        prop_assert_eq!(solo.version().get(), self.version);
        let Some(head) = solo.head() else {
            prop_assert_eq!(self.state, "missing");
            return Ok(());
        };
        let state = match head.state {
            State::Open => "open",
            State::Closed => "closed",
            State::Expired => "expired",
        };
        prop_assert_eq!(state, self.state);
        prop_assert_eq!(head.balance.get(), self.balance());
        prop_assert_eq!(whole(head.held), self.held());
        prop_assert_eq!(head.available().get(), self.available());
        prop_assert_eq!(whole(head.total_in), self.total(1));
        prop_assert_eq!(whole(head.total_out), self.total(-1));
        prop_assert_eq!((head.floor.get(), head.cap.map(whole)), (self.floor, self.cap));
        prop_assert_eq!(head.expires_at.map(Timestamp::ms), self.end);
        prop_assert_eq!(head.flows, self.flows.len() as u64);
        let now = Timestamp::from_ms(now);
        let spending = head.spending.map(|spending| {
            (whole(spending.cap.amount), spending.cap.period, whole(spending.spent(now)))
        });
        let counted = self.spend_cap.map(|(cap, period, _)| (cap, period, self.counted(now.ms())));
        prop_assert_eq!(spending, counted);
        self.check_items(solo)?;
        // No balance below the floor, and none of it promised twice.
        prop_assert!(head.floor <= head.unheld());
        Ok(())
    }

    /// Payouts are listed by state, and by who has them, in the order in which they were planned.
    fn check_lists(&self, solo: &Solo<Account>) -> Result<(), TestCaseError> {
        use WithdrawalState::{Completed, Dispatched, Failed, Pending, Unknown};
        let keys = |is: &dyn Fn(&WithdrawalModel) -> bool| -> Vec<ItemKey> {
            let these = self.withdrawals.iter().filter(|withdrawal| is(withdrawal));
            these.map(|withdrawal| withdrawal_key(Position::new(withdrawal.at))).collect()
        };
        for state in [Pending, Dispatched, Completed, Failed, Unknown] {
            let listed = solo.listed(INDEX_WITHDRAWAL_STATE, &by_state(state));
            prop_assert_eq!(listed, keys(&|withdrawal| withdrawal.state == state));
        }
        let has = |withdrawal: &WithdrawalModel, worker: &str| {
            let last = withdrawal.leases.last();
            withdrawal.state == Dispatched && last.is_some_and(|lease| lease.1 == worker)
        };
        let workers: BTreeSet<&str> = self
            .withdrawals
            .iter()
            .flat_map(|withdrawal| withdrawal.leases.iter().map(|lease| &*lease.1))
            .filter(|worker| !worker.is_empty())
            .collect();
        let mut dispatched = 0;
        for worker in workers {
            let listed = solo.listed(INDEX_WITHDRAWAL_WORKER, &by_worker(&id(worker)));
            dispatched += listed.len();
            prop_assert_eq!(listed, keys(&|withdrawal| has(withdrawal, worker)));
        }
        prop_assert_eq!(solo.listed(INDEX_WITHDRAWAL_WORKER, b"").len(), dispatched);
        Ok(())
    }

    fn check_items(&self, solo: &Solo<Account>) -> Result<(), TestCaseError> {
        let count = self.holds.len()
            + self.withdrawals.len()
            + self.charges.len()
            + self.references.len()
            + usize::from(self.metadata.is_some());
        prop_assert_eq!(solo.items().count(), count);
        let metadata = self.metadata.clone().map(Item::from);
        prop_assert_eq!(solo.item(&metadata_key()), metadata.as_ref());
        for known in &self.holds {
            let item = solo.item(&hold_key(Position::new(known.at)));
            let Some(Item::Hold(hold)) = item else { return missing("hold", known.at) };
            prop_assert_eq!((whole(hold.amount), hold.state), (known.amount, known.state));
            prop_assert_eq!(whole(hold.captured), known.captured);
            prop_assert_eq!(hold.expires_at.map(Timestamp::ms), known.end);
        }
        self.check_lists(solo)?;
        for known in &self.charges {
            let item = solo.item(&charge_key(Position::new(known.at)));
            let Some(Item::Charge(charge)) = item else { return missing("charge", known.at) };
            prop_assert_eq!(whole(charge.amount), known.amount);
            prop_assert_eq!(whole(charge.refunded), known.refunds.iter().sum::<i128>());
        }
        for (of_deposit, reference, at) in &self.references {
            let key = if *of_deposit { deposit_reference_key } else { charge_reference_key };
            let item = solo.item(&key(reference));
            let Some(Item::First(first)) = item else { return missing("reference", *at) };
            prop_assert_eq!(first.position.get(), *at);
        }
        for known in &self.withdrawals {
            let item = solo.item(&withdrawal_key(Position::new(known.at)));
            let Some(Item::Withdrawal(found)) = item else {
                return missing("withdrawal", known.at);
            };
            prop_assert_eq!((whole(found.amount), found.state), (known.amount, known.state));
            prop_assert_eq!(found.secret.is_some(), known.has_secret);
            prop_assert_eq!(found.attempts, known.retries);
            let last = known.leases.last();
            prop_assert_eq!(found.fence.get(), last.map_or(0, |lease| lease.0));
            let worker = last.filter(|_| known.has_worker).map(|lease| &*lease.1);
            prop_assert_eq!(found.worker.as_ref().map(Id::as_str), worker);
            let leased = known.state == WithdrawalState::Dispatched;
            let until = last.filter(|_| leased).map(|lease| lease.2);
            prop_assert_eq!(found.lease_until.map(Timestamp::ms), until);
            prop_assert_eq!(&found.error, &known.error);
            prop_assert_eq!(&found.reference, &known.reference);
        }
        Ok(())
    }
}

fn missing(what: &str, at: u64) -> Result<(), TestCaseError> {
    Err(TestCaseError::fail(format!("no {what} at {at}")))
}

fn whole(amount: Amount) -> i128 {
    i128::try_from(amount.get()).expect("an amount has 127 bits")
}

fn asked(amount: Amount) -> Result<i128, No> {
    if amount.is_zero() { no(Code::Malformed) } else { Ok(whole(amount)) }
}

fn later(now: u64, seconds: u64) -> Result<u64, No> {
    let end = u128::from(now) + u128::from(seconds) * 1_000;
    match u64::try_from(end) {
        Ok(end) if end <= Timestamp::LAST.ms() => Ok(end),
        _ => no(Code::Overflow),
    }
}

/// When a period began, found by walking there from 1970 day by day and month by month.
fn start_of(now: u64, period: Period) -> u64 {
    let today = now / DAY;
    match period {
        Period::Day => today,
        // 1970-01-05 was a Monday.
        Period::Week => (4..=today).step_by(7).last().unwrap_or(0),
        Period::Month => {
            let (mut first, mut year, mut month) = (0, 1970_u64, 0);
            loop {
                let leap = year.is_multiple_of(4)
                    && (!year.is_multiple_of(100) || year.is_multiple_of(400));
                let february = if leap { 29 } else { 28 };
                let days = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month];
                if first + days > today {
                    return first;
                }
                first += days;
                month = (month + 1) % 12;
                year += u64::from(month == 0);
            }
        }
    }
}

/// The raw material of one step; what it comes to depends on what there is by then.
#[derive(Clone, Debug)]
struct Draw {
    wait: u64,
    what: u8,
    amount: u128,
    transit: i128,
    foreign: bool,
    ended: bool,
    seconds: Option<u64>,
    pick: usize,
    limit: u8,
    text: &'static str,
}

fn draw() -> impl Strategy<Value = Draw> {
    let wait = prop_oneof![
        12 => Just(0),
        4 => select(vec![1, 999, 1_000, 2_000]),
        1 => select(vec![DAY / 2, DAY, 3 * DAY, 12 * DAY]),
    ];
    let amount = prop_oneof![20 => 0u128..12, 1 => Just(Amount::MAX.get())];
    let transit = prop_oneof![
        4 => Just(0i128),
        10 => -12i128..12,
        1 => select(vec![MOST, -MOST, MOST - 3]),
    ];
    let seconds =
        prop_oneof![3 => Just(None), 6 => (0u64..4).prop_map(Some), 1 => Just(Some(u64::MAX))];
    (
        (wait, 0u8..48, amount, transit, prop::bool::weighted(0.05)),
        (any::<bool>(), seconds, any::<usize>(), any::<u8>(), select(vec!["a", "b", "c"])),
    )
        .prop_map(
            |((wait, what, amount, transit, foreign), (ended, seconds, pick, limit, text))| Draw {
                wait,
                what,
                amount,
                transit,
                foreign,
                ended,
                seconds,
                pick,
                limit,
                text,
            },
        )
}

/// One of what there is, mostly a late one, or one that there is not.
fn picked<T>(of: &[T], pick: usize) -> Option<&T> {
    of.iter().rev().nth([0, 0, 0, 0, 1, 1, 2, 99][pick % 8])
}

impl Draw {
    fn opening(&self) -> Command {
        Command::Open {
            asset: asset(),
            floor: Signed::new([0, 0, 0, -5, -5, -5, -MOST - 1, 1][self.pick % 8]),
            cap: self
                .limit
                .is_multiple_of(3)
                .then(|| (self.limit / 8).into())
                .map(|cap: u64| cap.into()),
            spend_cap: self.spend_cap().flatten(),
            expires_at: self.end().flatten(),
            metadata: self.metadata(),
        }
    }

    fn spend_cap(&self) -> Option<Option<SpendCap>> {
        let period = [Period::Day, Period::Week, Period::Month][self.pick / 8 % 3];
        let amount = Amount::from(self.pick as u64 / 64 % 20);
        match self.limit % 4 {
            0 => None,
            1 => Some(None),
            _ => Some(Some(SpendCap { amount, period })),
        }
    }

    fn end(&self) -> Option<Option<Timestamp>> {
        match self.limit / 4 % 4 {
            0 | 1 => None,
            2 => Some(None),
            _ => Some(Some(Timestamp::from_ms(START + u64::from(self.limit / 16) * 1_000))),
        }
    }

    fn metadata(&self) -> Metadata {
        let pairs = Some(("key", self.text)).filter(|_| self.limit.is_multiple_of(2));
        Metadata::new(pairs).expect("it is short")
    }

    /// Sometimes names that were never there, and sometimes more than there is room for.
    fn metadata_change(&self) -> Option<MetadataChange> {
        let long = "x".repeat(Metadata::BYTES_MAX - 4);
        let value = [None, Some(self.text), Some(&*long)][self.pick / 8 % 3];
        let names = ["key", "a", "b"].into_iter().skip(self.pick / 32 % 4);
        let merge = || Merge::new(names.map(|name| (name, value)));
        match self.limit % 3 {
            0 => Some(MetadataChange::Whole(self.metadata())),
            // Long values of two names are too much already.
            _ => merge().ok().map(MetadataChange::Merge),
        }
    }

    /// What is in transit has mostly the sign that the leg can use.
    fn way(&self) -> Way {
        let amount = match self.what {
            30 | 33 | 35 | 44 if !self.pick.is_multiple_of(8) => self.transit.abs(),
            31 | 32 if !self.pick.is_multiple_of(8) => -self.transit.abs(),
            _ => self.transit,
        };
        Way { amount, foreign: self.foreign, ended: self.ended }
    }

    /// What can only miss while there is nothing to name mostly makes that instead.
    fn what(&self, model: &Model) -> u8 {
        match self.what {
            9..=10 if model.charges.is_empty() && !self.pick.is_multiple_of(8) => 6,
            14..=16 if model.holds.is_empty() && !self.pick.is_multiple_of(8) => 11,
            20..=28 if model.withdrawals.is_empty() && !self.pick.is_multiple_of(8) => 17,
            what => what,
        }
    }

    fn command(&self, model: &Model) -> Command {
        let amount = Amount::whole(self.amount).expect("it has 127 bits");
        let part = Some(amount).filter(|_| !self.limit.is_multiple_of(3));
        let reference = Some(id(self.text)).filter(|_| self.limit.is_multiple_of(2));
        let (metadata, error) = (self.metadata(), self.text.to_owned());
        let seconds = self.seconds.unwrap_or(2);
        let made = |letter: char, at: Option<u64>| {
            Id::made(letter, Position::new(at.unwrap_or(self.pick as u64 % 120)))
        };
        let hold = made('h', picked(&model.holds, self.pick).map(|hold| hold.at));
        let charge = made('c', picked(&model.charges, self.pick).map(|charge| charge.at));
        let one = picked(&model.withdrawals, self.pick);
        let withdrawal = made('w', one.map(|withdrawal| withdrawal.at));
        let lease = one.and_then(|one| picked(&one.leases, self.pick / 8));
        let no_lease = if self.ended { u64::MAX } else { 0 };
        let fence = lease.map_or(no_lease, |lease| lease.0);
        let fence = Position::new(fence);
        let other = id("other");
        match self.what(model) {
            0..=5 => Command::Deposit { amount, reference, metadata },
            6..=8 => Command::Charge { amount, reference, metadata },
            9..=10 => Command::Refund { charge, amount: part },
            11..=13 => Command::Hold { amount, expires_in_seconds: self.seconds },
            14..=15 => Command::Capture { hold, amount: part },
            16 => Command::Release { hold },
            17..=19 => {
                let (destination, secret) = (error, Some(vec![7]).filter(|_| self.ended));
                Command::Withdraw { amount, destination, secret }
            }
            20..=23 => Command::Lease { withdrawal, worker: id(self.text), seconds },
            24 => Command::Complete { withdrawal, fence, reference },
            25 => Command::Fail { withdrawal, fence, error },
            26 => Command::Retry { withdrawal, fence, error },
            27 => Command::Unknown { withdrawal, fence, error },
            28 => Command::Reconcile { withdrawal, completed: self.ended },
            29 => Command::Send { amount, to: other, metadata },
            30 => Command::Receive { from: other },
            31 => Command::Fund { flow: other },
            32 => Command::Raise { flow: other },
            33 => Command::Recover { flow: other },
            34 => Command::GiveBack { amount, to: other },
            35 => Command::TakeBack { from: other },
            36 => Command::Restore { amount, from: other },
            37..=38 => Command::Change {
                floor: self.limit.is_multiple_of(5).then(|| Signed::from(self.pick as i64 % 8 - 5)),
                cap: self.limit.is_multiple_of(7).then_some(part),
                spend_cap: self.spend_cap(),
                expires_at: self.end(),
                metadata: self.metadata_change().filter(|_| self.ended),
            },
            39..=40 => Command::Close,
            41 => self.opening(),
            42 => Command::Transfer { to: other, amount, metadata },
            44 => Command::Collect { flow: other },
            45 => Command::Expect { flow: other },
            46 => Command::Spend { amount, on: other },
            _ => match self.pick % 5 {
                0 => Command::HoldDue { hold: Position::new(101 + self.pick as u64 % 9) },
                1 => Command::LeaseDue { withdrawal: Position::new(101 + self.pick as u64 % 9) },
                2 => Command::AccountDue,
                _ => Command::Inherit { withdrawal: Position::new(101 + self.pick as u64 % 9) },
            },
        }
    }
}

fn asset() -> Asset {
    Asset::new("USD/2").expect("an asset")
}

fn id(text: &str) -> Id {
    Id::new(text).expect("an id")
}

fn transit_of(way: Way) -> Transit {
    let asset = if way.foreign { Asset::new("EUR/2").expect("an asset") } else { asset() };
    let size = Amount::whole(way.amount.unsigned_abs()).expect("it has 127 bits");
    let mut transit = Transit::default();
    if way.amount >= 0 {
        // Nothing names the asset as well.
        transit.give(asset, size).expect("an empty transit takes anything");
    } else {
        transit.take(asset, size).expect("an empty transit takes anything");
    }
    if way.ended {
        transit.end();
    }
    transit
}

/// Asks the stream, and says what happened as the model does.
fn ask(
    solo: &mut Solo<Account>,
    command: &Command,
    now: u64,
    way: Way,
) -> Result<Result<Did, No>, TestCaseError> {
    solo.fire(Timestamp::from_ms(now));
    let before = everything(solo);
    let mut transit = transit_of(way);
    let told = match solo.ask_within(command, Timestamp::from_ms(now), &mut transit) {
        Err(Refusal { code, fact }) => {
            prop_assert_eq!(everything(solo), before);
            prop_assert_eq!(transit, transit_of(way));
            return Ok(Err((code, fact)));
        }
        Ok(told) => told,
    };
    prop_assert!(told.postings.list().iter().all(|posting| posting.asset == asset()));
    let on = |side| {
        let postings = told.postings.list().iter().filter(|posting| posting.side == side);
        postings.map(|posting| posting.amount).sum::<i128>()
    };
    let did = Did::Event {
        stream: on(Side::Stream),
        outside: on(Side::Outside),
        transit: on(Side::Transit),
    };
    prop_assert_eq!(on(Side::Stream) + on(Side::Outside) + on(Side::Transit), 0);
    prop_assert_eq!(on(Side::Transit), transit.amount() - way.amount);
    if told.event.is_none() {
        prop_assert_eq!(everything(solo), before);
        return Ok(Ok(Did::Already));
    }
    Ok(Ok(did))
}

fn everything(solo: &Solo<Account>) -> (Option<Head>, Vec<Item>, Position) {
    let items = solo.items().map(|(_, item)| item.clone()).collect();
    (solo.head().cloned(), items, solo.version())
}

proptest! {
    #![proptest_config(crate::cases(10_000))]

    #[test]
    fn the_machine_does_what_the_model_does(
        first in draw(),
        draws in prop::collection::vec(draw(), 5..40),
    ) {
        let (mut solo, mut model, mut now) = (Solo::<Account>::new("alice"), Model::new(), START);
        let opening = first.opening();
        for (number, draw) in core::iter::once(&first).chain(&draws).enumerate() {
            now += draw.wait;
            let command = if number == 0 { opening.clone() } else { draw.command(&model) };
            model.fire(now);
            let expected = model.ask(&command, now, draw.way());
            let outcome = ask(&mut solo, &command, now, draw.way())?;
            prop_assert_eq!(outcome, expected, "step {}: {:?}", number, command);
            model.check(&solo, now)?;
        }
    }
}

/// Numbers at the edges of what the types can hold.
fn edge() -> impl Strategy<Value = u64> {
    let last = Timestamp::LAST.ms();
    select(vec![0, 1, 2, 1_000, START, last, last + 1, u64::MAX / 1_000, u64::MAX - 1, u64::MAX])
}

fn wide_edge() -> impl Strategy<Value = u128> {
    select(vec![0, 1, 5, 1 << 63, 1 << 64, 1 << 126, Amount::MAX.get() - 1, Amount::MAX.get()])
}

fn signed_edge() -> impl Strategy<Value = i128> {
    select(vec![i128::MIN, i128::MIN + 1, -MOST, -1, 0, 1, MOST - 1, MOST])
}

fn odd_id() -> impl Strategy<Value = Id> {
    let made = (select(vec!['h', 'w', 'c', 'x']), 100u64..112)
        .prop_map(|(letter, at)| Id::made(letter, Position::new(at)));
    let odd = select(vec!["h", "w0", "c00", "h18446744073709551615", "w18446744073709551616", "-"]);
    prop_oneof![8 => made, 2 => odd.prop_map(id), 1 => Just(id(&"z".repeat(128)))]
}

fn any_command() -> impl Strategy<Value = Command> {
    let amount = || wide_edge().prop_map(|amount| Amount::whole(amount).expect("127 bits"));
    let time = || edge().prop_map(Timestamp::from_ms);
    let text = || {
        select(vec!["", "é", "x"]).prop_flat_map(|unit| {
            select(vec![0, 1, 255, 256, 511, 512, 1024, 1025, 5_000])
                .prop_map(move |n| unit.repeat(n))
        })
    };
    let fence =
        || prop_oneof![(100u64..112).prop_map(Position::new), edge().prop_map(Position::new)];
    let spend_cap = || {
        let period = select(vec![Period::Day, Period::Week, Period::Month]);
        (amount(), period).prop_map(|(amount, period)| SpendCap { amount, period })
    };
    let maybe = prop::option::of::<BoxedStrategy<Amount>>;
    let metadata = || Metadata::new([("k", "v")]).expect("it is short");
    let secret = select(vec![None, Some(0), Some(4096), Some(4097)]);
    prop_oneof![
        3 => (signed_edge(), maybe(amount().boxed()), prop::option::of(spend_cap()), prop::option::of(time()))
            .prop_map(move |(floor, cap, spend_cap, expires_at)| Command::Open {
                asset: asset(), floor: Signed::new(floor), cap, spend_cap, expires_at,
                metadata: metadata(),
            }),
        4 => (amount(), prop::option::of(odd_id())).prop_map(move |(amount, reference)| {
            Command::Deposit { amount, reference, metadata: metadata() }
        }),
        4 => (amount(), prop::option::of(odd_id())).prop_map(move |(amount, reference)| {
            Command::Charge { amount, reference, metadata: metadata() }
        }),
        1 => (odd_id(), maybe(amount().boxed()))
            .prop_map(|(charge, amount)| Command::Refund { charge, amount }),
        3 => (amount(), prop::option::of(edge())).prop_map(|(amount, expires_in_seconds)| {
            Command::Hold { amount, expires_in_seconds }
        }),
        1 => (odd_id(), maybe(amount().boxed()))
            .prop_map(|(hold, amount)| Command::Capture { hold, amount }),
        1 => odd_id().prop_map(|hold| Command::Release { hold }),
        3 => (amount(), text(), secret).prop_map(|(amount, destination, secret)| {
            Command::Withdraw { amount, destination, secret: secret.map(|len| vec![1; len]) }
        }),
        3 => (odd_id(), odd_id(), edge()).prop_map(|(withdrawal, worker, seconds)| {
            Command::Lease { withdrawal, worker, seconds }
        }),
        1 => (odd_id(), fence(), prop::option::of(odd_id())).prop_map(
            |(withdrawal, fence, reference)| Command::Complete { withdrawal, fence, reference }
        ),
        1 => (odd_id(), fence(), text())
            .prop_map(|(withdrawal, fence, error)| Command::Fail { withdrawal, fence, error }),
        1 => (odd_id(), fence(), text())
            .prop_map(|(withdrawal, fence, error)| Command::Retry { withdrawal, fence, error }),
        1 => (odd_id(), fence(), text())
            .prop_map(|(withdrawal, fence, error)| Command::Unknown { withdrawal, fence, error }),
        1 => (odd_id(), any::<bool>())
            .prop_map(|(withdrawal, completed)| Command::Reconcile { withdrawal, completed }),
        1 => (odd_id(), amount()).prop_map(move |(to, amount)| {
            Command::Transfer { to, amount, metadata: metadata() }
        }),
        2 => (
            prop::option::of(signed_edge()),
            prop::option::of(maybe(amount().boxed())),
            prop::option::of(prop::option::of(spend_cap())),
            prop::option::of(prop::option::of(time())),
        )
            .prop_map(move |(floor, cap, spend_cap, expires_at)| Command::Change {
                floor: floor.map(Signed::new), cap, spend_cap, expires_at,
                metadata: Some(MetadataChange::Whole(Metadata::default())),
            }),
        1 => Just(Command::Close),
        2 => (odd_id(), amount()).prop_map(move |(to, amount)| {
            Command::Send { to, amount, metadata: metadata() }
        }),
        2 => odd_id().prop_map(|from| Command::Receive { from }),
        1 => odd_id().prop_map(|flow| Command::Collect { flow }),
        1 => odd_id().prop_map(|flow| Command::Expect { flow }),
        1 => (odd_id(), amount()).prop_map(|(on, amount)| Command::Spend { amount, on }),
        1 => odd_id().prop_map(|flow| Command::Fund { flow }),
        1 => odd_id().prop_map(|flow| Command::Raise { flow }),
        1 => odd_id().prop_map(|flow| Command::Recover { flow }),
        1 => (odd_id(), amount()).prop_map(|(to, amount)| Command::GiveBack { to, amount }),
        1 => odd_id().prop_map(|from| Command::TakeBack { from }),
        1 => (odd_id(), amount()).prop_map(|(from, amount)| Command::Restore { from, amount }),
        1 => fence().prop_map(|hold| Command::HoldDue { hold }),
        1 => fence().prop_map(|withdrawal| Command::LeaseDue { withdrawal }),
        1 => fence().prop_map(|withdrawal| Command::Inherit { withdrawal }),
        1 => Just(Command::AccountDue),
    ]
}

proptest! {
    #![proptest_config(crate::cases(4_000))]

    /// No input makes the machine panic, not even a clock that runs back or a transit that no
    /// leg could have left; and what it accepts still adds up.
    #[test]
    fn nothing_makes_the_machine_panic(
        floor in signed_edge(),
        steps in prop::collection::vec(
            (any_command(), edge(), signed_edge(), any::<bool>(), any::<bool>()), 1..30),
    ) {
        let mut solo = Solo::<Account>::new("alice");
        let opening = Command::Open {
            asset: asset(), floor: Signed::new(floor), cap: None, spend_cap: None,
            expires_at: None, metadata: Metadata::default(),
        };
        // A floor above zero leaves it to the steps to open the account, or nobody does.
        let _ = solo.ask(&opening, Timestamp::ZERO);
        for (command, now, transit, foreign, ended) in steps {
            // The one time that cannot come.
            let now = now.min(u64::MAX - 1);
            // The one number that no single leg can leave.
            let way = Way { amount: transit.max(-MOST), foreign: foreign && ended, ended };
            let balance = |solo: &Solo<Account>| solo.head().map_or(0, |head| head.balance.get());
            let before = balance(&solo);
            let did = ask(&mut solo, &command, now, way)?;
            if let Ok(Did::Event { stream, .. }) = did {
                // A timer moves nothing, so all of the difference is this command's.
                prop_assert_eq!(before.checked_add(stream), Some(balance(&solo)));
            }
            if let Some(head) = solo.head() {
                prop_assert!(head.floor <= head.unheld());
                let _ = (head.available(), head.spending.map(|s| s.left(Timestamp::from_ms(now))));
            }
        }
    }
}

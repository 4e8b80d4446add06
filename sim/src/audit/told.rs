//! The naive account made from nothing but what was asked, and what was answered.

use std::collections::BTreeMap;

use quipu_core::machine::{Answer, Machine, What};
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::drop::{self, Drop};
use quipu_core::machines::ticket::{self, Ticket};
use quipu_core::shard::{Leg, Outcome, Reply};
use quipu_core::words::{Amount, Id, Name, Position, Timestamp};

use super::asked::{Answered, Sent, rests_on};
use super::book::{Book, Moment, Shown, State};
use super::check::{Breach, Check, Checks};

/// What a unit of a drop costs, and whom it is paid to.
type Price = (i128, Option<Id>);

/// What happens to accounts, tickets and drops, command by command.
struct Told<'a> {
    checks: &'a Checks,
    book: Book<'a>,
    prices: BTreeMap<Name, Price>,
    /// Who has paid for which claim, and how much.
    paid: BTreeMap<u64, (Id, i128)>,
    /// What the answer at hand has touched.
    touched: Vec<(usize, Position)>,
}

/// What answers say has happened behind `before`, in the order of positions. Each position is
/// that of one answer and its repeats: none is missing, and none belongs to two.
pub(super) fn book_of<'a>(
    checks: &'a Checks,
    answered: &[Answered],
    before: Position,
) -> Result<Book<'a>, Breach> {
    let mut told: BTreeMap<Position, (&Sent, &Reply)> = BTreeMap::new();
    for Answered { sent, reply, .. } in answered {
        let Some(position) = taken_by(sent, reply) else { continue };
        let (first, _) = told.entry(position).or_insert((sent, reply));
        checks.ensure(Check::DoubleSpend, first.key == sent.key, || {
            format!("{first:?} and {sent:?} share the position {position}")
        })?;
    }
    let mut account = Told {
        checks,
        book: Book::new(checks, before),
        prices: BTreeMap::new(),
        paid: BTreeMap::new(),
        touched: Vec::new(),
    };
    for (position, (sent, reply)) in told {
        let legs = match reply {
            Reply::Done(outcome) if outcome.changed => changed_legs(sent, outcome),
            _ => Vec::new(),
        };
        let count = legs.len().max(1) as u64;
        let first = Position::new(position.get().saturating_add(1).saturating_sub(count));
        let next = account.book.last.plus(1);
        checks.ensure(Check::Durability, first == next, || {
            format!("{sent:?} happened at {first}, and nobody was told what did at {next}")
        })?;
        let (_, at) = rests_on(reply).expect("what has a position has a time");
        for (offset, leg) in (0..).zip(&legs) {
            account.leg(leg, first.plus(offset), at)?;
        }
        if let (Reply::Done(outcome), [leg]) = (reply, &*legs) {
            account.check_balance(leg, &outcome.answer, position)?;
        }
        let touched = core::mem::take(&mut account.touched);
        if touched.len() > 1 {
            account.book.together.push((position, touched));
        }
        account.book.last = position;
    }
    Ok(account.book)
}

/// The last position that an ask took, where its answer says that it took any: those of what
/// happened, and the one at which a key keeps a "no" or an "already".
fn taken_by(sent: &Sent, reply: &Reply) -> Option<Position> {
    let is_keyed = sent.key.is_some();
    match reply {
        Reply::Done(outcome) => (outcome.changed || is_keyed).then_some(outcome.position),
        Reply::Refused(refused) => {
            (is_keyed && refused.refusal.code.is_stored()).then_some(refused.position)
        }
        Reply::Failed(_) => None,
    }
}

/// The legs that changed something. Each of them is one event.
fn changed_legs(sent: &Sent, outcome: &Outcome) -> Vec<Leg> {
    if sent.stream.is_some() {
        return sent.legs.clone();
    }
    let pieces = outcome.answer.pieces().filter_map(Result::ok);
    let changed = pieces.filter_map(|piece| match piece.what {
        What::Leg { leg, events: 1.. } => sent.legs.get(leg as usize).cloned(),
        _ => None,
    });
    changed.collect()
}

impl Told<'_> {
    fn leg(&mut self, leg: &Leg, position: Position, at: Timestamp) -> Result<(), Breach> {
        let name = &leg.stream;
        if let Some(command) = leg.command.get::<Account>() {
            self.account(name, command, position, at)
        } else if let Some(command) = leg.command.get::<Ticket>() {
            self.change(name, position, at, |state, of| ticket(state, of, command))
        } else if let Some(command) = leg.command.get::<Drop>() {
            self.drop(name, command, position, at)
        } else {
            // Of other kinds it is counted that something happened.
            self.change(name, position, at, |_, _| Ok(()))
        }
    }

    /// Changes one stream. What is done to it at one position is one version.
    fn change(
        &mut self,
        name: &Name,
        at: Position,
        now: Timestamp,
        change: impl FnOnce(&mut State, &Moment<'_>) -> Result<(), Breach>,
    ) -> Result<(), Breach> {
        let index = self.book.find_or_make(name);
        let stream = &mut self.book.streams[index];
        stream.exists = true;
        let of = Moment { checks: self.checks, name, at, now };
        change(&mut stream.state, &of)?;
        if let State::Account(account) = &stream.state {
            account.check_floor(&of)?;
        }
        stream.keep(self.checks, at, now)?;
        self.touched.retain(|(other, _)| *other != index);
        self.touched.push((index, at));
        Ok(())
    }

    /// Changes an account. A name is of one kind, so that nothing else is there.
    fn change_account(
        &mut self,
        name: &Name,
        at: Position,
        now: Timestamp,
        change: impl FnOnce(&mut super::book::Account, &Moment<'_>) -> Result<(), Breach>,
    ) -> Result<(), Breach> {
        self.change(name, at, now, |state, of| match state {
            State::Account(account) => change(account, of),
            _ => Ok(()),
        })
    }

    fn account(
        &mut self,
        name: &Name,
        command: &account::Command,
        position: Position,
        at: Timestamp,
    ) -> Result<(), Breach> {
        use account::Command as C;
        let number = position.get();
        match command {
            C::Open { .. } => {
                let index = self.book.find_or_make(name);
                self.book.streams[index].create(self.checks, position)?;
                self.change(name, position, at, |_, _| Ok(()))
            }
            C::Deposit { amount, .. } => self.pay(name, units(*amount), position, at),
            C::Charge { amount, .. } => self.pay(name, -units(*amount), position, at),
            C::Transfer { to, amount, .. } => {
                let to = name.beside(Account::KIND, to.clone());
                self.pay(name, -units(*amount), position, at)?;
                self.pay(&to, units(*amount), position, at)
            }
            C::Hold { amount, expires_in_seconds: None } => {
                self.book.made.entry('h').or_default().push(number);
                self.change_account(name, position, at, |account, _| {
                    account.place(number, units(*amount), None);
                    Ok(())
                })
            }
            C::Capture { hold, amount: None } => self.end_hold(name, hold, true, position, at),
            C::Release { hold } => self.end_hold(name, hold, false, position, at),
            other => panic!("an account out of answers alone knows no {other:?}"),
        }
    }

    fn pay(
        &mut self,
        name: &Name,
        units: i128,
        position: Position,
        at: Timestamp,
    ) -> Result<(), Breach> {
        self.change_account(name, position, at, |account, _| {
            account.balance += units;
            Ok(())
        })
    }

    fn end_hold(
        &mut self,
        name: &Name,
        hold: &Id,
        captures: bool,
        position: Position,
        at: Timestamp,
    ) -> Result<(), Breach> {
        self.change_account(name, position, at, |account, of| {
            let number = hold.position('h').map_or(0, Position::get);
            let units = account.end_hold(of, number)?;
            account.balance -= if captures { units } else { 0 };
            Ok(())
        })
    }

    fn drop(
        &mut self,
        name: &Name,
        command: &drop::Command,
        position: Position,
        at: Timestamp,
    ) -> Result<(), Breach> {
        use drop::Command as C;
        let number = position.get();
        match command {
            C::Create { stock, price, seller, .. } => {
                if let Some(price) = price {
                    let price = (units(price.amount), seller.clone());
                    self.prices.insert(name.clone(), price);
                }
                let index = self.book.find_or_make(name);
                self.book.streams[index].create(self.checks, position)?;
                self.change(name, position, at, |state, _| {
                    if let State::Drop(drop) = state {
                        drop.stock = i128::from(*stock);
                    }
                    Ok(())
                })
            }
            C::Claim { quantity, pay_from, .. } => {
                let units = i128::from(*quantity);
                self.book.made.entry('c').or_default().push(number);
                self.change(name, position, at, |state, of| match state {
                    State::Drop(drop) => drop.claim(of, units),
                    _ => Ok(()),
                })?;
                let (Some((price, seller)), Some(payer)) = (self.prices.get(name), pay_from) else {
                    return Ok(());
                };
                let (cost, seller) = (price * units, seller.clone());
                self.paid.insert(number, (payer.clone(), cost));
                self.move_money(name, [Some(payer), seller.as_ref()], cost, position, at)
            }
            C::Release { claim } => {
                let claim = claim.position('c').map_or(0, Position::get);
                self.change(name, position, at, |state, of| match state {
                    State::Drop(drop) => drop.release(of, claim).map(|_| ()),
                    _ => Ok(()),
                })?;
                let Some((payer, cost)) = self.paid.remove(&claim) else { return Ok(()) };
                let seller = self.prices.get(name).and_then(|(_, seller)| seller.clone());
                self.move_money(name, [seller.as_ref(), Some(&payer)], cost, position, at)
            }
            other => panic!("an account out of answers alone knows no {other:?}"),
        }
    }

    /// From one account beside a drop to another; the outside where there is none.
    fn move_money(
        &mut self,
        drop: &Name,
        [from, to]: [Option<&Id>; 2],
        units: i128,
        position: Position,
        at: Timestamp,
    ) -> Result<(), Breach> {
        for (who, units) in [(from, -units), (to, units)] {
            if let Some(who) = who {
                self.pay(&drop.beside(Account::KIND, who.clone()), units, position, at)?;
            }
        }
        Ok(())
    }

    /// Where the answer shows what an account had behind the event, that is what it has here.
    fn check_balance(&self, leg: &Leg, answer: &Answer, position: Position) -> Result<(), Breach> {
        let after = match answer.event::<Account>() {
            Ok(account::Event::Deposited(event)) => event.balance_after,
            Ok(account::Event::Charged(event)) => event.balance_after,
            Ok(account::Event::Sent(event)) => event.balance_after,
            _ => return Ok(()),
        };
        let version = self.book.find(&leg.stream).and_then(|s| self.book.streams[s].at(position));
        let Some(Shown::Account { balance, .. }) = version.map(|version| &version.shown) else {
            return Ok(());
        };
        // A transfer to oneself is two steps of one event.
        let is_own = matches!(
            leg.command.get::<Account>(),
            Some(account::Command::Transfer { to, .. }) if *to == leg.stream.id
        );
        let is_paid_by_other = leg.command.get::<Drop>().is_some();
        let is_so = is_own || is_paid_by_other || after.get() == *balance;
        self.checks.ensure(Check::Conservation, is_so, || {
            format!("{leg:?}: the balance behind {position} is {balance}, and not {after}")
        })
    }
}

fn ticket(state: &mut State, of: &Moment<'_>, command: &ticket::Command) -> Result<(), Breach> {
    use ticket::Command as C;
    let State::Ticket(ticket) = state else { return Ok(()) };
    match command {
        C::Issue { .. } => Ok(()),
        C::Claim { claimant } => ticket.claim(of, claimant),
        C::Revoke { .. } => ticket.revoke(of),
        other => panic!("an account out of answers alone knows no {other:?}"),
    }
}

fn units(amount: Amount) -> i128 {
    amount.signed().get()
}

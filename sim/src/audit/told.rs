//! The naive account made from nothing but what was asked, and what was answered.

use std::collections::BTreeMap;

use quipu_core::machine::{Answer, Machine, What};
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::drop::{self, Drop};
use quipu_core::machines::ticket::{self, Ticket};
use quipu_core::shard::{Leg, Outcome, Reply};
use quipu_core::words::{Amount, Book as Books, Id, Name, Position, Timestamp};

use super::book::{Book, State};
use super::{Sent, rests_on};

/// What a unit of a drop costs, and whom it is paid to.
type Price = (i128, Option<Id>);

/// What happens to accounts, tickets and drops, command by command.
#[derive(Default)]
struct Told {
    book: Book,
    prices: BTreeMap<Name, Price>,
    /// Who has paid for which claim, and how much.
    paid: BTreeMap<u64, (Id, i128)>,
}

/// What answers say has happened behind `before`, in the order of positions. Each position is
/// that of one answer and its repeats: none is missing, and none belongs to two.
pub(super) fn book_of(answered: &[(Sent, Reply)], before: Position) -> Book {
    let mut told: BTreeMap<Position, (&Sent, &Reply)> = BTreeMap::new();
    for (sent, reply) in answered {
        let Some(position) = taken_by(sent, reply) else { continue };
        let (first, _) = told.entry(position).or_insert((sent, reply));
        assert_eq!(first.key, sent.key, "{first:?} and {sent:?} share the position {position}");
    }
    let mut account = Told::default();
    account.book.last = before;
    for (position, (sent, reply)) in told {
        let legs = match reply {
            Reply::Done(outcome) if outcome.changed => changed_legs(sent, outcome),
            _ => Vec::new(),
        };
        let count = legs.len().max(1) as u64;
        let first = Position::new(position.get() + 1 - count);
        let next = account.book.last.plus(1);
        assert_eq!(first, next, "{sent:?} happened there, and nobody was told what did at {next}");
        let (_, at) = rests_on(reply).expect("what has a position has a time");
        for (offset, leg) in (0..).zip(&legs) {
            account.leg(leg, first.plus(offset), at);
        }
        if let (Reply::Done(outcome), [leg]) = (reply, &*legs) {
            account.check_balance(leg, &outcome.answer, position);
        }
        account.book.last = position;
    }
    account.book
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
    let pieces = outcome.answer.pieces().map(|piece| piece.expect("an answer that can be read"));
    let changed = pieces.filter_map(|piece| match piece.what {
        What::Leg { leg, events: 1.. } => Some(sent.legs[leg as usize].clone()),
        _ => None,
    });
    changed.collect()
}

impl Told {
    fn leg(&mut self, leg: &Leg, position: Position, at: Timestamp) {
        let name = &leg.stream;
        if let Some(command) = leg.command.get::<Account>() {
            self.account(name, command, position, at);
        } else if let Some(command) = leg.command.get::<Ticket>() {
            self.change(name, position, at, |state, _| ticket(state, command));
        } else if let Some(command) = leg.command.get::<Drop>() {
            self.drop(name, command, position, at);
        } else {
            // Of other kinds it is counted that something happened.
            self.change(name, position, at, |_, _| {});
        }
    }

    /// Changes one stream. What is done to it at one position is one version.
    fn change(
        &mut self,
        name: &Name,
        position: Position,
        at: Timestamp,
        change: impl FnOnce(&mut State, &mut Book),
    ) {
        let history = self.book.history.get(name);
        let last = history.and_then(|history| history.values().next_back());
        let mut state = last.cloned().unwrap_or_default();
        assert!(at >= state.now, "{name:?}: time ran back from {} to {at}", state.now);
        (state.now, state.exists) = (at, true);
        change(&mut state, &mut self.book);
        let free = state.balance - state.held();
        assert!(free >= 0, "{name:?} is below its floor at {position}: {state:?}");
        let taken = state.taken;
        assert!(
            (0..=state.stock).contains(&taken),
            "{name:?} is oversold at {position}: {state:?}"
        );
        self.book.history.entry(name.clone()).or_default().insert(position, state);
    }

    fn account(
        &mut self,
        name: &Name,
        command: &account::Command,
        position: Position,
        at: Timestamp,
    ) {
        use account::Command as C;
        let number = position.get();
        let units = |amount: &Amount| amount.get() as i128;
        match command {
            C::Open { .. } => self.change(name, position, at, |state, _| {
                assert_eq!(state.balance, 0, "{name:?} is created twice");
            }),
            C::Deposit { amount, .. } => self.pay(name, units(amount), position, at),
            C::Charge { amount, .. } => self.pay(name, -units(amount), position, at),
            C::Transfer { to, amount, .. } => {
                self.pay(name, -units(amount), position, at);
                self.pay(
                    &Name::new(name.book, Account::KIND, to.clone()),
                    units(amount),
                    position,
                    at,
                );
            }
            C::Hold { amount, expires_in_seconds: None } => {
                self.change(name, position, at, |state, book| {
                    state.holds.insert(number, (units(amount), None));
                    book.made.entry('h').or_default().push(number);
                });
            }
            C::Capture { hold, amount: None } => {
                self.end_hold(name, hold, true, position, at);
            }
            C::Release { hold } => self.end_hold(name, hold, false, position, at),
            other => panic!("nobody has asked for {other:?}"),
        }
    }

    fn pay(&mut self, name: &Name, units: i128, position: Position, at: Timestamp) {
        self.change(name, position, at, |state, _| state.balance += units);
    }

    fn end_hold(
        &mut self,
        name: &Name,
        hold: &Id,
        captures: bool,
        position: Position,
        at: Timestamp,
    ) {
        self.change(name, position, at, |state, book| {
            let number = made_at('h', hold);
            assert!(book.ended.insert(number), "{hold:?} ends a second time at {position}");
            let (units, _) = state.holds.remove(&number).expect("a hold that is there");
            state.balance -= if captures { units } else { 0 };
        });
    }

    fn drop(&mut self, name: &Name, command: &drop::Command, position: Position, at: Timestamp) {
        use drop::Command as C;
        let number = position.get();
        match command {
            C::Create { stock, price, seller, .. } => {
                if let Some(price) = price {
                    let price = (price.amount.get() as i128, seller.clone());
                    self.prices.insert(name.clone(), price);
                }
                self.change(name, position, at, |state, _| state.stock = i128::from(*stock));
            }
            C::Claim { quantity, pay_from, .. } => {
                let units = i128::from(*quantity);
                self.change(name, position, at, |state, book| {
                    state.claims += 1;
                    state.taken += units;
                    state.units.insert(number, units);
                    book.made.entry('c').or_default().push(number);
                });
                if let (Some((price, seller)), Some(payer)) = (self.prices.get(name), pay_from) {
                    let (cost, seller) = (price * units, seller.clone());
                    self.paid.insert(number, (payer.clone(), cost));
                    self.move_money(Some(payer), seller.as_ref(), cost, position, at);
                }
            }
            C::Release { claim } => {
                let claim = made_at('c', claim);
                self.change(name, position, at, |state, _| {
                    let units = state.units.remove(&claim).expect("a claim is released once");
                    state.taken -= units;
                });
                if let Some((payer, cost)) = self.paid.remove(&claim) {
                    let seller = self.prices.get(name).and_then(|(_, seller)| seller.clone());
                    self.move_money(seller.as_ref(), Some(&payer), cost, position, at);
                }
            }
            other => panic!("nobody has asked for {other:?}"),
        }
    }

    fn move_money(
        &mut self,
        from: Option<&Id>,
        to: Option<&Id>,
        units: i128,
        position: Position,
        at: Timestamp,
    ) {
        for (who, units) in [(from, -units), (to, units)] {
            if let Some(who) = who {
                let name = Name::new(Books::DEFAULT, Account::KIND, who.clone());
                self.pay(&name, units, position, at);
            }
        }
    }

    /// Where the answer shows what an account had behind the event, that is what it has here.
    fn check_balance(&self, leg: &Leg, answer: &Answer, position: Position) {
        let after = match answer.event::<Account>() {
            Ok(account::Event::Deposited(event)) => event.balance_after,
            Ok(account::Event::Charged(event)) => event.balance_after,
            Ok(account::Event::Sent(event)) => event.balance_after,
            _ => return,
        };
        let Some(state) = self.book.history.get(&leg.stream).and_then(|all| all.get(&position))
        else {
            return;
        };
        // A transfer to oneself is two steps of one event.
        let is_own = matches!(
            leg.command.get::<Account>(),
            Some(account::Command::Transfer { to, .. }) if *to == leg.stream.id
        );
        let is_paid_by_other = leg.command.get::<Drop>().is_some();
        if !is_own && !is_paid_by_other {
            assert_eq!(after.get(), state.balance, "{leg:?}: the balance behind {position}");
        }
    }
}

fn ticket(state: &mut State, command: &ticket::Command) {
    use ticket::Command as C;
    match command {
        C::Issue { .. } => {}
        C::Claim { claimant } => {
            assert_eq!(state.claimed, None, "a ticket is claimed once");
            assert!(!state.revoked, "a revoked ticket is not claimed");
            state.claimed = Some(claimant.to_string());
        }
        C::Revoke { .. } => {
            assert!(!state.revoked, "a ticket is revoked once");
            state.revoked = true;
        }
        other => panic!("nobody has asked for {other:?}"),
    }
}

/// The position in an id that an event has made.
fn made_at(letter: char, id: &Id) -> u64 {
    id.position(letter).expect("an id that an event has made").get()
}

//! What each ask did to each stream, as far as its own answer tells, without the version in it.

use std::collections::{BTreeMap, BTreeSet};

use quipu_core::machine::{Answer, Machine as _, What};
use quipu_core::machines::account::Account;
use quipu_core::machines::drop::{self, Drop};
use quipu_core::machines::flow::{self, Flow};
use quipu_core::machines::record::{self, Record};
use quipu_core::machines::ticket::Ticket;
use quipu_core::machines::{account as accounts, ticket as tickets};
use quipu_core::shard::{Key, Leg, Outcome, Reply};
use quipu_core::words::{Amount, Book, Code, Fact as Stated, Id, Name, Position};

use super::account::{self, Charged};
use super::order::Op;
use super::{Fact, drop as drops, record as records, ticket};
use crate::audit::asked::{Answered, Expected, Sent, Unknown, has_changed, is_replayed};

/// The asks on each stream, in the order in which they were sent.
#[derive(Default)]
pub(super) struct Histories {
    pub(super) lanes: BTreeMap<Name, Lane>,
    /// What units of each drop cost, and whom; `None` where callers cannot tell.
    prices: BTreeMap<Name, Option<Price>>,
    /// The ids that answers have told, by the stream and the position that they are made of.
    made: BTreeSet<(Name, u64)>,
    /// The positions that only repeats of a key have told: what first came under it got no answer.
    repeated: BTreeMap<(Key, String), BTreeSet<Position>>,
    claims: BTreeMap<(Name, u64), Claim>,
    /// The numbers of claimants and values.
    numbers: BTreeMap<String, u32>,
    /// Books in which some account got money back, and nobody was told which.
    unclear: BTreeSet<Book>,
    /// Facts of the ask at hand.
    at_hand: BTreeMap<Name, Vec<Fact>>,
}

/// What a unit of a drop costs, and who is paid; `None` where it is for nothing.
type Price = Option<(i128, Option<Id>)>;

/// Who took units, and how many.
#[derive(Clone)]
struct Claim {
    payer: Option<Id>,
    units: i128,
}

/// One stream.
#[derive(Default)]
pub(super) struct Lane {
    pub(super) ops: Vec<Op>,
    /// Something was asked of it that the search has no rule for.
    pub(super) is_beyond: bool,
    /// Something may have been made whose id nobody was told.
    has_nameless: bool,
    /// Something was named that nobody was told.
    has_guesses: bool,
}

/// What is known of one leg.
#[derive(Clone, Copy)]
enum Told<'a> {
    /// It happened, or it was so already; at a position where that is known.
    Done {
        changed: bool,
        answer: Option<&'a Answer>,
        at: u64,
    },
    Refused(Code, Stated),
    /// It happened at most once. An id that it made is this one.
    Unknown {
        at: u64,
    },
}

impl Told<'_> {
    fn has_happened(self) -> bool {
        matches!(self, Self::Done { changed: true, .. } | Self::Unknown { .. })
    }

    fn at(self) -> u64 {
        match self {
            Self::Done { at, .. } | Self::Unknown { at } => at,
            Self::Refused(..) => 0,
        }
    }
}

/// Ids of what nobody was told: no position is that great.
const NAMELESS: u64 = 1 << 62;

impl Histories {
    /// Of asks that were answered, and of asks whose outcome nobody knows.
    pub(super) fn new(answered: &[Answered], unknown: &[Unknown]) -> Self {
        let mut histories = Self::default();
        histories.look_ahead(answered, unknown);
        for (ask, Answered { sent, reply, tick }) in answered.iter().enumerate() {
            if !is_replayed(reply) {
                histories.answered(sent, reply);
                histories.keep(sent.tick, *tick, true, ask);
            }
        }
        for (index, Unknown { sent, until }) in unknown.iter().enumerate() {
            // Each leg may have made something, and no two of them the same.
            for at in histories.ids_of(sent, NAMELESS + ((index as u64) << 32)) {
                for (place, leg) in (0..).zip(&sent.legs) {
                    histories.leg(leg, Told::Unknown { at: at + place });
                }
                histories.keep(sent.tick, *until, false, answered.len() + index);
            }
            histories.unsaid(sent);
        }
        for (name, lane) in &mut histories.lanes {
            lane.ops.sort_by_key(|op| op.sent);
            let is_unclear = name.kind == Account::KIND && histories.unclear.contains(&name.book);
            lane.is_beyond |= is_unclear || (lane.has_nameless && lane.has_guesses);
        }
        histories
    }

    /// Prices, ids and repeats, which the asks before them need to know.
    fn look_ahead(&mut self, answered: &[Answered], unknown: &[Unknown]) {
        for Answered { sent, reply, .. } in answered {
            let Reply::Done(outcome) = reply else { continue };
            if outcome.replayed && sent.legs.len() > 1 {
                continue;
            }
            if let (true, Some(key)) = (outcome.replayed, &sent.key) {
                self.repeated.entry(key.clone()).or_default().insert(outcome.position);
            }
            for (leg, told) in legs_done(sent, outcome) {
                let (Some(leg), true) = (sent.legs.get(leg), told.has_happened()) else { continue };
                self.made.insert((leg.stream.clone(), told.at()));
                match leg.command.get::<Drop>() {
                    Some(drop::Command::Create { price, seller, .. }) => {
                        let price = price.map(|price| (units(price.amount), seller.clone()));
                        self.prices.insert(leg.stream.clone(), Some(price));
                    }
                    Some(drop::Command::Claim { quantity, pay_from, .. }) => {
                        let claim = Claim { payer: pay_from.clone(), units: (*quantity).into() };
                        self.claims.insert((leg.stream.clone(), told.at()), claim);
                    }
                    _ => {}
                }
            }
        }
        for Answered { sent, reply, .. } in answered {
            if let (true, Some(key), Reply::Done(outcome)) = (has_changed(reply), &sent.key, reply)
                && let Some(positions) = self.repeated.get_mut(key)
            {
                positions.remove(&outcome.position);
            }
        }
        // Where nobody was told that a drop was created, nobody knows what it costs.
        for leg in unknown.iter().flat_map(|unknown| &unknown.sent.legs) {
            if leg.command.get::<Drop>().is_some() {
                self.prices.entry(leg.stream.clone()).or_insert(None);
            }
        }
    }

    fn answered(&mut self, sent: &Sent, reply: &Reply) {
        match (reply, &sent.stream) {
            (Reply::Failed(_), _) => {}
            (Reply::Done(outcome), Some(stream)) if matches!(sent.expected, Expected::Read) => {
                self.shown(stream, &outcome.answer);
            }
            (Reply::Refused(refused), Some(stream)) if matches!(sent.expected, Expected::Read) => {
                if refused.refusal.code == Code::NotFound {
                    self.absent(stream);
                }
            }
            (Reply::Done(outcome), _) => {
                let legs = legs_done(sent, outcome);
                for (leg, told) in legs {
                    if let Some(leg) = sent.legs.get(leg) {
                        self.leg(leg, told);
                    }
                }
            }
            (Reply::Refused(refused), _) => {
                // A transaction that was refused does not tell what its first legs did before.
                let leg = sent.stream.as_ref().and_then(|_| sent.legs.first());
                let Some(leg) = leg else { return };
                let (code, stated) = (refused.refusal.code, refused.refusal.fact);
                let is_conditional =
                    code == Code::VersionMismatch && leg.options.if_version.is_some();
                if !is_conditional {
                    self.leg(leg, Told::Refused(code, stated));
                }
            }
        }
        self.unsaid(sent);
    }

    /// The ids that an ask without an answer can have made: one that only repeats of its key have
    /// told, or one that nobody was told.
    fn ids_of(&self, sent: &Sent, nameless: u64) -> Vec<u64> {
        let repeated = sent.key.as_ref().and_then(|key| self.repeated.get(key));
        let makes = |leg: &Leg| {
            matches!(leg.command.get::<Account>(), Some(accounts::Command::Hold { .. }))
                || matches!(leg.command.get::<Drop>(), Some(drop::Command::Claim { .. }))
        };
        match (&*sent.legs, repeated) {
            ([leg], Some(repeated)) if makes(leg) => {
                repeated.iter().map(|at| at.get()).chain([nameless]).collect()
            }
            _ => vec![nameless],
        }
    }

    /// A stream of which something was asked, and nobody said what, is beyond the search.
    fn unsaid(&mut self, sent: &Sent) {
        if let (Some(stream), true) = (&sent.stream, sent.legs.is_empty())
            && !matches!(sent.expected, Expected::Read)
        {
            self.beyond(stream);
        }
    }

    /// The facts at hand are those of one ask.
    fn keep(&mut self, sent: u64, ended: u64, is_answered: bool, ask: usize) {
        for (name, facts) in core::mem::take(&mut self.at_hand) {
            let lane = self.lanes.entry(name).or_default();
            lane.ops.push(Op { sent, ended, is_answered, facts, ask });
        }
    }

    fn add(&mut self, name: &Name, fact: Fact) {
        self.at_hand.entry(name.clone()).or_default().push(fact);
    }

    fn beyond(&mut self, name: &Name) {
        self.lanes.entry(name.clone()).or_default().is_beyond = true;
    }

    /// What has happened, or may have, is beyond the search. A refusal changes nothing.
    fn beyond_if(&mut self, name: &Name, told: Told<'_>) {
        if told.has_happened() {
            self.beyond(name);
        }
    }

    fn leg(&mut self, leg: &Leg, told: Told<'_>) {
        let name = &leg.stream;
        let was_so = matches!(told, Told::Done { changed: false, .. });
        if was_so && name.kind != Ticket::KIND {
            return;
        }
        if let Some(command) = leg.command.get::<Account>() {
            self.account(name, command, told);
        } else if let Some(command) = leg.command.get::<Ticket>() {
            self.ticket(name, command, told);
        } else if let Some(command) = leg.command.get::<Drop>() {
            self.drop(name, command, told);
        } else if let Some(command) = leg.command.get::<Record>() {
            self.record(name, command, told);
        } else if let Some(command) = leg.command.get::<Flow>() {
            // What a flow pays depends on time.
            if let (flow::Command::Open { payer, recipient, .. }, true) =
                (command, told.has_happened())
            {
                for partner in payer.iter().chain(recipient) {
                    self.beyond(&name.beside(Account::KIND, partner.clone()));
                }
            }
        }
    }

    fn account(&mut self, name: &Name, command: &accounts::Command, told: Told<'_>) {
        use accounts::Command as C;
        match command {
            C::Open { floor, cap, spend_cap: None, expires_at: None, .. } => {
                let (floor, cap) = (floor.get(), cap.map(units));
                match told {
                    Told::Refused(Code::AlreadyExists, _) => {
                        self.add(name, Fact::Account(account::Fact::Exists));
                    }
                    Told::Refused(..) => {}
                    _ => self.add(name, Fact::Account(account::Fact::Opened { floor, cap })),
                }
            }
            C::Deposit { amount, reference: None, .. } => {
                self.money_in(name, units(*amount), false, told);
            }
            C::Charge { amount, reference: None, .. } => self.money_out(name, units(*amount), told),
            C::Transfer { to, amount, .. } => {
                let to = name.beside(Account::KIND, to.clone());
                self.move_money(Some(name), Some(&to), units(*amount), false, told);
            }
            C::Hold { amount, expires_in_seconds: None } => match told {
                Told::Refused(code, stated) => self.spent(name, units(*amount), code, stated),
                _ => {
                    self.nameless(name, told);
                    let (hold, amount) = (told.at(), units(*amount));
                    self.add(name, Fact::Account(account::Fact::Held { hold, amount }));
                }
            },
            C::Capture { hold, amount } => {
                let charged = amount.map_or(Charged::All, |amount| Charged::Part(units(amount)));
                self.end_hold(name, hold, charged, told);
            }
            C::Release { hold } => self.end_hold(name, hold, Charged::Nothing, told),
            _ => self.beyond_if(name, told),
        }
    }

    fn end_hold(&mut self, name: &Name, hold: &Id, charged: Charged, told: Told<'_>) {
        let hold = self.named(name, hold.position('h'));
        self.add(
            name,
            Fact::Account(match told {
                Told::Refused(Code::NotFound, _) => account::Fact::NoHold { hold },
                Told::Refused(Code::WrongState, _) => account::Fact::Over { hold },
                Told::Refused(..) => return,
                _ => account::Fact::Ended { hold, charged },
            }),
        );
    }

    fn money_in(&mut self, name: &Name, amount: i128, is_back: bool, told: Told<'_>) {
        let after = match told {
            Told::Done { answer: Some(answer), .. } => match answer.event::<Account>() {
                Ok(accounts::Event::Deposited(event)) => Some(event.balance_after.get()),
                _ => None,
            },
            _ => None,
        };
        self.add(
            name,
            Fact::Account(match told {
                Told::Refused(Code::BalanceCapReached, _) => account::Fact::Full { amount },
                Told::Refused(Code::NotFound, _) => account::Fact::Absent,
                Told::Refused(..) => return,
                _ => account::Fact::In { amount, is_back, after },
            }),
        );
    }

    fn money_out(&mut self, name: &Name, amount: i128, told: Told<'_>) {
        let after = match told {
            Told::Done { answer: Some(answer), .. } => match answer.event::<Account>() {
                Ok(accounts::Event::Charged(event)) => Some(event.balance_after.get()),
                Ok(accounts::Event::Sent(event)) => Some(event.balance_after.get()),
                _ => None,
            },
            _ => None,
        };
        match told {
            Told::Refused(code, stated) => self.spent(name, amount, code, stated),
            _ => self.add(name, Fact::Account(account::Fact::Out { amount, after })),
        }
    }

    /// Money could not go out.
    fn spent(&mut self, name: &Name, amount: i128, code: Code, stated: Stated) {
        match (code, stated) {
            (Code::InsufficientFunds, Stated::Available(available)) => {
                let available = available.get();
                self.add(name, Fact::Account(account::Fact::Short { amount, available }));
            }
            (Code::NotFound, _) => self.add(name, Fact::Account(account::Fact::Absent)),
            _ => {}
        }
    }

    /// Money moves between two accounts, or from or to the outside. A refusal tells of one.
    fn move_money(
        &mut self,
        from: Option<&Name>,
        to: Option<&Name>,
        amount: i128,
        is_back: bool,
        told: Told<'_>,
    ) {
        match (told, from, to) {
            (Told::Refused(Code::InsufficientFunds, _), Some(from), _) => {
                self.money_out(from, amount, told);
            }
            (Told::Refused(Code::BalanceCapReached, _), from, Some(to)) if from != Some(to) => {
                self.money_in(to, amount, is_back, told);
            }
            (Told::Refused(..), ..) => {}
            _ => {
                if let Some(from) = from {
                    self.money_out(from, amount, told);
                }
                if let Some(to) = to {
                    // The answer shows the balance of whoever paid.
                    let told = match told {
                        Told::Done { changed, at, .. } => Told::Done { changed, answer: None, at },
                        other => other,
                    };
                    self.money_in(to, amount, is_back, told);
                }
            }
        }
    }

    fn ticket(&mut self, name: &Name, command: &tickets::Command, told: Told<'_>) {
        use tickets::Command as C;
        let fact = match (command, told) {
            (C::Issue { expires_at: None, batch: false, .. }, told) => match told {
                Told::Refused(Code::AlreadyExists, _) => ticket::Fact::Exists,
                Told::Refused(..) => return,
                _ => ticket::Fact::Issued,
            },
            (C::Claim { claimant }, told) => {
                let who = self.number(claimant.as_str());
                match told {
                    Told::Done { changed: false, .. } => ticket::Fact::Has { who },
                    Told::Refused(Code::AlreadyClaimed, _) => ticket::Fact::Taken { who },
                    Told::Refused(Code::Revoked, _) => ticket::Fact::WasRevoked,
                    Told::Refused(Code::NotFound, _) => ticket::Fact::Absent,
                    Told::Refused(..) => return,
                    Told::Unknown { .. } => ticket::Fact::Claims { who },
                    Told::Done { .. } => ticket::Fact::Claimed { who },
                }
            }
            (C::Revoke { .. }, told) => match told {
                Told::Done { changed: false, .. } => ticket::Fact::WasRevoked,
                Told::Refused(Code::NotFound, _) => ticket::Fact::Absent,
                Told::Refused(..) => return,
                Told::Unknown { .. } => ticket::Fact::Revokes,
                Told::Done { .. } => ticket::Fact::Revoked,
            },
            _ => return self.beyond_if(name, told),
        };
        self.add(name, Fact::Ticket(fact));
    }

    fn drop(&mut self, name: &Name, command: &drop::Command, told: Told<'_>) {
        use drop::Command as C;
        let fact = match command {
            C::Create { stock, per_claimant, opens_at: None, closes_at: None, .. } => match told {
                Told::Refused(Code::AlreadyExists, _) => drops::Fact::Exists,
                Told::Refused(..) => return,
                _ => drops::Fact::Created {
                    stock: (*stock).into(),
                    limit: per_claimant.map(Into::into),
                },
            },
            C::Claim { claimant, quantity, pay_from } => {
                let units = i128::from(*quantity);
                self.pay(name, pay_from.as_ref(), units, told);
                let who = self.number(claimant.as_str());
                match told {
                    Told::Refused(Code::SoldOut, Stated::Remaining(left)) => {
                        drops::Fact::SoldOut { units, left: left.into() }
                    }
                    Told::Refused(Code::ClaimLimitReached, Stated::Remaining(left)) => {
                        drops::Fact::AtLimit { who, units, left: left.into() }
                    }
                    Told::Refused(Code::NotOpen, Stated::None) => drops::Fact::IsClosed,
                    Told::Refused(Code::NotFound, _) if pay_from.is_none() => drops::Fact::Absent,
                    Told::Refused(..) => return,
                    _ => {
                        self.nameless(name, told);
                        let said = match told {
                            Told::Done { answer: Some(answer), .. } => said_of(answer),
                            _ => None,
                        };
                        drops::Fact::Claimed { who, units, claim: told.at(), said }
                    }
                }
            }
            C::Release { claim } => {
                let claim = self.named(name, claim.position('c'));
                self.pay_back(name, claim, told);
                let is_free = self.prices.get(name) == Some(&Some(None));
                match told {
                    Told::Refused(Code::WrongState, _) if is_free => {
                        drops::Fact::WasReleased { claim }
                    }
                    Told::Refused(Code::NotFound, _) if is_free => drops::Fact::NoClaim { claim },
                    Told::Refused(..) => return,
                    _ => drops::Fact::Released { claim },
                }
            }
            C::SetStock { stock } => {
                let stock = i128::from(*stock);
                match told {
                    Told::Refused(Code::BelowTaken, Stated::Remaining(taken)) => {
                        drops::Fact::BelowTaken { stock, taken: taken.into() }
                    }
                    Told::Refused(Code::WrongState, _) => drops::Fact::IsClosed,
                    Told::Refused(Code::NotFound, _) => drops::Fact::Absent,
                    Told::Refused(..) => return,
                    _ => drops::Fact::StockSet { stock },
                }
            }
            C::Close => match told {
                Told::Refused(Code::WrongState, _) => drops::Fact::IsClosed,
                Told::Refused(Code::NotFound, _) => drops::Fact::Absent,
                Told::Refused(..) => return,
                _ => drops::Fact::Closed,
            },
            _ => return self.beyond_if(name, told),
        };
        self.add(name, Fact::Drop(fact));
    }

    /// Units of a drop are paid, where they cost something.
    fn pay(&mut self, drop: &Name, payer: Option<&Id>, units: i128, told: Told<'_>) {
        let Some(payer) = payer else { return };
        let payer = drop.beside(Account::KIND, payer.clone());
        let Some(price) = self.prices.get(drop).cloned() else { return };
        let Some(price) = price else { return self.beyond_if(&payer, told) };
        let Some((price, seller)) = price else { return };
        let seller = seller.map(|seller| drop.beside(Account::KIND, seller));
        self.move_money(Some(&payer), seller.as_ref(), price * units, false, told);
    }

    /// Units of a drop come back, and what was paid for them.
    fn pay_back(&mut self, drop: &Name, claim: u64, told: Told<'_>) {
        let Some(price) = self.prices.get(drop).cloned() else { return };
        if price == Some(None) || matches!(told, Told::Refused(..)) {
            return;
        }
        let found = self.claims.get(&(drop.clone(), claim)).cloned();
        let (Some(Some((price, seller))), Some(Claim { payer: Some(payer), units })) =
            (price, found)
        else {
            self.unclear.insert(drop.book);
            return;
        };
        let payer = drop.beside(Account::KIND, payer);
        let seller = seller.map(|seller| drop.beside(Account::KIND, seller));
        self.move_money(seller.as_ref(), Some(&payer), price * units, true, told);
    }

    fn record(&mut self, name: &Name, command: &record::Command, told: Told<'_>) {
        use record::Command as C;
        let fact = match command {
            C::Put { value, ttl_ms: None, must_be_absent, .. } => match told {
                Told::Refused(Code::VersionMismatch, _) if *must_be_absent => {
                    records::Fact::Present
                }
                Told::Refused(..) => return,
                _ => {
                    let len = u32::try_from(value.len()).unwrap_or(u32::MAX);
                    let value = self.number(value);
                    records::Fact::Put { value, len, is_new: *must_be_absent }
                }
            },
            C::Delete => match told {
                Told::Refused(Code::NotFound, _) => records::Fact::Absent,
                Told::Refused(..) => return,
                _ => records::Fact::Deleted,
            },
            _ => return self.beyond_if(name, told),
        };
        self.add(name, Fact::Record(fact));
    }

    /// A read of a stream that is not there.
    fn absent(&mut self, name: &Name) {
        match name.kind {
            Account::KIND => self.add(name, Fact::Account(account::Fact::Absent)),
            Ticket::KIND => self.add(name, Fact::Ticket(ticket::Fact::Absent)),
            Drop::KIND => self.add(name, Fact::Drop(drops::Fact::Absent)),
            Record::KIND => self.add(name, Fact::Record(records::Fact::Absent)),
            _ => {}
        }
    }

    /// A read of a stream that is there.
    fn shown(&mut self, name: &Name, answer: &Answer) {
        if let Ok(head) = answer.head::<Account>() {
            let (balance, held) = (head.balance.get(), head.held.signed().get());
            self.add(name, Fact::Account(account::Fact::Seen { balance, held }));
        } else if let Ok(head) = answer.head::<Ticket>() {
            let claimant = head.claim.map(|claim| self.number(claim.claimant.as_str()));
            let is_revoked = head.revoked_at.is_some();
            self.add(name, Fact::Ticket(ticket::Fact::Seen { claimant, is_revoked }));
        } else if let Ok(head) = answer.head::<Drop>() {
            let (stock, taken) = (head.stock.into(), head.taken.into());
            let claims = head.claims;
            self.add(name, Fact::Drop(drops::Fact::Seen { stock, taken, claims }));
        } else if let Ok(head) = answer.head::<Record>() {
            let value = match answer.item::<Record>() {
                Ok(record::Item::Value(value)) => Some(self.number(&value.text)),
                _ => None,
            };
            let len = head.value_len;
            self.add(name, Fact::Record(records::Fact::Seen { value, len }));
        }
    }

    fn number(&mut self, text: &str) -> u32 {
        let next = self.numbers.len() as u32;
        *self.numbers.entry(text.to_owned()).or_insert(next)
    }

    /// Takes note where the id of what was made is not known.
    fn nameless(&mut self, name: &Name, told: Told<'_>) {
        let is_nameless = told.at() >= NAMELESS;
        self.lanes.entry(name.clone()).or_default().has_nameless |= is_nameless;
    }

    /// The position in an id that somebody names, and takes note where nobody was told it.
    fn named(&mut self, name: &Name, position: Option<Position>) -> u64 {
        let at = position.map_or(0, Position::get);
        let is_guess = !self.made.contains(&(name.clone(), at));
        self.lanes.entry(name.clone()).or_default().has_guesses |= is_guess;
        at
    }
}

/// The legs of an ask that was accepted, with what is known of each.
fn legs_done<'a>(sent: &Sent, outcome: &'a Outcome) -> Vec<(usize, Told<'a>)> {
    let (changed, at) = (outcome.changed, outcome.position.get());
    if sent.stream.is_some() {
        return vec![(0, Told::Done { changed, answer: Some(&outcome.answer), at })];
    }
    let pieces = outcome.answer.pieces().filter_map(Result::ok);
    let legs: Vec<(u32, u32)> = pieces
        .filter_map(|piece| match piece.what {
            What::Leg { leg, events } => Some((leg, events)),
            _ => None,
        })
        .collect();
    let all: u64 = legs.iter().map(|(_, events)| u64::from(*events)).sum();
    let mut last = (at + 1).saturating_sub(all.max(1)).saturating_sub(1);
    let told = legs.into_iter().map(|(leg, events)| {
        last += u64::from(events);
        (leg as usize, Told::Done { changed: events > 0, answer: None, at: last })
    });
    told.collect()
}

/// The number of a claim, and what was left behind it.
fn said_of(answer: &Answer) -> Option<(u64, i128)> {
    match answer.event::<Drop>() {
        Ok(drop::Event::Claimed(event)) => Some((event.number, event.remaining.into())),
        _ => None,
    }
}

fn units(amount: Amount) -> i128 {
    amount.signed().get()
}

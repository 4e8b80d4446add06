//! The steps of commands that touch several streams: how commands are split into them, how
//! they are decided on copies, and how they become the events of one entry.

use std::collections::BTreeMap;

use super::Options;
use super::keys::Keyed;
use super::op::{Stored, parts_of};
use crate::machine::{
    Accepted, Answer, Command, Context, Expansion, Lent, Link, Out, Place, Transit,
};
use crate::records::{EntryWriter, KeyNote};
use crate::words::{Code, Fact, Name, Position, Refusal, Timestamp, Version};

/// How one asked leg was split, without a reservation.
pub(super) struct Split {
    name: Name,
    command: Command,
    link: Option<Link>,
    into: Vec<Name>,
}

/// One step of a transaction on one stream. Several may belong to one asked leg.
#[derive(Clone, Debug)]
pub(super) struct TxLeg {
    pub(super) index: u32,
    pub(super) name: Name,
    pub(super) command: Command,
    pub(super) options: Options,
    pub(super) link: Option<Link>,
    pub(super) asks: Option<Name>,
    pub(super) split: bool,
    pub(super) into: Option<Vec<(Name, Command)>>,
    /// Whether its stream has been visited for what this step reads.
    pub(super) pinned: bool,
}

/// One step that is at hand: the asked leg, the stream, the command, what the caller adds.
pub(super) type Part = (u32, Name, Command, Options);

/// Decides every step again and has each carried out. Gives the number of events.
pub(super) fn perform_legs(
    legs: &[TxLeg],
    lents: &mut BTreeMap<Name, Box<dyn Lent>>,
    now: Timestamp,
    secret: &[u8; 32],
    mut carry_out: impl FnMut(&mut dyn Lent, &Accepted, &TxLeg, bool),
) -> Result<u64, (Refusal, u32)> {
    let mut transit = Transit::default();
    let mut index = None;
    let mut events = Events::default();
    for leg in legs {
        if index.replace(leg.index) != Some(leg.index) {
            transit = Transit::default();
        }
        let lent = lents.get_mut(&leg.name).expect("every leg's stream was lent");
        let creates = !lent.exists();
        let accepted = decide_leg(&mut **lent, leg, now, &mut transit, secret);
        let accepted = accepted.map_err(|refusal| (refusal, leg.index))?;
        if accepted == Accepted::Event {
            events.part(leg.index, creates);
        }
        carry_out(&mut **lent, &accepted, leg, creates);
    }
    Ok(events.count)
}

impl Split {
    /// Whether the command would be split the same way, now that its stream is reserved.
    pub(super) fn still_holds(&self, lents: &BTreeMap<Name, Box<dyn Lent>>) -> bool {
        let Some(lent) = lents.get(&self.name) else { return false };
        let expansion = lent.expand(&self.command, self.link.as_ref());
        names_of(&self.name, &expansion) == self.into
    }
}

impl TxLeg {
    /// Takes what became of splitting this leg's command.
    pub(super) fn take(&mut self, expansion: Expansion) -> Option<Split> {
        let into = names_of(&self.name, &expansion);
        match expansion {
            Expansion::Alone => {}
            Expansion::Ask(other) => {
                self.asks = Some(other);
                return None;
            }
            Expansion::Legs(legs) => self.into = Some(legs),
        }
        self.split = true;
        let (name, command, link) = (self.name.clone(), self.command.clone(), self.link.clone());
        Some(Split { name, command, link, into })
    }

    /// Puts the leg, or the legs that it was split into, behind those before.
    pub(super) fn flatten(mut self, out: &mut Vec<Self>) {
        let Some(legs) = self.into.take() else { return out.push(self) };
        for (index, name, command, options) in parts_of(self.index, &self.name, &self.options, legs)
        {
            let (link, asks, into, pinned) = (None, None, None, false);
            out.push(Self { index, name, command, options, link, asks, split: true, into, pinned });
        }
    }
}

/// The position of events on trial. No position of a log comes near it.
pub(super) const ON_TRIAL: Position = Position::new(u64::MAX >> 1);

/// A refusal without a fact that exists on trial only.
pub(super) fn shown(refusal: Refusal) -> Refusal {
    match refusal.fact {
        Fact::First(position) | Fact::Version(position) | Fact::Fence(position)
            if position >= ON_TRIAL =>
        {
            refusal.code.into()
        }
        _ => refusal,
    }
}

/// The streams that a command's steps are on, in order.
pub(super) fn names_of(own: &Name, expansion: &Expansion) -> Vec<Name> {
    match expansion {
        Expansion::Alone => vec![own.clone()],
        Expansion::Ask(other) => vec![other.clone()],
        Expansion::Legs(legs) => legs.iter().map(|(name, _)| name.clone()).collect(),
    }
}

/// The note of a transaction's entry. Where every step is an event and there are no legs to
/// tell apart, the events say what was answered.
pub(super) fn note(keyed: Keyed, said: bool, version: Version, answer: &Answer) -> KeyNote {
    if said {
        keyed.said_by_events()
    } else {
        keyed.said_here(Stored::Accepted(version, true, answer).pack())
    }
}

pub(super) fn decide_leg(
    lent: &mut dyn Lent,
    leg: &TxLeg,
    now: Timestamp,
    transit: &mut Transit,
    secret: &[u8; 32],
) -> Result<Accepted, Refusal> {
    if let Some(wanted) = leg.options.if_version {
        let version = lent.state().stamp.version;
        if !lent.exists() {
            return Err(Code::NotFound.into());
        }
        if version != wanted {
            return Err(Refusal::with(Code::VersionMismatch, Fact::Version(version)));
        }
    }
    lent.decide(&leg.command, &mut Context { now, transit, secret })
}

/// Counts events and marks legs while the steps of an entry are carried out.
pub(super) struct Steps {
    is_transaction: bool,
    /// The leg whose steps are carried out, and where its pieces begin in the answer.
    leg: Option<(u32, usize)>,
    events: Events,
}

/// Counts the events of an entry. The parts of one asked leg are one event, but for a part
/// that creates a stream behind another one that does: the number of a stream is the
/// position of the event that created it, so each such part is an event of its own.
#[derive(Default)]
pub(super) struct Events {
    pub(super) count: u64,
    pub(super) leg: Option<u32>,
    pub(super) created: bool,
}

impl Events {
    /// Counts a part, and says whether it belongs to the event before.
    pub(super) fn part(&mut self, leg: u32, creates: bool) -> bool {
        let same = self.leg.replace(leg) == Some(leg) && !(self.created && creates);
        self.count += u64::from(!same);
        self.created = creates || (same && self.created);
        same
    }
}

impl Steps {
    pub(super) fn new(is_transaction: bool) -> Self {
        Self { is_transaction, leg: None, events: Events::default() }
    }

    /// Before each step: in a transaction, the answer says where a leg's pieces begin.
    pub(super) fn leg(&mut self, index: u32, answer: &mut Answer) {
        if self.is_transaction && self.leg.is_none_or(|(leg, _)| leg != index) {
            self.leg = Some((index, answer.begin_leg(index)));
        }
    }

    /// Before each event part: its place, and whether it belongs to the event before. In a
    /// transaction, the answer counts the events of each leg.
    pub(super) fn event(
        &mut self,
        index: u32,
        creates: bool,
        first: &Place,
        out: &mut Out<'_>,
        answer: &mut Answer,
    ) -> (Place, bool) {
        let same = self.events.part(index, creates);
        if !same {
            out.entry.event();
            if let Some((_, start)) = self.leg {
                answer.leg_event(start);
            }
        }
        let position = first.position.plus(self.events.count - 1);
        (Place { position, now: first.now }, same)
    }
}

/// Performs events on copies that are thrown away.
pub(super) struct Trial {
    place: Place,
    bytes: Vec<u8>,
    arena: rkyv::ser::allocator::Arena,
    rows: crate::records::Rows,
    postings: crate::machine::Postings,
}

impl Trial {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            place: Place { position: ON_TRIAL, now },
            bytes: Vec::new(),
            arena: rkyv::ser::allocator::Arena::new(),
            rows: crate::records::Rows::default(),
            postings: crate::machine::Postings::default(),
        }
    }

    pub(super) fn perform(&mut self, lent: &mut dyn Lent) {
        self.bytes.clear();
        self.rows.clear();
        let entry = EntryWriter::begin(&mut self.bytes, &mut self.arena, self.place.now);
        let (rows, postings) = (&mut self.rows, &mut self.postings);
        let mut out = Out { entry, rows, postings, brief: true };
        lent.perform(&self.place, false, &mut out, None);
    }
}

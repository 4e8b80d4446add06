//! The short way: several streams that are all here, in memory, free and named once are
//! decided and changed in one go, without copies and messages.

use super::legs::{Events, Part, Steps, TxLeg, note};
use super::op::{Op, What, is_kept, parts_of};
use super::{At, Effect, Shard};
use crate::batch::Ring;
use crate::machine::{Accepted, Answer, Expansion, Out, Place, Transit};
use crate::words::{Fault, Name};

impl Shard {
    /// Every step of all legs, where each stream is here, in memory, free and named once.
    pub(super) fn all_at_hand(&mut self, legs: &[TxLeg]) -> Option<(Vec<Part>, Vec<At>)> {
        let mut parts: Vec<Part> = Vec::with_capacity(legs.len());
        for leg in legs {
            let at = self.here(&leg.name)?;
            if !self.missing(at, &leg.command).is_empty() {
                return None;
            }
            match self.cords(at.kind).expand(at.slot, &leg.command, None) {
                Expansion::Alone => {
                    let (name, command) = (leg.name.clone(), leg.command.clone());
                    parts.push((leg.index, name, command, leg.options.clone()));
                }
                Expansion::Ask(_) => return None,
                Expansion::Legs(split) => {
                    if !is_kept(&leg.name, &leg.options, &split) {
                        return None;
                    }
                    parts.extend(parts_of(leg.index, &leg.name, &leg.options, split));
                }
            }
        }
        let places = self.at_hand(None, &parts)?;
        Some((parts, places))
    }

    /// The place of a stream that lives here and is in memory.
    fn here(&mut self, name: &Name) -> Option<At> {
        if !self.knows(name.kind) {
            return None;
        }
        let at = self.locate_by(self.hash_if_home(name)?, name);
        self.cords(at.kind).state(at.slot).known.then_some(at)
    }

    /// The places of all steps' streams, if each is here, in memory, free and named once.
    /// Where one of the streams is may be known already.
    pub(super) fn at_hand(
        &mut self,
        located: Option<(&Name, At)>,
        parts: &[Part],
    ) -> Option<Vec<At>> {
        self.mark += 1;
        let mark = self.mark;
        let mut places = Vec::with_capacity(parts.len());
        for (_, name, command, _) in parts {
            let at = match located {
                Some((located, at)) if located == name => at,
                _ => self.here(name)?,
            };
            let now = self.now;
            let state = self.cords_mut(at.kind).state_mut(at.slot);
            if state.reserved || state.due <= now || state.mark == mark {
                return None;
            }
            state.mark = mark;
            if !self.missing(at, command).is_empty() {
                return None;
            }
            places.push(at);
        }
        Some(places)
    }

    /// Decides and performs all steps on the live streams, in one go.
    pub(super) fn short_way(
        &mut self,
        op: &mut Op,
        parts: &[Part],
        places: &[At],
        ring: &mut dyn Ring,
        out: &mut Vec<Effect>,
    ) {
        let is_transaction = matches!(op.what, What::Transaction(_));
        let rests_on = |shard: &Self| {
            let versions =
                places.iter().map(|at| shard.cords(at.kind).state(at.slot).stamp.version);
            versions.max().unwrap_or_default()
        };
        let mut accepted = Vec::with_capacity(parts.len());
        let mut transit = Transit::default();
        let mut events = Events::default();
        for (place, ((index, _, command, options), at)) in parts.iter().zip(places).enumerate() {
            let creates = !self.cords(at.kind).exists(at.slot);
            let decided = match self.stale(*at, options.if_version) {
                Some(refusal) => Ok(Err(refusal)),
                None => self.decide(*at, command, &mut transit),
            };
            let last_of_leg = parts.get(place + 1).is_none_or(|(next, ..)| next != index);
            let decided = match decided {
                Ok(Ok(_)) if last_of_leg && !transit.is_empty() => Err(Fault::Internal),
                decided => decided,
            };
            match decided {
                Ok(Ok(step)) => {
                    if step == Accepted::Event {
                        events.part(*index, creates);
                    }
                    accepted.push((step, creates));
                }
                Ok(Err(_)) if mutant!(LegAlone) && events.count > 0 => break,
                Ok(Err(refusal)) => {
                    places.iter().for_each(|at| self.cords_mut(at.kind).drop_kept());
                    let leg = is_transaction.then_some(*index);
                    let position = rests_on(self);
                    let version = self.home_version(op);
                    self.refuse(op, refusal, leg, position, version, ring);
                    return;
                }
                Err(fault) => {
                    places.iter().for_each(|at| self.cords_mut(at.kind).drop_kept());
                    self.fail(op, fault, ring, out);
                    return;
                }
            }
            if last_of_leg {
                transit = Transit::default();
            }
        }
        let events = events.count;
        if events > op.slots {
            places.iter().for_each(|at| self.cords_mut(at.kind).drop_kept());
            self.fail(op, Fault::Internal, ring, out);
            return;
        }
        // Nothing below can fail.
        let brief = op.is_brief();
        let mut answer = Answer::default();
        let mut steps = Steps::new(is_transaction);
        let mut fill =
            |shard: &mut Self, out: Option<(&mut Out<'_>, &Place)>, answer: &mut Answer| {
                let mut out = out;
                for ((step, at), (index, ..)) in accepted.iter().zip(places).zip(parts) {
                    let (accepted, creates) = step;
                    steps.leg(*index, answer);
                    match (accepted, &mut out) {
                        (Accepted::Event, Some((out, first))) => {
                            let (place, same) = steps.event(*index, *creates, first, out, answer);
                            shard.perform(*at, &place, same, out, answer);
                        }
                        (Accepted::Already(_), _) if brief => {}
                        (Accepted::Already(shows), _) => shard.show(*at, shows, answer),
                        (Accepted::Event, None) => {}
                    }
                }
            };
        if events == 0 {
            fill(self, None, &mut answer);
            let position = rests_on(self);
            let version = self.home_version(op);
            self.already(op, answer, position, version, ring);
            return;
        }
        let (keyed, op_home) = (op.keyed, op.home);
        let all_events = accepted.iter().all(|(step, _)| *step == Accepted::Event);
        let said = !is_transaction && events == 1 && all_events;
        let first = self.write(op, events, ring, |shard, out, place| {
            let last = place.position.plus(events - 1);
            fill(shard, Some((out, place)), &mut answer);
            let version =
                op_home.map_or(last, |at| shard.cords(at.kind).state(at.slot).stamp.version);
            keyed.map(|keyed| note(keyed, said, version, &answer))
        });
        let last = first.plus(events - 1);
        let version = if op.home.is_some() { self.home_version(op) } else { last };
        places.iter().for_each(|at| self.wake_for(*at));
        self.conclude(op, last, version, answer);
    }
}

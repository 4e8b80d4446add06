//! Who asks: clients that wait, ask again, ask twice, come back late, or go away.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use quipu_core::commit::Published;
use quipu_core::log::Reader as _;
use quipu_core::shard::{Ask, CallId, Reply, Shard};
use quipu_core::words::{Code, Fault, Trace};

use super::breach::{Breach, ensure};
use super::chronicle::{brief, shown};
use super::queue::Event;
use super::workload::{Asked, Question};
use super::{Site, World};
use crate::Random;
use crate::audit::Sent;

/// Asks that a client keeps to send them again much later.
const KEPT_MAX: usize = 8;
/// Asks whose outcome it still wants to know.
const AGAIN_MAX: usize = 16;

/// All clients, and what they wait for.
pub(super) struct Clients {
    each: Vec<Client>,
    pub(super) calls: BTreeMap<CallId, Call>,
}

struct Client {
    random: Random,
    /// Nobody knows what became of these, or nothing did.
    again: VecDeque<Rc<Question>>,
    /// Asks under a key, to be sent again when all is long over.
    kept: VecDeque<Rc<Question>>,
}

/// An ask under way.
pub(super) struct Call {
    client: usize,
    asked: Rc<Question>,
    /// Whether the client does nothing else until it is answered.
    waits: bool,
    abandoned: bool,
}

impl Clients {
    pub(super) fn new(count: usize, random: &mut Random) -> Self {
        let client =
            |_| Client { random: random.fork(), again: VecDeque::new(), kept: VecDeque::new() };
        Self { each: (0..count).map(client).collect(), calls: BTreeMap::new() }
    }

    pub(super) fn count(&self) -> usize {
        self.each.len()
    }

    /// Whether some client still wants to know what became of an ask.
    pub(super) fn has_open_questions(&self) -> bool {
        self.each.iter().any(|client| !client.again.is_empty())
    }

    fn ask_later(&mut self, client: usize, asked: Rc<Question>) {
        let again = &mut self.each[client].again;
        if again.len() < AGAIN_MAX {
            again.push_back(asked);
        }
    }

    /// The process has ended: whoever had a key asks again.
    pub(super) fn lose_calls(&mut self) -> u64 {
        let calls = std::mem::take(&mut self.calls);
        let lost = calls.len() as u64;
        for Call { client, asked, abandoned, .. } in calls.into_values() {
            if !abandoned && asked.under_key.is_some() {
                self.ask_later(client, asked);
            }
        }
        lost
    }
}

impl World<'_> {
    /// A client asks the next thing.
    pub(super) fn act(&mut self, client: usize) {
        let now = self.now();
        let habits = &self.plan.habits;
        let who = &mut self.clients.each[client];
        let again =
            if self.is_calm || who.random.chance(800) { who.again.pop_front() } else { None };
        let asked = match again {
            Some(asked) => {
                self.tally.sites.met(Site::RetriedUnknown);
                asked
            }
            None if self.is_calm => return,
            None if !who.kept.is_empty() && who.random.chance(habits.late) => {
                self.tally.sites.met(Site::LateDuplicate);
                let at = who.random.below(who.kept.len() as u64) as usize;
                Rc::clone(&who.kept[at])
            }
            None => {
                let asked = self.workload.next(client, &mut who.random, now);
                let asked = Rc::new(Question::new(asked));
                if asked.under_key.is_some() {
                    if who.kept.len() == KEPT_MAX {
                        who.kept.pop_front();
                    }
                    who.kept.push_back(Rc::clone(&asked));
                }
                asked
            }
        };
        let abandoned = !self.is_calm && who.random.chance(habits.abandoned);
        let twin = !self.is_calm && !asked.asked.is_read() && who.random.chance(habits.twins);
        let patience = habits.patience / 2 + who.random.below(habits.patience);
        let is_impatient = asked.under_key.is_some() && who.random.one_in(3);
        let call = self.send(client, &asked, !abandoned, abandoned);
        if twin {
            self.send(client, &asked, false, false);
        }
        if abandoned {
            self.tally.sites.met(Site::Abandoned);
            self.think(client);
        } else if is_impatient {
            self.queue.push(self.time + patience, Event::Impatient(call.0));
        }
    }

    /// A client acts when it has thought.
    pub(super) fn think(&mut self, client: usize) {
        let think = self.plan.habits.think;
        let lag = 1 + self.clients.each[client].random.below(2 * think);
        self.queue.push(self.time + lag, Event::Act(client));
    }

    /// A client has waited long, and sends the same once more.
    pub(super) fn ask_again(&mut self, call: CallId) {
        let Some(Call { client, asked, .. }) = self.clients.calls.get(&call) else { return };
        let (client, asked) = (*client, Rc::clone(asked));
        self.send(client, &asked, false, false);
    }

    /// Sends an ask to the ledger.
    pub(super) fn send(
        &mut self,
        client: usize,
        asked: &Rc<Question>,
        waits: bool,
        abandoned: bool,
    ) -> CallId {
        let is_same = |call: &Call| Rc::ptr_eq(&call.asked, asked);
        if asked.under_key.is_some() && self.clients.calls.values().any(is_same) {
            self.tally.sites.met(Site::DuplicateInFlight);
        }
        let random = &mut self.clients.each[client].random;
        // Every third says what led to it, so that a retry often comes with something else.
        let ask = match random.below(3) {
            0 => traced(asked.asked.ask.clone(), 1 + random.below(200) as u8),
            _ => asked.asked.ask.clone(),
        };
        let shards = self.plan.shards;
        if let Ask::Transaction(legs, _) = &ask {
            self.tally.sites.met(Site::Transaction);
            let homes = |leg: &quipu_core::shard::Leg| Shard::of(&leg.stream, shards);
            let is_spread = legs.windows(2).any(|pair| homes(&pair[0]) != homes(&pair[1]));
            self.tally.sites.add(Site::AcrossShards, u64::from(is_spread));
        }
        let sweeps = matches!(ask, Ask::Sweep(_)).then(|| random.below(shards as u64) as usize);
        self.tally.asks += 1;
        let now = self.now();
        let engine = self.engine();
        let call = match sweeps {
            Some(shard) => engine.submit_to(shard, ask),
            None => engine.submit(ask),
        };
        self.call_last = call.0;
        let (stream, expected) = (asked.asked.stream().cloned(), asked.asked.expected.clone());
        let sent = Sent::new(stream, expected, asked.under_key.clone(), abandoned, now);
        self.audit.sent(call, sent.of(asked.legs.clone()));
        self.chronicle.words(&[100, call.0, client as u64, u64::from(abandoned)]);
        self.chronicle
            .client(self.time, client, || format!("#{} asks {}", call.0, brief(&asked.asked.ask)));
        let asked = Rc::clone(asked);
        self.clients.calls.insert(call, Call { client, asked, waits, abandoned });
        call
    }

    /// Takes every answer that has left.
    pub(super) fn take_replies(&mut self) -> Result<(), Breach> {
        while let Some((call, reply)) = self.engine().reply() {
            let log = self.engine().log();
            // What the log says, and not the engine.
            let now_limit = log.now_limit();
            let durable = Published { watermark: self.watermark(), now_limit };
            self.hear(call, reply, durable)?;
        }
        Ok(())
    }

    /// An answer reaches its client.
    pub(super) fn hear(
        &mut self,
        call: CallId,
        reply: Reply,
        durable: Published,
    ) -> Result<(), Breach> {
        self.chronicle.words(&[101, call.0]);
        self.chronicle.reply(&reply);
        let found = self.clients.calls.remove(&call);
        let Some(Call { client, asked, waits, abandoned }) = found else {
            return Err(Breach::new("liveness", format!("{call:?} is answered twice")));
        };
        self.chronicle.client(self.time, client, || format!("#{} hears {}", call.0, shown(&reply)));
        self.audit.answered(call, reply.clone(), durable)?;
        self.count(&asked.asked, &reply)?;
        if !abandoned {
            self.workload.answered(client, &asked.asked, &reply);
            if self.has_model {
                self.answers.push((Rc::clone(&asked), reply.clone()));
            }
        }
        if waits {
            match reply {
                Reply::Failed(Fault::LogFailed) if asked.under_key.is_some() => {
                    self.clients.ask_later(client, asked);
                }
                // Nothing was done, so that it can be asked again with a key or without.
                Reply::Failed(Fault::Overloaded | Fault::DiskFull)
                    if self.is_calm || self.clients.each[client].random.chance(500) =>
                {
                    self.clients.ask_later(client, asked);
                }
                _ => {}
            }
            // At the end clients ask in rounds.
            if !self.is_calm {
                self.think(client);
            }
        }
        Ok(())
    }

    fn count(&mut self, asked: &Asked, reply: &Reply) -> Result<(), Breach> {
        let sites = &mut self.tally.sites;
        let mut replayed = None;
        match reply {
            Reply::Done(outcome) => {
                self.tally.operations += 1;
                replayed = outcome.replayed.then_some(outcome.position);
            }
            Reply::Refused(refused) => {
                self.tally.operations += 1;
                self.tally.refused += 1;
                replayed = refused.replayed.then_some(refused.position);
                let reused = refused.refusal.code == Code::IdempotencyKeyReused;
                sites.add(Site::KeyReused, u64::from(reused));
            }
            Reply::Failed(fault) => {
                self.tally.failed += 1;
                let (site, may_be) = match fault {
                    Fault::Overloaded => (Site::Overloaded, true),
                    Fault::DiskFull => (Site::DiskFull, self.plan.is_faulty()),
                    Fault::LogFailed => (Site::Unknown, true),
                    Fault::Corrupt => (Site::Corrupt, self.plan.is_faulty() || self.is_late),
                    _ => (Site::Unknown, false),
                };
                sites.met(site);
                ensure("answer", may_be, || format!("{asked:?}: {fault:?}"))?;
            }
        }
        if let Some(position) = replayed {
            sites.met(Site::Replayed);
            let found_at = self.ground.as_ref().map(|ground| ground.found_at);
            let is_older = self.tally.ends > 0 && found_at.is_some_and(|found| position <= found);
            sites.add(Site::ReplayedAcrossCrash, u64::from(is_older));
        }
        Ok(())
    }

    /// Every client begins to act.
    pub(super) fn wake_clients(&mut self) {
        (0..self.clients.count()).for_each(|client| self.think(client));
    }

    /// Every client whose process has ended acts again.
    pub(super) fn revive_clients(&mut self) {
        self.queue.forget_acts();
        if !self.is_calm {
            self.wake_clients();
        }
    }
}

/// The same ask with a trace context on each of its legs.
fn traced(ask: Ask, number: u8) -> Ask {
    let trace = Trace::new([number; 16], [number; 8], 1).ok();
    match ask {
        Ask::Command(mut leg, key) => {
            leg.options.trace = trace;
            Ask::Command(leg, key)
        }
        Ask::Transaction(mut legs, key) => {
            legs.iter_mut().for_each(|leg| leg.options.trace = trace);
            Ask::Transaction(legs, key)
        }
        other => other,
    }
}

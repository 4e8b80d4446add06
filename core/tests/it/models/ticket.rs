//! The ticket machine against a naive model of it: a list of what happened, read from the
//! start for every question.

use proptest::prelude::*;
use quipu_core::machine::{Machine, Solo};
use quipu_core::machines::ticket::{Command, INDEX_TOKEN, Item, State, Ticket};
use quipu_core::words::{Amount, Code, Id, Metadata, Timestamp};

/// What happened to a ticket, and when.
#[derive(Clone, PartialEq, Debug)]
enum Fact {
    Issued { worth: Option<u64>, reference: Option<String>, until: Option<u64> },
    Claimed(String),
    Revoked(String),
    Reference(String),
}

#[derive(Clone, Debug)]
enum Ask {
    Issue { worth: Option<u64>, reference: Option<String>, until: Option<u64>, batch: bool },
    Claim(String),
    Revoke(String),
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Outcome {
    New,
    Same,
    No(Code),
}

#[derive(Default)]
struct Model {
    facts: Vec<(u64, Fact)>,
}

impl Model {
    fn until(&self) -> Option<u64> {
        self.facts.iter().find_map(|(_, fact)| match fact {
            Fact::Issued { until, .. } => *until,
            _ => None,
        })
    }

    fn claimed(&self) -> Option<(u64, String)> {
        self.facts.iter().find_map(|(at, fact)| match fact {
            Fact::Claimed(by) => Some((*at, by.clone())),
            _ => None,
        })
    }

    fn revoked(&self) -> Option<(u64, String)> {
        self.facts.iter().find_map(|(at, fact)| match fact {
            Fact::Revoked(why) => Some((*at, why.clone())),
            _ => None,
        })
    }

    /// Every reference that ever came, the ticket's own first if it has one.
    fn references(&self) -> Vec<String> {
        let all = self.facts.iter().filter_map(|(_, fact)| match fact {
            Fact::Issued { reference, .. } => reference.clone(),
            Fact::Reference(reference) => Some(reference.clone()),
            _ => None,
        });
        all.collect()
    }

    fn state(&self, now: u64) -> State {
        // A claim that was made was in time; a revocation stands above everything.
        match (self.revoked(), self.claimed()) {
            (Some(_), _) => State::Revoked,
            (None, Some(_)) => State::Claimed,
            (None, None) if self.until().is_some_and(|until| until <= now) => State::Expired,
            (None, None) => State::Unclaimed,
        }
    }

    fn ask(&mut self, ask: &Ask, now: u64) -> Outcome {
        let exists = !self.facts.is_empty();
        let fact = match ask {
            Ask::Issue { worth, reference, until, .. } if !exists => {
                Fact::Issued { worth: *worth, reference: reference.clone(), until: *until }
            }
            Ask::Issue { batch: false, .. } => return Outcome::No(Code::AlreadyExists),
            Ask::Issue { reference: Some(reference), .. }
                if !self.references().contains(reference) =>
            {
                Fact::Reference(reference.clone())
            }
            Ask::Issue { .. } => return Outcome::Same,
            Ask::Claim(_) | Ask::Revoke(_) if !exists => return Outcome::No(Code::NotFound),
            Ask::Claim(by) => match self.state(now) {
                State::Revoked => return Outcome::No(Code::Revoked),
                State::Claimed if self.claimed().is_some_and(|(_, who)| who == *by) => {
                    return Outcome::Same;
                }
                State::Claimed => return Outcome::No(Code::AlreadyClaimed),
                State::Expired => return Outcome::No(Code::Expired),
                State::Unclaimed => Fact::Claimed(by.clone()),
            },
            Ask::Revoke(_) if self.revoked().is_some() => return Outcome::Same,
            Ask::Revoke(why) => Fact::Revoked(why.clone()),
        };
        self.facts.push((now, fact));
        Outcome::New
    }
}

fn command(ask: &Ask) -> Command {
    let id = |text: &String| Id::new(text).expect("well formed");
    match ask {
        Ask::Issue { worth, reference, until, batch } => Command::Issue {
            amount: worth.map(Amount::from),
            asset: None,
            reference: reference.as_ref().map(id),
            expires_at: until.map(Timestamp::from_ms),
            metadata: Metadata::default(),
            batch: *batch,
        },
        Ask::Claim(by) => Command::Claim { claimant: id(by) },
        Ask::Revoke(reason) => Command::Revoke { reason: reason.clone() },
    }
}

/// The machine's ticket says what the model's history says.
fn compare(ticket: &Solo<Ticket>, model: &Model, now: u64) {
    let Some(head) = ticket.head() else {
        assert!(model.facts.is_empty());
        return;
    };
    let Some((_, Fact::Issued { worth, reference, until })) = model.facts.first() else {
        panic!("a ticket that nobody issued");
    };
    assert_eq!(head.state, model.state(now));
    assert_eq!(head.amount.map(Amount::get), worth.map(u128::from), "the first amount stands");
    assert_eq!(head.expires_at.ms(), until.unwrap_or(u64::MAX));
    let claim = head.claim.as_ref();
    let claim = claim.map(|claim| (claim.at.ms(), claim.claimant.to_string()));
    assert_eq!(claim, model.claimed(), "who and when never change");
    assert_eq!(head.revoked_at.map(Timestamp::ms), model.revoked().map(|(at, _)| at));

    let mut kept = Vec::new();
    let mut own = None;
    let mut why = String::new();
    for (_, item) in ticket.items() {
        match item {
            Item::Reference(item) => own = Some(item.reference.to_string()),
            Item::Evidence(item) => kept.push((item.position, item.reference.to_string())),
            Item::Reason(item) => why.clone_from(&item.reason),
            Item::Metadata(_) => panic!("there was none"),
        }
    }
    kept.sort();
    assert_eq!(head.evidence, kept.len() as u64);
    assert_eq!(own, *reference);
    let all: Vec<String> = own.into_iter().chain(kept.into_iter().map(|(_, it)| it)).collect();
    assert_eq!(all, model.references(), "none is lost, none is kept twice, in their order");
    assert_eq!(why, model.revoked().map(|(_, why)| why).unwrap_or_default());
}

fn token(ticket: &Solo<Ticket>) -> Option<Vec<u8>> {
    let mut token = None;
    Ticket::indexes(ticket.head()?, &mut |index, key| {
        if index == INDEX_TOKEN {
            token = Some(key.to_vec());
        }
    });
    token
}

fn one_of(names: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(names).prop_map(str::to_owned)
}

fn any_ask() -> impl Strategy<Value = Ask> {
    let issue = (
        prop::option::of(1_u64..4),
        prop::option::of(one_of(&["tx1", "tx2", "tx3", "tx4"])),
        prop::option::weighted(0.8, 0_u64..40),
        prop::bool::weighted(0.8),
    );
    prop_oneof![
        4 => issue.prop_map(|(worth, reference, until, batch)| Ask::Issue {
            worth, reference, until, batch
        }),
        3 => one_of(&["ann", "bob", "cyd"]).prop_map(Ask::Claim),
        1 => one_of(&["", "lost", "stolen"]).prop_map(Ask::Revoke),
    ]
}

proptest! {
    #![proptest_config(crate::cases(10_000))]

    #[test]
    fn sequences_agree_with_the_model(
        steps in prop::collection::vec((prop_oneof![0_u64..3, 0_u64..12], any_ask()), 5..40),
    ) {
        let (mut ticket, mut model) = (Solo::<Ticket>::new("t"), Model::default());
        let (mut now, mut first_token) = (0, None);
        for (later, ask) in steps {
            now += later;
            let at = Timestamp::from_ms(now);
            ticket.fire(at);
            let before = (ticket.version(), ticket.head().cloned(), ticket.items().count());
            let expected = model.ask(&ask, now);
            let found = match ticket.ask(&command(&ask), at) {
                Ok(told) => {
                    prop_assert_eq!(told.postings.list(), []);
                    if told.event.is_some() { Outcome::New } else { Outcome::Same }
                }
                Err(refusal) => Outcome::No(refusal.code),
            };
            prop_assert_eq!(found, expected, "{:?} at {}", ask, now);
            if found != Outcome::New {
                let after = (ticket.version(), ticket.head().cloned(), ticket.items().count());
                prop_assert_eq!(before, after, "{:?} has changed something", ask);
            }
            compare(&ticket, &model, now);
            first_token = first_token.or_else(|| token(&ticket));
            prop_assert_eq!(&token(&ticket), &first_token, "there is one token, for ever");
        }
    }
}

fn any_text(len_max: usize) -> impl Strategy<Value = String> {
    prop_oneof![
        one_of(&["c0", "c1", "c18446744073709551615", "c99999999999999999999", ".", "@"]),
        (1..=len_max).prop_map(|len| "x".repeat(len)),
    ]
}

fn extreme_command() -> impl Strategy<Value = Command> {
    let id = || any_text(Id::LEN_MAX).prop_map(|text| Id::new(&text).expect("well formed"));
    let amount = prop::sample::select(&[Amount::ZERO, Amount::MAX][..]);
    let time = prop::sample::select(vec![0, 1, Timestamp::LAST.ms(), u64::MAX - 1, u64::MAX]);
    prop_oneof![
        (
            prop::option::of(amount),
            prop::option::of(id()),
            prop::option::of(time.prop_map(Timestamp::from_ms)),
            any::<bool>(),
        )
            .prop_map(|(amount, reference, expires_at, batch)| Command::Issue {
                amount,
                asset: None,
                reference,
                expires_at,
                metadata: Metadata::new([("", "")]).expect("small"),
                batch,
            }),
        id().prop_map(|claimant| Command::Claim { claimant }),
        any_text(600).prop_map(|reason| Command::Revoke { reason }),
        Just(Command::TicketDue),
    ]
}

proptest! {
    #![proptest_config(crate::cases(2_000))]

    #[test]
    fn no_command_panics(
        steps in prop::collection::vec(extreme_command(), 1..20),
        times in prop::sample::subsequence(vec![0, 1, 2, Timestamp::LAST.ms(), u64::MAX - 1], 5),
    ) {
        let mut ticket = Solo::<Ticket>::new("t");
        for (index, command) in steps.iter().enumerate() {
            let now = times[index * times.len() / steps.len()];
            // Accepted or refused; it only must not panic.
            let _ = ticket.ask(command, Timestamp::from_ms(now));
        }
    }
}

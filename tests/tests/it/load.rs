//! Mixed work on few streams, chosen from a seed: what to ask as a line of words, what a line
//! asks, and what must come of it.

use quipu_core::machine::Machine;
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::drop::{self, Drop};
use quipu_core::machines::flow::{self, Flow};
use quipu_core::machines::key;
use quipu_core::machines::ticket::{self, Ticket};
use quipu_core::shard::{Ask, Key, Leg, Reading};
use quipu_core::words::{Amount, Book, Id, Metadata, Name, Position, Timestamp};
use quipu_sim::Random;
use quipu_sim::audit::{Expected, Sent};

use crate::say::*;

/// How many streams of each kind there are, and who claims.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) accounts: u64,
    pub(crate) tickets: u64,
    pub(crate) drops: u64,
    pub(crate) flows: u64,
    /// How many names keys have; a small number gives many duplicates.
    pub(crate) keys: u64,
    /// Whether some holds expire.
    pub(crate) expires: bool,
}

/// What is asked first, so that most later asks find something.
pub(crate) fn first(shape: &Shape) -> Vec<String> {
    let accounts = (0..shape.accounts).map(|n| format!("open a{n}"));
    let money = (0..shape.accounts).map(|n| format!("deposit a{n} {}", 40 + n));
    let tickets = (0..shape.tickets / 2).map(|n| format!("issue t{n}"));
    let drops = (0..shape.drops).map(|n| format!("create d{n} {}", 20 + n));
    let flows = (0..shape.flows).map(|n| format!("flow f{n} 30"));
    accounts.chain(money).chain(tickets).chain(drops).chain(flows).collect()
}

/// Something to ask. Ids that events made are drawn from `made`.
pub(crate) fn some_line(random: &mut Random, shape: &Shape, made: &Made) -> String {
    if random.one_in(12) {
        let legs: Vec<String> =
            (0..1 + random.below(4)).map(|_| some_leg(random, shape, made)).collect();
        return format!("together {}", legs.join(" ; "));
    }
    if random.one_in(6) {
        return match random.below(4) {
            0 => format!("read-ticket t{}", random.below(shape.tickets)),
            1 if shape.drops > 0 => format!("read-drop d{}", random.below(shape.drops)),
            2 if shape.flows > 0 => format!("read-flow f{}", random.below(shape.flows)),
            _ => format!("read-account a{}", random.below(shape.accounts)),
        };
    }
    some_leg(random, shape, made)
}

fn some_leg(random: &mut Random, shape: &Shape, made: &Made) -> String {
    let account = random.below(shape.accounts);
    let units = 1 + random.below(12);
    let who = random.below(5);
    match random.below(24) {
        0..=3 => format!("deposit a{account} {units}"),
        4..=6 => format!("charge a{account} {units}"),
        7..=10 => format!("transfer a{account} a{} {units}", random.below(shape.accounts)),
        11 if shape.expires && random.one_in(2) => format!("hold a{account} {units} 1"),
        11..=12 => format!("hold a{account} {units}"),
        13 => made.some(random, 'h', |stream, hold| format!("capture {stream} {hold}")),
        14 => made.some(random, 'h', |stream, hold| format!("release {stream} {hold}")),
        15 => format!("issue t{}", random.below(shape.tickets)),
        16..=17 => format!("claim t{} p{who}", random.below(shape.tickets)),
        18 => format!("revoke t{}", random.below(shape.tickets)),
        19..=20 if shape.drops > 0 => {
            let drop = random.below(shape.drops);
            format!("take d{drop} p{who} {} a{account}", 1 + random.below(2))
        }
        21 if shape.drops > 0 => {
            made.some(random, 'c', |stream, claim| format!("put-back {stream} {claim}"))
        }
        22 if shape.flows > 0 => {
            let what = ["settle", "withdraw", "pause", "resume", "top-up"];
            let flow = random.below(shape.flows);
            format!("{} f{flow}", what[random.below(5) as usize])
        }
        _ => format!("deposit a{account} 1"),
    }
}

/// Ids that events have made, with the streams that they belong to.
#[derive(Clone, Default, Debug)]
pub(crate) struct Made(Vec<(char, String, u64)>);

/// So many are remembered: old ones have mostly been used.
const MADE_MAX: usize = 64;

impl Made {
    /// Takes note of what a line made.
    pub(crate) fn add(&mut self, line: &str, position: Position) {
        let words: Vec<&str> = words_of(line).1.split(' ').collect();
        let letter = match words[0] {
            "hold" => 'h',
            "take" => 'c',
            _ => return,
        };
        if self.0.len() == MADE_MAX {
            self.0.remove(0);
        }
        self.0.push((letter, words[1].to_owned(), position.get()));
    }

    fn some(
        &self,
        random: &mut Random,
        letter: char,
        line: impl Fn(&str, u64) -> String,
    ) -> String {
        let made: Vec<_> = self.0.iter().filter(|(of, ..)| *of == letter).collect();
        match made.get(random.below(made.len() as u64) as usize) {
            Some((_, stream, position)) => line(stream, *position),
            None => line(if letter == 'h' { "a0" } else { "d0" }, 7),
        }
    }
}

/// A line under a key.
pub(crate) fn under_key(line: &str, key: &str) -> String {
    format!("{key} | {line}")
}

fn words_of(line: &str) -> (Option<&str>, &str) {
    match line.split_once(" | ") {
        Some((key, line)) => (Some(key), line),
        None => (None, line),
    }
}

/// What a line asks, and what its answer is held against.
pub(crate) fn ask(line: &str) -> (Ask, Sent) {
    let (key, words) = words_of(line);
    let key = key.map(|key| Key::new(key).expect("a well-formed key"));
    let (ask, stream, expected) = match words.split_once(' ').expect("more than one word") {
        ("together", legs) => {
            let mut legs: Vec<Leg> = legs.split(" ; ").map(|leg| leg_of(leg).0).collect();
            if let Some(key) = &key {
                let home = format!("k-{key:?}").replace(['(', ')', '"'], "");
                legs.insert(0, leg::<key::Key>(&home, key::Command::Keep { made: None }));
            }
            (Ask::Transaction(legs, key.clone()), None, Expected::Nothing)
        }
        (read, stream) if read.starts_with("read-") => {
            let kind = match read {
                "read-account" => Account::KIND,
                "read-ticket" => Ticket::KIND,
                "read-drop" => Drop::KIND,
                _ => Flow::KIND,
            };
            let stream = Name::new(Book::DEFAULT, kind, id(stream));
            let reading = Reading { stream: stream.clone(), items: Vec::new() };
            (Ask::Read(reading), Some(stream), Expected::Read)
        }
        _ => {
            let (leg, expected) = leg_of(words);
            let stream = leg.stream.clone();
            (Ask::Command(leg, key.clone()), Some(stream), expected)
        }
    };
    let legs = match &ask {
        Ask::Command(leg, _) => vec![leg.clone()],
        Ask::Transaction(legs, _) => legs.clone(),
        _ => Vec::new(),
    };
    let key = key.map(|key| (key, words.to_owned()));
    let sent = Sent::new(stream, expected, key, false, Timestamp::ZERO).of(legs);
    (ask, sent)
}

fn leg_of(line: &str) -> (Leg, Expected) {
    let words: Vec<&str> = line.split(' ').collect();
    let stream = words[1];
    let word = |index: usize| words[index];
    let number = |index: usize| words[index].parse::<u64>().expect("a number");
    let made = |letter, index| Id::made(letter, Position::new(number(index)));
    let amount = |index| Amount::from(number(index));
    let event = Expected::event;
    match words[0] {
        "open" => (leg::<Account>(stream, opening()), event("Opened")),
        "deposit" => {
            let text = format!("Deposited(Deposited {{ amount: {},", number(2));
            (leg::<Account>(stream, deposit(number(2))), event(&text))
        }
        "charge" => {
            let (amount, reference, metadata) = (amount(2), None, Metadata::default());
            let command = account::Command::Charge { amount, reference, metadata };
            let text = format!("Charged(Charged {{ amount: {},", number(2));
            (leg::<Account>(stream, command), event(&text))
        }
        "transfer" => {
            let text = format!("Sent(Sent {{ amount: {},", number(3));
            (leg::<Account>(stream, transfer(word(2), number(3))), event(&text))
        }
        "hold" => {
            let expires_in_seconds = words.get(3).map(|_| number(3));
            let command = account::Command::Hold { amount: amount(2), expires_in_seconds };
            (leg::<Account>(stream, command), event("HoldPlaced"))
        }
        "capture" => {
            let command = account::Command::Capture { hold: made('h', 2), amount: None };
            (leg::<Account>(stream, command), event("HoldCaptured"))
        }
        "release" => {
            let command = account::Command::Release { hold: made('h', 2) };
            (leg::<Account>(stream, command), event("HoldReleased"))
        }
        "issue" => (leg::<Ticket>(stream, issue()), event("Issued")),
        "claim" => {
            let text = format!("Claimed(Claimed {{ claimant: \"{}\"", word(2));
            (leg::<Ticket>(stream, claim(word(2))), Expected::claim(&text, word(2)))
        }
        "revoke" => {
            let reason = "because".to_owned();
            (leg::<Ticket>(stream, ticket::Command::Revoke { reason }), event("Revoked"))
        }
        "create" => {
            let is_priced = stream == "d1";
            let price = is_priced.then(|| drop::Price { amount: Amount::from(2), asset: usd() });
            let command = drop::Command::Create {
                stock: number(2),
                per_claimant: None,
                opens_at: None,
                closes_at: None,
                price,
                seller: is_priced.then(|| id("a0")),
                metadata: Metadata::default(),
            };
            (leg::<Drop>(stream, command), event("Created"))
        }
        "take" => {
            let (claimant, quantity) = (id(word(2)), number(3) as u32);
            let pay_from = Some(id(word(4)));
            let command = drop::Command::Claim { claimant, quantity, pay_from };
            (leg::<Drop>(stream, command), event("Claimed"))
        }
        "put-back" => {
            let command = drop::Command::Release { claim: made('c', 2) };
            (leg::<Drop>(stream, command), event("Released"))
        }
        "flow" => {
            let command = flow::Command::Open {
                asset: usd(),
                total: amount(2),
                duration_ms: 2_000,
                start_at: Some(Timestamp::ZERO),
                cliff_ms: 0,
                payer: Some(id("a0")),
                recipient: Some(id("a1")),
                metadata: Metadata::default(),
            };
            (leg::<Flow>(stream, command), event("Opened"))
        }
        "settle" => (leg::<Flow>(stream, flow::Command::Settle), event("Settled")),
        "withdraw" => {
            (leg::<Flow>(stream, flow::Command::Withdraw { amount: None }), event("Withdrawn"))
        }
        "pause" => (leg::<Flow>(stream, flow::Command::Pause), event("Paused")),
        "resume" => (leg::<Flow>(stream, flow::Command::Resume), event("Resumed")),
        "top-up" => {
            let command = flow::Command::TopUp { amount: Amount::from(2) };
            (leg::<Flow>(stream, command), event("ToppedUp"))
        }
        other => panic!("nobody asks to {other}"),
    }
}

/// Reads of every stream.
pub(crate) fn last(shape: &Shape) -> Vec<String> {
    let accounts = (0..shape.accounts).map(|n| format!("read-account a{n}"));
    let tickets = (0..shape.tickets).map(|n| format!("read-ticket t{n}"));
    let drops = (0..shape.drops).map(|n| format!("read-drop d{n}"));
    let flows = (0..shape.flows).map(|n| format!("read-flow f{n}"));
    accounts.chain(tickets).chain(drops).chain(flows).collect()
}

//! Small workloads as words: one letter is one thing that a ledger is made to do.
//!
//! Every word starts from the same ledger: Ann has 100, Bo has nothing, there is one ticket, and
//! three units of a drop. What the letters ask for runs out within a few of them, so that words
//! hold acceptances and refusals.
//!
//! | letter | |
//! |---|---|
//! | `m` | Ann moves 40 to Bo; the third time she has too little |
//! | `c` | somebody claims the ticket; the second one is too late |
//! | `h` | Ann holds 5 |
//! | `k` | she captures 3 of her oldest hold that is still held |
//! | `d` | Bo claims a unit of the drop |
//! | `x` | a transaction: Ann moves 25 to Bo and claims a unit, or neither |
//! | `.` | the store is brought onto the disk |
//! | `,` | the ledger says that all is durable |
//! | `s` | it is stopped, and opened again if a letter follows |
//! | `l` | its process ends, and another one opens it if a letter follows |
//!
//! `Words` are all words with at most so many of the first six, the asks, and at most so many
//! of the others, the chores. Left out is what differs in nothing but names, or does nothing:
//! other persons, tickets and drops; a capture while nothing is held; a seal that follows no ask;
//! a stop behind a seal, since a stop seals; an end right behind the opening; a chore twice.

use core::fmt;
use core::str::FromStr;

use quipu_core::driver::{Driver, Setup};
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::drop::Drop;
use quipu_core::machines::genesis;
use quipu_core::machines::key::{self, Key as Home};
use quipu_core::machines::ticket::Ticket;
use quipu_core::shard::{Ask, Reply};
use quipu_core::words::{Amount, Id, Position};

use super::asks::{claim, command, deposit, issue, leg, opening, stock, take, transfer};
use super::life::{Step, machines};

/// One thing that a ledger is made to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Letter {
    Move,
    Claim,
    Hold,
    Capture,
    Take,
    Both,
    Checkpoint,
    Seal,
    Stop,
    Leave,
}

impl Letter {
    const ALL: [(Self, char); 10] = [
        (Self::Move, 'm'),
        (Self::Claim, 'c'),
        (Self::Hold, 'h'),
        (Self::Capture, 'k'),
        (Self::Take, 'd'),
        (Self::Both, 'x'),
        (Self::Checkpoint, '.'),
        (Self::Seal, ','),
        (Self::Stop, 's'),
        (Self::Leave, 'l'),
    ];

    pub(super) fn is_chore(self) -> bool {
        matches!(self, Self::Checkpoint | Self::Seal | Self::Stop | Self::Leave)
    }

    fn symbol(self) -> char {
        let found = Self::ALL.into_iter().find(|(letter, _)| *letter == self);
        found.expect("every letter is listed").1
    }
}

/// A workload.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Word(pub(super) Vec<Letter>);

impl fmt::Display for Word {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        self.0.iter().try_for_each(|letter| out.write_char(letter.symbol()))
    }
}

impl FromStr for Word {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let letter = |symbol| {
            let found = Letter::ALL.into_iter().find(|(_, known)| *known == symbol);
            found.map(|(letter, _)| letter).ok_or(format!("`{symbol}` is no letter of a workload"))
        };
        text.chars().map(letter).collect::<Result<_, _>>().map(Self)
    }
}

impl Word {
    /// What it makes a ledger do, of which [`beginning`] is over.
    pub(super) fn steps(&self) -> Vec<Step> {
        let setup = Setup::new(machines(), genesis(), 1);
        // A hold's id is made of its position, which a ledger in memory tells beforehand.
        let mut memory = Driver::create(setup).expect("memory does not fail");
        for ask in beginning() {
            memory.ask(ask);
        }
        let mut holds = Vec::new();
        let mut steps = Vec::new();
        for (place, letter) in self.0.iter().enumerate() {
            let Some(ask) = ask(*letter, place, &mut holds) else {
                steps.push(chore(*letter));
                continue;
            };
            match memory.ask(ask.clone()) {
                Reply::Done(outcome) if *letter == Letter::Hold => holds.push(outcome.position),
                Reply::Refused(refused) if *letter == Letter::Hold => holds.push(refused.position),
                _ => {}
            }
            steps.push(Step::Ask(ask));
        }
        steps
    }

    fn count(&self, is_it: impl Fn(Letter) -> bool) -> usize {
        self.0.iter().filter(|letter| is_it(**letter)).count()
    }

    /// Whether a letter makes it a word that counts.
    fn goes_on_with(&self, next: Letter, bounds: (usize, usize)) -> bool {
        let before = self.0.last().copied();
        let follows_an_ask = before.is_some_and(|letter| !letter.is_chore());
        let room = match next.is_chore() {
            false => self.count(|letter| !letter.is_chore()) < bounds.0,
            true => self.count(Letter::is_chore) < bounds.1 && before != Some(next),
        };
        room && match next {
            Letter::Capture => {
                self.count(|letter| letter == Letter::Hold)
                    > self.count(|letter| letter == Letter::Capture)
            }
            Letter::Seal => follows_an_ask,
            Letter::Stop => before != Some(Letter::Seal),
            Letter::Leave => before.is_some(),
            _ => true,
        }
    }
}

fn ask(letter: Letter, place: usize, holds: &mut Vec<Position>) -> Option<Ask> {
    let key = super::asks::key(&format!("key-{place}"));
    let leg = match letter {
        Letter::Move => leg::<Account>("ann", transfer("bo", 40)),
        Letter::Claim => leg::<Ticket>("t1", claim(&format!("claimant-{place}"))),
        Letter::Hold => {
            let (amount, expires_in_seconds) = (Amount::from(5_u64), None);
            leg::<Account>("ann", account::Command::Hold { amount, expires_in_seconds })
        }
        Letter::Capture => {
            let hold = if holds.is_empty() { Position::ZERO } else { holds.remove(0) };
            let (hold, amount) = (Id::made('h', hold), Some(Amount::from(3_u64)));
            leg::<Account>("ann", account::Command::Capture { hold, amount })
        }
        Letter::Take => leg::<Drop>("d1", take("bo", 1)),
        Letter::Both => {
            let legs = vec![
                leg::<Home>(&format!("home-{place}"), key::Command::Keep { made: None }),
                leg::<Account>("ann", transfer("bo", 25)),
                leg::<Drop>("d1", take("ann", 1)),
            ];
            return Some(Ask::Transaction(legs, Some(key)));
        }
        Letter::Checkpoint | Letter::Seal | Letter::Stop | Letter::Leave => return None,
    };
    Some(Ask::Command(leg, Some(key)))
}

fn chore(letter: Letter) -> Step {
    match letter {
        Letter::Seal => Step::Seal,
        Letter::Stop => Step::Stop,
        Letter::Leave => Step::Leave,
        _ => Step::Checkpoint,
    }
}

/// What has been asked before the first letter.
pub(super) fn beginning() -> Vec<Ask> {
    vec![
        command::<Account>("ann", opening()),
        command::<Account>("bo", opening()),
        command::<Account>("ann", deposit(100)),
        command::<Ticket>("t1", issue()),
        command::<Drop>("d1", stock(3)),
    ]
}

/// All words with at most so many asks and chores, each behind those that it begins with.
pub(super) struct Words {
    bounds: (usize, usize),
    last: Option<Word>,
}

impl Words {
    pub(super) fn new(asks: usize, chores: usize) -> Self {
        Self { bounds: (asks, chores), last: None }
    }
}

impl Iterator for Words {
    type Item = Word;

    fn next(&mut self) -> Option<Word> {
        let Some(mut word) = self.last.take() else {
            self.last = Some(Word::default());
            return self.last.clone();
        };
        // One letter more, or else the next letter in the place of the last one that has a next.
        let mut from = 0;
        loop {
            let next = Letter::ALL[from..]
                .iter()
                .position(|(letter, _)| word.goes_on_with(*letter, self.bounds));
            if let Some(next) = next {
                word.0.push(Letter::ALL[from + next].0);
                self.last = Some(word.clone());
                return Some(word);
            }
            let last = word.0.pop()?;
            let place = Letter::ALL.iter().position(|(letter, _)| *letter == last);
            from = place.expect("every letter is listed") + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Word, Words};
    use crate::exhaustive::life::Step;

    fn words(asks: usize, chores: usize) -> Vec<String> {
        Words::new(asks, chores).map(|word| word.to_string()).collect()
    }

    #[test]
    fn words_are_all_there_and_each_once() {
        assert_eq!(words(0, 1), ["", ".", "s"]);
        assert_eq!(words(1, 0), ["", "m", "c", "h", "d", "x"]);
        // Five of these stand first, six may stand second behind a hold, and else five.
        assert_eq!(words(2, 0).len(), 1 + 5 + 26);
        let three = words(3, 1);
        let set: BTreeSet<_> = three.iter().collect();
        assert_eq!(set.len(), three.len());
        for left_out in ["k", "mk", "l", ",", "m..", "hkk", "mmmm", "m,s"] {
            assert!(!set.contains(&left_out.to_owned()), "{left_out}");
        }
        for there in ["hk.m", "xmcs", "m,cd", "lm", "mld"] {
            assert_eq!(set.contains(&there.to_owned()), there != "lm", "{there}");
        }
    }

    #[test]
    fn every_word_begins_with_one_that_came_before_it() {
        let mut seen = BTreeSet::new();
        for word in words(3, 1) {
            if let Some((shorter, _)) = word.split_at_checked(word.len().saturating_sub(1)) {
                assert!(word.is_empty() || seen.contains(shorter), "{word}");
            }
            seen.insert(word);
        }
    }

    #[test]
    fn a_word_is_read_as_it_is_written() {
        for word in Words::new(2, 2) {
            assert_eq!(word.to_string().parse(), Ok(word));
        }
        assert!("mq".parse::<Word>().is_err());
    }

    #[test]
    fn a_word_has_one_step_for_each_letter() {
        let word: Word = "mchkdx.,sl".parse().expect("a word");
        let steps = word.steps();
        assert_eq!(steps.len(), 10);
        let asks = steps.iter().filter(|step| matches!(step, Step::Ask(_)));
        assert_eq!(asks.count(), 6);
    }
}

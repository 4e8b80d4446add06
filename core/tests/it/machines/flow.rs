//! The rules of the flow machine, as a table of cases.

use super::are_told_apart;
use quipu_core::machine::{Command as AnyCommand, ItemKey, Machine, Side, Solo, Transit};
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::flow::{
    Attached, Cancelled, Command, Event, Flow, Head, Paused, Resumed, Settled, Started, State,
    Stopped, ToppedUp, Withdrawn, metadata_key,
};
use quipu_core::records::pack_into;
use quipu_core::words::{
    Amount, Asset, Code, Fact, Id, Kind, Metadata, Name, Position, Refusal, Signed, Timestamp,
};

/// Times in these tables are milliseconds after this one.
const DAY_ONE: u64 = 1_000_000;

fn t(ms: u64) -> Timestamp {
    Timestamp::from_ms(DAY_ONE + ms)
}

fn units(value: u128) -> Amount {
    Amount::whole(value).expect("a test's amount fits")
}

fn id(text: &str) -> Id {
    Id::new(text).expect("a test's id is well formed")
}

fn usd() -> Asset {
    Asset::new("USD/2").expect("an asset")
}

/// Who is on the other side of a flow.
#[derive(Clone, Copy, PartialEq, Debug)]
enum With {
    Nobody,
    Payer,
    Recipient,
    Both,
}

use With::{Both, Nobody, Payer, Recipient};

/// What a flow of these tables is opened with.
#[derive(Clone)]
struct Terms {
    total: Amount,
    duration_ms: u64,
    start_at: Option<u64>,
    cliff_ms: u64,
    with: With,
    metadata: Metadata,
}

impl Default for Terms {
    /// 100 units in 1,000 ms from the start on, from outside and to outside.
    fn default() -> Self {
        Self {
            total: units(100),
            duration_ms: 1_000,
            start_at: Some(0),
            cliff_ms: 0,
            with: Nobody,
            metadata: Metadata::default(),
        }
    }
}

impl Terms {
    fn open(self) -> Command {
        Command::Open {
            asset: usd(),
            total: self.total,
            duration_ms: self.duration_ms,
            start_at: self.start_at.map(t),
            cliff_ms: self.cliff_ms,
            payer: matches!(self.with, Payer | Both).then(|| id("payer")),
            recipient: matches!(self.with, Recipient | Both).then(|| id("recipient")),
            metadata: self.metadata,
        }
    }
}

fn open() -> Command {
    Terms::default().open()
}

fn draft() -> Command {
    opened(None, Nobody)
}

fn opened(start_at: Option<u64>, with: With) -> Command {
    Terms { start_at, with, ..Terms::default() }.open()
}

fn cliff(cliff_ms: u64) -> Command {
    Terms { cliff_ms, ..Terms::default() }.open()
}

fn of(total: Amount, duration_ms: u64) -> Command {
    Terms { total, duration_ms, ..Terms::default() }.open()
}

use Command::{Cancel, Pause, Resume, Settle, Start, Stop};

const ALL: Command = Command::Withdraw { amount: None };

fn some(amount: u128) -> Command {
    Command::Withdraw { amount: Some(units(amount)) }
}

fn top_up(amount: u128) -> Command {
    Command::TopUp { amount: units(amount) }
}

fn split(whole: Command) -> Command {
    Command::Split(Box::new(whole))
}

/// Commands with their times.
type Steps = Vec<(u64, Command)>;

/// One flow, and the checks that hold after every command.
struct Script {
    solo: Solo<Flow>,
    held: i128,
}

/// What came of a command: the event and where value went, or the refusal.
type Outcome = Result<(Event, Vec<(Side, i128)>), Refusal>;

impl Script {
    fn new() -> Self {
        Self { solo: Solo::new("flow"), held: 0 }
    }

    fn given(steps: &[(u64, Command)]) -> Self {
        let mut script = Self::new();
        for (at, command) in steps {
            let outcome = script.ask(*at, command);
            assert!(outcome.is_ok(), "given {command:?} at {at}: {outcome:?}");
        }
        script
    }

    fn ask(&mut self, at: u64, command: &Command) -> Outcome {
        self.ask_after(at, command, &mut Transit::default())
    }

    /// Asks as an engine does: the flow's own part of the command, where it is split.
    fn ask_after(&mut self, at: u64, command: &Command, transit: &mut Transit) -> Outcome {
        let command = &own_part(&self.solo, command);
        let (before, was_over) = (self.picture(), self.state() == "ended");
        let on_its_way = transit.amount();
        let told = match self.solo.ask_within(command, t(at), transit) {
            Ok(told) => told,
            Err(refusal) => {
                assert_eq!(self.picture(), before, "refused: {command:?}");
                return Err(refusal);
            }
        };
        let postings: Vec<_> =
            told.postings.list().iter().map(|posting| (posting.side, posting.amount)).collect();
        let sum = |side| {
            postings.iter().filter(|(on, _)| *on == side).map(|(_, amount)| amount).sum::<i128>()
        };
        assert_eq!(postings.iter().map(|(_, amount)| amount).sum::<i128>(), 0, "{command:?}");
        assert_eq!(transit.amount() - on_its_way, sum(Side::Transit), "{command:?}");
        self.held += sum(Side::Stream);
        let head = self.solo.head().expect("it exists");
        assert_eq!(units_of(self.held), head.held(), "{command:?}");
        let over = matches!(head.state, State::Ended | State::Cancelled);
        assert_eq!(transit.has_ended(), over && !was_over, "{command:?}");
        assert!(told.shows.head, "{command:?}");
        assert_eq!(told.shows.items.as_slice(), [metadata_key()], "{command:?}");
        let event = told.event.expect("a flow never was so already");
        let says_it = matches!(event, Event::Settled(_) | Event::Withdrawn(_));
        assert_eq!(told.shows.event, says_it, "{command:?}");
        Ok((event, postings))
    }

    /// All that a refusal must leave as it was.
    fn picture(&self) -> (Position, Option<Head>, Vec<(ItemKey, Attached)>) {
        let items = self.solo.items().map(|(key, item)| (key.clone(), item.clone())).collect();
        (self.solo.version(), self.solo.head().cloned(), items)
    }

    fn state(&self) -> &'static str {
        self.solo.head().map_or("absent", |head| head.state.as_str())
    }
}

fn own_part(solo: &Solo<Flow>, command: &Command) -> Command {
    let legs = solo.expand(command, None);
    legs[0].1.get::<Flow>().expect("the flow's own part comes first").clone()
}

fn units_of(value: i128) -> Amount {
    units(value.try_into().expect("no stream holds less than nothing"))
}

#[test]
fn every_state_answers_every_command() {
    // What each state is reached by; commands come at 500 unless the state is about time.
    let states: [(&str, u64, Steps); 14] = [
        ("absent", 500, vec![]),
        ("draft", 500, vec![(0, draft())]),
        ("to begin", 500, vec![(0, opened(Some(501), Nobody))]),
        ("just begun", 500, vec![(0, opened(Some(500), Nobody))]),
        ("active", 500, vec![(0, open())]),
        ("active, settled", 500, vec![(0, open()), (500, Settle)]),
        ("active, withdrawn", 500, vec![(0, open()), (500, Settle), (500, ALL)]),
        ("active, time up", 1_000, vec![(0, open())]),
        ("paused", 500, vec![(0, open()), (300, Pause)]),
        ("paused, settled", 500, vec![(0, open()), (400, Pause), (400, Settle)]),
        ("paused, time up", 1_500, vec![(0, open()), (1_200, Pause)]),
        ("ended by settle", 1_500, vec![(0, open()), (1_000, Settle)]),
        ("ended by stop", 500, vec![(0, open()), (400, Stop)]),
        ("cancelled", 500, vec![(0, draft()), (400, Cancel)]),
    ];
    let commands = [open(), Start, Pause, Resume, Settle, some(1), top_up(1), Stop, Cancel];
    let table = "
        state             | open           | start        | pause        | resume       | settle             | withdraw             | top up       | stop         | cancel
        absent            | active         | not_found    | not_found    | not_found    | not_found          | not_found            | not_found    | not_found    | not_found
        draft             | already_exists | active       | wrong_state  | wrong_state  | wrong_state        | wrong_state          | draft        | wrong_state  | cancelled
        to begin          | already_exists | wrong_state  | wrong_state  | wrong_state  | nothing_to_settle  | exceeds_withdrawable | active       | ended        | wrong_state
        just begun        | already_exists | wrong_state  | paused       | wrong_state  | nothing_to_settle  | exceeds_withdrawable | active       | ended        | wrong_state
        active            | already_exists | wrong_state  | paused       | wrong_state  | active             | exceeds_withdrawable | active       | ended        | wrong_state
        active, settled   | already_exists | wrong_state  | paused       | wrong_state  | nothing_to_settle  | active               | active       | ended        | wrong_state
        active, withdrawn | already_exists | wrong_state  | paused       | wrong_state  | nothing_to_settle  | exceeds_withdrawable | active       | ended        | wrong_state
        active, time up   | already_exists | wrong_state  | paused       | wrong_state  | ended              | exceeds_withdrawable | wrong_state  | ended        | wrong_state
        paused            | already_exists | wrong_state  | wrong_state  | active       | paused             | exceeds_withdrawable | paused       | ended        | wrong_state
        paused, settled   | already_exists | wrong_state  | wrong_state  | active       | nothing_to_settle  | paused               | paused       | ended        | wrong_state
        paused, time up   | already_exists | wrong_state  | wrong_state  | active       | ended              | exceeds_withdrawable | wrong_state  | ended        | wrong_state
        ended by settle   | already_exists | wrong_state  | wrong_state  | wrong_state  | nothing_to_settle  | ended                | wrong_state  | wrong_state  | wrong_state
        ended by stop     | already_exists | wrong_state  | wrong_state  | wrong_state  | nothing_to_settle  | ended                | wrong_state  | wrong_state  | wrong_state
        cancelled         | already_exists | wrong_state  | wrong_state  | wrong_state  | wrong_state        | wrong_state          | wrong_state  | wrong_state  | wrong_state
    ";
    let mut rows = table.lines().map(str::trim).filter(|line| !line.is_empty()).skip(1);
    for (state, at, steps) in states {
        let mut cells = rows.next().expect("a row for every state").split('|').map(str::trim);
        assert_eq!(cells.next(), Some(state));
        for command in &commands {
            let mut script = Script::given(&steps);
            let found = match script.ask(at, command) {
                Ok(_) => script.state(),
                Err(refusal) => refusal.code.as_str(),
            };
            assert_eq!(Some(found), cells.next(), "{state}: {command:?}");
        }
        assert_eq!(cells.next(), None);
    }
    assert_eq!(rows.next(), None);
}

#[test]
fn value_goes_where_the_flow_says() {
    let (stream, outside, transit) = (Side::Stream, Side::Outside, Side::Transit);
    let settle = |amount, settled, ended| {
        Event::Settled(Settled { amount: units(amount), settled: units(settled), ended })
    };
    let withdrawn = |amount, withdrawn| {
        Event::Withdrawn(Withdrawn { amount: units(amount), withdrawn: units(withdrawn) })
    };
    let stopped = |amount, settled, refunded| {
        let (amount, settled, refunded) = (units(amount), units(settled), units(refunded));
        Event::Stopped(Stopped { amount, settled, refunded })
    };
    let topped_up = |amount, total, duration_ms| {
        Event::ToppedUp(ToppedUp { amount: units(amount), total: units(total), duration_ms })
    };
    let cancelled = Event::Cancelled(Cancelled { refunded: units(100) });
    let start = |with| (0, opened(Some(0), with));

    // Given these steps, at this time, this command: this event, these postings.
    #[rustfmt::skip]
    let rows = [
        // Started, paused, resumed and settled: nothing moves.
        (vec![(0, draft())], 7, Start, Event::Started(Started { start_at: t(7) }), vec![]),
        (vec![start(Both)], 250, Pause, Event::Paused(Paused { active_ms: 250 }), vec![]),
        (vec![start(Both), (250, Pause)], 350, Resume, Event::Resumed(Resumed { paused_ms: 100 }), vec![]),
        (vec![start(Both)], 10, Settle, settle(1, 1, false), vec![]),
        (vec![start(Both)], 499, Settle, settle(49, 49, false), vec![]),
        (vec![start(Both), (499, Settle)], 999, Settle, settle(50, 99, false), vec![]),
        (vec![start(Both), (999, Settle)], 1_000, Settle, settle(1, 100, true), vec![]),
        (vec![start(Both), (700, Pause)], 9_000, Settle, settle(70, 70, false), vec![]),
        // Withdrawn: to the recipient's account or outside.
        (vec![start(Payer), (500, Settle)], 500, ALL, withdrawn(50, 50), vec![(stream, -50), (outside, 50)]),
        (vec![start(Recipient), (500, Settle)], 500, ALL, withdrawn(50, 50), vec![(stream, -50), (transit, 50)]),
        (vec![start(Both), (500, Settle)], 500, some(50), withdrawn(50, 50), vec![(stream, -50), (transit, 50)]),
        (vec![start(Nobody), (500, Settle), (500, some(20))], 900, ALL, withdrawn(30, 50), vec![(stream, -30), (outside, 30)]),
        (vec![start(Nobody), (1_000, Settle)], 1_000, ALL, withdrawn(100, 100), vec![(stream, -100), (outside, 100)]),
        (vec![start(Nobody), (300, Stop)], 1_000, ALL, withdrawn(30, 30), vec![(stream, -30), (outside, 30)]),
        // Topped up: from the payer's account or outside; longer at the same rate.
        (vec![start(Recipient)], 999, top_up(50), topped_up(50, 150, 1_500), vec![(outside, -50), (stream, 50)]),
        (vec![start(Both)], 0, top_up(1), topped_up(1, 101, 1_010), vec![(transit, -1), (stream, 1)]),
        (vec![(0, opened(None, Payer))], 5_000, top_up(300), topped_up(300, 400, 4_000), vec![(transit, -300), (stream, 300)]),
        (vec![(0, of(units(3), 10))], 1, top_up(1), topped_up(1, 4, 14), vec![(outside, -1), (stream, 1)]),
        (vec![(0, of(units(3), 10)), (1, top_up(1))], 1, top_up(1), topped_up(1, 5, 17), vec![(outside, -1), (stream, 1)]),
        (vec![(0, of(units(3), 10)), (1, top_up(1)), (1, top_up(1))], 1, top_up(1), topped_up(1, 6, 20), vec![(outside, -1), (stream, 1)]),
        // Stopped and cancelled: the rest goes back to the payer's account or outside.
        (vec![start(Both), (100, Settle)], 500, Stop, stopped(40, 50, 50), vec![(stream, -50), (transit, 50)]),
        (vec![start(Recipient), (400, Pause)], 500, Stop, stopped(40, 40, 60), vec![(stream, -60), (outside, 60)]),
        (vec![start(Both)], 1_000, Stop, stopped(100, 100, 0), vec![]),
        (vec![(0, opened(Some(600), Both))], 500, Stop, stopped(0, 0, 100), vec![(stream, -100), (transit, 100)]),
        (vec![(0, opened(None, Both))], 1, Cancel, cancelled.clone(), vec![(stream, -100), (transit, 100)]),
        (vec![(0, opened(None, Recipient))], 1, Cancel, cancelled, vec![(stream, -100), (outside, 100)]),
    ];
    for (steps, at, command, event, postings) in rows {
        let mut script = Script::given(&steps);
        let expected = Ok((event, postings));
        assert_eq!(script.ask(at, &command), expected, "{steps:?}, then at {at} {command:?}");
    }
}

#[test]
fn opening_takes_the_total_from_its_payer_or_from_outside() {
    for (with, from) in [
        (Nobody, Side::Outside),
        (Recipient, Side::Outside),
        (Payer, Side::Transit),
        (Both, Side::Transit),
    ] {
        for start_at in [None, Some(0), Some(5_000)] {
            let (_, postings) = Script::new().ask(10, &opened(start_at, with)).expect("it opens");
            assert_eq!(postings, [(from, -100), (Side::Stream, 100)], "{with:?}");
        }
    }
}

#[test]
fn a_refusal_names_the_first_rule_that_says_no_and_its_fact() {
    let mut other = Transit::default();
    let eur = Asset::new("EUR/2").expect("an asset");
    other.give(eur, units(5)).expect("it is empty");
    let none = Transit::default();
    let exceeds = |withdrawable| {
        let fact = Fact::Available(Signed::from(withdrawable));
        Refusal::with(Code::ExceedsWithdrawable, fact)
    };
    let exists = Refusal::with(Code::AlreadyExists, Fact::First(Position::new(101)));
    let ended = vec![(0, open()), (1_000, Settle)];
    let settled = |with| vec![(0, opened(Some(0), with)), (500, Settle)];
    let nothing = Amount::ZERO;
    let max = Amount::MAX.get();

    type Row = (Steps, u64, Command, Transit, Refusal);
    #[rustfmt::skip]
    let rows: Vec<Row> = vec![
        // Form comes first, even before the stream is looked for.
        (vec![], 0, some(0), none, Code::Malformed.into()),
        (vec![], 0, top_up(0), none, Code::Malformed.into()),
        (vec![], 0, of(nothing, 10), none, Code::Malformed.into()),
        (vec![], 0, of(units(10), 0), none, Code::Malformed.into()),
        (vec![], 0, cliff(1_001), none, Code::Malformed.into()),
        (vec![(0, open())], 0, of(nothing, 10), none, Code::Malformed.into()),
        (ended.clone(), 1_000, top_up(0), none, Code::Malformed.into()),
        // Then whether the stream is there, with the position that created it.
        (vec![(0, open())], 0, open(), none, exists),
        (vec![(0, open()), (5, Pause)], 9, opened(None, Both), other, exists),
        (vec![(0, draft()), (5, Cancel)], 9, open(), none, exists),
        // The state comes before arithmetic.
        (ended.clone(), 1_000, top_up(max), none, Code::WrongState.into()),
        (vec![(0, open())], 1_000, top_up(max), none, Code::WrongState.into()),
        (vec![(0, draft())], 1_000, ALL, none, Code::WrongState.into()),
        (vec![(0, draft())], 1_000, some(max), none, Code::WrongState.into()),
        (vec![(0, draft())], 1_000, Settle, none, Code::WrongState.into()),
        (ended.clone(), 9_000, Settle, none, Code::NothingToSettle.into()),
        // Arithmetic and limits.
        (vec![(0, open())], 999, top_up(max - 99), none, Code::Overflow.into()),
        (vec![(0, of(units(1), u64::MAX))], 1, top_up(1), none, Code::Overflow.into()),
        (vec![(0, of(units(1), 10))], 1, top_up(max - 1), none, Code::Overflow.into()),
        (vec![(0, open())], 9, Settle, none, Code::NothingToSettle.into()),
        (vec![(0, open()), (15, Settle)], 19, Settle, none, Code::NothingToSettle.into()),
        (vec![(0, open())], 500, ALL, none, exceeds(0)),
        (settled(Nobody), 500, some(51), none, exceeds(50)),
        (settled(Both), 500, some(max), other, exceeds(50)),
        (vec![(0, open()), (500, Settle), (500, ALL)], 900, ALL, none, exceeds(0)),
        (vec![(0, open()), (500, Settle), (500, some(49))], 900, some(2), none, exceeds(1)),
        // Last comes what is on its way already.
        (vec![(0, opened(Some(0), Payer))], 999, top_up(max - 99), other, Code::Overflow.into()),
        (vec![], 0, opened(None, Payer), other, Code::AssetMismatch.into()),
        (vec![], 0, opened(None, Recipient), other, Code::AssetMismatch.into()),
        (vec![], 0, opened(None, Both), other, Code::AssetMismatch.into()),
        (vec![(0, opened(Some(0), Payer))], 0, top_up(1), other, Code::AssetMismatch.into()),
        (vec![(0, opened(Some(0), Payer))], 0, Stop, other, Code::AssetMismatch.into()),
        (vec![(0, opened(None, Payer))], 0, Cancel, other, Code::AssetMismatch.into()),
        (settled(Recipient), 500, ALL, other, Code::AssetMismatch.into()),
    ];
    for (steps, at, command, mut transit, refusal) in rows {
        let (mut script, before) = (Script::given(&steps), transit);
        let outcome = script.ask_after(at, &command, &mut transit);
        assert_eq!(outcome, Err(refusal), "{steps:?}, then at {at} {command:?}");
        assert_eq!(transit, before, "a refusal sets nothing in motion: {command:?}");
    }
}

#[test]
fn what_accrues_follows_active_time() {
    // Steps, then times and what has accrued by then, and when it ends.
    type Row = (Steps, Vec<(u64, u128, Option<u64>)>);
    #[rustfmt::skip]
    let rows: Vec<Row> = vec![
        (vec![(0, draft())], vec![(0, 0, None), (9_999, 0, None)]),
        (vec![(0, draft()), (50, Start)], vec![(50, 0, Some(1_050)), (1_049, 99, Some(1_050)), (1_050, 100, Some(1_050))]),
        (vec![(0, draft()), (50, Cancel)], vec![(9_999, 0, None)]),
        (vec![(0, open())], vec![(0, 0, Some(1_000)), (9, 0, Some(1_000)), (10, 1, Some(1_000)), (5_000, 100, Some(1_000))]),
        // A start in the future, and one in the past.
        (vec![(0, opened(Some(500), Nobody))], vec![(400, 0, Some(1_500)), (500, 0, Some(1_500)), (600, 10, Some(1_500))]),
        (vec![(300, open())], vec![(300, 30, Some(1_000))]),
        (vec![(3_000, open())], vec![(3_000, 100, Some(1_000))]),
        // Nothing before the cliff, all that time has brought from it on; a pause moves it.
        (vec![(0, cliff(300))], vec![(299, 0, Some(1_000)), (300, 30, Some(1_000))]),
        (vec![(0, cliff(1_000))], vec![(999, 0, Some(1_000)), (1_000, 100, Some(1_000))]),
        (vec![(0, cliff(300)), (200, Pause), (250, Resume)], vec![(349, 0, Some(1_050)), (350, 30, Some(1_050))]),
        // Frozen in a pause, which moves the end while it lasts.
        (vec![(0, open()), (200, Pause)], vec![(200, 20, Some(1_000)), (900, 20, Some(1_700))]),
        (vec![(0, open()), (200, Pause), (900, Resume)], vec![(900, 20, Some(1_700)), (1_000, 30, Some(1_700)), (1_700, 100, Some(1_700))]),
        (vec![(0, open()), (200, Pause), (300, Resume), (300, Pause), (450, Resume)], vec![(450, 20, Some(1_250)), (460, 21, Some(1_250))]),
        // A pause after the end moves nothing.
        (vec![(0, open()), (1_200, Pause)], vec![(1_900, 100, Some(1_000))]),
        (vec![(0, open()), (1_200, Pause), (1_300, Resume)], vec![(1_900, 100, Some(1_000))]),
        (vec![(0, open()), (1_200, Pause), (1_300, Settle)], vec![(1_900, 100, Some(1_000))]),
        // Over: it stays as it was, and ends when it was stopped.
        (vec![(0, open()), (200, Stop)], vec![(200, 20, Some(200)), (900, 20, Some(200))]),
        (vec![(0, open()), (200, Pause), (300, Stop)], vec![(900, 20, Some(300))]),
        (vec![(0, opened(Some(500), Nobody)), (200, Stop)], vec![(900, 0, Some(200))]),
        (vec![(0, open()), (1_500, Stop)], vec![(1_600, 100, Some(1_000))]),
        (vec![(0, open()), (1_500, Settle)], vec![(1_600, 100, Some(1_000))]),
        // A top-up moves the end and nothing else, to the unit, however often it comes.
        (vec![(0, open()), (555, top_up(10))], vec![(555, 55, Some(1_100)), (1_000, 100, Some(1_100)), (1_100, 110, Some(1_100))]),
        (vec![(0, of(units(3), 10)), (9, top_up(1))], vec![(9, 2, Some(14)), (10, 3, Some(14)), (13, 3, Some(14)), (14, 4, Some(14))]),
        (vec![(0, of(units(1_000), 7)), (6, top_up(1)), (6, top_up(1))], vec![(6, 857, Some(8)), (7, 1_000, Some(8)), (8, 1_002, Some(8))]),
        // An end that no calendar knows.
        (vec![(0, of(units(1_000), u64::MAX))], vec![(1, 0, None)]),
        (vec![(0, of(units(1_000), Timestamp::LAST.ms() - DAY_ONE))], vec![(1, 0, Some(Timestamp::LAST.ms() - DAY_ONE))]),
    ];
    for (steps, times) in rows {
        let script = Script::given(&steps);
        let head = script.solo.head().expect("it exists");
        for (at, accrued, end_at) in times {
            assert_eq!(head.accrued(t(at)), units(accrued), "{steps:?} at {at}");
            assert_eq!(head.end_at(t(at)), end_at.map(t), "{steps:?} at {at}");
        }
    }
}

/// Within a transaction that opens a flow, what follows is split before the flow is there. Were
/// it accepted, no account would ever hear of it.
#[test]
fn what_should_have_been_split_and_was_not_is_refused() {
    let settled = |with| vec![(0, opened(Some(0), with)), (500, Settle)];
    let active = |with| vec![(0, opened(Some(0), with))];
    let drafted = |with| vec![(0, opened(None, with))];
    let mut eur = Transit::default();
    eur.give(Asset::new("EUR/2").expect("an asset"), units(5)).expect("it is empty");
    type Row = (Steps, u64, Command, Option<Code>);
    #[rustfmt::skip]
    let rows: Vec<Row> = vec![
        (vec![], 0, opened(None, Payer), Some(Code::NotFound)),
        (vec![], 0, opened(None, Recipient), Some(Code::NotFound)),
        (vec![], 0, opened(None, Both), Some(Code::NotFound)),
        (vec![], 0, opened(None, Nobody), None),
        (active(Payer), 500, Settle, Some(Code::NotFound)),
        (active(Payer), 1_000, Settle, Some(Code::NotFound)),
        (active(Recipient), 1_000, Settle, None),
        (active(Payer), 500, Stop, Some(Code::NotFound)),
        (active(Payer), 1_000, Stop, Some(Code::NotFound)),
        (active(Recipient), 500, Stop, None),
        (drafted(Payer), 500, Cancel, Some(Code::NotFound)),
        (drafted(Recipient), 500, Cancel, None),
        (active(Payer), 500, top_up(1), Some(Code::NotFound)),
        (active(Recipient), 500, top_up(1), None),
        (settled(Recipient), 500, ALL, Some(Code::NotFound)),
        (settled(Payer), 500, ALL, None),
        (drafted(Both), 500, Start, None),
        (active(Both), 500, Pause, None),
        // Its other refusals come first.
        (active(Both), 0, Settle, Some(Code::NothingToSettle)),
        (active(Both), 500, Cancel, Some(Code::WrongState)),
        (drafted(Both), 500, Stop, Some(Code::WrongState)),
        (active(Both), 1_000, top_up(1), Some(Code::WrongState)),
        (active(Both), 500, top_up(Amount::MAX.get()), Some(Code::Overflow)),
        (active(Both), 500, top_up(0), Some(Code::Malformed)),
        (active(Both), 500, ALL, Some(Code::ExceedsWithdrawable)),
        (active(Both), 500, opened(None, Both), Some(Code::AlreadyExists)),
        // A leg is split no further.
        (active(Payer), 500, Command::Split(Box::new(split(Stop))), Some(Code::Malformed)),
    ];
    for (steps, at, command, code) in rows {
        for before in [Transit::default(), eur] {
            let (mut script, mut transit) = (Script::given(&steps), before);
            let picture = script.picture();
            let refusal = script.solo.ask_within(&command, t(at), &mut transit).err();
            assert_eq!(refusal.map(|it| it.code), code, "{steps:?}, then at {at} {command:?}");
            if code.is_some() {
                assert_eq!((transit, script.picture()), (before, picture), "{command:?}");
            }
        }
    }
}

#[test]
fn a_flow_names_the_asset_that_its_recipient_must_have() {
    for (with, asset) in
        [(Nobody, None), (Payer, Some(usd())), (Recipient, Some(usd())), (Both, Some(usd()))]
    {
        let mut transit = Transit::default();
        Script::new().ask_after(0, &opened(None, with), &mut transit).expect("it opens");
        assert_eq!(transit.asset(), asset, "{with:?}");
    }
}

#[test]
fn a_linked_flow_is_split_and_any_other_is_not() {
    let others = |solo: &Solo<Flow>, command: &Command| {
        let legs = solo.expand(command, None);
        assert_eq!(legs[0].0.kind, Flow::KIND);
        assert_eq!(legs[0].0.id, id("flow"));
        let own = if legs.len() > 1 { split(command.clone()) } else { command.clone() };
        assert_eq!(legs[0].1.get::<Flow>(), Some(&own));
        let other = |(name, leg): &(Name, AnyCommand)| {
            assert_eq!(name.kind, Kind::new(2));
            let leg = leg.get::<Account>().expect("an account's leg").clone();
            (name.id.as_str().to_owned(), leg)
        };
        legs[1..].iter().map(other).collect::<Vec<_>>()
    };
    let to = |name: &str, leg| vec![(name.to_owned(), leg)];
    let flow = || id("flow");

    let absent = Solo::<Flow>::new("flow");
    let fund = to("payer", account::Command::Fund { flow: flow() });
    let expect = to("recipient", account::Command::Expect { flow: flow() });
    for (with, expected) in [
        (Nobody, vec![]),
        (Recipient, expect.clone()),
        (Payer, fund.clone()),
        (Both, [fund, expect].concat()),
    ] {
        assert_eq!(others(&absent, &opened(None, with)), expected, "{with:?}");
    }
    assert_eq!(others(&absent, &Settle), []);

    let raise = || to("payer", account::Command::Raise { flow: flow() });
    let recover = || to("payer", account::Command::Recover { flow: flow() });
    let collect = || to("recipient", account::Command::Collect { flow: flow() });
    #[rustfmt::skip]
    let rows = [
        (Start, vec![], vec![]),
        (Pause, vec![], vec![]),
        (Resume, vec![], vec![]),
        (Settle, recover(), vec![]),
        (ALL, vec![], collect()),
        (some(1), vec![], collect()),
        (top_up(1), raise(), vec![]),
        (Stop, recover(), vec![]),
        (Cancel, recover(), vec![]),
        (split(Stop), vec![], vec![]),
    ];
    for (command, payers, recipients) in rows {
        for (with, expected) in [
            (Nobody, vec![]),
            (Payer, payers.clone()),
            (Recipient, recipients.clone()),
            (Both, [payers.clone(), recipients.clone()].concat()),
        ] {
            let script = Script::given(&[(0, opened(None, with))]);
            assert_eq!(others(&script.solo, &command), expected, "{with:?}: {command:?}");
        }
    }
}

#[test]
fn metadata_is_an_item_and_only_where_there_is_some() {
    let metadata = Metadata::new([("for", "rent")]).expect("small");
    let mut script = Script::given(&[(0, open())]);
    assert_eq!(script.solo.items().count(), 0);
    let command = Terms { metadata: metadata.clone(), ..Terms::default() }.open();
    script = Script::given(&[(0, command)]);
    let items: Vec<_> = script.solo.items().collect();
    assert_eq!(items, [(&ItemKey::only(b'M'), &Attached { metadata })]);
}

#[test]
fn lists_find_flows_by_state() {
    let mut numbers = Vec::new();
    for steps in [
        vec![(0, draft())],
        vec![(0, open())],
        vec![(0, open()), (1, Pause)],
        vec![(0, open()), (1, Stop)],
        vec![(0, draft()), (1, Cancel)],
    ] {
        let script = Script::given(&steps);
        let head = script.solo.head().expect("it exists");
        Flow::indexes(head, &mut |index, bytes| numbers.push((index, bytes.to_vec())));
    }
    let expected: Vec<_> = State::ALL.map(|state| (1, vec![state.number()])).into();
    assert_eq!(numbers, expected);
    assert_eq!(expected.iter().map(|(_, bytes)| bytes[0]).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
}

#[test]
fn equal_commands_have_one_canonical_form() {
    let commands = [
        open(),
        draft(),
        cliff(1),
        opened(None, Payer),
        opened(None, Recipient),
        Start,
        Pause,
        Resume,
        Settle,
        ALL,
        some(1),
        some(2),
        top_up(1),
        top_up(2),
        Stop,
        Cancel,
        split(top_up(1)),
        split(top_up(2)),
        split(Stop),
        split(Cancel),
    ];
    are_told_apart(&commands);
}

#[test]
fn a_transfers_half_and_a_head_are_small() {
    let len = |record: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Vec::new();
        record(&mut bytes);
        bytes.len()
    };
    let settled = Settled { amount: Amount::MAX, settled: Amount::MAX, ended: true };
    assert_eq!(len(&|out| pack_into(&Event::from(settled.clone()), out)), 40);
    let withdrawn = Withdrawn { amount: Amount::MAX, withdrawn: Amount::MAX };
    assert_eq!(len(&|out| pack_into(&Event::from(withdrawn.clone()), out)), 32);

    let with_both = opened(Some(0), Both);
    let script = Script::given(&[(0, with_both)]);
    let head = script.solo.head().expect("it exists");
    let name = Some(id(&"n".repeat(24)));
    let head = &Head { payer: name.clone(), recipient: name, ..head.clone() };
    assert!(len(&|out| pack_into(head, out)) <= 256);
}

//! The flow machine against a naive model of it.
//!
//! The model keeps nothing but what happened and when. It counts everything anew for every
//! question, with plain 128-bit numbers, and knows the duration as an exact fraction.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use quipu_core::machine::{Side, Solo, Transit};
use quipu_core::machines::flow::{Command, Event, Flow, Head, State};
use quipu_core::words::{Amount, Asset, Code, Fact, Id, Metadata, Refusal, Timestamp};

const BEGIN: u64 = 1_000_000;

/// What happened, and how much it moved.
#[derive(Clone, PartialEq, Debug)]
enum Happened {
    Opened(Terms),
    Started,
    Paused,
    Resumed,
    Settled(u128),
    Withdrawn(u128),
    ToppedUp(u128),
    Stopped { settled: u128, refunded: u128 },
    Cancelled(u128),
}

#[derive(Clone, PartialEq, Debug)]
struct Terms {
    total: u128,
    duration: u64,
    start_at: Option<u64>,
    cliff: u64,
    payer: bool,
    recipient: bool,
}

/// A refusal: its code, and what is withdrawable where that is the reason.
type No = (Code, Option<u128>);

#[derive(Clone, Default)]
struct Model {
    history: Vec<(u64, Happened)>,
}

impl Model {
    fn sum(&self, of: impl Fn(&Happened) -> u128) -> u128 {
        self.history.iter().map(|(_, happened)| of(happened)).sum()
    }

    fn terms(&self) -> Option<&Terms> {
        self.history.iter().find_map(|(_, happened)| match happened {
            Happened::Opened(terms) => Some(terms),
            _ => None,
        })
    }

    fn total(&self) -> u128 {
        self.sum(|happened| match happened {
            Happened::Opened(terms) => terms.total,
            Happened::ToppedUp(amount) => *amount,
            _ => 0,
        })
    }

    fn settled(&self) -> u128 {
        self.sum(|happened| match happened {
            Happened::Settled(amount) | Happened::Stopped { settled: amount, .. } => *amount,
            _ => 0,
        })
    }

    fn withdrawn(&self) -> u128 {
        self.sum(|happened| if let Happened::Withdrawn(amount) = happened { *amount } else { 0 })
    }

    fn refunded(&self) -> u128 {
        self.sum(|happened| match happened {
            Happened::Stopped { refunded: amount, .. } | Happened::Cancelled(amount) => *amount,
            _ => 0,
        })
    }

    fn state(&self) -> &'static str {
        let did = |which: fn(&Happened) -> bool| self.history.iter().any(|(_, it)| which(it));
        let last_run =
            self.history.iter().rev().find(|(_, it)| {
                matches!(it, Happened::Paused | Happened::Resumed | Happened::Started)
            });
        let Some(terms) = self.terms() else { return "absent" };
        if did(|it| matches!(it, Happened::Cancelled(_))) {
            "cancelled"
        } else if did(|it| matches!(it, Happened::Stopped { .. })) || self.settled() == self.total()
        {
            "ended"
        } else {
            match last_run {
                Some((_, Happened::Paused)) => "paused",
                Some(_) => "active",
                None if terms.start_at.is_some() => "active",
                None => "draft",
            }
        }
    }

    /// The stretches of time in which it runs.
    fn runs(&self) -> Vec<(u64, u64)> {
        let mut runs = Vec::new();
        let mut since = None;
        for (at, happened) in &self.history {
            match happened {
                Happened::Opened(terms) => since = terms.start_at,
                Happened::Started | Happened::Resumed => since = Some(*at),
                Happened::Paused | Happened::Stopped { .. } => {
                    runs.extend(since.take().map(|from| (from, *at)));
                }
                _ => {}
            }
        }
        runs.extend(since.map(|from| (from, u64::MAX)));
        runs
    }

    fn active(&self, now: u64) -> u64 {
        self.runs().iter().map(|&(from, to)| now.min(to).saturating_sub(from)).sum()
    }

    /// The duration as a fraction: with every top-up it grows as the total does.
    fn duration(&self) -> (u128, u128) {
        let (mut above, mut below, mut total) = (0, 1, 0);
        for (_, happened) in &self.history {
            match happened {
                Happened::Opened(terms) => {
                    (above, total) = (u128::from(terms.duration), terms.total);
                }
                Happened::ToppedUp(amount) => {
                    (above, below) = (above * (total + amount), below * total);
                    total += amount;
                    let common = gcd(above, below);
                    (above, below) = (above / common, below / common);
                }
                _ => {}
            }
        }
        (above, below)
    }

    fn time_is_up(&self, now: u64) -> bool {
        let (above, below) = self.duration();
        u128::from(self.active(now)) * below >= above
    }

    fn accrued(&self, now: u64) -> u128 {
        let active = self.active(now);
        if self.terms().is_some_and(|terms| active < terms.cliff) {
            return 0;
        }
        let (above, below) = self.duration();
        (self.total() * u128::from(active) * below / above).min(self.total())
    }

    /// The first instant at which time is up if nothing but a resume happens from now on.
    fn end_at(&self, now: u64) -> Option<u64> {
        let start = match self.state() {
            "draft" | "cancelled" => return None,
            _ => self.terms()?.start_at.or_else(|| {
                let started = self.history.iter().find(|(_, it)| *it == Happened::Started);
                started.map(|(at, _)| *at)
            })?,
        };
        let stopped = self.history.iter().find(|(_, it)| matches!(it, Happened::Stopped { .. }));
        let mut model = self.clone();
        if self.state() == "paused" {
            model.history.push((now, Happened::Resumed));
        }
        (start..)
            .find(|&at| model.time_is_up(at) || stopped.is_some_and(|(end, _)| at >= *end))
            .map(
                // A flow that is stopped before it begins ends before it begins.
                |at| stopped.map_or(at, |(end, _)| at.min(*end)),
            )
    }

    fn decide(&self, now: u64, ask: &Ask) -> Result<Happened, No> {
        let (state, no) = (self.state(), |code| Err((code, None)));
        match ask {
            Ask::Open(terms)
                if terms.total == 0 || terms.duration == 0 || terms.cliff > terms.duration =>
            {
                return no(Code::Malformed);
            }
            Ask::Withdraw(Some(0)) | Ask::TopUp(0) => return no(Code::Malformed),
            Ask::Open(terms) if state == "absent" => return Ok(Happened::Opened(terms.clone())),
            Ask::Open(_) => return no(Code::AlreadyExists),
            _ if state == "absent" => return no(Code::NotFound),
            _ => {}
        }
        let unsettled = self.accrued(now) - self.settled();
        let withdrawable = self.settled() - self.withdrawn();
        match (ask, state) {
            (Ask::Start, "draft") => Ok(Happened::Started),
            (Ask::Pause, "active") if self.has_begun(now) => Ok(Happened::Paused),
            (Ask::Resume, "paused") => Ok(Happened::Resumed),
            (Ask::Settle, "active" | "paused") if unsettled > 0 => Ok(Happened::Settled(unsettled)),
            (Ask::Settle, "active" | "paused" | "ended") => no(Code::NothingToSettle),
            (Ask::Withdraw(amount), "active" | "paused" | "ended") => {
                let amount = amount.unwrap_or(withdrawable);
                if amount > 0 && amount <= withdrawable {
                    Ok(Happened::Withdrawn(amount))
                } else {
                    Err((Code::ExceedsWithdrawable, Some(withdrawable)))
                }
            }
            (Ask::TopUp(amount), "draft" | "active" | "paused") if !self.time_is_up(now) => {
                Ok(Happened::ToppedUp(*amount))
            }
            (Ask::Stop, "active" | "paused") => Ok(Happened::Stopped {
                settled: unsettled,
                refunded: self.total() - self.accrued(now),
            }),
            (Ask::Cancel, "draft") => Ok(Happened::Cancelled(self.total())),
            _ => no(Code::WrongState),
        }
    }

    fn has_begun(&self, now: u64) -> bool {
        self.runs().iter().any(|&(from, _)| from <= now)
    }
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[derive(Clone, Debug)]
enum Ask {
    Open(Terms),
    Start,
    Pause,
    Resume,
    Settle,
    Withdraw(Option<u128>),
    TopUp(u128),
    Stop,
    Cancel,
}

impl Ask {
    fn command(&self) -> Command {
        match self {
            Self::Open(terms) => Command::Open {
                asset: asset(),
                total: units(terms.total),
                duration_ms: terms.duration,
                start_at: terms.start_at.map(Timestamp::from_ms),
                cliff_ms: terms.cliff,
                payer: terms.payer.then(|| id("payer")),
                recipient: terms.recipient.then(|| id("recipient")),
                metadata: Metadata::default(),
            },
            Self::Start => Command::Start,
            Self::Pause => Command::Pause,
            Self::Resume => Command::Resume,
            Self::Settle => Command::Settle,
            Self::Withdraw(amount) => Command::Withdraw { amount: amount.map(units) },
            Self::TopUp(amount) => Command::TopUp { amount: units(*amount) },
            Self::Stop => Command::Stop,
            Self::Cancel => Command::Cancel,
        }
    }
}

/// How far time goes before a command: a few steps, or to about an instant that matters.
#[derive(Clone, Debug)]
enum Jump {
    By(u64),
    ToStart(u64),
    ToCliff(u64),
    ToEnd(u64),
}

impl Jump {
    /// The new time. Never before `now`, and for the instants one too early, exact, one too late.
    fn from(&self, now: u64, model: &Model) -> u64 {
        let left = |until: u64, off: u64| (now + until + off).saturating_sub(1).max(now);
        let active = model.active(now);
        match self {
            Self::By(ms) => now + ms,
            Self::ToStart(off) => {
                let start = model.terms().and_then(|terms| terms.start_at).unwrap_or(now);
                left(start.saturating_sub(now), *off)
            }
            Self::ToCliff(off) => {
                let cliff = model.terms().map_or(0, |terms| terms.cliff);
                left(cliff.saturating_sub(active), *off)
            }
            Self::ToEnd(off) => {
                let (above, below) = model.duration();
                let whole = u64::try_from(above.div_ceil(below)).expect("durations are small");
                left(whole.saturating_sub(active), *off)
            }
        }
    }
}

fn jumps() -> impl Strategy<Value = Jump> {
    prop_oneof![
        3 => Just(Jump::By(0)),
        6 => (1..20_u64).prop_map(Jump::By),
        1 => (20..200_u64).prop_map(Jump::By),
        1 => (0..3_u64).prop_map(Jump::ToStart),
        1 => (0..3_u64).prop_map(Jump::ToCliff),
        1 => (0..3_u64).prop_map(Jump::ToEnd),
    ]
}

fn opens() -> impl Strategy<Value = Ask> {
    let total = prop_oneof![20 => 1..60_u128, 5 => 1_000..100_000_u128, 1 => Just(0)];
    let duration = prop_oneof![20 => 1..150_u64, 1 => Just(0)];
    let start = option::weighted(0.6, (0..80_u64).prop_map(|ms| BEGIN - 40 + ms));
    let cliff = prop_oneof![5 => Just(0), 4 => 1..40_u64];
    (total, duration, start, cliff, any::<bool>(), any::<bool>()).prop_map(
        |(total, duration, start_at, cliff, payer, recipient)| {
            Ask::Open(Terms { total, duration, start_at, cliff, payer, recipient })
        },
    )
}

fn asks() -> impl Strategy<Value = Ask> {
    prop_oneof![
        1 => opens(),
        3 => Just(Ask::Start),
        4 => Just(Ask::Pause),
        4 => Just(Ask::Resume),
        5 => Just(Ask::Settle),
        5 => option::weighted(0.7, 0..30_u128).prop_map(Ask::Withdraw),
        5 => prop_oneof![9 => 1..9_u128, 1 => 0..2_000_u128].prop_map(Ask::TopUp),
        1 => Just(Ask::Stop),
        1 => Just(Ask::Cancel),
    ]
}

fn sequences() -> impl Strategy<Value = Vec<(Jump, Ask)>> {
    let early = vec((jumps(), asks()), 0..2);
    let open = (jumps(), opens());
    (early, open, vec((jumps(), asks()), 5..40)).prop_map(|(mut steps, open, rest)| {
        steps.push(open);
        steps.extend(rest);
        steps
    })
}

/// What a flow shows as of a time, in the order in which the model counts it.
fn shown(head: &Head, now: u64) -> [u128; 6] {
    let accrued = head.accrued(Timestamp::from_ms(now));
    let (settled, withdrawn, refunded) = (head.settled, head.withdrawn, head.refunded);
    [head.total, accrued, settled, withdrawn, refunded, head.held()].map(Amount::get)
}

/// Where the value of an event goes: onto the stream, and to which other side.
fn movement(terms: &Terms, happened: &Happened) -> Vec<(Side, i128)> {
    let payer = if terms.payer { Side::Transit } else { Side::Outside };
    let recipient = if terms.recipient { Side::Transit } else { Side::Outside };
    let (other, onto) = match happened {
        Happened::Opened(terms) => (payer, terms.total as i128),
        Happened::ToppedUp(amount) => (payer, *amount as i128),
        Happened::Stopped { refunded, .. } | Happened::Cancelled(refunded) => {
            (payer, -(*refunded as i128))
        }
        Happened::Withdrawn(amount) => (recipient, -(*amount as i128)),
        _ => return Vec::new(),
    };
    let mut both = vec![(Side::Stream, onto), (other, -onto)];
    both.retain(|(_, amount)| *amount != 0);
    both.sort_unstable();
    both
}

proptest! {
    #![proptest_config(crate::cases(10_000))]

    #[test]
    fn a_flow_does_what_the_model_says(steps in sequences()) {
        let mut solo = Solo::<Flow>::new("flow");
        let mut model = Model::default();
        let (mut now, mut accrued, mut balance) = (BEGIN, 0, 0_i128);
        for (jump, ask) in &steps {
            now = jump.from(now, &model);
            let (version, head) = (solo.version(), solo.head().cloned());
            let mut transit = Transit::default();
            let (whole, at, decided) =
                (ask.command(), Timestamp::from_ms(now), model.decide(now, ask));
            let own = own_part(&solo, &whole);
            if own != whole {
                // Whole, it is refused, since no account hears of it.
                let told = solo.ask_within(&whole, at, &mut transit);
                let code = decided.as_ref().map_or_else(|(code, _)| *code, |_| Code::NotFound);
                prop_assert_eq!(told.err().map(|refusal| refusal.code), Some(code), "{:?}", ask);
                prop_assert_eq!(transit, Transit::default());
            }
            let told = solo.ask_within(&own, at, &mut transit);
            match (told, decided) {
                (Ok(told), Ok(happened)) => {
                    model.history.push((now, happened.clone()));
                    let terms = model.terms().expect("something happened");
                    let mut postings: Vec<_> =
                        told.postings.list().iter().map(|it| (it.side, it.amount)).collect();
                    postings.sort_unstable();
                    prop_assert_eq!(&postings, &movement(terms, &happened), "{:?}", ask);
                    let on = |side| {
                        let there = postings.iter().filter(|(on, _)| *on == side);
                        there.map(|(_, amount)| amount).sum::<i128>()
                    };
                    prop_assert_eq!(transit.amount(), on(Side::Transit));
                    balance += on(Side::Stream);
                    let over = matches!(model.state(), "ended" | "cancelled");
                    let now_over = over && !matches!(happened, Happened::Withdrawn(_));
                    prop_assert_eq!(transit.has_ended(), now_over);
                    prop_assert!(said_so(&told.event, &happened), "{:?}", told.event);
                }
                (Err(refusal), Err((code, withdrawable))) => {
                    prop_assert_eq!(refusal.code, code, "{:?}", ask);
                    prop_assert_eq!(available(&refusal), withdrawable);
                    prop_assert_eq!((solo.version(), solo.head()), (version, head.as_ref()));
                }
                (told, predicted) => {
                    let found = told.map(|told| told.event);
                    prop_assert!(false, "{ask:?} at {now}: {found:?}, not {predicted:?}");
                }
            }
            let Some(head) = solo.head() else { continue };
            prop_assert_eq!(head.state.as_str(), model.state());
            let held = model.total() - model.withdrawn() - model.refunded();
            let expected = [
                model.total(),
                model.accrued(now),
                model.settled(),
                model.withdrawn(),
                model.refunded(),
                held,
            ];
            prop_assert_eq!(shown(head, now), expected);
            prop_assert_eq!(balance, held as i128);
            prop_assert!(accrued <= model.accrued(now), "what has accrued never falls");
            accrued = model.accrued(now);
            let rising = [model.withdrawn(), model.settled(), accrued, model.total()];
            prop_assert!(rising.is_sorted(), "{rising:?}");
        }
        if let Some(head) = solo.head() {
            let end_at = head.end_at(Timestamp::from_ms(now)).map(Timestamp::ms);
            prop_assert_eq!(end_at, model.end_at(now));
            for later in now..now + 5 {
                prop_assert_eq!(head.accrued(Timestamp::from_ms(later)).get(), model.accrued(later));
            }
        }
    }
}

/// The flow's own part of a command, as an engine splits it.
fn own_part(solo: &Solo<Flow>, command: &Command) -> Command {
    let legs = solo.expand(command, None);
    legs[0].1.get::<Flow>().expect("the flow's own part comes first").clone()
}

/// Whether an event carries the amounts that the model counted.
fn said_so(event: &Option<Event>, happened: &Happened) -> bool {
    let Some(event) = event else { return false };
    match (event, happened) {
        (Event::Opened(event), Happened::Opened(terms)) => event.total.get() == terms.total,
        (Event::Started(_), Happened::Started)
        | (Event::Paused(_), Happened::Paused)
        | (Event::Resumed(_), Happened::Resumed) => true,
        (Event::Settled(event), Happened::Settled(amount)) => event.amount.get() == *amount,
        (Event::Withdrawn(event), Happened::Withdrawn(amount)) => event.amount.get() == *amount,
        (Event::ToppedUp(event), Happened::ToppedUp(amount)) => event.amount.get() == *amount,
        (Event::Stopped(event), Happened::Stopped { settled, refunded }) => {
            event.amount.get() == *settled && event.refunded.get() == *refunded
        }
        (Event::Cancelled(event), Happened::Cancelled(amount)) => event.refunded.get() == *amount,
        _ => false,
    }
}

fn available(refusal: &Refusal) -> Option<u128> {
    match refusal.fact {
        Fact::Available(signed) => u128::try_from(signed.get()).ok(),
        _ => None,
    }
}

/// Any amount, and often the greatest and the least.
fn any_amount() -> impl Strategy<Value = Amount> {
    prop_oneof![
        Just(Amount::ZERO),
        Just(Amount::MAX),
        (0..4_u64).prop_map(Amount::from),
        (any::<u128>(), 1..128_u32).prop_map(|(value, shift)| units(value >> shift)),
    ]
}

/// Any number of milliseconds, and often the greatest and the least.
fn any_ms() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(u64::MAX),
        Just(u64::MAX - 1),
        Just(Timestamp::LAST.ms()),
        0..4_u64,
        (any::<u64>(), 0..64_u32).prop_map(|(value, shift)| value >> shift),
    ]
}

fn any_command() -> impl Strategy<Value = Command> {
    let names = prop_oneof![Just("a".to_owned()), Just(".".repeat(Id::LEN_MAX))];
    let ids = option::of(names.prop_map(|name| id(&name)));
    let open = (
        any_amount(),
        any_ms(),
        option::of(any_ms().prop_map(Timestamp::from_ms)),
        any_ms(),
        ids.clone(),
        ids,
    );
    let open = open.prop_map(|(total, duration_ms, start_at, cliff_ms, payer, recipient)| {
        let (asset, metadata) = (asset(), Metadata::default());
        Command::Open { asset, total, duration_ms, start_at, cliff_ms, payer, recipient, metadata }
    });
    prop_oneof![
        4 => open,
        1 => Just(Command::Start),
        1 => Just(Command::Pause),
        1 => Just(Command::Resume),
        2 => Just(Command::Settle),
        2 => option::of(any_amount()).prop_map(|amount| Command::Withdraw { amount }),
        2 => any_amount().prop_map(|amount| Command::TopUp { amount }),
        1 => Just(Command::Stop),
        1 => Just(Command::Cancel),
    ]
}

proptest! {
    #![proptest_config(crate::cases(10_000))]

    /// Whatever is asked, and even with a clock that runs back: no panic, no unit too many.
    #[test]
    fn no_command_breaks_a_flow(
        steps in vec((any_ms(), any_command(), any::<bool>()), 1..30),
    ) {
        let mut solo = Solo::<Flow>::new("flow");
        for (ms, command, whole) in &steps {
            let command = &if *whole { command.clone() } else { own_part(&solo, command) };
            // At the end of time itself everything that never falls due would.
            let now = Timestamp::from_ms((*ms).min(u64::MAX - 1));
            let _ = solo.ask_within(command, now, &mut Transit::default());
            let Some(head) = solo.head() else { continue };
            for now in [now, Timestamp::ZERO, Timestamp::LAST, Timestamp::NEVER] {
                let _ = head.end_at(now);
                let rising = [head.withdrawn, head.settled, head.accrued(now), head.total];
                prop_assert!(rising.is_sorted(), "{rising:?}");
            }
            let whole = [head.withdrawn, head.refunded, head.held()].map(Amount::get);
            prop_assert_eq!(whole.iter().sum::<u128>(), head.total.get());
            if head.state == State::Cancelled {
                prop_assert_eq!(head.settled, Amount::ZERO);
            }
        }
    }

    /// `accrued` is the one whole number with `accrued × duration ≤ total × active` that is not
    /// one too small; and a top-up's duration is the least in which the new total accrues.
    #[test]
    fn accrual_is_exact_at_every_size(
        total in any_amount(),
        duration_ms in any_ms(),
        active in any_ms(),
        more in any_amount(),
    ) {
        let (total, duration_ms) = (total.max(Amount::from(1)), duration_ms.max(1));
        let mut solo = Solo::<Flow>::new("flow");
        let open = Command::Open {
            asset: asset(),
            total,
            duration_ms,
            start_at: Some(Timestamp::ZERO),
            cliff_ms: 0,
            payer: None,
            recipient: None,
            metadata: Metadata::default(),
        };
        solo.ask(&open, Timestamp::ZERO).expect("it opens");
        let at = |active: u64| {
            let whole = product(total.get(), active);
            move |accrued: u128| product(accrued, duration_ms) <= whole
        };
        let head = solo.head().expect("it exists");
        let accrued = head.accrued(Timestamp::from_ms(active)).get();
        prop_assert!(at(active)(accrued) || accrued == total.get());
        prop_assert!(!at(active)(accrued + 1) || accrued == total.get());

        let before = head.clone();
        let Ok(told) = solo.ask(&Command::TopUp { amount: more }, Timestamp::ZERO) else {
            return Ok(());
        };
        let Some(Event::ToppedUp(event)) = told.event else { unreachable!("it was topped up") };
        prop_assert!(at(event.duration_ms)(event.total.get()));
        prop_assert!(!at(event.duration_ms - 1)(event.total.get()));
        let head = solo.head().expect("it exists");
        for ms in [0, 1, active, duration_ms - 1] {
            let (ms, now) = (ms.min(duration_ms - 1), Timestamp::from_ms(ms.min(duration_ms - 1)));
            prop_assert_eq!(head.accrued(now), before.accrued(now), "at {}", ms);
        }
    }
}

/// A product of 192 bits, as its upper and lower 128.
fn product(left: u128, right: u64) -> (u128, u128) {
    let right = u128::from(right);
    let low = (left & u128::from(u64::MAX)) * right;
    let high = (left >> 64) * right + (low >> 64);
    (high >> 64, high << 64 | low & u128::from(u64::MAX))
}

fn asset() -> Asset {
    Asset::new("USD/2").expect("an asset")
}

fn units(value: u128) -> Amount {
    Amount::whole(value).expect("a test's amount fits")
}

fn id(text: &str) -> Id {
    Id::new(text).expect("a test's id is well formed")
}

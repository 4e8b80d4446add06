//! The drop machine against a naive model of it: a list of claims, counted for every question.

use proptest::prelude::*;
use quipu_core::machine::{Solo, Transit};
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::drop::{ClaimState, Command, Drop, Event, Item, Price, State};
use quipu_core::words::{Amount, Asset, Code, Fact, Id, Metadata, Position, Refusal, Timestamp};

const AMOUNT_MAX: u128 = (1 << 127) - 1;

#[derive(Clone, Debug)]
struct Plan {
    stock: u64,
    limit: Option<u32>,
    opens: Option<u64>,
    closes: Option<u64>,
    price: Option<u128>,
    seller: bool,
}

#[derive(Clone, Debug)]
enum Ask {
    Create(Plan),
    Claim {
        who: &'static str,
        quantity: u32,
        pays: bool,
    },
    /// Releases the claim with this index, as far as there are that many.
    Release(usize),
    SetStock(u64),
    Close,
}

/// What moves on accounts beside a claim or a release: from whom, to whom, how much.
type Move = (Option<&'static str>, Option<&'static str>, u128);

#[derive(Debug)]
struct Claimed {
    position: Position,
    who: &'static str,
    quantity: u32,
    paid: Option<u128>,
    live: bool,
}

struct Model {
    plan: Plan,
    opened: u64,
    closed: bool,
    claims: Vec<Claimed>,
}

impl Model {
    fn state(&self, now: u64) -> State {
        if self.closed || self.plan.closes.is_some_and(|closes| closes <= now) {
            State::Closed
        } else if self.opened > now {
            State::Scheduled
        } else {
            State::Open
        }
    }

    fn taken(&self) -> u64 {
        self.claims.iter().filter(|claim| claim.live).map(|claim| u64::from(claim.quantity)).sum()
    }

    fn units(&self, who: &str) -> u64 {
        let own = self.claims.iter().filter(|claim| claim.live && claim.who == who);
        own.map(|claim| u64::from(claim.quantity)).sum()
    }

    fn left(&self) -> u64 {
        self.plan.stock - self.taken()
    }

    fn may_claim(&self, who: &str, quantity: u32, pays: bool, now: u64) -> Result<(), Refusal> {
        match self.state(now) {
            State::Scheduled => {
                let begin = Fact::At(Timestamp::from_ms(self.opened));
                return Err(Refusal::with(Code::NotOpen, begin));
            }
            State::Closed => return Err(Code::NotOpen.into()),
            State::Open => {}
        }
        if quantity == 0 || self.plan.price.is_some() && !pays {
            return Err(Code::Malformed.into());
        }
        if u64::from(quantity) > self.left() {
            return Err(Refusal::with(Code::SoldOut, Fact::Remaining(self.left())));
        }
        if let Some(limit) = self.plan.limit {
            let may = u64::from(limit) - self.units(who);
            if u64::from(quantity) > may {
                return Err(Refusal::with(Code::ClaimLimitReached, Fact::Remaining(may)));
            }
        }
        if self.plan.price.is_some_and(|price| price > AMOUNT_MAX / u128::from(quantity)) {
            return Err(Code::Overflow.into());
        }
        Ok(())
    }

    fn seller(&self) -> Option<&'static str> {
        self.plan.seller.then_some("shop")
    }
}

fn create(model: &mut Option<Model>, plan: &Plan, now: u64) -> Result<(), Refusal> {
    if model.is_some() {
        return Err(Refusal::with(Code::AlreadyExists, Fact::First(Position::new(101))));
    }
    let opened = plan.opens.unwrap_or(now);
    let ends_first = plan.closes.is_some_and(|closes| closes <= opened);
    if ends_first || plan.limit == Some(0) || plan.seller && plan.price.is_none() {
        return Err(Code::Malformed.into());
    }
    *model = Some(Model { plan: plan.clone(), opened, closed: false, claims: Vec::new() });
    Ok(())
}

/// Asks the model. What an accepted command moves on accounts comes back.
fn ask_model(
    model: &mut Option<Model>,
    ask: &Ask,
    now: u64,
    next: Position,
) -> Result<Vec<Move>, Refusal> {
    if let Ask::Create(plan) = ask {
        return create(model, plan, now).map(|()| vec![]);
    }
    let model = model.as_mut().ok_or(Code::NotFound)?;
    match ask {
        Ask::Create(_) => unreachable!("it was asked above"),
        Ask::Claim { who, quantity, pays } => {
            model.may_claim(who, *quantity, *pays, now)?;
            let paid = model.plan.price.map(|price| price * u128::from(*quantity));
            let (who, quantity) = (*who, *quantity);
            model.claims.push(Claimed { position: next, who, quantity, paid, live: true });
            Ok(paid.map(|paid| (Some("purse"), model.seller(), paid)).into_iter().collect())
        }
        Ask::Release(index) => {
            let seller = model.seller();
            let claim = model.claims.get_mut(*index).ok_or(Code::NotFound)?;
            if !claim.live {
                return Err(Code::WrongState.into());
            }
            claim.live = false;
            Ok(claim.paid.map(|paid| (seller, Some("purse"), paid)).into_iter().collect())
        }
        Ask::SetStock(_) | Ask::Close if model.state(now) == State::Closed => {
            Err(Code::WrongState.into())
        }
        Ask::SetStock(stock) if *stock < model.taken() => {
            Err(Refusal::with(Code::BelowTaken, Fact::Remaining(model.taken())))
        }
        Ask::SetStock(stock) => {
            model.plan.stock = *stock;
            Ok(vec![])
        }
        Ask::Close => {
            model.closed = true;
            Ok(vec![])
        }
    }
}

fn command(ask: &Ask, model: Option<&Model>) -> Command {
    match ask {
        Ask::Create(plan) => Command::Create {
            stock: plan.stock,
            per_claimant: plan.limit,
            opens_at: plan.opens.map(Timestamp::from_ms),
            closes_at: plan.closes.map(Timestamp::from_ms),
            price: plan.price.map(|price| Price {
                amount: Amount::new(price).expect("above zero"),
                asset: Asset::new("USD/2").expect("well formed"),
            }),
            seller: plan.seller.then(|| id("shop")),
            metadata: Metadata::default(),
        },
        Ask::Claim { who, quantity, pays } => Command::Claim {
            claimant: id(who),
            quantity: *quantity,
            pay_from: pays.then(|| id("purse")),
        },
        Ask::Release(index) => {
            let claim = model.and_then(|model| model.claims.get(*index));
            // One that does not exist is named by the position of the drop itself.
            let position = claim.map_or(Position::new(101), |claim| claim.position);
            Command::Release { claim: Drop::claim_id(position) }
        }
        Ask::SetStock(stock) => Command::SetStock { stock: *stock },
        Ask::Close => Command::Close,
    }
}

/// Asks the machine as an engine does: splits the command, then decides the drop's leg. The
/// other legs come back as what they move; every account here accepts everything.
fn ask_machine(
    drop: &mut Solo<Drop>,
    command: &Command,
    now: Timestamp,
) -> Result<(Event, Vec<Move>), Refusal> {
    let legs = drop.expand(command, None);
    let (first, others) = legs.split_first().expect("at least one leg");
    let own = first.1.get::<Drop>().expect("the drop's leg comes first");
    let told = drop.ask_within(own, now, &mut Transit::default())?;
    assert_eq!(told.postings.list(), [], "a drop moves nothing");
    let (mut moves, mut on_the_way) = (Vec::new(), None);
    for (name, leg) in others {
        let account = static_name(&name.id);
        match leg.get::<Account>().expect("an account's leg") {
            account::Command::Spend { amount, on } => {
                assert_eq!(on.as_str(), "d");
                moves.push((Some(account), None, amount.get()));
            }
            account::Command::Restore { amount, from } => {
                assert_eq!(from.as_str(), "d");
                moves.push((None, Some(account), amount.get()));
            }
            account::Command::Send { amount, to, .. }
            | account::Command::GiveBack { amount, to } => {
                on_the_way = Some((account, static_name(to), amount.get()));
            }
            account::Command::Receive { from } | account::Command::TakeBack { from } => {
                let (giver, taker, amount) = on_the_way.take().expect("somebody gave first");
                assert_eq!((giver, taker), (static_name(from), account));
                moves.push((Some(giver), Some(taker), amount));
            }
            other => panic!("{other:?} is no leg of a drop's command"),
        }
    }
    assert_eq!(on_the_way, None);
    Ok((told.event.expect("a drop always says what happened"), moves))
}

/// The machine's drop says what the model's list says.
fn compare(drop: &Solo<Drop>, model: Option<&Model>, now: u64) {
    let (Some(head), Some(model)) = (drop.head(), model) else {
        assert!(drop.head().is_none() && model.is_none());
        return;
    };
    assert_eq!(head.state, model.state(now));
    assert_eq!(head.state_at(Timestamp::from_ms(now)), model.state(now));
    assert_eq!((head.stock, head.taken), (model.plan.stock, model.taken()));
    assert_eq!(head.remaining(), model.left());
    assert!(head.taken <= head.stock);
    assert_eq!(head.claims, model.claims.len() as u64);

    let mut claims = model.claims.iter().enumerate();
    let mut counted = 0;
    for (key, item) in drop.items() {
        match item {
            Item::Claim(item) => {
                let (index, claim) = claims.next().expect("no claim but those that won");
                assert_eq!(key.position(), Some(claim.position));
                assert_eq!(item.number, index as u64 + 1, "numbers have no gap");
                assert_eq!(item.claimant.as_str(), claim.who);
                assert_eq!(item.quantity, claim.quantity);
                assert_eq!(item.state == ClaimState::Taken, claim.live);
                let paid = item.payment.as_ref().map(|payment| payment.amount.get());
                assert_eq!(paid, claim.paid);
            }
            Item::Units(item) => {
                let who = std::str::from_utf8(&key.as_bytes()[1..]).expect("an id");
                assert_eq!(u64::from(item.units), model.units(who));
                assert!(item.units > 0 && item.units <= model.plan.limit.expect("a limit"));
                counted += u64::from(item.units);
            }
            Item::Metadata(_) => panic!("there was none"),
        }
    }
    assert_eq!(claims.count(), 0, "every claim that won is listed");
    assert_eq!(counted, if model.plan.limit.is_some() { model.taken() } else { 0 });
}

fn static_name(id: &Id) -> &'static str {
    ["purse", "shop"].into_iter().find(|name| *name == id.as_str()).expect("a known account")
}

fn id(text: &str) -> Id {
    Id::new(text).expect("well formed")
}

fn any_plan() -> impl Strategy<Value = Plan> {
    let price = prop::sample::select(vec![1, 7, AMOUNT_MAX / 2, AMOUNT_MAX / 3 + 1, AMOUNT_MAX]);
    (
        0_u64..12,
        prop::option::of(prop_oneof![1 => Just(0_u32), 9 => 1_u32..5]),
        prop::option::of(0_u64..15),
        prop::option::of(5_u64..60),
        prop::option::of(price),
        any::<bool>(),
    )
        .prop_map(|(stock, limit, opens, closes, price, seller)| {
            // Most sellers have a price; one in a few has none, and is refused.
            let seller = seller && (price.is_some() || stock == 0);
            Plan { stock, limit, opens, closes, price, seller }
        })
}

fn any_ask() -> impl Strategy<Value = Ask> {
    let claim = (
        prop::sample::select(vec!["ann", "bob", "cyd"]),
        prop_oneof![9 => 1_u32..5, 1 => prop::sample::select(vec![0, u32::MAX])],
        prop::bool::weighted(0.8),
    );
    prop_oneof![
        2 => any_plan().prop_map(Ask::Create),
        8 => claim.prop_map(|(who, quantity, pays)| Ask::Claim { who, quantity, pays }),
        4 => (0_usize..8).prop_map(Ask::Release),
        2 => (0_u64..20).prop_map(Ask::SetStock),
        1 => prop::bool::weighted(0.2).prop_map(|close| {
            if close { Ask::Close } else { Ask::SetStock(u64::MAX) }
        }),
    ]
}

proptest! {
    #![proptest_config(crate::cases(10_000))]

    #[test]
    fn sequences_agree_with_the_model(
        first in any_plan(),
        steps in prop::collection::vec((prop_oneof![0_u64..2, 0_u64..8], any_ask()), 5..40),
    ) {
        let (mut drop, mut model, mut now) = (Solo::<Drop>::new("d"), None, 0);
        let steps = std::iter::once((0, Ask::Create(first))).chain(steps);
        for (later, ask) in steps {
            now += later;
            let at = Timestamp::from_ms(now);
            drop.fire(at);
            compare(&drop, model.as_ref(), now);
            let command = command(&ask, model.as_ref());
            let before = (drop.version(), drop.head().cloned(), drop.items().count());
            // Positions are dense, and the first event of a test is at 101.
            let next = if drop.head().is_some() { drop.version().plus(1) } else { Position::new(101) };
            let expected = ask_model(&mut model, &ask, now, next);
            let found = ask_machine(&mut drop, &command, at);
            prop_assert_eq!(
                found.as_ref().map(|(_, moves)| moves).map_err(|refusal| *refusal),
                expected.as_ref().map_err(|refusal| *refusal),
                "{:?} at {}", ask, now
            );
            match found {
                Ok((Event::Claimed(claimed), _)) => {
                    let model = model.as_ref().expect("claimed from");
                    prop_assert_eq!(claimed.number, model.claims.len() as u64);
                    prop_assert_eq!(claimed.remaining, model.left());
                }
                Ok((Event::Released(released), _)) => {
                    prop_assert_eq!(released.remaining, model.as_ref().expect("there").left());
                }
                Ok(_) => {}
                Err(_) => {
                    let after = (drop.version(), drop.head().cloned(), drop.items().count());
                    prop_assert_eq!(before, after, "{:?} has changed something", ask);
                }
            }
            compare(&drop, model.as_ref(), now);
        }
    }
}

fn extreme_command() -> impl Strategy<Value = Command> {
    let name = || {
        let texts = ["c0", "c1", "c101", "c102", "c18446744073709551615", "c99999999999999999999"];
        prop_oneof![
            prop::sample::select(texts.to_vec()).prop_map(str::to_owned),
            (1..=Id::LEN_MAX).prop_map(|len| "x".repeat(len)),
        ]
        .prop_map(|text| Id::new(&text).expect("well formed"))
    };
    let time = || {
        let times = vec![0, 1, Timestamp::LAST.ms(), u64::MAX - 1, u64::MAX];
        prop::option::of(prop::sample::select(times).prop_map(Timestamp::from_ms))
    };
    let count = || prop::sample::select(vec![0, 1, 2, u64::MAX - 1, u64::MAX]);
    let quantity = || prop::sample::select(vec![0, 1, 2, u32::MAX - 1, u32::MAX]);
    let price = prop::sample::select(vec![Amount::ZERO, Amount::from(1), Amount::MAX]);
    let price = price.prop_map(|amount| Price { amount, asset: Asset::new("X").expect("short") });
    prop_oneof![
        3 => (
            count(),
            prop::option::weighted(0.5, quantity()),
            time(),
            time(),
            prop::option::of(price),
            prop::option::weighted(0.2, name()),
        )
            .prop_map(|(stock, per_claimant, opens_at, closes_at, price, seller)| {
                let metadata = Metadata::new([("", "")]).expect("small");
                Command::Create { stock, per_claimant, opens_at, closes_at, price, seller, metadata }
            }),
        3 => (name(), quantity(), prop::option::of(name())).prop_map(
            |(claimant, quantity, pay_from)| Command::Claim { claimant, quantity, pay_from }
        ),
        1 => name().prop_map(|claim| Command::Release { claim }),
        1 => count().prop_map(|stock| Command::SetStock { stock }),
        1 => Just(Command::Close),
        2 => (name(), quantity(), name()).prop_map(
            |(claimant, quantity, payer)| Command::Buy { claimant, quantity, payer }
        ),
        2 => (name(), name()).prop_map(|(claim, claimant)| Command::Restock { claim, claimant }),
        1 => Just(Command::DropDue),
    ]
}

proptest! {
    #![proptest_config(crate::cases(2_000))]

    #[test]
    fn no_command_panics(
        steps in prop::collection::vec(extreme_command(), 1..20),
        times in prop::sample::subsequence(vec![0, 1, 2, Timestamp::LAST.ms(), u64::MAX - 1], 5),
    ) {
        let mut drop = Solo::<Drop>::new("d");
        for (index, command) in steps.iter().enumerate() {
            let now = Timestamp::from_ms(times[index * times.len() / steps.len()]);
            // Accepted or refused; it only must not panic, whole or split.
            for (_, leg) in drop.expand(command, None) {
                if let Some(leg) = leg.get::<Drop>() {
                    let _ = drop.ask_within(leg, now, &mut Transit::default());
                }
            }
            let _ = drop.ask_within(command, now, &mut Transit::default());
        }
    }
}

//! Many connections at once: what may happen once happens once, and the sums are right.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::ground::{Ground, Line, Told};

const CONNECTIONS: usize = 64;

/// Both ways to serve: all on one thread, and shards and connections on threads of their own.
fn grounds() -> [Ground; 2] {
    [Ground::new(), Ground::wide()]
}

/// As many connections, each on a thread, that begin together once all of them are there. Gives
/// what each was told.
fn race<T: Send>(
    ground: &Ground,
    connections: usize,
    work: impl Fn(usize, &mut Line) -> T + Sync,
) -> Vec<T> {
    let (barrier, work) = (&Barrier::new(connections), &work);
    thread::scope(|scope| {
        let spawn = |number| {
            scope.spawn(move || {
                let mut line = ground.line();
                line.get("/livez").is(200);
                barrier.wait();
                work(number, &mut line)
            })
        };
        let threads: Vec<_> = (0..connections).map(spawn).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

fn money(value: &Value) -> i64 {
    value.as_str().and_then(|text| text.parse().ok()).expect("an amount")
}

fn open(ground: &Ground, id: &str, floor: i64, deposit: i64) {
    let account = json!({ "id": id, "asset": "USD/2", "floor": floor.to_string() });
    ground.post("/v1/accounts", &account.to_string()).is(201);
    if deposit > 0 {
        let deposit = json!({ "amount": deposit }).to_string();
        ground.post(&format!("/v1/accounts/{id}/deposits"), &deposit).is(201);
    }
}

fn balance(ground: &Ground, id: &str) -> i64 {
    money(&ground.get(&format!("/v1/accounts/{id}")).is(200)["balance"])
}

/// All events behind a position, as they are listed now.
fn events(line: &mut Line, mut after: u64) -> Vec<Value> {
    let mut seen = Vec::new();
    loop {
        let page = line.get(&format!("/v1/events?limit=200&after={after}")).is(200);
        seen.extend_from_slice(page["data"].as_array().expect("rows"));
        let Some(next) = page["next"].as_str() else { return seen };
        after = next.parse().expect("a position");
    }
}

/// Money adds up, every event is there once and in order, and a restart changes nothing of it.
fn holds_together(mut ground: Ground) {
    let mut before = None;
    for _ in 0..2 {
        let sums = ground.get("/v1/admin/balance").is(200)["data"].clone();
        for row in sums.as_array().expect("rows") {
            assert_eq!(row["difference"], "0", "{row}");
        }
        let events = events(&mut ground.line(), 0);
        let at = |row: &Value| row["position"].as_u64().expect("a position");
        assert!(events.is_sorted_by_key(at), "the events of a book come in order");
        let mut places = BTreeSet::new();
        for row in &events {
            let place = (at(row), row["kind"].to_string(), row["stream"].to_string());
            assert!(places.insert((place, row["type"].to_string())), "twice: {row}");
        }
        let now = (sums, events);
        assert!(before.as_ref().is_none_or(|before| *before == now), "a restart changed it");
        before = Some(now);
        ground.restart();
    }
}

#[test]
fn a_ticket_goes_to_one_of_all_who_claim_it() {
    for ground in grounds() {
        ground.post("/v1/tickets", r#"{"id":"seat"}"#).is(201);
        let claim = |number: usize, line: &mut Line| {
            let body = json!({ "claimant": format!("c{number}") }).to_string();
            line.post("/v1/tickets/seat/claims", &body)
        };
        let mut won = Vec::new();
        for (number, told) in race(&ground, CONNECTIONS, claim).into_iter().enumerate() {
            match told.status {
                201 => won.push((number, told.body)),
                _ => drop(told.fails(409, "already_claimed")),
            }
        }
        let [(winner, body)] = won.as_slice() else { panic!("{} have it", won.len()) };
        // Whoever asks again is told the same.
        for (number, told) in race(&ground, CONNECTIONS, claim).into_iter().enumerate() {
            if number == *winner {
                assert_eq!(told.header("idempotent-replayed"), Some("true"));
                assert_eq!((told.status, &told.body), (200, body));
            } else {
                told.fails(409, "already_claimed");
            }
        }
        let ticket = ground.get("/v1/tickets/seat").is(200);
        assert_eq!(ticket["claimant"], format!("c{winner}"));
        holds_together(ground);
    }
}

#[test]
fn a_stock_is_claimed_to_its_last_unit_and_not_beyond() {
    const STOCK: usize = 100;
    for ground in grounds() {
        open(&ground, "shop", 0, 0);
        let price = json!({ "amount": 3, "asset": "USD/2" });
        let body = json!({ "id": "d", "stock": STOCK, "price": price, "seller": "shop" });
        ground.post("/v1/drops", &body.to_string()).is(201);
        for number in 0..CONNECTIONS {
            // One of them has money for no more than one.
            open(&ground, &format!("c{number}"), 0, if number == 0 { 5 } else { 10 });
        }
        let claims = race(&ground, CONNECTIONS, |number, line| {
            let who = format!("c{number}");
            let body = json!({ "claimant": who, "pay_from": who }).to_string();
            [(); 3].map(|()| line.post("/v1/drops/d/claims", &body))
        });
        let (mut numbers, mut paid) = (BTreeSet::new(), BTreeMap::new());
        for told in claims.into_iter().flatten() {
            match told.status {
                201 => {
                    let claim = told.json();
                    let number = claim["number"].as_u64().expect("a number") as usize;
                    assert!(numbers.insert(number), "{number} was given twice");
                    assert_eq!(claim["remaining"], STOCK - number);
                    let payer = claim["paid_from"].as_str().expect("an id").to_owned();
                    *paid.entry(payer).or_default() += money(&claim["paid"]);
                }
                402 => drop(told.fails(402, "insufficient_funds")),
                _ => drop(told.fails(409, "sold_out")),
            }
        }
        assert!(numbers.iter().copied().eq(1..=STOCK), "{numbers:?}");
        assert_eq!(balance(&ground, "shop"), 3 * STOCK as i64);
        for number in 0..CONNECTIONS {
            let who = format!("c{number}");
            let had = if number == 0 { 5 } else { 10 };
            let paid = paid.get(&who).copied().unwrap_or(0);
            assert_eq!(balance(&ground, &who), had - paid);
        }
        let drop = ground.get("/v1/drops/d").is(200);
        assert_eq!((&drop["taken"], &drop["remaining"]), (&json!(STOCK), &json!(0)));
        holds_together(ground);
    }
}

#[test]
fn charges_stop_at_the_floor() {
    const FLOOR: i64 = -50;
    for ground in grounds() {
        open(&ground, "till", FLOOR, 1_000);
        let charges = race(&ground, CONNECTIONS, |caller, line| {
            let charge = |turn: usize| {
                let amount = 1 + (caller + 5 * turn) as i64 % 9;
                let body = json!({ "amount": amount }).to_string();
                (amount, line.post("/v1/accounts/till/charges", &body))
            };
            (0..8).map(charge).collect::<Vec<(i64, Told)>>()
        });
        let mut taken = BTreeMap::new();
        for (amount, told) in charges.into_iter().flatten() {
            if told.status == 201 {
                let charge = told.json();
                let at = charge["position"].as_u64().expect("a position");
                let after = money(&charge["balance_after"]);
                assert_eq!(taken.insert(at, (amount, after)), None, "one position, two charges");
            } else {
                let available = money(&told.fails(402, "insufficient_funds")["available"]);
                assert!((0..amount).contains(&available), "{available} was enough for {amount}");
            }
        }
        // In their order, each takes from what the one before has left.
        let mut left = 1_000;
        for (at, (amount, after)) in taken {
            left -= amount;
            assert!(left == after && left >= FLOOR, "{after} at {at}, and {left} is left");
        }
        assert_eq!(balance(&ground, "till"), left);
        assert!(left < FLOOR + 9, "there was enough for one more");
        holds_together(ground);
    }
}

#[test]
fn one_key_has_one_effect_however_many_send_it_at_once() {
    const SENDERS: usize = 16;
    const KEYS: usize = 24;
    for mut ground in grounds() {
        open(&ground, "a", 0, 0);
        ground.post("/v1/tickets", r#"{"id":"gone"}"#).is(201);
        ground.post("/v1/tickets/gone/claims", r#"{"claimant":"first"}"#).is(201);
        let send = |_, line: &mut Line| -> Vec<Told> {
            let deposits = "/v1/accounts/a/deposits";
            let deposit =
                |number| line.post_keyed(deposits, &format!("k{number}"), r#"{"amount":7}"#);
            let mut told: Vec<Told> = (0..KEYS).map(deposit).collect();
            let (much, late) = (r#"{"amount":100000}"#, r#"{"claimant":"late"}"#);
            told.push(line.post_keyed("/v1/accounts/a/charges", "too-much", much));
            told.push(line.post_keyed("/v1/tickets/gone/claims", "too-late", late));
            told
        };
        let mut answers: Vec<Option<(u16, Vec<u8>)>> = vec![None; KEYS + 2];
        for is_first in [true, false] {
            let mut fresh = vec![0; KEYS + 2];
            for told in race(&ground, SENDERS, send) {
                for (place, told) in told.into_iter().enumerate() {
                    let is_replayed = told.header("idempotent-replayed") == Some("true");
                    fresh[place] += usize::from(!is_replayed);
                    let answer = (told.status, without_request_id(told));
                    let known = answers[place].get_or_insert_with(|| answer.clone());
                    assert_eq!(*known, answer, "all are told the same");
                }
            }
            assert!(fresh.iter().all(|fresh| *fresh == usize::from(is_first)), "{fresh:?}");
            assert_eq!(balance(&ground, "a"), 7 * KEYS as i64);
            ground.restart();
        }
        let statuses: Vec<u16> = answers.iter().flatten().map(|(status, _)| *status).collect();
        assert_eq!(statuses[..KEYS], [201; KEYS]);
        assert_eq!(statuses[KEYS..], [402, 409]);
        holds_together(ground);
    }
}

#[test]
fn money_that_goes_round_stays_the_same() {
    const RING: usize = 8;
    for ground in grounds() {
        for number in 0..RING {
            open(&ground, &format!("r{number}"), 0, 100);
        }
        let moved = race(&ground, CONNECTIONS, |caller, line| {
            let mut moved = Vec::new();
            for turn in 0..8 {
                let from = (caller + turn) % RING;
                let to = (from + 1 + turn % 3) % RING;
                let amount = 1 + (caller * 7 + turn * 13) % 90;
                let body =
                    json!({ "from": format!("r{from}"), "to": format!("r{to}"), "amount": amount });
                let told = line.post("/v1/transfers", &body.to_string());
                match told.status {
                    201 => moved.push((from, to, amount as i64)),
                    _ => drop(told.fails(402, "insufficient_funds")),
                }
            }
            moved
        });
        let mut expected = [100; RING];
        for (from, to, amount) in moved.into_iter().flatten() {
            expected[from] -= amount;
            expected[to] += amount;
        }
        let balances: Vec<i64> =
            (0..RING).map(|number| balance(&ground, &format!("r{number}"))).collect();
        assert_eq!(balances, expected);
        assert!(balances.iter().all(|balance| *balance >= 0), "{balances:?}");
        assert_eq!(balances.iter().sum::<i64>(), 100 * RING as i64);
        holds_together(ground);
    }
}

/// Everything at once, and somebody who reads along.
#[test]
fn whoever_follows_meets_each_answered_change_once() {
    for ground in grounds() {
        for number in 0..8 {
            open(&ground, &format!("a{number}"), 0, 50);
        }
        ground.post("/v1/drops", r#"{"id":"d","stock":40}"#).is(201);
        let left = AtomicUsize::new(CONNECTIONS - 1);
        let told = race(&ground, CONNECTIONS, |caller, line| {
            if caller == CONNECTIONS - 1 {
                return follow(line, &left);
            }
            let positions = (0..10).filter_map(|turn| change(line, caller, turn)).collect();
            left.fetch_sub(1, Ordering::SeqCst);
            positions
        });
        let (followed, changed) = told.split_last().expect("there are many");
        let changed: BTreeSet<u64> = changed.iter().flatten().copied().collect();
        let met: BTreeSet<u64> = followed.iter().copied().collect();
        assert!(changed.len() > CONNECTIONS && changed.is_subset(&met), "some were never met");
        let listed: Vec<u64> = events(&mut ground.line(), 0)
            .iter()
            .map(|row| row["position"].as_u64().expect("one"))
            .collect();
        assert_eq!(*followed, listed, "whoever follows meets what is listed");
        holds_together(ground);
    }
}

/// One of many things that can be asked. Where it changed something, at which position.
fn change(line: &mut Line, caller: usize, turn: usize) -> Option<u64> {
    let (one, other) = (format!("a{}", (caller + turn) % 8), format!("a{}", (caller + 3) % 8));
    let own = format!("c{caller}-{turn}");
    let told = match (caller + turn) % 7 {
        0 => line.post(&format!("/v1/accounts/{one}/charges"), r#"{"amount":3}"#),
        1 => line.post(&format!("/v1/accounts/{one}/deposits"), r#"{"amount":2}"#),
        2 => {
            let body = json!({ "from": one, "to": other, "amount": 9 });
            line.post("/v1/transfers", &body.to_string())
        }
        3 => line.post("/v1/drops/d/claims", &json!({ "claimant": own }).to_string()),
        4 => line.post("/v1/tickets", &json!({ "id": own }).to_string()),
        5 => {
            let value = json!({ "value": { "turn": turn } }).to_string();
            line.ask("PUT", &format!("/v1/records/notes/{one}"), &[], Some(&value))
        }
        _ => {
            let legs = json!([
                { "op": "account.charge", "id": one, "amount": 1 },
                { "op": "drop.claim", "id": "d", "claimant": own },
            ]);
            line.post("/v1/transactions", &json!({ "legs": legs }).to_string())
        }
    };
    assert!([200, 201, 402, 409].contains(&told.status), "{told:?}");
    let position = told.header("quipu-position")?.parse().expect("a position");
    (told.status < 300).then_some(position)
}

/// Reads on from where it is until the others are done, and then to the end. Gives the position of
/// each event, in the order in which it met them.
fn follow(line: &mut Line, left: &AtomicUsize) -> Vec<u64> {
    let mut seen = Vec::new();
    loop {
        let are_done = left.load(Ordering::SeqCst) == 0;
        let after = seen.last().copied().unwrap_or(0);
        let rows = events(line, after);
        seen.extend(rows.iter().map(|row| row["position"].as_u64().expect("a position")));
        if are_done {
            return seen;
        }
    }
}

/// The body, without the name of the request.
fn without_request_id(told: Told) -> Vec<u8> {
    if told.status < 400 {
        return told.body;
    }
    let mut problem = told.json();
    problem.as_object_mut().expect("an object").remove("request_id");
    problem.to_string().into_bytes()
}

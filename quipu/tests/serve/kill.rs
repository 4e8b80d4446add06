//! The process is killed under load, again and again, and told to stop under load. Whoever had no
//! answer asks again with the same key, and what all were told is held against the ledger: nothing
//! is lost and nothing happened twice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ground::{Line, Server, Told};

const KILLS: usize = 10;
const CALLERS: usize = 8;
const ACCOUNTS: usize = 4;
const TICKETS: usize = 2_000;

/// Somebody who asks one thing after the other, each until it is answered.
struct Caller {
    number: usize,
    /// What is asked and how it was answered, in order.
    answered: Vec<(Asked, Told)>,
    /// What was sent and has no answer yet.
    open: Option<Asked>,
    /// How many had happened already when they were asked once more.
    found_done: usize,
}

/// Something to be done once.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Asked {
    path: String,
    key: String,
    body: Value,
}

impl Caller {
    fn new(number: usize) -> Self {
        Self { number, answered: Vec::new(), open: None, found_done: 0 }
    }

    /// What it asks next: everybody goes for the same accounts, tickets and stock.
    fn next(&self) -> Asked {
        let turn = self.answered.len();
        let account = |number: usize| format!("a{}", number % ACCOUNTS);
        let (one, other) = (account(self.number + turn), account(self.number + turn / 5 + 1));
        let amount = 1 + (self.number + turn) % 9;
        let (path, body) = match turn % 5 {
            0 => (format!("accounts/{one}/deposits"), json!({ "amount": amount })),
            1 => {
                let body = json!({ "from": one, "to": other, "amount": amount });
                ("transfers".to_owned(), body)
            }
            2 => {
                let body = json!({ "claimant": format!("c{}", self.number) });
                (format!("tickets/t{}/claims", turn % TICKETS), body)
            }
            3 => ("drops/d/claims".to_owned(), json!({ "claimant": format!("c{}", self.number) })),
            _ => (format!("accounts/{one}/charges"), json!({ "amount": amount })),
        };
        Asked { path: format!("/v1/{path}"), key: format!("{}-{turn}", self.number), body }
    }

    /// Asks until the connection ends, and says of each answer that it is there.
    fn work(&mut self, line: &mut Line, tell: &Sender<()>) {
        loop {
            let asked = self.open.take().unwrap_or_else(|| self.next());
            self.open = Some(asked.clone());
            let Some(told) = ask(line, &asked) else { return };
            if told.status != 503 {
                self.answer(asked, told);
                // Whoever counts may have counted enough.
                let _ = tell.send(());
            }
            // Now and then somebody is not sure.
            if self.answered.len() % 16 == 15 {
                let (asked, told) = &self.answered[self.answered.len() / 2];
                let Some(again) = ask(line, asked) else { return };
                if again.status != 503 {
                    is_the_same(asked, told, &again);
                }
            }
        }
    }

    /// Asks once more for what has no answer.
    fn finish(&mut self, line: &mut Line) {
        if let Some(asked) = self.open.take() {
            let told = ask(line, &asked).expect("it answers");
            self.answer(asked, told);
        }
    }

    fn answer(&mut self, asked: Asked, told: Told) {
        assert!([201, 402, 409].contains(&told.status), "{asked:?}: {}", told.body);
        self.found_done += usize::from(told.is_replayed());
        self.open = None;
        self.answered.push((asked, told));
    }
}

fn ask(line: &mut Line, asked: &Asked) -> Option<Told> {
    line.try_post(&asked.path, &asked.key, &asked.body.to_string())
}

/// An answer to a repeat says what the first one said.
fn is_the_same(asked: &Asked, told: &Told, again: &Told) {
    assert!(again.is_replayed(), "{asked:?} happened twice: {}", again.body);
    let facts = |told: &Told| {
        let mut facts = told.json();
        facts.as_object_mut().expect("an object").remove("request_id");
        (told.status, facts)
    };
    assert_eq!(facts(told), facts(again), "{asked:?}");
}

/// A ledger in which there is something to go for.
fn begun(folder: &Path) -> Server {
    let server = Server::start(folder, &[]);
    let mut line = server.line();
    for number in 0..ACCOUNTS {
        let account = json!({ "id": format!("a{number}"), "asset": "USD/2" });
        line.post("/v1/accounts", &account.to_string()).is(201);
    }
    let tickets: Vec<_> =
        (0..TICKETS).map(|number| json!({ "id": format!("t{number}") })).collect();
    line.post("/v1/tickets/batch", &json!({ "tickets": tickets }).to_string()).is(201);
    line.post("/v1/drops", r#"{"id":"d","stock":1000000}"#).is(201);
    server
}

/// Lets all callers work until there are so many answers, and then does this to the server.
/// Whatever it is, it ends all connections.
fn work_until(server: Server, callers: &mut [Caller], answers: usize, end: impl FnOnce(Server)) {
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        for caller in callers {
            let (tell, mut line) = (tell.clone(), server.line());
            scope.spawn(move || caller.work(&mut line, &tell));
        }
        drop(tell);
        assert_eq!(told.iter().take(answers).count(), answers, "it ended by itself");
        end(server);
    });
}

/// What callers were told is what the ledger says.
fn holds(server: &Server, callers: &[Caller]) {
    let mut line = server.line();
    let mut balances: BTreeMap<String, i64> = BTreeMap::new();
    let (mut positions, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    let mut tickets: BTreeMap<String, (Value, Value)> = BTreeMap::new();
    let mut effects = 0;
    for (asked, told) in callers.iter().flat_map(|caller| &caller.answered) {
        is_the_same(asked, told, &ask(&mut line, asked).expect("it answers"));
        if told.status != 201 {
            continue;
        }
        effects += 1;
        let (answer, body) = (told.json(), &asked.body);
        let position = told.header("quipu-position").expect("a position").to_owned();
        assert!(positions.insert(position), "two have the place of {asked:?}");
        let mut add = |account: &Value, sign: i64| {
            let account = account.as_str().expect("an id").to_owned();
            let amount = body["amount"].as_i64().expect("a number");
            *balances.entry(account).or_default() += sign * amount;
        };
        match asked.path.split('/').nth_back(0).expect("a path has a last part") {
            "deposits" => add(&answer["account"], 1),
            "charges" => add(&answer["account"], -1),
            "transfers" => {
                add(&body["from"], -1);
                add(&body["to"], 1);
            }
            _ if asked.path.starts_with("/v1/drops/") => {
                assert!(numbers.insert(answer["number"].as_u64()), "a number twice: {answer}");
            }
            _ => {
                let ticket = answer["ticket"].as_str().expect("an id").to_owned();
                let claim = (answer["claimant"].clone(), answer["token"].clone());
                let other = tickets.insert(ticket, claim);
                assert!(other.is_none(), "two have {}", answer["ticket"]);
            }
        }
    }
    assert!(
        numbers.iter().copied().eq((1..=numbers.len() as u64).map(Some)),
        "a gap in {numbers:?}"
    );
    let drop = line.get("/v1/drops/d").is(200);
    assert_eq!(drop["taken"], numbers.len());
    for (account, balance) in balances {
        let shown = line.get(&format!("/v1/accounts/{account}")).is(200);
        assert_eq!(shown["balance"], balance.to_string(), "{account}");
    }
    for (ticket, (claimant, token)) in &tickets {
        let claim = json!({ "claimant": claimant }).to_string();
        let again = line.post(&format!("/v1/tickets/{ticket}/claims"), &claim).is(200);
        assert_eq!(again["token"], *token, "{ticket}");
    }
    let claimed = line.get("/v1/tickets?state=claimed&limit=1000").is(200);
    assert_eq!(claimed["data"].as_array().map(Vec::len), Some(tickets.len().min(1_000)));
    let sums = line.get("/v1/admin/balance").is(200);
    assert_eq!(sums["data"][0]["difference"], "0", "{sums}");
    assert!(effects > callers.len(), "{effects} is not much");
}

#[test]
fn ten_kills_lose_nothing_and_double_nothing() {
    let folder = TempDir::new().expect("a folder");
    let mut callers: Vec<Caller> = (0..CALLERS).map(Caller::new).collect();
    let mut server = begun(folder.path());
    for life in 0..KILLS {
        // From among the first answers to well into a life, where there were checkpoints.
        let answers = 1 + life * life * 5;
        work_until(server, &mut callers, answers, Server::kill);
        server = Server::start(folder.path(), &[]);
    }
    for caller in &mut callers {
        caller.finish(&mut server.line());
    }
    let found_done: usize = callers.iter().map(|caller| caller.found_done).sum();
    println!("{found_done} had happened when their answers were lost");
    holds(&server, &callers);
    let ended = server.stop();
    assert!(ended.status.success(), "{}", ended.said);
    holds(&Server::start(folder.path(), &[]), &callers);
}

/// What was let in is answered; what was not has not happened.
#[test]
fn told_to_stop_it_answers_what_it_let_in() {
    let folder = TempDir::new().expect("a folder");
    let mut callers: Vec<Caller> = (0..CALLERS).map(Caller::new).collect();
    let mut server = begun(folder.path());
    for life in 0..5 {
        work_until(server, &mut callers, 100 + 50 * life, |server| {
            let ended = server.stop();
            assert_eq!(ended.status.code(), Some(0), "{}", ended.said);
            assert!(ended.said.contains("stopped"), "{}", ended.said);
        });
        server = Server::start(folder.path(), &[]);
        for caller in &mut callers {
            caller.finish(&mut server.line());
            assert_eq!(caller.found_done, 0, "something happened and nobody was told");
        }
    }
    holds(&server, &callers);
}

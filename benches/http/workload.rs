//! What is asked, what has to be there before, and what an answer looks like.

use serde_json::{Value, json};

use crate::Failed;
use crate::client::Client;

/// What one request asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Workload {
    /// The claim of a ticket that nobody has.
    Claims,
    /// An account.
    Get,
    /// A deposit under a key of its own.
    Deposits,
    /// A thousand deposits, on an account each.
    Batch,
}

/// All there are.
pub(crate) const ALL: [Workload; 4] =
    [Workload::Claims, Workload::Get, Workload::Deposits, Workload::Batch];

/// How many accounts there are; `wrk.lua` has it too.
const ACCOUNTS: usize = 1_000;
/// The most tickets that one request issues.
const TICKETS_MAX: u64 = 10_000;

/// A field of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Filled {
    /// It repeats what the path names, or what an operation of a batch does.
    FromPath,
    /// It repeats what the body says.
    FromBody,
}

impl Workload {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Claims => "claims",
            Self::Get => "get",
            Self::Deposits => "deposits",
            Self::Batch => "batch",
        }
    }

    /// For tables.
    pub(crate) fn says(self) -> &'static str {
        match self {
            Self::Claims => "one durable claim of a fresh ticket a request",
            Self::Get => "one account of 1,000 a request",
            Self::Deposits => "one durable deposit a request, each under a fresh key",
            Self::Batch => "1,000 durable deposits a request",
        }
    }

    /// Over how many connections it is asked unless it is said otherwise. Batches of more than
    /// 64 callers are more than a ledger takes at once.
    pub(crate) fn connections(self) -> [u64; 2] {
        if self == Self::Batch { [8, 64] } else { [64, 256] }
    }

    /// How many operations a request is.
    pub(crate) fn operations(self) -> u64 {
        if self == Self::Batch { ACCOUNTS as u64 } else { 1 }
    }

    /// Which fields of an answer a request decides.
    pub(crate) fn fills(self, field: &str) -> Option<Filled> {
        match (self, field) {
            (Self::Claims, "ticket") | (Self::Get, "id") => Some(Filled::FromPath),
            (Self::Deposits | Self::Batch, "account") => Some(Filled::FromPath),
            (Self::Claims, "claimant") | (Self::Deposits | Self::Batch, "amount") => {
                Some(Filled::FromBody)
            }
            _ => None,
        }
    }

    /// Makes what is asked for first.
    pub(crate) fn prepare(self, client: &mut Client) -> Result<(), Failed> {
        if self == Self::Claims {
            return issue(client, 0, 1);
        }
        for number in 0..ACCOUNTS {
            let account = json!({ "id": account(number), "asset": "USD/2" });
            client.ask("POST", "/v1/accounts", &account.to_string())?;
        }
        Ok(())
    }

    /// Asks once, under the number 0, and gives the answer; of a batch that of an operation.
    pub(crate) fn ask(self, client: &mut Client) -> Result<Value, Failed> {
        let of_first = format!("/v1/accounts/{}", account(0));
        match self {
            Self::Claims => {
                let claim = json!({ "claimant": "c0000000000" }).to_string();
                client.ask("POST", "/v1/tickets/t0000000000/claims", &claim)
            }
            Self::Get => client.ask("GET", &of_first, ""),
            Self::Deposits => {
                let deposit = json!({ "amount": "1" }).to_string();
                client.ask("POST", &format!("{of_first}/deposits"), &deposit)
            }
            Self::Batch => batched(client),
        }
    }
}

/// Asks for a batch, and looks at each of its answers.
fn batched(client: &mut Client) -> Result<Value, Failed> {
    let operation =
        |number| json!({ "op": "account.deposit", "id": account(number), "amount": "1" });
    let operations: Vec<Value> = (0..ACCOUNTS).map(operation).collect();
    let batch = json!({ "operations": operations }).to_string();
    let mut answer = client.ask("POST", "/v1/batch", &batch)?;
    let results = answer["results"].as_array_mut().ok_or("a batch without results")?;
    let is_done = |result: &Value| result["status"] == 201 && result["body"].is_object();
    if results.len() != ACCOUNTS || !results.iter().all(is_done) {
        return Err(format!("a batch was not done: {answer}").into());
    }
    Ok(results.swap_remove(0)["body"].take())
}

fn account(number: usize) -> String {
    format!("a{number:04}")
}

/// Tickets, of which the first was claimed already.
pub(crate) struct Stock {
    /// How many there are, those that are claimed included.
    issued: u64,
}

impl Default for Stock {
    fn default() -> Self {
        Self { issued: 1 }
    }
}

impl Stock {
    /// Sees to it that the tickets up to this number are there, and that nothing is left to be
    /// done for them when claims are measured.
    pub(crate) fn fill(&mut self, client: &mut Client, until: u64) -> Result<(), Failed> {
        if until <= self.issued {
            return Ok(());
        }
        while self.issued < until {
            let count = TICKETS_MAX.min(until - self.issued);
            issue(client, self.issued, count)?;
            self.issued += count;
        }
        client.ask("POST", "/v1/admin/checkpoint", "")?;
        Ok(())
    }

    /// Whether the ticket of this number was issued.
    pub(crate) fn has(&self, number: u64) -> bool {
        number < self.issued
    }
}

fn issue(client: &mut Client, first: u64, count: u64) -> Result<(), Failed> {
    let ticket =
        |number| json!({ "id": format!("t{number:010}"), "asset": "USD/2", "amount": "100" });
    let tickets: Vec<Value> = (first..first + count).map(ticket).collect();
    let batch = json!({ "tickets": tickets }).to_string();
    client.ask("POST", "/v1/tickets/batch", &batch)?;
    Ok(())
}

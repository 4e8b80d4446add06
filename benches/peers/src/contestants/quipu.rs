//! Quipu, within the program: tasks on the shard's own thread, or one caller with batches.

use std::future::Future;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use quipu::Ledger;
use quipu_core::machine::{Command, Machine};
use quipu_core::machines::drop::{self, Drop};
use quipu_core::machines::ticket::{self, State, Ticket};
use quipu_core::records::{HeadRow, Record as _, Table};
use quipu_core::shard::{Ask as Asked, Leg, Options, Outcome, Reading, Reply};
use quipu_core::words::{Book, Code, Id, Metadata, Name};

use super::{CACHE_MIB, Contestant, Entrant, Promise, locked_version};
use crate::round::{Client, Round, Tally};
use crate::workload::{Answer, Ask, Stock, Text, Work};

pub(super) const ENTRANTS: &[Entrant] = &[
    Entrant {
        name: "quipu",
        promise: Promise::Durable,
        sync: "a sync of the log at each frame",
        clients: &[1, 16, 64],
        batch: 1,
        open: Quipu::open,
    },
    Entrant {
        name: "quipu-batch",
        promise: Promise::Batched,
        sync: "a sync of the log at each frame",
        clients: &[1],
        batch: 1_000,
        open: Quipu::open,
    },
];

/// How many streams are made at a time.
const MADE: usize = 4_096;

struct Quipu {
    /// Where the ledger's shard runs, and every client.
    system: actix::SystemRunner,
    ledger: Option<Ledger>,
    work: Option<Work>,
}

impl Quipu {
    fn open(dir: &Path) -> Result<Box<dyn Contestant>> {
        let system = actix::System::new();
        // Streams at hand are a quarter of the budget: as much as the others' caches.
        let memory = 4 * CACHE_MIB << 20;
        let open = Ledger::builder(dir.join("ledger")).memory(memory).on_this_thread().open();
        let ledger = system.block_on(open)?;
        Ok(Box::new(Self { system, ledger: Some(ledger), work: None }))
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.system.block_on(future)
    }

    fn ledger(&self) -> Result<&Ledger> {
        self.ledger.as_ref().context("it has been stopped")
    }
}

impl Contestant for Quipu {
    fn about(&self) -> String {
        format!("quipu {}, one shard on its callers' thread", locked_version("quipu"))
    }

    fn prepare(&mut self, stock: Stock) -> Result<()> {
        self.work = Some(stock.work);
        let ledger = self.ledger()?;
        match stock.work {
            Work::Claims => {
                let mut tickets = stock.tickets();
                while tickets.len() > 0 {
                    let asks = tickets.by_ref().take(MADE).map(issue).collect::<Result<_>>()?;
                    all_done(&self.block_on(ledger.ask_all(asks)))?;
                }
            }
            Work::Hot => {
                for (id, taken, stock) in stock.drops() {
                    let mut asks = vec![create(id, stock)?];
                    if taken > 0 {
                        asks.push(take(id, "nobody", u32::try_from(taken)?)?);
                    }
                    for ask in asks {
                        all_done(&[self.block_on(ledger.ask(ask))])?;
                    }
                }
            }
        }
        Ok(())
    }

    fn run(&mut self, round: &Round) -> Result<Tally> {
        let ledger = self.ledger()?;
        self.block_on(async {
            // Tasks of one thread, so they can borrow nothing of this one: each is polled here.
            let clients = (0..round.clients).map(|number| serve(ledger, round.client(number)));
            let mut all: Option<Tally> = None;
            for tally in together(clients.collect()).await {
                let tally = tally?;
                match &mut all {
                    Some(all) => all.add(&tally),
                    None => all = Some(tally),
                }
            }
            all.context("a round needs a client")
        })
    }

    fn claims(&mut self) -> Result<u64> {
        let ledger = self.ledger()?;
        if self.work == Some(Work::Hot) {
            let mut taken = 0;
            for id in ["drop-open", "drop-sold-out"] {
                let read = self.block_on(ledger.ask(read::<Drop>(id)?));
                taken += done(read)?.answer.head::<Drop>()?.taken;
            }
            return Ok(taken);
        }
        let (mut claims, mut wrong) = (0, None);
        ledger.handle().store().scan(Table::Head, &[], &mut |_, row| {
            let claimed = HeadRow::read(row).and_then(|row| {
                let is_ticket = row.name.kind == Ticket::KIND;
                Ok(is_ticket && ticket::Head::unpack(row.tag, row.head)?.state == State::Claimed)
            });
            match claimed {
                Ok(claimed) => claims += u64::from(claimed),
                Err(why) => wrong = Some(why),
            }
            wrong.is_none()
        })?;
        match wrong {
            Some(why) => bail!("a row: {why:?}"),
            None => Ok(claims),
        }
    }

    fn stop(mut self: Box<Self>) -> Result<()> {
        let ledger = self.ledger.take().context("it has been stopped")?;
        Ok(self.block_on(ledger.close())?)
    }
}

/// One client, until the round is over.
async fn serve(ledger: &Ledger, mut client: Client<'_>) -> Result<Tally> {
    let (mut asks, mut answers) = (Vec::new(), Vec::new());
    while client.ask(&mut asks) {
        let asked = Instant::now();
        answers.clear();
        if let [ask] = asks[..] {
            let reply = ledger.ask(put(ask)?).await;
            answers.push(answer(ledger, ask, reply).await?);
        } else {
            let all = asks.iter().map(|ask| put(*ask)).collect::<Result<_>>()?;
            for (ask, reply) in asks.iter().zip(ledger.ask_all(all).await) {
                answers.push(answer(ledger, *ask, reply).await?);
            }
        }
        client.check(&answers, asked, Instant::now())?;
    }
    Ok(client.tally)
}

/// Runs all of them side by side on this thread.
async fn together<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut running: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|task| {
        let mut left = 0;
        for (future, output) in running.iter_mut().filter(|(_, output)| output.is_none()) {
            match future.as_mut().poll(task) {
                std::task::Poll::Ready(ready) => *output = Some(ready),
                std::task::Poll::Pending => left += 1,
            }
        }
        if left == 0 { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}

fn name<M: Machine>(id: &str) -> Result<Name> {
    Ok(Name::new(Book::DEFAULT, M::KIND, Id::new(id).map_err(|why| anyhow::anyhow!("{why:?}"))?))
}

fn ask<M: Machine>(id: &str, command: M::Command) -> Result<Asked> {
    let (stream, command) = (name::<M>(id)?, Command::of::<M>(command));
    Ok(Asked::Command(Leg { stream, command, options: Options::default() }, None))
}

fn read<M: Machine>(id: &str) -> Result<Asked> {
    Ok(Asked::Read(Reading { stream: name::<M>(id)?, items: Vec::new() }))
}

fn issue(id: Text) -> Result<Asked> {
    let command = ticket::Command::Issue {
        amount: None,
        asset: None,
        reference: None,
        expires_at: None,
        metadata: Metadata::default(),
        batch: false,
    };
    ask::<Ticket>(id.as_str(), command)
}

fn create(id: &str, stock: u64) -> Result<Asked> {
    let command = drop::Command::Create {
        stock,
        per_claimant: None,
        opens_at: None,
        closes_at: None,
        price: None,
        seller: None,
        metadata: Metadata::default(),
    };
    ask::<Drop>(id, command)
}

fn take(id: &str, claimant: &str, quantity: u32) -> Result<Asked> {
    let claimant = Id::new(claimant).map_err(|why| anyhow::anyhow!("{why:?}"))?;
    ask::<Drop>(id, drop::Command::Claim { claimant, quantity, pay_from: None })
}

fn put(asked: Ask) -> Result<Asked> {
    match asked {
        Ask::Claim { ticket, claimant } => {
            let claimant = Id::new(claimant.as_str()).map_err(|why| anyhow::anyhow!("{why:?}"))?;
            ask::<Ticket>(ticket.as_str(), ticket::Command::Claim { claimant })
        }
        Ask::Take { drop } => take(drop, "someone", 1),
    }
}

fn done(reply: Reply) -> Result<Outcome> {
    match reply {
        Reply::Done(outcome) => Ok(outcome),
        reply => bail!("it was not done: {reply:?}"),
    }
}

fn all_done(replies: &[Reply]) -> Result<()> {
    replies.iter().try_for_each(|reply| done(reply.clone()).map(drop))
}

/// What a reply says. Whose a ticket is that was refused is one more read.
async fn answer(ledger: &Ledger, asked: Ask, reply: Reply) -> Result<Answer> {
    match (reply, asked) {
        (Reply::Done(outcome), Ask::Claim { .. }) => {
            Ok(Answer::Claimed(holder(&outcome.answer.head::<Ticket>()?)?))
        }
        (Reply::Refused(refused), Ask::Claim { ticket, .. })
            if refused.refusal.code == Code::AlreadyClaimed =>
        {
            let read = done(ledger.ask(read::<Ticket>(ticket.as_str())?).await)?;
            Ok(Answer::Taken(holder(&read.answer.head::<Ticket>()?)?))
        }
        (Reply::Done(outcome), Ask::Take { .. }) => match outcome.answer.event::<Drop>()? {
            drop::Event::Claimed(claimed) => Ok(Answer::Unit(claimed.number)),
            event => bail!("no claim: {event:?}"),
        },
        (Reply::Refused(refused), Ask::Take { .. }) if refused.refusal.code == Code::SoldOut => {
            Ok(Answer::SoldOut)
        }
        (reply, _) => bail!("no answer: {reply:?}"),
    }
}

fn holder(head: &ticket::Head) -> Result<Text> {
    let claim = head.claim.as_ref().context("nobody has it")?;
    Text::new(claim.claimant.as_str())
}

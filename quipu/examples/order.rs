//! An order: a pair of shoes, the money for it and its record, together or not at all.

use quipu::{Book, Error, Ledger, Outcome};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let folder = std::env::temp_dir().join(format!("quipu-order-{}", std::process::id()));
    let ledger = Ledger::open(&folder).await?;
    let book = ledger.book("default");
    book.drop("shoes").create(2).await?.done()?;
    for (who, money) in [("alice", 90_00), ("bob", 60_00), ("carol", 90_00), ("dave", 90_00)] {
        book.account(who).open("EUR/2").await?.done()?;
        book.account(who).deposit(money).await?.done()?;
    }

    println!("two pairs of shoes, 80.00 each");
    for (order, who) in [("o-1", "alice"), ("o-2", "bob"), ("o-3", "carol"), ("o-4", "dave")] {
        buy(&book, order, who).await?;
    }
    println!("the answer to o-1 was lost on its way: alice asks again");
    buy(&book, "o-1", "alice").await?;

    println!("what is there now");
    let shoes = book.drop("shoes").get().await?.expect("it was created");
    println!("  shoes   {} of {} are left", shoes.remaining, shoes.stock);
    let mut accounts = book.accounts();
    while let Some(account) = accounts.next().await? {
        println!("  {:<7} {}", account.id.as_str(), euros(account.balance.get()));
    }
    let mut orders = book.collection("orders").records();
    while let Some(order) = orders.next().await? {
        println!("  {:<7} {}", order.key.as_str(), order.value.value);
    }
    ledger.close().await?;
    let _ = std::fs::remove_dir_all(folder);
    Ok(())
}

/// One order: the money, the shoes and the record. Whatever is refused, nothing of it happens.
async fn buy(book: &Book, order: &str, who: &str) -> Result<(), Error> {
    let legs = book
        .transaction()
        .and(book.account(who).charge(80_00))
        .and(book.drop("shoes").claim(who))
        .and(book.record("orders", order).put(format!(r#"{{"who":"{who}"}}"#)).if_absent());
    match legs.key(order).await? {
        Outcome::Done(done) => {
            let (charge, claim, _) = &done.value;
            let left = euros(charge.balance_after.get());
            let again = if done.replayed { ", the answer from before" } else { "" };
            println!("  {order}  {who:<6} yes: pair {}, and {left} left{again}", claim.number);
        }
        Outcome::Refused(refused) => println!("  {order}  {who:<6} no: {refused}"),
    }
    Ok(())
}

fn euros(cents: i128) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

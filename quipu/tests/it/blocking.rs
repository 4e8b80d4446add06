//! Everything without a runtime.

use quipu::{Code, Error, Ledger};

#[test]
fn a_thread_without_a_runtime_can_do_all_of_it() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = Ledger::open_blocking(folder.path())?;
    let book = ledger.book("shop");
    assert_eq!(book.account("a").deposit(1).wait()?.code(), Some(Code::NotFound));
    book.create().wait()?.done()?;
    assert_eq!(book.get().wait()?.expect("it is there").id.as_str(), "shop");
    book.account("a").open("USD/2").wait()?.done()?;
    let legs = book.transaction().and(book.account("a").deposit(5)).and(book.ticket("t").issue());
    legs.wait()?.done()?;
    let claim = book.ticket("t").claim("alice").wait()?.done()?;
    assert!(book.introspect(claim.token).wait()?.expect("it is hers").active);
    assert!(ledger.batch([book.account("a").charge(1)]).wait().iter().all(Result::is_ok));
    book.issue().and(book.ticket("u").issue()).wait()?.done()?;
    let snapshot = ledger.snapshot_blocking()?;
    let tickets = book.tickets().at(&snapshot).blocking().collect::<Result<Vec<_>, _>>()?;
    assert_eq!(tickets.len(), 2);
    let mut history = book.account("a").history();
    let mut count = 0;
    while history.next_blocking()?.is_some() {
        count += 1;
    }
    assert_eq!(count, 3);
    let mut events = book.events(0).so_far();
    assert!(events.next_blocking()?.is_some());
    let elsewhere = tempfile::tempdir().expect("a folder");
    ledger.backup_blocking(elsewhere.path().join("a.quipu"))?;
    ledger.close_blocking()?;
    Ledger::open_blocking(folder.path())?.close_blocking()
}

#[test]
fn many_threads_wait_for_one_ledger() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = Ledger::open_blocking(folder.path())?;
    let account = ledger.book("default").account("a");
    account.open("USD/2").wait()?.done()?;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    account.deposit(1).wait().expect("an answer").done().expect("room");
                }
            });
        }
    });
    assert_eq!(account.get().wait()?.expect("it is open").balance.get(), 200);
    ledger.close_blocking()
}

//! Access keys: what is kept of them, and where none of it shows.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use quipu::access::{AccessKey, KEYS_MAX, Scopes};
use quipu::words::{Fact, Id};
use quipu::{Code, Error, KeyMaterial, Ledger};
use quipu_core::machine::{Command, Machine};
use quipu_core::machines::book;
use quipu_core::shard::{Ask, Leg, Options, Reply};
use quipu_core::words::{Book, Name};

use crate::ground::{code, ledger};

#[tokio::test]
async fn a_key_is_made_found_by_its_hash_and_revoked() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let access = ledger.access();
    assert_eq!(access.load().await?.made, 0);
    ledger.book("shop").create().await?.done()?;
    let label = Id::new("till-1")?;
    let made = access.create("shop", Scopes::READ | Scopes::WRITE, Some(label.clone())).await?;
    let made = made.done()?;
    assert_eq!(made.view.book.as_ref().map(Id::as_str), Some("shop"));
    assert_eq!((made.view.label.as_ref(), made.view.revoked_at), (Some(&label), None));
    assert!(made.view.scopes.names().eq(["read", "write"]));
    assert!(!format!("{made:?}").contains(made.key.reveal()));
    let operator = access.create_operator(None).await?.done()?;
    assert_eq!((&operator.view.book, operator.view.scopes), (&None, Scopes::OPERATOR));
    assert_ne!(operator.key, made.key);

    let loaded = access.load().await?;
    assert_eq!((loaded.made, loaded.live.len()), (2, 2));
    let shown: AccessKey = made.key.reveal().parse()?;
    let found = loaded.live.iter().find(|live| live.hash == shown.hash()).expect("it is live");
    assert_eq!((&found.id, found.scopes), (&made.view.id, made.view.scopes));
    assert_eq!(access.get(&made.view.id).await?.expect("it was made").value, made.view);
    assert_eq!(access.list().await?, [operator.view.clone(), made.view.clone()]);
    assert_eq!(access.list_of("shop").await?, std::slice::from_ref(&made.view));
    assert_eq!(access.list_of("default").await?, [], "an operator's key belongs to no book");
    assert_eq!(access.list_of("nowhere").await?, []);

    let revoked = access.revoke(&made.view.id).await?.done()?;
    assert_eq!(revoked.revoked_at, Some(revoked.at));
    let again = access.revoke(&made.view.id).await?.done()?;
    assert_eq!((&again.value, again.changed), (&revoked.value, false), "the first one counts");
    assert_eq!(access.get(&made.view.id).await?.expect("it stays").value, revoked.value);
    let loaded = access.load().await?;
    assert_eq!((loaded.made, loaded.live.len()), (2, 1));
    ledger.close().await
}

#[tokio::test]
async fn what_makes_no_key_is_refused_and_what_names_none_is_not_found() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let access = ledger.access();
    assert_eq!(code(access.create("nowhere", Scopes::READ, None).await), Code::NotFound);
    for scopes in [Scopes::OPERATOR, Scopes::READ | Scopes::OPERATOR] {
        let refused = access.create("default", scopes, None).await;
        assert!(matches!(refused, Err(Error::Malformed(_))), "{refused:?}");
    }
    let made = access.create("default", Scopes::ADMIN, None).await?.done()?;
    let account = ledger.book("default").account("alice").open("USD/2").await?.done()?;
    let (position, book) = made.view.id.as_str().split_once('.').expect("two numbers");
    let others = [
        format!("{position}.{}", account.position),
        format!("{position}.0{book}"),
        format!("k99.{book}"),
        format!("{position}.99"),
        position.to_owned(),
        "k".to_owned(),
    ];
    for id in others {
        assert_eq!(access.get(&id).await?, None, "{id}");
        assert_eq!(code(access.revoke(&id).await), Code::NotFound, "{id}");
    }
    for text in ["", "qk_", "qk_00", &format!("qk_{}", "G".repeat(64)), &"0".repeat(67)] {
        assert!(text.parse::<AccessKey>().is_err(), "{text}");
    }
    assert_eq!(access.load().await?.live.len(), 1);
    ledger.close().await
}

#[tokio::test]
async fn keys_and_revocations_outlive_a_reopening_and_no_byte_tells_a_key() -> Result<(), Error> {
    let (folder, elsewhere) =
        (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
    let keys = || KeyMaterial::Given([7; 32]);
    let open = |folder: &Path| Ledger::builder(folder).keys(keys()).open();
    let ledger = open(folder.path()).await?;
    let access = ledger.access();
    let kept = access.create("default", Scopes::WRITE, None).await?.done()?.value;
    let lost = access.create("default", Scopes::READ, None).await?.done()?.value;
    access.revoke(&lost.view.id).await?.done()?;
    let before = access.list().await?;
    ledger.close().await?;

    let ledger = open(folder.path()).await?;
    let access = ledger.access();
    assert_eq!(access.list().await?, before);
    let live = access.load().await?.live;
    assert_eq!(live.iter().map(|live| live.hash).collect::<Vec<_>>(), [kept.key.hash()]);
    let file = elsewhere.path().join("a.quipu");
    ledger.backup(&file).await?;
    ledger.close().await?;

    let restored = elsewhere.path().join("copy");
    Ledger::builder(&restored).keys(keys()).restore(&file).await?;
    let ledger = open(&restored).await?;
    assert_eq!(ledger.access().list().await?, before, "hashes come along");
    ledger.close().await?;

    for made in [&kept, &lost] {
        let hash = made.key.hash();
        for text in [made.key.reveal(), &made.key.reveal()[3..]] {
            assert_eq!(holding(folder.path(), text.as_bytes()), 0);
            assert_eq!(holding(elsewhere.path(), text.as_bytes()), 0);
        }
        // What would be found if it were there.
        assert!(holding(folder.path(), &hash) > 0);
        assert!(holding(elsewhere.path(), &hash) > 0);
    }
    Ok(())
}

/// How many files of a folder hold these bytes.
fn holding(folder: &Path, bytes: &[u8]) -> usize {
    let entries =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a name").path());
    let holds = |path: &Path| {
        let content = fs::read(path).expect("a file");
        content.windows(bytes.len()).any(|window| window == bytes)
    };
    entries
        .map(|path| match path.is_dir() {
            true => holding(&path, bytes),
            false => usize::from(holds(&path)),
        })
        .sum()
}

#[tokio::test]
async fn no_events_or_lists_of_a_book_show_its_keys() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let (shop, before) = (ledger.book("shop"), ledger.durable().watermark);
    shop.create().await?.done()?;
    let made = ledger.access().create("shop", Scopes::READ, None).await?.done()?;
    shop.account("alice").open("USD/2").await?.done()?;
    ledger.access().revoke(&made.view.id).await?.done()?;
    for (book, expected) in [(&shop, 1), (&ledger.book("default"), 0)] {
        let (mut events, mut count) = (book.events(before).so_far(), 0);
        while events.next().await?.is_some() {
            count += 1;
        }
        assert_eq!(count, expected);
    }
    let mut own = shop.streams::<book::Book>();
    assert_eq!(own.next().await?, None);
    let mut all = ledger.events(before).so_far();
    let mut of_books = 0;
    while let Some(event) = all.next().await? {
        let is_book =
            |part: &quipu::events::Part| matches!(part.happened, quipu::events::Happened::Book(_));
        of_books += usize::from(event.parts.iter().any(is_book));
    }
    assert_eq!(of_books, 3, "created, issued, revoked: for the operator");
    ledger.close().await
}

#[tokio::test]
async fn the_books_of_a_ledger_are_listed_as_they_were_created() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    for book in ["shop", "bar"] {
        ledger.book(book).create().await?.done()?;
    }
    let (mut ids, mut books) = (Vec::new(), ledger.books());
    while let Some(book) = books.next().await? {
        assert_eq!(ledger.book(&book.id).get().await?.expect("it is there").value, book.value);
        ids.push(book.value.id.to_string());
    }
    let all: BTreeSet<_> = ids.iter().map(String::as_str).collect();
    assert_eq!((all, ids.len()), (BTreeSet::from(["bar", "default", "shop"]), 3));
    let mut front = ledger.books();
    front.next().await?;
    let mut rest = ledger.books().after(&front.cursor());
    assert_eq!(rest.next().await?.expect("two more").id.as_str(), ids[1]);
    ledger.close().await
}

#[tokio::test]
async fn one_key_more_than_there_may_be_is_refused() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    ledger.book("shop").create().await?.done()?;
    let stream = Name::new(Book::SYSTEM, book::Book::KIND, Id::new("shop")?);
    // Below the handle, all at once: a sync for each of them would take long.
    for hundred in 0..KEYS_MAX / 100 {
        let issue = |number: u64| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&(hundred * 100 + number).to_le_bytes());
            let issue = book::Command::IssueKey { hash, scopes: 1, label: None };
            let command = Command::of::<book::Book>(issue);
            Ask::Command(Leg { stream: stream.clone(), command, options: Options::default() }, None)
        };
        let count = 100 - u64::from(hundred == 0);
        for reply in ledger.ask_all((0..count).map(issue).collect()).await {
            assert!(matches!(reply, Reply::Done(_)), "{reply:?}");
        }
    }
    let access = ledger.access();
    let last = access.create("default", Scopes::READ, None).await?.done()?;
    let refused = access.create("default", Scopes::READ, None).await?;
    let refused = refused.refused().expect("there are too many");
    assert_eq!((refused.code, refused.fact), (Code::WrongState, Fact::Remaining(0)));
    access.revoke(&last.view.id).await?.done()?;
    assert_eq!(code(access.create_operator(None).await), Code::WrongState, "revoked ones count");
    assert_eq!(access.load().await?.live.len() as u64, KEYS_MAX - 1);
    assert_eq!(access.list_of("shop").await?.len() as u64, KEYS_MAX - 1);
    ledger.close().await
}

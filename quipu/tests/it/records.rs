//! Records and collections, each operation once, with what it is refused with.

use quipu::{Code, Error, Ledger, WhatToDo};

use crate::ground::{code, ledger};

#[tokio::test]
async fn a_record_is_put_and_replaced_and_deleted() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let record = ledger.book("default").record("nodes", "n1");
    assert_eq!(code(record.delete().await), Code::NotFound);
    let first = record.put(r#"{"a":1}"#).if_absent().await?.done()?;
    assert!(first.created);
    assert_eq!(code(record.put("{}").if_absent().await), Code::VersionMismatch);
    let second = record.put("[1, 2]").if_version(first.version).ttl_seconds(60).await?.done()?;
    assert!(!second.created && second.expires_at.is_some());
    assert_eq!(code(record.put("{}").if_version(first.version).await), Code::VersionMismatch);
    let seen = record.get().await?.expect("it is there");
    assert_eq!((seen.key.as_str(), seen.value.value.as_str()), ("n1", "[1, 2]"));
    record.delete().await?.done()?;
    assert_eq!(record.get().await?, None);
    for text in ["", "{", "{\"a\":}", &format!("\"{}\"", "x".repeat(65_536))] {
        let error = record.put(text).await.expect_err("no JSON, or too long");
        assert_eq!(error.what_to_do(), WhatToDo::Fix, "{error}");
    }
    assert_eq!(
        record.put("1").ttl_seconds(0).await.expect_err("no life").what_to_do(),
        WhatToDo::Fix
    );
    ledger.close().await
}

#[tokio::test]
async fn a_collection_is_defined_while_it_is_empty() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let nodes = ledger.book("default").collection("nodes");
    assert_eq!(nodes.get().await?, None);
    // By hand it is put under the definition that was looked at.
    nodes.record("n1").put(r#"{"zone":"eu"}"#).await?.done()?;
    assert!(!nodes.get().await?.expect("a put has made it").is_defined);
    for _ in 0..2 {
        assert_eq!(code(nodes.define(["zone"]).await), Code::WrongState, "asked once or twice");
    }
    nodes.record("n1").delete().await?.done()?;
    let defined = nodes.define(["zone"]).await?.done()?;
    assert!(defined.is_defined && defined.changed);
    assert_eq!(defined.indexes.len(), 1);
    nodes.record("n1").put(r#"{"zone":"eu"}"#).key("k").await?.done()?;
    assert!(nodes.record("n1").put(r#"{"zone":"eu"}"#).key("k").await?.done()?.replayed);

    assert!(!nodes.define(["zone"]).await?.done()?.changed, "it is so already");
    assert_eq!(code(nodes.define(["load"]).await), Code::WrongState);

    for key in ["n2", "m1", "n3"] {
        nodes.record(key).put("1").await?.done()?;
    }
    let mut keys = Vec::new();
    let mut records = nodes.records().prefix("n");
    while let Some(record) = records.next().await? {
        keys.push(record.value.key.to_string());
    }
    assert_eq!(keys, ["n1", "n2", "n3"]);

    nodes.record("n2").put(r#"{"zone":"us"}"#).await?.done()?;
    nodes.record("m1").put(r#"{"zone":"eu","load":1}"#).await?.done()?;
    let mut keys = Vec::new();
    let mut records = nodes.records().field("zone", "eu");
    while let Some(record) = records.next().await? {
        keys.push(record.value.key.to_string());
    }
    assert_eq!(keys, ["m1", "n1"]);
    let mut few = nodes.records().prefix("n").field("zone", "eu");
    assert_eq!(few.next().await?.expect("one").key.as_str(), "n1");
    assert_eq!(few.next().await?, None);
    let unindexed = nodes.records().field("load", "1").next().await.expect_err("no such index");
    assert_eq!(unindexed.what_to_do(), WhatToDo::Fix);
    ledger.close().await
}

#[tokio::test]
async fn a_put_that_looked_before_a_new_definition_is_made_under_it() -> Result<(), Error> {
    tokio::task::LocalSet::new().run_until(put_and_define()).await
}

/// The shards are on this thread, so that nothing is answered before it waits.
async fn put_and_define() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = Ledger::builder(folder.path()).on_this_thread().open().await?;
    let book = ledger.book("default");
    for way in ["alone", "as a leg", "in a batch"] {
        let nodes = book.collection(format!("of-{}", way.replace(' ', "-")));
        nodes.define(["a"]).await?.done()?;
        let put = nodes.record("r").put(r#"{"a":1,"b":2}"#);
        let mut putting: quipu::call::Soon<Result<bool, Error>> = match way {
            "alone" => Box::pin(async { Ok(put.key("k").await?.is_done()) }),
            "as a leg" => {
                let legs = book.transaction().and(put).key(way.replace(' ', "-"));
                Box::pin(async { Ok(legs.await?.is_done()) })
            }
            _ => {
                let batch = ledger.batch([put]);
                Box::pin(async { Ok(batch.await.remove(0)?.is_done()) })
            }
        };
        // It asks how the collection is defined, and no more before that changes.
        let polled = core::future::poll_fn(|task| {
            core::task::Poll::Ready(putting.as_mut().poll(task).is_ready())
        });
        assert!(!polled.await, "{way}");
        nodes.define(["b"]).await?.done()?;
        assert!(putting.await?, "{way}: no caller hears of the other definition");
        let mut listed = nodes.records().field("b", "2");
        assert!(listed.next().await?.is_some(), "{way}: it is listed by the new one");
    }
    ledger.close().await
}

#[tokio::test]
async fn a_definition_is_for_a_version_or_for_none_and_safe_to_repeat() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let nodes = ledger.book("default").collection("nodes");
    let first = nodes.define(["zone"]).key("k").await?.done()?;
    assert!(first.created && first.changed);
    let again = nodes.define(["zone"]).key("k").await?.done()?;
    assert_eq!((&again.value, again.replayed), (&first.value, true));
    assert_eq!(code(nodes.define(["load"]).if_absent().await), Code::VersionMismatch);
    let second = nodes.define(["load"]).if_version(first.version).await?.done()?;
    assert!(!second.created);
    assert_eq!(code(nodes.define(["zone"]).if_version(first.version).await), Code::VersionMismatch);
    let other = ledger.book("default").collection("others");
    assert!(other.define(["zone"]).if_absent().await?.done()?.created);
    ledger.close().await
}

#[tokio::test]
async fn a_history_goes_on_from_a_version_that_was_the_streams() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let record = ledger.book("default").record("c", "r");
    let mut versions = Vec::new();
    for value in 0..5 {
        versions.push(record.put(value.to_string()).await?.done()?.version);
    }
    let mut whole = record.history();
    whole.next().await?.expect("it was put");
    assert_eq!(whole.version(), Some(versions[3]));
    let mut rest = record.history().from(versions[3]);
    while let Some(past) = whole.next().await? {
        assert_eq!(rest.next().await?, Some(past));
    }
    assert_eq!((rest.next().await?, rest.version()), (None, None));
    // Between two versions, before the first and behind the last there is none.
    ledger.book("default").record("c", "s").put("1").await?.done()?;
    let newest = record.put("9").await?.done()?.version;
    for wrong in [versions[4].plus(1), newest.plus(1), quipu::words::Position::ZERO] {
        let read = record.history().from(wrong).next().await;
        assert!(matches!(read, Err(Error::Malformed(_))), "{wrong}: {read:?}");
    }
    ledger.close().await
}

//! What an administrator of a book asks, and what only the operator of the ledger does.

use quipu_ledger::access::{Made, Scopes, View};
use quipu_ledger::words::{Asset, Id, Signed};
use quipu_ledger::{Outcome, book};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::caller::{ADMIN, Needs, OPERATOR};
use crate::list::{Page, Place};
use crate::problem::{Kind, Problem};
use crate::reply::Reply;
use crate::request::Cx;
use crate::route::{Answer, Route, group};
use crate::shown::{Body, Told};
use crate::wire::{Text, Time};

use super::accounts::Nothing;

const KEYS: Needs = Needs::Any(Scopes::ADMIN.with(Scopes::OPERATOR));

pub(super) fn routes() -> Vec<Route> {
    group(
        "Administration",
        [
            Route::post(
                "/v1/admin/keys",
                ("create_key", "Make a key; it is shown this once"),
                create_key,
            )
            .needs(KEYS)
            .not_keyed()
            .takes::<KeyRequest>()
            .gives::<KeyMade>(201)
            .refuses(&["not_found", "wrong_state"]),
            Route::get(
                "/v1/admin/keys",
                ("list_keys", "List keys, without what they open with"),
                list_keys,
            )
            .needs(KEYS)
            .asks::<Text<Id>>("book", "Only those of this book; for operators.")
            .pages()
            .gives::<Page<KeyShown>>(200)
            .refuses(&["not_found"]),
            Route::new(
                (axum::http::Method::DELETE, "/v1/admin/keys/{id}"),
                KEYS,
                ("revoke_key", "Revoke a key, for good"),
                revoke_key,
            )
            .gives::<KeyShown>(200)
            .refuses(&["not_found"]),
            Route::get("/v1/admin/balance", ("balance", "The trial balance of the book"), balance)
                .needs(ADMIN)
                .gives::<BalanceShown>(200),
            Route::post("/v1/admin/books", ("create_book", "Create a book"), create_book)
                .needs(OPERATOR)
                .versioned()
                .takes::<BookRequest>()
                .gives::<BookShown>(201)
                .refuses(&["already_exists", "not_found"]),
            Route::get("/v1/admin/books", ("list_books", "List books"), list_books)
                .needs(OPERATOR)
                .pages()
                .gives::<Page<BookShown>>(200),
            Route::post(
                "/v1/admin/backups",
                ("create_backup", "Write a backup: one file as of one position, on the server"),
                backup,
            )
            .needs(OPERATOR)
            .not_keyed()
            .may_take::<BackupRequest>()
            .gives::<BackupShown>(201)
            .refuses(&["unavailable", "disk_full"]),
            Route::post(
                "/v1/admin/checkpoint",
                ("checkpoint", "Bring the store durably to what is durable now"),
                checkpoint,
            )
            .needs(OPERATOR)
            .not_keyed()
            .may_take::<Nothing>()
            .gives::<Checkpointed>(200),
        ],
    )
}

/// A key to make.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct KeyRequest {
    /// The book that it opens; the caller's own where it is absent.
    book: Option<Text<Id>>,
    /// What it allows. Who may administer may write, and who may write may read. `operator` stands
    /// alone and opens no book.
    #[schemars(length(min = 1))]
    scopes: Vec<ScopeName>,
    /// What its maker calls it.
    label: Option<Text<Id>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Scope")]
enum ScopeName {
    Read,
    Write,
    Admin,
    Operator,
}

impl From<ScopeName> for Scopes {
    fn from(name: ScopeName) -> Self {
        match name {
            ScopeName::Read => Self::READ,
            ScopeName::Write => Self::WRITE,
            ScopeName::Admin => Self::ADMIN,
            ScopeName::Operator => Self::OPERATOR,
        }
    }
}

/// What is known of a key.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Key")]
struct KeyShown {
    id: Text<Id>,
    /// None where it is an operator's.
    book: Option<Text<Id>>,
    scopes: Vec<&'static str>,
    label: Option<Text<Id>>,
    created_at: Time,
    revoked_at: Option<Time>,
}

/// A key that was made just now.
#[derive(Serialize, JsonSchema)]
struct KeyMade {
    /// The key itself. Nobody can show it again.
    key: String,
    #[serde(flatten)]
    shown: KeyShown,
}

impl KeyShown {
    fn of(view: View) -> Self {
        Self {
            id: Text(view.id),
            book: view.book.map(Text),
            scopes: view.scopes.names().collect(),
            label: view.label.map(Text),
            created_at: Time(view.created_at),
            revoked_at: view.revoked_at.map(Time),
        }
    }
}

/// The book whose keys a caller may see to: an operator's is whichever it names.
fn book_of_keys(cx: &Cx, named: Option<Id>) -> Result<Id, Problem> {
    match (named, cx.caller.book()) {
        (Some(named), _) if cx.caller.has(Scopes::OPERATOR) => Ok(named),
        (Some(named), Ok(own)) if *own.name()? == named => Ok(named),
        (Some(named), _) => Err(Problem::not_found(format!("there is no book {named}"))),
        (None, Ok(own)) => Ok(own.name()?.clone()),
        (None, Err(_)) => {
            Err(Problem::malformed("book: an operator's key belongs to no book: name one"))
        }
    }
}

async fn create_key(cx: Cx) -> Answer {
    let KeyRequest { book, scopes, label } = cx.json()?;
    let Some(scopes) = scopes.iter().map(|name| Scopes::from(*name)).reduce(Scopes::with) else {
        return Err(Problem::malformed("scopes: a key has one at least"));
    };
    let label = label.map(|label| label.0);
    let access = cx.api.ledger.access();
    let made = if scopes == Scopes::OPERATOR {
        if !cx.caller.has(Scopes::OPERATOR) {
            return Err(Problem::new(Kind::FORBIDDEN, "only an operator makes operators"));
        }
        if book.is_some() {
            return Err(Problem::malformed("book: an operator's key belongs to none"));
        }
        access.create_operator(label).await?
    } else {
        if scopes.has(Scopes::OPERATOR) {
            return Err(Problem::malformed("scopes: operator stands alone"));
        }
        let book = book_of_keys(&cx, book.map(|book| book.0))?;
        access.create(book, scopes, label).await?
    };
    match made {
        Outcome::Refused(refused) => Err(refused.into()),
        Outcome::Done(done) => {
            let position = done.position;
            let Made { key, view } = done.value;
            cx.api.callers.made(&cx.api.ledger, &key, &view);
            let made = KeyMade { key: key.reveal().to_owned(), shown: KeyShown::of(view) };
            Ok(Reply::json(201, &made).at(position))
        }
    }
}

async fn list_keys(cx: Cx) -> Answer {
    let mut query = cx.query()?;
    let place = Place::of(&cx, &mut query)?;
    let book = query.get::<Id>("book")?;
    query.end()?;
    let access = cx.api.ledger.access();
    let keys = match book {
        None if cx.caller.has(Scopes::OPERATOR) => access.list().await?,
        book => access.list_of(book_of_keys(&cx, book)?).await?,
    };
    let mut begin = 0;
    if let Some(after) = place.after() {
        let at = keys.iter().position(|key| key.id.as_str().as_bytes() == after);
        begin = at.ok_or_else(Problem::bad_cursor)? + 1;
    }
    let end = keys.len().min(begin + place.limit());
    let next = (end < keys.len() && end > begin)
        .then(|| place.cursor(keys[end - 1].id.as_str().as_bytes()));
    let data = keys.into_iter().take(end).skip(begin).map(KeyShown::of).collect();
    Ok(Reply::json(200, &Page { data, next }).at(cx.durable()))
}

async fn revoke_key(cx: Cx) -> Answer {
    let (id, access) = (cx.id(0)?, cx.api.ledger.access());
    let none = || Problem::not_found("there is no key with this id").at(cx.durable());
    let seen = access.get(id.clone()).await?.ok_or_else(none)?;
    let is_own = match (&seen.value.book, cx.caller.book()) {
        (Some(book), Ok(own)) => own.name()? == book,
        _ => false,
    };
    if !is_own && !cx.caller.has(Scopes::OPERATOR) {
        return Err(none());
    }
    match access.revoke(id.clone()).await? {
        Outcome::Refused(refused) => Err(refused.into()),
        Outcome::Done(done) => {
            cx.api.callers.remove(&id);
            Ok(Reply::json(200, &KeyShown::of(done.value)).at(done.position))
        }
    }
}

/// What came in and went out of a book, and where the rest is.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TrialBalance")]
struct BalanceShown {
    position: u64,
    data: Vec<BalanceRow>,
}

/// One asset's part of a trial balance.
#[derive(Serialize, JsonSchema)]
struct BalanceRow {
    asset: Text<Asset>,
    /// What came in from outside.
    #[serde(rename = "in")]
    came_in: Text<Signed>,
    /// What went outside.
    #[serde(rename = "out")]
    went_out: Text<Signed>,
    held_by: HeldBy,
    /// `in − out − held_by`: 0, unless something is broken.
    difference: Text<Signed>,
}

/// Where money is.
#[derive(Serialize, JsonSchema)]
struct HeldBy {
    account: Text<Signed>,
    flow: Text<Signed>,
}

async fn balance(cx: Cx) -> Answer {
    let balance = cx.book()?.balance().await?;
    let rows = balance.rows.into_iter().map(|row| BalanceRow {
        asset: Text(row.asset),
        came_in: Text(row.came_in),
        went_out: Text(row.went_out),
        held_by: HeldBy { account: Text(row.held_by_accounts), flow: Text(row.held_by_flows) },
        difference: Text(row.difference),
    });
    let shown = BalanceShown { position: balance.position.get(), data: rows.collect() };
    Ok(Reply::json(200, &shown).at(balance.position))
}

/// A book to create.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct BookRequest {
    id: Text<Id>,
}

/// A tenant: its streams, keys and events are invisible to every other one.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Book")]
struct BookShown {
    id: Text<Id>,
    created_at: Time,
    version: u64,
}

impl BookShown {
    fn of(view: book::View, told: &Told) -> Self {
        let version = told.version.get();
        Self { id: Text(view.id), created_at: Time(view.created_at), version }
    }
}

async fn create_book(cx: Cx) -> Answer {
    let BookRequest { id } = cx.json()?;
    let call = cx.api.ledger.book(id.0).create();
    cx.make(call.map(|view| Body::created(move |told| BookShown::of(view, told)))).await
}

async fn list_books(cx: Cx) -> Answer {
    let mut query = cx.query()?;
    let place = Place::of(&cx, &mut query)?;
    query.end()?;
    place.rows(cx.api.ledger.books(), |view, told| Some(BookShown::of(view, told))).await
}

/// A backup to write.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct BackupRequest {
    /// The name of the file, in the server's folder of backups. The server makes one where it is
    /// absent.
    name: Option<Text<Id>>,
}

/// A backup that was written and read again.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Backup")]
struct BackupShown {
    /// Where it lies on the server.
    file: String,
    /// Everything up to here is in it.
    position: u64,
    bytes: u64,
}

async fn backup(cx: Cx) -> Answer {
    let BackupRequest { name } = cx.json_or_empty()?;
    let name = match name {
        Some(name) => name.0,
        None => {
            let position = cx.durable();
            Id::new(&format!("backup-{position}.quipu")).map_err(quipu_ledger::Error::from)?
        }
    };
    // An id has no slash in it; these two would leave the folder all the same.
    if [".", ".."].contains(&name.as_str()) {
        return Err(Problem::malformed("name: it is the name of a file"));
    }
    let folder = cx.api.backups.clone();
    let file = folder.join(name.as_str());
    beside(move || std::fs::create_dir_all(folder)).await?;
    let manifest = cx.api.ledger.backup(&file).await?;
    let written = file.clone();
    let bytes = beside(move || std::fs::metadata(written)).await?.len();
    let position = manifest.position;
    let shown = BackupShown { file: file.display().to_string(), position: position.get(), bytes };
    Ok(Reply::json(201, &shown).at(position))
}

/// Does what waits for a disk on a thread that is there for it.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(std::io::Error::other).flatten().map_err(|error| {
        tracing::error!(%error, "a backup could not be written");
        Problem::new(Kind::UNAVAILABLE, "the backup could not be written; see the server's log")
    })
}

/// How far the store has come.
#[derive(Serialize, JsonSchema)]
struct Checkpointed {
    position: u64,
}

async fn checkpoint(cx: Cx) -> Answer {
    cx.json_or_empty::<Nothing>()?;
    let position = cx.api.ledger.checkpoint().await?;
    Ok(Reply::json(200, &Checkpointed { position: position.get() }).at(position))
}

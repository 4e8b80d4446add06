//! Access keys, made, listed and revoked where no server runs.

use std::io;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Subcommand, ValueEnum};
use quipu::access::{Scopes, View};
use quipu::words::Id;
use quipu::{Ledger, Outcome};
use serde_json::{Value, json};

use crate::terminal::{
    Data, EXITS, Facts, MEMORY, Style, Table, Trouble, ended, id, print, print_json,
};

/// What is done about which key.
#[derive(Args)]
#[command(after_help = EXITS)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Make a key, and show it this once.
    Create(Create),
    /// List all keys, revoked ones included; never the keys themselves.
    List(List),
    /// Let nobody in with a key any more.
    Revoke(Revoke),
}

#[derive(Args)]
#[command(after_help = CREATE_HELP)]
struct Create {
    #[command(flatten)]
    data: Data,
    /// The book that it opens; `default` unless said otherwise. An operator's key belongs to none.
    #[arg(long, value_name = "BOOK", value_parser = id)]
    book: Option<Id>,
    /// What it allows; may be given several times. Who may administer may write, and who may write
    /// may read; an operator's stands alone.
    #[arg(long = "scope", value_enum, required = true)]
    scopes: Vec<Scope>,
    /// What you call it.
    #[arg(long, value_name = "LABEL", value_parser = id)]
    label: Option<Id>,
    /// Print the key alone.
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

const CREATE_HELP: &str = "\
The ledger is made where the folder is empty or not there.

Exit codes:
  0  the key was made, and is on the output
  1  it could not be done
  2  wrong usage
  3  the ledger is damaged
  4  there is no such book, or there are too many keys";

#[derive(Args)]
#[command(after_help = EXITS)]
struct List {
    #[command(flatten)]
    data: Data,
    /// Print a JSON array.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(after_help = EXITS)]
struct Revoke {
    #[command(flatten)]
    data: Data,
    /// The id of the key, which `list` and `create` show. It is not the key.
    #[arg(value_parser = id)]
    id: Id,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scope {
    /// Reads.
    Read,
    /// Changes.
    Write,
    /// The book's keys, revocations, reconciliations and balance.
    Admin,
    /// Books, any book's keys, backups and checkpoints.
    Operator,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    ended(match &arguments.action {
        Action::Create(create) => create.run(),
        Action::List(list) => list.run(),
        Action::Revoke(revoke) => revoke.run(),
    })
}

impl Create {
    fn run(&self) -> Result<ExitCode, Trouble> {
        let is_operator = self.scopes.contains(&Scope::Operator);
        let has_others = self.scopes.iter().any(|scope| *scope != Scope::Operator);
        if is_operator && (has_others || self.book.is_some()) {
            let why = "an operator's key has that scope alone, and belongs to no book: leave out \
                       --book and the other scopes\n";
            clap::Error::raw(ErrorKind::ArgumentConflict, why).exit();
        }
        if self.data.is_nothing() {
            eprintln!("quipu: a new ledger is made in {}", self.data.folder.display());
        }
        let made = with(&self.data, async |ledger| {
            let access = ledger.access();
            if is_operator {
                return access.create_operator(self.label.clone()).await;
            }
            access.create(self.book(), self.of_book(), self.label.clone()).await
        })?;
        let made = match made {
            Outcome::Done(made) => made.value,
            Outcome::Refused(refused) => {
                return Err(Trouble::refusal(&refused, self.why(refused.code)));
            }
        };
        let (key, view) = (made.key.reveal(), &made.view);
        if self.json {
            let mut shown = json!({ "key": key });
            merge(&mut shown, json_of(view));
            print_json(&shown)?;
        } else if self.quiet {
            print(&format!("{key}\n"))?;
        } else {
            print(&facts(view, Some(key)).text())?;
            eprintln!("quipu: only a hash of the key is kept, so nobody can show it again");
        }
        Ok(ExitCode::SUCCESS)
    }

    fn book(&self) -> Id {
        self.book.clone().unwrap_or_else(|| Id::new("default").expect("a word is an id"))
    }

    fn of_book(&self) -> Scopes {
        let scopes = self.scopes.iter().map(|scope| match scope {
            Scope::Read => Scopes::READ,
            Scope::Write => Scopes::WRITE,
            Scope::Admin => Scopes::ADMIN,
            Scope::Operator => Scopes::OPERATOR,
        });
        scopes.reduce(|some, more| some | more).expect("one is given at least")
    }

    fn why(&self, code: quipu::Code) -> String {
        let (book, folder) = (self.book(), self.data.folder.display());
        match code {
            quipu::Code::NotFound => format!(
                "{folder}: there is no book `{book}`; make it first, at a running server with POST \
                 /v1/admin/books and an operator's key"
            ),
            _ => format!("{folder}: no key more can be made"),
        }
    }
}

impl List {
    fn run(&self) -> Result<ExitCode, Trouble> {
        self.data.existing()?;
        let keys = with(&self.data, async |ledger| ledger.access().list().await)?;
        if self.json {
            print_json(&keys.iter().map(json_of).collect())?;
            return Ok(ExitCode::SUCCESS);
        }
        if keys.is_empty() {
            eprintln!("quipu: no key was made yet");
            return Ok(ExitCode::SUCCESS);
        }
        let mut table = Table::new(&["ID", "BOOK", "SCOPES", "LABEL", "CREATED", "REVOKED"], &[]);
        for key in &keys {
            table.row(vec![
                key.id.to_string(),
                key.book.as_ref().map_or("-".into(), Id::to_string),
                scopes(key),
                key.label.as_ref().map_or("-".into(), Id::to_string),
                key.created_at.to_string(),
                key.revoked_at.map_or("-".into(), |at| at.to_string()),
            ]);
        }
        print(&table.text())?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Revoke {
    fn run(&self) -> Result<ExitCode, Trouble> {
        self.data.existing()?;
        let revoked =
            with(&self.data, async |ledger| ledger.access().revoke(self.id.clone()).await)?;
        let revoked = match revoked {
            Outcome::Done(revoked) => revoked,
            Outcome::Refused(refused) => {
                let (id, folder) = (&self.id, self.data.folder.display());
                let why = format!(
                    "{folder}: there is no key with the id `{id}`; `quipu keys list` shows all"
                );
                return Err(Trouble::refusal(&refused, why));
            }
        };
        if self.json {
            print_json(&json_of(&revoked))?;
        } else {
            print(&facts(&revoked, None).text())?;
            let now = if revoked.changed { "revoked" } else { "it was revoked before" };
            eprintln!("quipu: {}", Style::new().faint(now));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Opens the ledger, does something, and closes it.
fn with<T>(
    data: &Data,
    act: impl AsyncFnOnce(&Ledger) -> Result<T, quipu::Error>,
) -> Result<T, Trouble> {
    const INSTEAD: &str = "ask the server that has it, which can do the same: POST, GET and DELETE \
                           of /v1/admin/keys";
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime =
        runtime.map_err(|why: io::Error| Trouble::failed(format!("no runtime: {why}")))?;
    runtime.block_on(async {
        let opening = Ledger::builder(&data.folder).memory(MEMORY).shards(1).open().await;
        let ledger = opening.map_err(|error| Trouble::opening(error, INSTEAD))?;
        let done = act(&ledger).await;
        let closed = ledger.close().await;
        let done = done?;
        closed?;
        Ok(done)
    })
}

fn facts(key: &View, text: Option<&str>) -> Facts {
    let mut facts = Facts::default();
    if let Some(text) = text {
        facts.add("key", text);
    }
    facts.add("id", &key.id);
    if let Some(book) = &key.book {
        facts.add("book", book);
    }
    facts.add("scopes", scopes(key));
    if let Some(label) = &key.label {
        facts.add("label", label);
    }
    facts.add("created", key.created_at);
    if let Some(revoked) = key.revoked_at {
        facts.add("revoked", revoked);
    }
    facts
}

fn scopes(key: &View) -> String {
    key.scopes.names().collect::<Vec<_>>().join(", ")
}

fn json_of(key: &View) -> Value {
    json!({
        "id": key.id.as_str(),
        "book": key.book.as_ref().map(Id::as_str),
        "scopes": key.scopes.names().collect::<Vec<_>>(),
        "label": key.label.as_ref().map(Id::as_str),
        "created_at": key.created_at.to_string(),
        "revoked_at": key.revoked_at.map(|at| at.to_string()),
    })
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

//! Who asks: keys, scopes, and what a loopback server without keys lets in.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::{HeaderMap, header};
use quipu_ledger::access::{AccessKey, KeyHash, Live, Scopes, View};
use quipu_ledger::words::Id;
use quipu_ledger::{Book, Ledger};

use crate::problem::{Kind, Problem};

/// What a route asks of a caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Needs {
    /// Nothing: who runs the server asks, and whoever reads its documents.
    Nothing,
    /// A key with this scope, or with one of these.
    Any(Scopes),
}

/// A key that may read.
pub(crate) const READ: Needs = Needs::Any(Scopes::READ);
/// A key that may write.
pub(crate) const WRITE: Needs = Needs::Any(Scopes::WRITE);
/// A key that may administer its book.
pub(crate) const ADMIN: Needs = Needs::Any(Scopes::ADMIN);
/// A key of an operator.
pub(crate) const OPERATOR: Needs = Needs::Any(Scopes::OPERATOR);

/// Who asks.
pub(crate) struct Caller {
    book: Option<Book>,
    /// What it may do, with all that its scopes bring along.
    may: Scopes,
}

impl Caller {
    fn new(book: Option<Book>, scopes: Scopes) -> Self {
        // Who administers may write, and who writes may read.
        let mut may = scopes;
        if may.has(Scopes::ADMIN) {
            may = may | Scopes::WRITE;
        }
        if may.has(Scopes::WRITE) {
            may = may | Scopes::READ;
        }
        Self { book, may }
    }

    /// The book that it acts on.
    pub(crate) fn book(&self) -> Result<&Book, Problem> {
        self.book.as_ref().ok_or_else(|| {
            let detail = "an operator's key belongs to no book: use a key of the book";
            Problem::new(Kind::FORBIDDEN, detail)
        })
    }

    pub(crate) fn has(&self, scope: Scopes) -> bool {
        self.may.has(scope)
    }

    /// Whether it may do what a route is for.
    fn check(&self, needs: Needs) -> Result<(), Problem> {
        let Needs::Any(scopes) = needs else { return Ok(()) };
        let names: Vec<&str> = scopes.names().collect();
        if names.iter().any(|name| Scopes::named(name).is_some_and(|scope| self.has(scope))) {
            return Ok(());
        }
        let detail = format!("this takes a key with the scope {}", names.join(" or "));
        Err(Problem::new(Kind::FORBIDDEN, detail))
    }
}

/// The keys that are alive, by their hashes, and whether one is asked for.
pub(crate) struct Callers {
    /// Who asks without a key, while none was made and the server listens on loopback.
    anyone: Option<Arc<Caller>>,
    nobody: Arc<Caller>,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    by_hash: HashMap<KeyHash, Arc<Caller>>,
    by_id: HashMap<Id, KeyHash>,
    /// Whether a key was ever made.
    is_closed: bool,
}

impl Callers {
    /// `is_loopback` says that only this machine reaches the server.
    pub(crate) fn new(ledger: &Ledger, is_loopback: bool) -> Self {
        let all = Scopes::READ | Scopes::WRITE | Scopes::ADMIN | Scopes::OPERATOR;
        let everything = Caller::new(Some(ledger.book("default")), all);
        Self {
            anyone: is_loopback.then(|| Arc::new(everything)),
            nobody: Arc::new(Caller::new(None, Scopes::READ)),
            known: RwLock::default(),
        }
    }

    /// From now on this key is known.
    pub(crate) fn add(&self, ledger: &Ledger, key: &Live) {
        let book = key.book.as_ref().map(|book| ledger.book(book));
        let caller = Arc::new(Caller::new(book, key.scopes));
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.is_closed = true;
        known.by_id.insert(key.id.clone(), key.hash);
        known.by_hash.insert(key.hash, caller);
    }

    /// From now on this key, which was made just now, is known.
    pub(crate) fn made(&self, ledger: &Ledger, key: &AccessKey, view: &View) {
        let View { id, book, scopes, .. } = view.clone();
        self.add(ledger, &Live { hash: key.hash(), id, book, scopes });
    }

    /// A key was made at some time, so that one is asked for.
    pub(crate) fn close(&self) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).is_closed = true;
    }

    /// From now on this key is none.
    pub(crate) fn remove(&self, id: &Id) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(hash) = known.by_id.remove(id) {
            known.by_hash.remove(&hash);
        }
    }

    /// Whether whoever reaches the server may do everything.
    pub(crate) fn is_open(&self) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        self.anyone.is_some() && !known.is_closed
    }

    /// Whether a key was ever made.
    pub(crate) fn has_keys(&self) -> bool {
        self.known.read().unwrap_or_else(PoisonError::into_inner).is_closed
    }

    /// Who asks.
    pub(crate) fn of(&self, headers: &HeaderMap, needs: Needs) -> Result<Arc<Caller>, Problem> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let (Some(anyone), false) = (&self.anyone, known.is_closed) {
            only_from_here(headers)?;
            return Ok(Arc::clone(anyone));
        }
        if needs == Needs::Nothing {
            return Ok(Arc::clone(&self.nobody));
        }
        let key = bearer(headers)?;
        let hash = *blake3::hash(key.as_bytes()).as_bytes();
        let caller = known.by_hash.get(&hash).ok_or_else(|| {
            Problem::new(Kind::UNAUTHENTICATED, "this key is not known, or was revoked")
        })?;
        caller.check(needs)?;
        Ok(Arc::clone(caller))
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let missing =
        || Problem::new(Kind::UNAUTHENTICATED, "a key is required: Authorization: Bearer qk_…");
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (given.next(), given.next()) else { return Err(missing()) };
    let text = value.to_str().map_err(|_| missing())?;
    let (scheme, key) = text.split_once(' ').ok_or_else(missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(missing());
    }
    Ok(key.trim())
}

/// While everything is open, only who is on this machine and says so is let in: neither a name
/// that was bound anew in a browser nor a proxy opens it to others.
fn only_from_here(headers: &HeaderMap) -> Result<(), Problem> {
    let forwards = |name: &str| name == "forwarded" || name.starts_with("x-forwarded-");
    if headers.keys().any(|name| forwards(name.as_str())) {
        return Err(Problem::new(
            Kind::FORBIDDEN,
            "a request that was forwarded needs a key: make one with `quipu keys create`",
        ));
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let is_here = match (hosts.next(), hosts.next()) {
        // A client so old that it names no host is no browser.
        (None, _) => true,
        (Some(host), None) => host.to_str().is_ok_and(is_this_machine),
        _ => false,
    };
    if is_here {
        return Ok(());
    }
    Err(Problem::new(
        Kind::FORBIDDEN,
        "without a key only the hosts localhost, 127.0.0.1 and [::1] are answered: \
         make a key with `quipu keys create`",
    ))
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, port)) if is_port(port) => return name == "::1",
            _ => return false,
        },
        None => match host.split_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            Some(_) => return false,
            None => host,
        },
    };
    name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1"
}

fn is_port(text: &str) -> bool {
    let digits = text.strip_prefix(':');
    text.is_empty() || digits.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_this_machine() {
        for host in ["localhost", "LOCALHOST:7070", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:1"]
        {
            assert!(is_this_machine(host), "{host}");
        }
        for host in [
            "",
            "example.org",
            "localhost.example.org",
            "127.0.0.2",
            "127.0.0.1.nip.io",
            "::1",
            "[::1",
            "[::1]x",
            "[::2]",
            "localhost:7070x",
            "localhost:1:2",
            "0.0.0.0",
            " localhost",
        ] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}

//! Tokens: what a claimant of a ticket shows to prove the claim.

use core::fmt;
use core::future::IntoFuture;
use core::str::FromStr;

use quipu_core::machine::Machine;
use quipu_core::machines::ticket as machine;
use quipu_core::machines::ticket::{INDEX_TOKEN, is_token_of, token_hash};
use quipu_core::words::{Amount, Asset, Hex, Id, Timestamp};

use crate::blocking::{self, beside};
use crate::book::Book;
use crate::call::{Seen, Soon};
use crate::error::Error;
use crate::shown::Rows;
use crate::ticket;
use crate::words::Given;

/// How many tickets are looked at that share the hash of a token. One does, unless somebody has
/// made many tokens by hand: then the one that was given is none of them.
const SHARED_MAX: usize = 16;

/// What proves a claim: 32 bytes that the ledger derives from its secret and keeps nowhere.
///
/// Its text is 64 hex digits. [`Debug`](fmt::Debug) does not show it, so that it does not end up
/// in a log.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token([u8; 32]);

impl Token {
    /// A token of these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Hex(&self.0), out)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Token(…)")
    }
}

impl FromStr for Token {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = || Error::form("a token is 64 hex digits");
        let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() != 64 || !is_hex {
            return Err(malformed());
        }
        let mut bytes = [0; 32];
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digits = core::str::from_utf8(digits).map_err(|_| malformed())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| malformed())?;
        }
        Ok(Self(bytes))
    }
}

impl Given<Token> for Token {
    fn word(self) -> Result<Token, Error> {
        Ok(self)
    }
}

impl Given<Token> for &str {
    fn word(self) -> Result<Token, Error> {
        self.parse()
    }
}

/// What a token says of its ticket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct View {
    /// Whether the claim stands: the ticket was not revoked.
    pub active: bool,
    /// Which ticket.
    pub ticket: Id,
    /// What it is worth.
    pub amount: Option<Amount>,
    /// Of what.
    pub asset: Option<Asset>,
    /// When it was claimed.
    pub claimed_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Why.
    pub reason: Option<String>,
}

impl View {
    /// What its token says of a ticket; none where it was never claimed.
    #[must_use]
    pub fn of(ticket: ticket::View) -> Option<Self> {
        let claim = ticket.claim?;
        Some(Self {
            active: ticket.revoked_at.is_none(),
            ticket: ticket.id,
            amount: ticket.amount,
            asset: ticket.asset,
            claimed_at: claim.at,
            revoked_at: ticket.revoked_at,
            reason: ticket.reason,
        })
    }
}

/// A token that is to be looked up: see [`Book::introspect`](crate::Book::introspect). Nobody's
/// token is `None`.
#[must_use = "nothing is looked up before it is awaited, or waited for"]
pub struct Introspection {
    book: Book,
    token: Result<Token, Error>,
}

impl Introspection {
    pub(crate) fn new(book: &Book, token: impl Given<Token>) -> Self {
        Self { book: book.clone(), token: token.word() }
    }

    /// Looks it up on this thread, which must not be one that a runtime runs its tasks on.
    pub fn wait(self) -> Result<Option<Seen<View>>, Error> {
        blocking::wait(self.into_future())
    }

    async fn make(self) -> Result<Option<Seen<View>>, Error> {
        let Self { book, token } = self;
        let token = token?;
        let Ok(number) = book.number().await? else { return Ok(None) };
        let ledger = book.ledger().clone();
        let found = beside(move || -> Result<Option<Id>, Error> {
            let (store, secret) = (ledger.handle().store(), ledger.secret());
            let (kind, hash) = (machine::Ticket::KIND, token_hash(token.as_bytes()));
            let listed = store.list(number, kind, INDEX_TOKEN, &hash, SHARED_MAX)?;
            for (_, ticket) in listed.iter().take_while(|(key, _)| key.starts_with(&hash)) {
                // The hash only finds it. This proves it.
                if let Some(rows) = Rows::read(&**store, *ticket, &[])?
                    && is_token_of(secret, &rows.name, *ticket, token.as_bytes())
                {
                    return Ok(Some(rows.name.id));
                }
            }
            Ok(None)
        });
        let Some(id) = found.await?? else { return Ok(None) };
        let Some(seen) = book.ticket(id).get().await? else { return Ok(None) };
        let Seen { value, version, at, position } = seen;
        Ok(View::of(value).map(|value| Seen { value, version, at, position }))
    }
}

impl IntoFuture for Introspection {
    type Output = Result<Option<Seen<View>>, Error>;
    type IntoFuture = Soon<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.make())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_64_hex_digits_and_says_nothing_by_accident() {
        let token = Token::new([0xa7; 32]);
        assert_eq!(token.to_string().parse(), Ok(token));
        assert!(!format!("{token:?}").contains("a7"));
        for text in ["", "a7", &"g".repeat(64), &"A7".repeat(32), &"a7".repeat(33)] {
            assert!(text.parse::<Token>().is_err(), "{text:?}");
        }
    }
}

//! Tokens: what a claimant shows to prove the claim.

use smallvec::SmallVec;

use crate::words::{Name, Number};

/// Tells tokens from whatever else is derived from the same secret.
const DOMAIN: &[u8; 8] = b"token v1";

/// The token of a ticket. It needs no draw and no place to keep it: whoever has the secret
/// derives it again, so a repeated claim answers the same one.
///
/// The number is part of it so that a ledger restored to before the ticket was issued gives
/// another token. Ids of up to 40 characters take one compression.
#[must_use]
pub fn token(secret: &[u8; 32], name: &Name, number: Number) -> [u8; 32] {
    let mut input = SmallVec::<[u8; 64]>::new();
    input.extend_from_slice(DOMAIN);
    input.extend_from_slice(&name.book.get().to_le_bytes());
    input.extend_from_slice(&number.get().to_le_bytes());
    input.extend_from_slice(name.id.as_str().as_bytes());
    *blake3::keyed_hash(secret, &input).as_bytes()
}

/// What is kept of a token, and what it is looked up by.
#[must_use]
pub fn token_hash(token: &[u8; 32]) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&blake3::hash(token).as_bytes()[..16]);
    short
}

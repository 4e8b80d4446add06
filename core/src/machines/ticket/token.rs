//! Tokens: what a claimant shows to prove the claim.

use crate::words::{Id, Name, Number};

/// Tells tokens from whatever else is derived from the same secret.
const DOMAIN: &[u8; 8] = b"token v1";

/// What comes before the id in what is hashed.
const FRONT_LEN: usize = 24;

/// The token of a ticket. It needs no draw and no place to keep it: whoever has the secret
/// derives it again, so a repeated claim answers the same one.
///
/// The number is part of it so that a ledger restored to before the ticket was issued gives
/// another token. Ids of up to 40 characters take one compression.
#[must_use]
pub fn token(secret: &[u8; 32], name: &Name, number: Number) -> [u8; 32] {
    *derive(secret, name, number).as_bytes()
}

/// What is kept of a token, and what it is looked up by.
///
/// It finds a ticket and proves nothing: anybody can make other bytes with the same hash.
/// Whoever looks a token up must ask [`is_token_of`] about the ticket that was found.
#[must_use]
pub fn token_hash(token: &[u8; 32]) -> [u8; 16] {
    xxhash_rust::xxh3::xxh3_128(token).to_le_bytes()
}

/// Whether this is the token of that ticket. It takes the same time wherever they differ.
///
/// The one proof of a claim, for introspection and for whatever else trusts a token.
#[must_use]
pub fn is_token_of(secret: &[u8; 32], name: &Name, number: Number, token: &[u8; 32]) -> bool {
    derive(secret, name, number) == blake3::Hash::from_bytes(*token)
}

fn derive(secret: &[u8; 32], name: &Name, number: Number) -> blake3::Hash {
    let id = name.id.as_str().as_bytes();
    let mut input = [0; FRONT_LEN + 2 * Id::LEN_MAX + 1];
    input[..8].copy_from_slice(DOMAIN);
    input[8..16].copy_from_slice(&name.book.get().to_le_bytes());
    input[16..FRONT_LEN].copy_from_slice(&number.get().to_le_bytes());
    input[FRONT_LEN..FRONT_LEN + id.len()].copy_from_slice(id);
    blake3::keyed_hash(secret, &input[..FRONT_LEN + id.len()])
}

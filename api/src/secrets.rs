//! What only a payout's worker is told: encrypted with keys that lie in a file of their own.
//!
//! ```text
//! quipu-secrets 1
//! 1 <64 hex digits>
//! 2 <64 hex digits>
//! ```
//!
//! The last key encrypts; all of them decrypt. An encrypted secret is
//! `print 16 │ key's number u32 │ nonce 24 │ what is encrypted, with its tag`. The print is keyed
//! with the first key of the file, so that a retry is known whatever was rotated meanwhile.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use quipu_ledger::words::Id;

/// The longest secret, in bytes.
pub const LEN_MAX: usize = 4_000;

const HEADER: &str = "quipu-secrets 1";
const PRINT: usize = 16;
const NUMBER: usize = 4;
const NONCE: usize = 24;

/// The keys of a secrets file.
#[derive(Clone)]
pub struct Secrets {
    keys: Vec<(u32, [u8; 32])>,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretsError {
    /// The file could not be read or written.
    #[error("the secrets file could not be read or written: {0}")]
    File(#[from] io::Error),
    /// It is no secrets file.
    #[error("line {0} of the secrets file is not what was written there")]
    Line(usize),
    /// This machine gave no random numbers.
    #[error("this machine gives no random numbers: {0}")]
    Random(String),
}

impl Secrets {
    /// Reads a secrets file; none where there is no such file.
    pub fn read(file: &Path) -> Result<Option<Self>, SecretsError> {
        let text = match fs::read_to_string(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        let mut lines = text.lines().enumerate();
        if lines.next().map(|(_, line)| line) != Some(HEADER) {
            return Err(SecretsError::Line(1));
        }
        let mut keys: Vec<(u32, [u8; 32])> = Vec::new();
        for (index, line) in lines {
            let key = key_of(line).filter(|(number, _)| *number as usize == keys.len() + 1);
            keys.push(key.ok_or(SecretsError::Line(index + 1))?);
        }
        if keys.is_empty() { Err(SecretsError::Line(2)) } else { Ok(Some(Self { keys })) }
    }

    /// Adds a key to a secrets file, or makes the file with its first one. What was encrypted
    /// before is still read. Gives the number of the new key.
    pub fn rotate(file: &Path) -> Result<u32, SecretsError> {
        let mut keys = Self::read(file)?.map_or_else(Vec::new, |secrets| secrets.keys);
        let mut key = [0; 32];
        random(&mut key)?;
        let number = keys.len() as u32 + 1;
        keys.push((number, key));
        let mut text = format!("{HEADER}\n");
        for (number, key) in &keys {
            text.push_str(&format!("{number} {}\n", blake3::Hash::from_bytes(*key).to_hex()));
        }
        let name = file.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| io::Error::other("it has no name that is text"))?;
        let new = file.with_file_name(format!("{name}.new"));
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let mut out = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        fs::rename(&new, file)?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(number)
    }

    /// How many keys there are.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// Encrypts what belongs to an account of a book.
    pub(crate) fn seal(
        &self,
        book: &Id,
        account: &Id,
        plain: &[u8],
    ) -> Result<Vec<u8>, SecretsError> {
        let (Some((_, first)), Some((number, key))) = (self.keys.first(), self.keys.last()) else {
            return Err(SecretsError::Line(2));
        };
        let mut nonce = [0; NONCE];
        random(&mut nonce)?;
        let place = place(book, account);
        let printer = blake3::derive_key("quipu 2026 print of a withdrawal's secret", first);
        let mut print = blake3::Hasher::new_keyed(&printer);
        print.update(&place).update(plain);
        let payload = Payload { msg: plain, aad: &place };
        let body = XChaCha20Poly1305::new(key.into()).encrypt(&XNonce::from(nonce), payload);
        let body = body.map_err(|_| io::Error::other("a secret could not be encrypted"))?;
        let mut sealed = print.finalize().as_bytes()[..PRINT].to_vec();
        sealed.extend_from_slice(&number.to_le_bytes());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&body);
        Ok(sealed)
    }

    /// Decrypts it again; none where no key of the file fits.
    pub(crate) fn open(&self, book: &Id, account: &Id, sealed: &[u8]) -> Option<String> {
        let (_, rest) = sealed.split_at_checked(PRINT)?;
        let (number, rest) = rest.split_first_chunk::<NUMBER>()?;
        let (nonce, body) = rest.split_first_chunk::<NONCE>()?;
        let number = u32::from_le_bytes(*number);
        let (_, key) = self.keys.iter().find(|(known, _)| *known == number)?;
        let payload = Payload { msg: body, aad: &place(book, account) };
        let plain = XChaCha20Poly1305::new(key.into()).decrypt(&XNonce::from(*nonce), payload);
        String::from_utf8(plain.ok()?).ok()
    }
}

/// Where a secret belongs: moved elsewhere it does not open.
fn place(book: &Id, account: &Id) -> Vec<u8> {
    [book.as_str().as_bytes(), &[0], account.as_str().as_bytes(), &[0]].concat()
}

fn key_of(line: &str) -> Option<(u32, [u8; 32])> {
    let (number, key) = line.split_once(' ')?;
    Some((number.parse().ok()?, *blake3::Hash::from_hex(key).ok()?.as_bytes()))
}

fn random(bytes: &mut [u8]) -> Result<(), SecretsError> {
    getrandom::fill(bytes).map_err(|error| SecretsError::Random(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Id {
        Id::new(text).expect("an id")
    }

    #[test]
    fn what_was_sealed_opens_after_a_rotation_and_only_where_it_belongs() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("secrets");
        assert!(Secrets::read(&file).expect("it is not there").is_none());
        assert_eq!(Secrets::rotate(&file).expect("it is made"), 1);
        let one = Secrets::read(&file).expect("it is read").expect("it is there");
        let (book, alice, bob) = (id("acme"), id("alice"), id("bob"));
        let sealed = one.seal(&book, &alice, b"iban").expect("sealed");
        assert!(!sealed.windows(4).any(|four| four == b"iban"));
        assert_eq!(Secrets::rotate(&file).expect("it is rotated"), 2);
        let two = Secrets::read(&file).expect("it is read").expect("it is there");
        let again = two.seal(&book, &alice, b"iban").expect("sealed");
        assert_eq!(sealed[..PRINT], again[..PRINT], "a retry is known");
        assert_ne!(sealed[PRINT..], again[PRINT..]);
        for sealed in [&sealed, &again] {
            assert_eq!(two.open(&book, &alice, sealed).as_deref(), Some("iban"));
            assert_eq!(two.open(&book, &bob, sealed), None);
            assert_eq!(two.open(&bob, &alice, sealed), None);
        }
        assert_eq!(one.open(&book, &alice, &again), None, "its key is not there yet");
        for cut in 0..sealed.len() {
            assert_eq!(two.open(&book, &alice, &sealed[..cut]), None);
        }
    }

    #[test]
    fn a_damaged_file_is_named_by_its_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("secrets");
        for (text, line) in [
            ("", 1),
            ("other 1\n", 1),
            ("quipu-secrets 1\n", 2),
            ("quipu-secrets 1\n1 abc\n", 2),
            (
                "quipu-secrets 1\n2 0000000000000000000000000000000000000000000000000000000000000000\n",
                2,
            ),
        ] {
            fs::write(&file, text).expect("written");
            assert!(matches!(Secrets::read(&file), Err(SecretsError::Line(at)) if at == line));
        }
    }
}

//! What a client and PostgreSQL tell each other (protocol 3.0), as far as it is needed here.
//!
//! A claim is one write and one read, which is all that a client can save: on a machine of few
//! cores clients and server share them, so a dear client would look like a slow server.

use std::io::{BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// Rows on their way to a `COPY` are sent in pieces of about this length.
const PIECE: usize = 64 << 10;

/// A connection of a user whom the server trusts.
pub(super) struct Connection {
    stream: BufReader<UnixStream>,
    /// Messages that were not sent yet.
    unsent: Vec<u8>,
    /// The body of the message that was read last.
    body: Vec<u8>,
    /// The version that the server says it has.
    pub(super) version: String,
}

impl Connection {
    /// Connects to the server whose socket lies in a directory.
    pub(super) fn open(dir: &Path, user: &str) -> Result<Self> {
        let stream = BufReader::new(UnixStream::connect(dir.join(".s.PGSQL.5432"))?);
        let (unsent, body) = (Vec::new(), Vec::new());
        let mut this = Self { stream, unsent, body, version: String::new() };
        let mut hello = 196_608_i32.to_be_bytes().to_vec();
        for text in ["user", user, "database", "postgres", ""] {
            hello.extend_from_slice(text.as_bytes());
            hello.push(0);
        }
        this.unsent.extend_from_slice(&(hello.len() as i32 + 4).to_be_bytes());
        this.unsent.extend_from_slice(&hello);
        this.flush()?;
        this.value()?;
        Ok(this)
    }

    /// Carries out statements as they stand, and gives the first value of the last row, if any.
    pub(super) fn simple(&mut self, sql: &str) -> Result<Option<String>> {
        self.message(b'Q', |body| text(body, sql));
        self.flush()?;
        self.value()
    }

    /// Gives a statement a name.
    pub(super) fn prepare(&mut self, name: &str, sql: &str) -> Result<()> {
        self.message(b'P', |body| {
            text(body, name);
            text(body, sql);
            // The server finds the types of the values.
            body.extend_from_slice(&0_i16.to_be_bytes());
        });
        self.message(b'S', |_| ());
        self.flush()?;
        self.value().map(|_| ())
    }

    /// Carries out a statement that has a name, and gives the first value of its last row, if any.
    pub(super) fn execute(&mut self, name: &str, values: &[&str]) -> Result<Option<String>> {
        self.message(b'B', |body| {
            text(body, "");
            text(body, name);
            // All values are texts, both ways.
            body.extend_from_slice(&0_i16.to_be_bytes());
            body.extend_from_slice(&(values.len() as i16).to_be_bytes());
            for value in values {
                body.extend_from_slice(&(value.len() as i32).to_be_bytes());
                body.extend_from_slice(value.as_bytes());
            }
            body.extend_from_slice(&0_i16.to_be_bytes());
        });
        self.message(b'E', |body| {
            text(body, "");
            body.extend_from_slice(&0_i32.to_be_bytes());
        });
        self.message(b'S', |_| ());
        self.flush()?;
        self.value()
    }

    /// Fills a table, a line for each row.
    pub(super) fn copy(&mut self, sql: &str, rows: impl Iterator<Item = String>) -> Result<()> {
        self.message(b'Q', |body| text(body, sql));
        self.flush()?;
        while self.read()? != b'G' {}
        let mut piece = String::with_capacity(PIECE + 64);
        for row in rows {
            piece.push_str(&row);
            piece.push('\n');
            if piece.len() >= PIECE {
                self.message(b'd', |body| body.extend_from_slice(piece.as_bytes()));
                self.flush()?;
                piece.clear();
            }
        }
        self.message(b'd', |body| body.extend_from_slice(piece.as_bytes()));
        self.message(b'c', |_| ());
        self.flush()?;
        self.value().map(|_| ())
    }

    /// Reads until the server waits for more, and gives the first value of the last row, if any.
    fn value(&mut self) -> Result<Option<String>> {
        let mut value = None;
        loop {
            match self.read()? {
                b'Z' => return Ok(value),
                b'D' => value = first_column(&self.body)?,
                b'R' => ensure!(self.body == [0; 4], "PostgreSQL does not trust this client"),
                b'S' => {
                    let version = self.body.strip_prefix(b"server_version\0");
                    if let Some(version) = version {
                        let version = version.strip_suffix(b"\0").unwrap_or(version);
                        self.version = String::from_utf8_lossy(version).into_owned();
                    }
                }
                // Done, and what a row looks like.
                _ => {}
            }
        }
    }

    /// Reads one message and says of which kind it is. An error of the server is one here.
    fn read(&mut self) -> Result<u8> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head).context("PostgreSQL hung up")?;
        let [kind, len @ ..] = head;
        let len = i32::from_be_bytes(len).checked_sub(4).and_then(|len| usize::try_from(len).ok());
        self.body.resize(len.context("a message of no length")?, 0);
        self.stream.read_exact(&mut self.body)?;
        if kind == b'E' {
            bail!("PostgreSQL says {}", said(&self.body));
        }
        Ok(kind)
    }

    fn message(&mut self, kind: u8, fill: impl FnOnce(&mut Vec<u8>)) {
        self.unsent.push(kind);
        let from = self.unsent.len();
        self.unsent.extend_from_slice(&[0; 4]);
        fill(&mut self.unsent);
        let len = (self.unsent.len() - from) as i32;
        self.unsent[from..from + 4].copy_from_slice(&len.to_be_bytes());
    }

    fn flush(&mut self) -> Result<()> {
        self.stream.get_mut().write_all(&self.unsent)?;
        self.unsent.clear();
        Ok(())
    }
}

fn text(body: &mut Vec<u8>, text: &str) {
    body.extend_from_slice(text.as_bytes());
    body.push(0);
}

/// The first column of a row, unless it is null.
fn first_column(row: &[u8]) -> Result<Option<String>> {
    let (len, rest) = row.get(2..).and_then(<[u8]>::split_first_chunk).context("a row of none")?;
    let Ok(len) = usize::try_from(i32::from_be_bytes(*len)) else { return Ok(None) };
    let value = rest.get(..len).context("a row that is cut")?;
    Ok(Some(String::from_utf8(value.to_vec())?))
}

/// The text of an error.
fn said(body: &[u8]) -> String {
    let fields = body.split(|byte| *byte == 0);
    let text = fields.filter_map(|field| field.strip_prefix(b"M")).next().unwrap_or(body);
    String::from_utf8_lossy(text).into_owned()
}

//! One connection, for what has to be there before anything is measured.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::Failed;

/// Nothing that is prepared takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection on which one asks after the other.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn connect(at: SocketAddr) -> Result<Self, Failed> {
        let stream = TcpStream::connect(at)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Asks, and wants a success.
    pub(crate) fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<Value, Failed> {
        let (status, answer) = self.told(method, path, body)?;
        if !(200..300).contains(&status) {
            let answer = String::from_utf8_lossy(&answer);
            return Err(format!("{method} {path} came to {status}: {answer}").into());
        }
        Ok(serde_json::from_slice(&answer)?)
    }

    /// Asks, and tells the status and the body of whatever is answered.
    pub(crate) fn told(
        &mut self,
        method: &str,
        path: &str,
        body: &str,
    ) -> Result<(u16, Vec<u8>), Failed> {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        let ask = match body {
            "" => format!("{head}\r\n"),
            _ => format!(
                "{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ),
        };
        self.stream.get_mut().write_all(ask.as_bytes())?;
        let no_answer = || format!("{method} {path}: what came was no answer of HTTP");
        let line = self.line()?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(no_answer)?;
        let mut length = None;
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().ok();
            }
        }
        let mut answer = vec![0; length.ok_or_else(no_answer)?];
        self.stream.read_exact(&mut answer)?;
        Ok((status, answer))
    }

    fn line(&mut self) -> Result<String, Failed> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

//! Servers that the benchmark starts for itself: found, run by a user of their own, ended.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, io};

use anyhow::{Context, Result, bail, ensure};

/// How long a server may take to begin or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Finds a program: where the shell would, then in other directories.
pub(crate) fn find(program: &str, beside: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places = env::split_paths(&path).chain(beside).map(|dir| dir.join(program));
    places.find(|file| {
        file.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 1 == 1)
    })
}

/// Somebody who is not root.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// Whom a server runs as: the first of these that is known here if this is root, which some
    /// servers refuse to be; `None` for whoever this is.
    pub(crate) fn of_server(names: &[&str]) -> Result<Option<Self>> {
        if Path::new("/proc/self").metadata().map(owner)? != 0 {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd")?;
        let known = names.iter().find_map(|name| Self::in_passwd(&users, name));
        Ok(Some(known.with_context(|| format!("nobody here is called {}", names.join(" or ")))?))
    }

    fn in_passwd(users: &str, name: &str) -> Option<Self> {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut numbers = line.split(':').skip(2).map(str::parse);
        Some(Self { uid: numbers.next()?.ok()?, gid: numbers.next()?.ok()? })
    }
}

fn owner(about: fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::uid(&about)
}

/// Gives a directory to a user.
pub(crate) fn give(dir: &Path, user: Option<User>) -> io::Result<()> {
    user.map_or(Ok(()), |user| chown(dir, Some(user.uid), Some(user.gid)))
}

/// A command that a user runs, in a directory, which tells what it has to tell to `output` there.
pub(crate) fn command(program: &Path, dir: &Path, user: Option<User>) -> Result<Command> {
    let output = File::options().create(true).append(true).open(dir.join("output"))?;
    let mut command = Command::new(program);
    command.current_dir(dir).stdin(Stdio::null());
    command.stdout(output.try_clone()?).stderr(output);
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
    Ok(command)
}

/// Runs a command to its end.
pub(crate) fn complete(command: &mut Command, dir: &Path) -> Result<()> {
    let status = command.status()?;
    ensure!(status.success(), "{} ended with {status}: {}", said_of(command), last_words(dir));
    Ok(())
}

fn said_of(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

/// The end of what was told to `output`.
fn last_words(dir: &Path) -> String {
    let output = fs::read_to_string(dir.join("output")).unwrap_or_default();
    let lines: Vec<&str> = output.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}

/// A server that was started. It does not outlive this.
pub(crate) struct Server {
    child: Child,
    dir: PathBuf,
}

impl Server {
    pub(crate) fn start(command: &mut Command, dir: &Path) -> Result<Self> {
        let child = command.spawn().with_context(|| said_of(command))?;
        Ok(Self { child, dir: dir.to_owned() })
    }

    /// Asks again and again until the server answers.
    pub(crate) fn reach<T>(&mut self, mut ask: impl FnMut() -> Result<T>) -> Result<T> {
        let began = Instant::now();
        loop {
            match ask() {
                Ok(answer) => return Ok(answer),
                Err(error) if began.elapsed() > PATIENCE => return Err(error),
                Err(_) => {}
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status}: {}", last_words(&self.dir));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for a server that was told to end.
    pub(crate) fn ended(&mut self) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("the server does not end");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended is not there to be killed, and that is all right.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

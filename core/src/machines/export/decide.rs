//! Whether a command is accepted.

use super::state::{
    Begun, Downloaded, Event, Expired, Failed, Finished, Head, Progressed, Requested, State,
};
use super::{Command, Export, FAILED_TTL_MS, FILE_LOST, Format, TEXT_LEN_MAX, What};
use crate::machine::{Decided, Machine, Shows, View};
use crate::words::{Code, Fact, Id, Position, Refusal, Timestamp};

pub(super) fn decide(
    view: &View<'_, Export>,
    command: &Command,
    now: Timestamp,
) -> Result<Decided<Event>, Refusal> {
    match command {
        Command::Request { what, format, filter } => {
            request(view, *what, *format, filter.as_deref())
        }
        Command::Begin { worker, as_of } => begin(view, worker, *as_of),
        Command::Progress { fence, done, total } => progress(view, *fence, *done, *total),
        Command::Finish { fence, rows, bytes, sha256, ttl_ms } => {
            finish(view, *fence, (*rows, *bytes, *sha256), *ttl_ms, now)
        }
        Command::Fail { fence, reason } => fail(view, *fence, reason, now),
        Command::Download { by } => download(view, by.as_ref(), now),
        Command::ExportDue => expire(view, now),
        Command::FileLost => lose(view, now),
    }
}

fn request(
    view: &View<'_, Export>,
    what: What,
    format: Format,
    filter: Option<&str>,
) -> Result<Decided<Event>, Refusal> {
    if filter.is_some_and(|filter| filter.len() > TEXT_LEN_MAX) {
        return Err(Code::Malformed.into());
    }
    if view.head.is_some() {
        let first = Position::new(view.number.get());
        return Err(Refusal::with(Code::AlreadyExists, Fact::First(first)));
    }
    // Nothing below can fail.
    let filter = filter.map(str::to_owned);
    Ok(Decided::Event(Requested { what, format, filter }.into()))
}

fn begin(view: &View<'_, Export>, worker: &Id, as_of: Position) -> Result<Decided<Event>, Refusal> {
    let head = view.head.ok_or(Code::NotFound)?;
    if !matches!(head.state, State::Queued | State::Running) {
        return Err(Code::WrongState.into());
    }
    // Nothing below can fail.
    Ok(Decided::Event(Begun { worker: worker.clone(), as_of }.into()))
}

fn progress(
    view: &View<'_, Export>,
    fence: Position,
    done: u64,
    total: u64,
) -> Result<Decided<Event>, Refusal> {
    if done > total {
        return Err(Code::Malformed.into());
    }
    let head = running(view, fence)?;
    // Nothing below can fail.
    if done < head.done || (done, total) == (head.done, head.total) {
        return Ok(Decided::Already(Shows::head()));
    }
    Ok(Decided::Event(Progressed { done, total }.into()))
}

fn finish(
    view: &View<'_, Export>,
    fence: Position,
    (rows, bytes, sha256): (u64, u64, [u8; 32]),
    ttl_ms: u64,
    now: Timestamp,
) -> Result<Decided<Event>, Refusal> {
    if ttl_ms == 0 {
        return Err(Code::Malformed.into());
    }
    running(view, fence)?;
    let expires_at = now.after_ms(ttl_ms).ok_or(Code::Overflow)?;
    // Nothing below can fail.
    Ok(Decided::Event(Finished { rows, bytes, sha256, expires_at }.into()))
}

fn fail(
    view: &View<'_, Export>,
    fence: Position,
    reason: &str,
    now: Timestamp,
) -> Result<Decided<Event>, Refusal> {
    if reason.len() > TEXT_LEN_MAX {
        return Err(Code::Malformed.into());
    }
    running(view, fence)?;
    let expires_at = now.after_ms(FAILED_TTL_MS).ok_or(Code::Overflow)?;
    // Nothing below can fail.
    Ok(Decided::Event(Failed { reason: reason.to_owned(), expires_at }.into()))
}

fn download(
    view: &View<'_, Export>,
    by: Option<&Id>,
    now: Timestamp,
) -> Result<Decided<Event>, Refusal> {
    let head = view.head.ok_or(Code::NotFound)?;
    let over = Refusal::with(Code::Expired, head.expires_at.map_or(Fact::None, Fact::At));
    match head.state {
        State::Queued | State::Running => return Err(Code::NotReady.into()),
        State::Expired => return Err(over),
        State::Ready | State::Failed if Export::due(head) <= now => return Err(over),
        State::Failed => return Err(Code::WrongState.into()),
        State::Ready => {}
    }
    // Nothing below can fail.
    Ok(Decided::Event(Downloaded { by: by.cloned() }.into()))
}

fn expire(view: &View<'_, Export>, now: Timestamp) -> Result<Decided<Event>, Refusal> {
    let head = view.head.ok_or(Code::NotFound)?;
    if now < Export::due(head) {
        return Err(Code::WrongState.into());
    }
    // Nothing below can fail.
    Ok(Decided::Event(Expired.into()))
}

fn lose(view: &View<'_, Export>, now: Timestamp) -> Result<Decided<Event>, Refusal> {
    let head = view.head.ok_or(Code::NotFound)?;
    // Nothing below can fail.
    if head.state != State::Ready {
        return Ok(Decided::Already(Shows::head()));
    }
    // A day behind the year 9999 is as good as never.
    let expires_at = now.after_ms(FAILED_TTL_MS).unwrap_or(Timestamp::NEVER);
    Ok(Decided::Event(Failed { reason: FILE_LOST.to_owned(), expires_at }.into()))
}

/// The head of an export whose running worker has this fence.
fn running<'a>(view: &View<'a, Export>, fence: Position) -> Result<&'a Head, Refusal> {
    let head = view.head.ok_or(Code::NotFound)?;
    if head.state != State::Running {
        return Err(Code::WrongState.into());
    }
    if fence != head.fence {
        return Err(Refusal::with(Code::StaleFence, Fact::Fence(head.fence)));
    }
    Ok(head)
}

//! Commands: typed where a machine reads them, of any type where an engine carries them.

use core::any::Any;
use core::fmt::{self, Debug};
use std::sync::Arc;

use super::{Canon, Machine};
use crate::words::{Id, Kind};

/// What a machine's own command type tells the engine about itself.
pub trait Said: Clone + Debug + Send + Sync + 'static {
    /// The operation's number within its kind. Part of an idempotency key's scope.
    fn operation(&self) -> u8;

    /// The operation's name, for people and for what is measured. One of few: never an id.
    fn name(&self) -> &'static str {
        "command"
    }

    /// The sub-resource that the caller's path names. Part of the scope as well.
    fn sub(&self) -> Option<&Id> {
        None
    }

    /// Another stream of the same book and kind that it will touch, if it names one. A hint:
    /// that stream's memory is fetched ahead of time.
    fn also(&self) -> Option<&Id> {
        None
    }

    /// Whether only a machine or time gives this command, never a caller.
    fn is_leg(&self) -> bool {
        false
    }

    /// Writes every field that tells two commands apart.
    fn canon(&self, canon: &mut Canon);

    /// The bytes it keeps outside of itself, for admission.
    fn heap_bytes(&self) -> usize {
        0
    }
}

/// A command for some kind of stream. Nobody changes one that was made, so copies share it.
#[derive(Clone)]
pub struct Command(Arc<dyn AnyCommand>);

impl Command {
    /// A command for streams of machine `M`.
    pub fn of<M: Machine>(command: M::Command) -> Self {
        Self(Arc::new(Asked::<M>(command)))
    }

    /// The command as machine `M` wrote it, or `None` where it is for another.
    #[must_use]
    pub fn get<M: Machine>(&self) -> Option<&M::Command> {
        let any: &dyn Any = &*self.0;
        any.downcast_ref::<Asked<M>>().map(|asked| &asked.0)
    }

    /// The kind of stream that it is for.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind()
    }

    /// The operation's number.
    #[must_use]
    pub fn operation(&self) -> u8 {
        self.0.operation()
    }

    /// The operation's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// The sub-resource that it names.
    #[must_use]
    pub fn sub(&self) -> Option<&Id> {
        self.0.sub()
    }

    /// Another stream of the same book and kind that it will touch.
    #[must_use]
    pub fn also(&self) -> Option<&Id> {
        self.0.also()
    }

    /// Whether only a machine or time gives it, never a caller.
    #[must_use]
    pub fn is_leg(&self) -> bool {
        self.0.is_leg()
    }

    /// Its canonical form.
    pub fn canon(&self, canon: &mut Canon) {
        self.0.canon(canon);
    }

    /// An upper bound of what it puts on the log, beside the fixed parts.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.0.weight()
    }
}

impl Debug for Command {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// A machine's command with the machine's name on it.
#[derive(Clone)]
pub struct Asked<M: Machine>(pub M::Command);

impl<M: Machine> Debug for Asked<M> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {:?}", M::NAME, self.0)
    }
}

/// What the engine may do with a command of any kind.
pub trait AnyCommand: Any + Debug + Send + Sync {
    /// The kind of stream that it is for.
    fn kind(&self) -> Kind;
    /// See [`Said::operation`].
    fn operation(&self) -> u8;
    /// See [`Said::name`].
    fn name(&self) -> &'static str;
    /// See [`Said::sub`].
    fn sub(&self) -> Option<&Id>;
    /// See [`Said::also`].
    fn also(&self) -> Option<&Id>;
    /// See [`Said::is_leg`].
    fn is_leg(&self) -> bool;
    /// See [`Said::canon`].
    fn canon(&self, canon: &mut Canon);
    /// See [`Command::weight`].
    fn weight(&self) -> usize;
}

impl<M: Machine> AnyCommand for Asked<M> {
    fn kind(&self) -> Kind {
        M::KIND
    }

    fn operation(&self) -> u8 {
        self.0.operation()
    }

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn sub(&self) -> Option<&Id> {
        self.0.sub()
    }

    fn also(&self) -> Option<&Id> {
        self.0.also()
    }

    fn is_leg(&self) -> bool {
        self.0.is_leg()
    }

    fn canon(&self, canon: &mut Canon) {
        self.0.canon(canon);
    }

    fn weight(&self) -> usize {
        size_of::<M::Command>() + self.0.heap_bytes()
    }
}

//! The server as it is run: a process that is killed, told to stop, flooded, and searched for what
//! it must not say.

mod crowd;
mod ground;
mod kill;
mod planted;
mod start;

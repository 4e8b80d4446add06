//! The command, run as anybody runs it: what it prints, and how it ends.

mod copies;
mod ground;
mod inspect;
mod keys;
mod secrets;
mod verify;

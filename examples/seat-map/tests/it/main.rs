//! How a machine of one's own is proved: its rules, its runs in any order and under all
//! troubles, and its life on threads.

mod bytes;
mod model;
mod seeds;
mod tables;
mod threads;
mod troubles;

//! The store in redb, and a log in redb, over any disk.

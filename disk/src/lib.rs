//! The real disk: files, directories, locks and syncs of the operating system.

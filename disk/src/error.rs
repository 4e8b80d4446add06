//! What the operating system says, in the words of a disk.

use std::io::{self, ErrorKind};
use std::path::Path;

use quipu_core::disk::DiskError;

/// What went wrong with this file or directory.
pub(crate) fn disk_error(path: &Path, error: impl Into<io::Error>) -> DiskError {
    let error = error.into();
    match error.kind() {
        ErrorKind::NotFound => DiskError::NotFound(path.to_owned()),
        ErrorKind::AlreadyExists => DiskError::AlreadyExists(path.to_owned()),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => DiskError::NoSpace(path.to_owned()),
        ErrorKind::PermissionDenied => {
            failed(path, "permission denied to the user that this program runs as")
        }
        _ => failed(path, error.to_string()),
    }
}

pub(crate) fn failed(path: &Path, why: impl Into<String>) -> DiskError {
    DiskError::Failed { path: path.to_owned(), why: why.into() }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rustix::io::Errno;

    use super::disk_error;

    #[test]
    fn every_error_says_where_and_why() {
        let denied = "/l/x: permission denied to the user that this program runs as";
        let cases = [
            (Errno::NOENT, "/l/x: not found"),
            (Errno::EXIST, "/l/x: exists already"),
            (Errno::NOSPC, "/l/x: no space left"),
            (Errno::DQUOT, "/l/x: no space left"),
            (Errno::ACCESS, denied),
            (Errno::PERM, denied),
            (Errno::IO, "/l/x: Input/output error (os error 5)"),
            (Errno::ROFS, "/l/x: Read-only file system (os error 30)"),
        ];
        for (errno, said) in cases {
            assert_eq!(disk_error(Path::new("/l/x"), errno).to_string(), said, "{errno:?}");
        }
    }
}

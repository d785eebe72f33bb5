//! Why there are no certificates.

use std::io;
use std::path::PathBuf;

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertsError {
    /// A host that is neither a DNS name nor an address.
    #[error("{host:?} is neither a DNS name nor an IP address")]
    Host {
        /// What was asked for.
        host: String,
    },
    /// A name of a client that a file cannot have everywhere.
    #[error(
        "{name:?} is no name for a client: 1 to 64 letters, digits, `-`, `_`, `.` and `@`, the first a letter or digit"
    )]
    Client {
        /// What was asked for.
        name: String,
    },
    /// The same client twice.
    #[error("client {name} is named twice")]
    ClientTwice {
        /// Which.
        name: String,
    },
    /// A file that would be replaced.
    #[error("{} is there already", path.display())]
    AlreadyThere {
        /// Which.
        path: PathBuf,
    },
    /// One half of an authority, certificate or key, without the other.
    #[error("{} is there and {} is not; both or neither", found.display(), missing.display())]
    HalfAnAuthority {
        /// The file that is there.
        found: PathBuf,
        /// The one that is not.
        missing: PathBuf,
    },
    /// A file that has no certificate or key in it that can be read.
    #[error("{}: {problem}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The certificate of the authority has another key than its file.
    #[error("{} is not the key of {}", key.display(), certificate.display())]
    WrongKey {
        /// The file with the key.
        key: PathBuf,
        /// The file with the certificate.
        certificate: PathBuf,
    },
    /// The certificate in the place of the authority's may sign nothing.
    #[error("{} is no certificate of an authority", path.display())]
    NoAuthority {
        /// Which.
        path: PathBuf,
    },
    /// The authority's own time is over.
    #[error("the authority in {} has expired; begin anew in another folder", path.display())]
    Expired {
        /// Which.
        path: PathBuf,
    },
    /// A certificate cannot be made.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// A file or folder that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

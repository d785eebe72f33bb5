//! The other end of the socket, for a command that has nothing else to do.

use crate::protocol::{Fault, Reply, Request};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to the admin channel of a broker.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    stream: BufReader<UnixStream>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No broker runs there.
    #[error("no broker runs there: nobody listens on {}", path.display())]
    NoBroker {
        /// Where its socket would be.
        path: PathBuf,
    },
    /// The connection failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// What the operating system answered.
        source: io::Error,
    },
    /// The broker closed without an answer, as it does to other users than its own.
    #[error("{}: the broker closed without an answer", path.display())]
    Closed {
        /// The socket.
        path: PathBuf,
    },
    /// What came is no answer to what was asked.
    #[error("not an answer of this version's broker: {0}")]
    Garbled(#[source] serde_json::Error),
    /// The broker did not do it.
    #[error(transparent)]
    Refused(#[from] Fault),
}

impl Client {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    /// [`CallError::NoBroker`] or [`CallError::Io`].
    pub fn connect(path: impl AsRef<Path>) -> Result<Self, CallError> {
        let path = path.as_ref().to_owned();
        let connected = UnixStream::connect(&path).and_then(|stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(stream)
        });
        match connected {
            Ok(stream) => Ok(Self {
                path,
                stream: BufReader::new(stream),
            }),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::NotFound | ErrorKind::ConnectionRefused
                ) =>
            {
                Err(CallError::NoBroker { path })
            }
            Err(source) => Err(CallError::Io { path, source }),
        }
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn call(&mut self, request: &Request) -> Result<Value, CallError> {
        let mut line = serde_json::to_vec(request).map_err(CallError::Garbled)?;
        line.push(b'\n');
        // A broker that is busy has said so and closed: what it said is read in any case.
        let sent = self.stream.get_mut().write_all(&line);
        let mut answer = String::new();
        match (self.stream.read_line(&mut answer), sent) {
            (Ok(0), _) => Err(CallError::Closed {
                path: self.path.clone(),
            }),
            (Ok(_), _) => match serde_json::from_str(&answer).map_err(CallError::Garbled)? {
                Reply::Ok(value) => Ok(value),
                Reply::Error(fault) => Err(CallError::Refused(fault)),
            },
            (Err(_), Err(source)) | (Err(source), _) => Err(CallError::Io {
                path: self.path.clone(),
                source,
            }),
        }
    }

    /// Asks, and reads the answer as a `T`.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn ask<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T, CallError> {
        serde_json::from_value(self.call(request)?).map_err(CallError::Garbled)
    }
}

//! Listening on a socket of the file system.

use socket2::{Domain, SockAddr, Socket, Type};
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};
use tokio::net::{UnixListener, UnixStream};

/// A listening socket of the file system, whose file goes with it.
#[derive(Debug)]
pub(super) struct UnixSocket {
    unix: UnixListener,
    path: PathBuf,
    /// Which file it was made as: device and number.
    made: (u64, u64),
}

impl UnixSocket {
    pub(super) fn bind(path: &Path, mode: u32, backlog: i32) -> io::Result<Self> {
        remove_stale(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::unix(path)?)?;
        // Nobody gets in before it listens.
        let opened = fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .and_then(|()| socket.listen(backlog))
            .and_then(|()| Ok((UnixListener::from_std(socket.into())?, fs::metadata(path)?)));
        match opened {
            Ok((unix, file)) => Ok(Self {
                unix,
                path: path.to_owned(),
                made: (file.dev(), file.ino()),
            }),
            Err(error) => {
                // The first error is what counts.
                let _ = fs::remove_file(path);
                Err(error)
            }
        }
    }

    pub(super) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<UnixStream>> {
        self.unix.poll_accept(cx).map_ok(|(accepted, _)| accepted)
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|file| (file.dev(), file.ino()) == self.made);
        if is_ours {
            // A file that stays is replaced by the next to listen.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes room: a socket without a listener goes, anything else stays and is an error.
fn remove_stale(path: &Path) -> io::Result<()> {
    let file = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    if !file.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a file that is not a socket",
        ));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another process listens there",
        )),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mqtt.sock");
        let bind = || UnixSocket::bind(&path, 0o660, 8);
        // As a process leaves it that was killed.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let first = bind().unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        assert_eq!(bind().unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        assert!(!path.exists(), "the file goes with the listener");
        fs::write(&path, "mine").unwrap();
        assert_eq!(bind().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }

    #[tokio::test]
    async fn the_file_of_somebody_else_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mqtt.sock");
        let first = UnixSocket::bind(&path, 0o600, 8).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "mine").unwrap();
        drop(first);
        assert!(path.exists());
    }
}

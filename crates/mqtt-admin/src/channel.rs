//! The unix socket: for its owner only, a JSON object on each line in each direction.
//!
//! It is served by a thread of its own, so that no list, however long, keeps a client of the broker waiting.

use crate::protocol::{Fault, FaultKind, Reply, Request};
use crate::service::Service;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

/// Connections at a time; one more is told that the channel is busy.
const CONNECTIONS_MAX: usize = 16;
/// Bytes of a request.
const REQUEST_LEN_MAX: usize = 1024 * 1024;
/// Time that a request may take to come once its first byte is there, and an answer to be taken.
const TRANSFER_TIME: Duration = Duration::from_secs(5);
/// Time between two requests of a connection.
const IDLE_TIME: Duration = Duration::from_secs(60);
/// Only the owner may connect.
const MODE: u32 = 0o600;
/// The user who may do everything anyway.
const ROOT: u32 = 0;
/// How long to wait after the system refused to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The socket while it is open; dropping it closes it and takes it away.
#[derive(Debug)]
pub struct Channel {
    path: PathBuf,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// It cannot be made.
    #[error("cannot listen on {}: {source}", path.display())]
    Listen {
        /// Where.
        path: PathBuf,
        /// What the operating system answered.
        source: io::Error,
    },
    /// Something that is no socket has its name.
    #[error("cannot listen on {}: there is a file of that name that is no socket", path.display())]
    InTheWay {
        /// Where.
        path: PathBuf,
    },
    /// The system gives no thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
}

impl Channel {
    /// Opens the socket and answers by `service`. A socket that is there is replaced: whoever calls this must own the
    /// place, as the one who holds the lock of a data directory does.
    ///
    /// # Errors
    /// [`ChannelError`]; then nothing is open.
    pub fn open(path: impl Into<PathBuf>, service: Service) -> Result<Self, ChannelError> {
        let path = path.into();
        remove_old(&path)?;
        let listen = |source| ChannelError::Listen {
            path: path.clone(),
            source,
        };
        let listener = StdListener::bind(&path).map_err(listen)?;
        // Who connects between these two is turned away by its user.
        fs::set_permissions(&path, Permissions::from_mode(MODE)).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let owner = fs::metadata(&path).map_err(listen)?.uid();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(ChannelError::Thread)?;
        let (stop, stopped) = watch::channel(false);
        let door = Door { service, owner };
        let thread = std::thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || {
                runtime.block_on(serve(listener, Arc::new(door), stopped));
            })
            .map_err(ChannelError::Thread)?;
        Ok(Self {
            path,
            stop,
            thread: Some(thread),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = fs::remove_file(&self.path);
    }
}

/// What connections share.
struct Door {
    service: Service,
    /// The user whose process this is.
    owner: u32,
}

/// A socket that a broker left behind goes; anything else stays.
fn remove_old(path: &Path) -> Result<(), ChannelError> {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !metadata.file_type().is_socket() {
        let path = path.to_owned();
        return Err(ChannelError::InTheWay { path });
    }
    fs::remove_file(path).map_err(|source| ChannelError::Listen {
        path: path.to_owned(),
        source,
    })
}

async fn serve(listener: StdListener, door: Arc<Door>, mut stop: watch::Receiver<bool>) {
    let listener = match UnixListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the admin channel cannot be served");
            return;
        }
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept on the admin channel");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if !is_welcome(&stream, door.owner) {
            continue;
        }
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            let busy = Fault::new(FaultKind::Busy, "too many connections to the admin channel");
            // A fresh socket has room for a line; a peer that does not look loses nothing.
            let _ = stream.try_write(&line(&Reply::Error(busy)));
            continue;
        };
        let door = Arc::clone(&door);
        tokio::spawn(async move {
            converse(stream, &door).await;
            drop(place);
        });
    }
}

/// Whether it is the owner who connects, or root.
fn is_welcome(stream: &UnixStream, owner: u32) -> bool {
    match stream.peer_cred() {
        Ok(peer) if peer.uid() == owner || peer.uid() == ROOT => true,
        Ok(peer) => {
            let uid = peer.uid();
            tracing::warn!(uid, "another user tried the admin channel");
            false
        }
        Err(error) => {
            tracing::warn!(%error, "the admin channel cannot tell who connects");
            false
        }
    }
}

/// Requests and answers in turn, until the peer has no more.
async fn converse(stream: UnixStream, door: &Door) {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let mut request = Vec::new();
    loop {
        let (reply, is_last) = match next_line(&mut read, &mut request).await {
            Next::End => return,
            Next::Line => (answer(door, &request).await, false),
            Next::Refused(fault) => (Reply::Error(fault), true),
        };
        let written = timeout(TRANSFER_TIME, write.write_all(&line(&reply))).await;
        if is_last || !matches!(written, Ok(Ok(()))) {
            return;
        }
    }
}

/// What came.
enum Next {
    /// A whole request.
    Line,
    /// The peer is gone, or silent for too long.
    End,
    /// Something that is not worth reading on for.
    Refused(Fault),
}

async fn next_line(read: &mut BufReader<OwnedReadHalf>, request: &mut Vec<u8>) -> Next {
    request.clear();
    match timeout(IDLE_TIME, read.fill_buf()).await {
        Ok(Ok(bytes)) if !bytes.is_empty() => {}
        _ => return Next::End,
    }
    let len_max = u64::try_from(REQUEST_LEN_MAX).unwrap_or(u64::MAX);
    let mut bounded = read.take(len_max);
    let whole = timeout(TRANSFER_TIME, bounded.read_until(b'\n', request)).await;
    match whole {
        Err(_) => Next::Refused(Fault::invalid("the request took too long to come")),
        Ok(Err(_)) => Next::End,
        Ok(Ok(_)) if request.ends_with(b"\n") => Next::Line,
        Ok(Ok(len)) if len == REQUEST_LEN_MAX => Next::Refused(Fault::invalid(format_args!(
            "a request has at most {REQUEST_LEN_MAX} bytes"
        ))),
        Ok(Ok(_)) => Next::End,
    }
}

async fn answer(door: &Door, request: &[u8]) -> Reply {
    let read = serde_json::from_slice::<Request>(request);
    let read = read.map_err(|error| Fault::invalid(format_args!("not a request: {error}")));
    let answered = match read {
        Ok(request) => door.service.answer(&request).await,
        Err(fault) => Err(fault),
    };
    match answered {
        Ok(value) => Reply::Ok(value),
        Err(fault) => Reply::Error(fault),
    }
}

fn line(reply: &Reply) -> Vec<u8> {
    // It is made of strings and numbers alone.
    let mut line = serde_json::to_vec(reply).unwrap_or_default();
    line.push(b'\n');
    line
}

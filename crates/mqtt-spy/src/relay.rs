//! Both directions of one connection.

use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::BytesMut;
use mqtt_dissect::Side;
use mqtt_io::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::time::timeout;

use crate::Happening;
use crate::proxy::Tap;

/// What is read at a time. Unit: bytes.
const CHUNK_LEN: usize = 16 << 10;

/// How long one direction may still bring what is under way when the other was cut.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Why a direction stopped before its end.
enum Cut {
    /// A socket failed.
    Io { side: Side, source: io::Error },
    /// Nobody watches any more.
    Unwatched,
}

/// Relays until both sides have ended, or one is cut; then why, in words.
pub(crate) async fn relay(client: Stream, server: Stream, tap: &Tap) -> Option<String> {
    let (client_reads, client_writes) = split(client);
    let (server_reads, server_writes) = split(server);
    let mut up = pin!(carry(Side::Client, client_reads, server_writes, tap));
    let mut down = pin!(carry(Side::Server, server_reads, client_writes, tap));
    let (first, second) = tokio::select! {
        first = &mut up => {
            let second = if first.is_ok() { Some(down.await) } else { timeout(LAST_WORDS, down).await.ok() };
            (first, second)
        }
        first = &mut down => {
            let second = if first.is_ok() { Some(up.await) } else { timeout(LAST_WORDS, up).await.ok() };
            (first, second)
        }
    };
    match (first, second) {
        (Err(cut), _) | (Ok(()), Some(Err(cut))) => cut.into_words(),
        (Ok(()), _) => None,
    }
}

/// Hands on what `side` sends, until it has ended.
async fn carry(
    side: Side,
    mut from: ReadHalf<Stream>,
    mut to: WriteHalf<Stream>,
    tap: &Tap,
) -> Result<(), Cut> {
    let failed = |side| move |source| Cut::Io { side, source };
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(CHUNK_LEN);
        // Of more room than that, no more is used: an event has a bound.
        let mut limited = (&mut from).take(u64::try_from(CHUNK_LEN).unwrap_or(u64::MAX));
        let read = limited.read_buf(&mut buffer).await.map_err(failed(side))?;
        if read == 0 {
            let told = tap.tell(Happening::Ended { side }).await;
            let ended = to.shutdown().await;
            return match (told, ended) {
                (false, _) => Err(Cut::Unwatched),
                // The other end may be gone already, and what it last said be on its way.
                (true, _) => Ok(()),
            };
        }
        let bytes = buffer.split().freeze();
        let happening = Happening::Bytes {
            side,
            bytes: bytes.clone(),
        };
        if !tap.tell(happening).await {
            return Err(Cut::Unwatched);
        }
        to.write_all(&bytes).await.map_err(failed(side.other()))?;
        to.flush().await.map_err(failed(side.other()))?;
    }
}

impl Cut {
    fn into_words(self) -> Option<String> {
        match self {
            Self::Io { side, source } => Some(format!("{}: {source}", side.name())),
            Self::Unwatched => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::duplex;
    use tokio::time::sleep;

    use super::*;

    /// What each pipe holds. Unit: bytes.
    const PIPE_LEN: usize = 1024;

    /// Time stands still but when nobody can go on, so that `sleep` waits for exactly that.
    #[tokio::test(start_paused = true)]
    async fn a_reader_that_does_not_read_holds_the_sender_back() {
        const LEN: usize = 1 << 20;
        let (mut client, client_side) = duplex(PIPE_LEN);
        let (mut server, server_side) = duplex(PIPE_LEN);
        let (tap, mut events) = Tap::test();
        let told = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&told);
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                if let Happening::Bytes { bytes, .. } = event.happening {
                    count.fetch_add(bytes.len(), Ordering::Relaxed);
                }
            }
        });
        let relayed = tokio::spawn(async move {
            let (client, server) = (Stream::other(client_side), Stream::other(server_side));
            relay(client, server, &tap).await
        });
        let sent = Arc::new(AtomicUsize::new(0));
        let so_far = Arc::clone(&sent);
        let sender = tokio::spawn(async move {
            for _ in 0..LEN / PIPE_LEN {
                client.write_all(&[7; PIPE_LEN]).await.unwrap();
                so_far.fetch_add(PIPE_LEN, Ordering::Relaxed);
            }
            client.shutdown().await.unwrap();
            client
        });
        sleep(Duration::from_secs(3600)).await;
        // Two pipes, what is in the proxy's hands, and no more.
        assert!(sent.load(Ordering::Relaxed) <= 4 * PIPE_LEN);
        assert!(told.load(Ordering::Relaxed) <= 3 * PIPE_LEN);
        let mut all = Vec::new();
        server.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, vec![7; LEN]);
        drop((server, sender.await.unwrap()));
        assert_eq!(relayed.await.unwrap(), None);
        assert_eq!(told.load(Ordering::Relaxed), LEN);
    }
}

//! How long bytes waited in this machine before they were read: what the system noted, and no wait of ours, is when a
//! message came.

use std::io;
use std::time::Duration;

use mio::net::TcpStream;

/// Has the system note when bytes come. Does nothing where it cannot, and [`read`] then knows of no wait.
pub(crate) fn note(tcp: &TcpStream) {
    #[cfg(target_os = "linux")]
    linux::note(tcp);
    #[cfg(not(target_os = "linux"))]
    let _ = tcp;
}

/// Reads once: how many bytes, and how long ago the last of them came, as far as the system noted it.
///
/// # Errors
///
/// Those of reading, `WouldBlock` among them.
pub(crate) fn read(tcp: &mut TcpStream, buffer: &mut [u8]) -> io::Result<(usize, Duration)> {
    #[cfg(target_os = "linux")]
    return linux::read(tcp, buffer);
    #[cfg(not(target_os = "linux"))]
    return io::Read::read(tcp, buffer).map(|len| (len, Duration::ZERO));
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{self, IoSliceMut};
    use std::os::fd::AsRawFd;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use mio::net::TcpStream;
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};

    /// Bytes for one note of the system, which needs 32.
    const NOTE_LEN: usize = 64;

    pub(super) fn note(tcp: &TcpStream) {
        // A system that will not is one that notes nothing.
        let _ = setsockopt(tcp, sockopt::ReceiveTimestampns, &true);
    }

    pub(super) fn read(tcp: &TcpStream, buffer: &mut [u8]) -> io::Result<(usize, Duration)> {
        let mut slices = [IoSliceMut::new(buffer)];
        let mut space = [0; NOTE_LEN];
        let flags = MsgFlags::empty();
        let message = recvmsg::<()>(tcp.as_raw_fd(), &mut slices, Some(&mut space), flags)?;
        let mut notes = message.cmsgs()?;
        let came = notes.find_map(|note| match note {
            ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
            _ => None,
        });
        Ok((message.bytes, came.map_or(Duration::ZERO, ago)))
    }

    /// How long ago a time of the day was; none for one that is still to come, as after the clock was set.
    fn ago(came: Duration) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.unwrap_or_default().saturating_sub(came)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write;
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_wait_before_reading_is_told() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut far = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (near, _) = listener.accept().unwrap();
        let mut near = TcpStream::from_std(near);
        note(&near);
        let least = Duration::from_millis(5);
        // The system begins to note things a while after it was asked.
        let waits = std::iter::repeat_with(|| {
            let before = Instant::now();
            far.write_all(b"abc").unwrap();
            let written = Instant::now();
            // What is measured is a wait, so it waits.
            while written.elapsed() < least {
                std::thread::yield_now();
            }
            let (len, waited) = read(&mut near, &mut [0; 16]).unwrap();
            assert_eq!(len, 3);
            assert!(waited <= before.elapsed(), "{waited:?}");
            waited
        });
        let noted = waits.take(1_000).find(|waited| !waited.is_zero());
        assert!(noted.is_some_and(|waited| waited >= least), "{noted:?}");
    }

    #[test]
    fn what_nobody_notes_waited_for_no_time() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut far = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (near, _) = listener.accept().unwrap();
        far.write_all(b"abc").unwrap();
        let mut near = TcpStream::from_std(near);
        assert_eq!(read(&mut near, &mut [0; 16]).unwrap(), (3, Duration::ZERO));
    }
}

//! A publisher and a subscriber that have nothing to do with the others.

use super::wire::{send, until_in};
use crate::report::say;
use std::io::{Read, stdin};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Time between two messages, whether the one before has come or not.
const EVERY: Duration = Duration::from_millis(2);

/// Exchanges messages, and for each line of standard input tells how long those since the last took.
///
/// A message counts from when it was due, so that one that is late does not hide how late the next would be.
pub(super) fn run(address: SocketAddr, clients: usize) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("the pair: {error}");
    let publisher = until_in(address, clients)?;
    let mut subscriber = until_in(address, clients + 1)?;
    for stream in [&publisher, &subscriber] {
        stream.set_nodelay(true).map_err(failed)?;
    }
    send(&mut subscriber, 0x82, b"\x00\x01\x00\x04pair\x00").map_err(failed)?;
    subscriber.read_exact(&mut [0; 5]).map_err(failed)?;
    let times = Arc::<Mutex<Vec<Duration>>>::default();
    let gathered = Arc::clone(&times);
    let epoch = Instant::now();
    thread::spawn(move || publish(publisher, epoch));
    thread::spawn(move || receive(subscriber, epoch, &gathered));
    for line in stdin().lines() {
        line.map_err(failed)?;
        let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
        say(&summary(std::mem::take(&mut times)));
    }
    Ok(())
}

fn publish(mut publisher: TcpStream, epoch: Instant) {
    for nth in 0_u32.. {
        let due = EVERY * nth;
        thread::sleep((epoch + due).saturating_duration_since(Instant::now()));
        let mut body = b"\x00\x04pair".to_vec();
        body.extend(nth.to_be_bytes());
        if send(&mut publisher, 0x30, &body).is_err() {
            return;
        }
    }
}

fn receive(mut subscriber: TcpStream, epoch: Instant, times: &Mutex<Vec<Duration>>) {
    let mut packet = [0; 12];
    while subscriber.read_exact(&mut packet).is_ok() {
        let [.., n3, n2, n1, n0] = packet;
        let due = epoch + EVERY * u32::from_be_bytes([n3, n2, n1, n0]);
        let took = due.elapsed();
        times
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(took);
    }
}

/// Median, 99th hundredth and longest.
fn summary(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |hundredth: usize| {
        let last = times.len().saturating_sub(1);
        times.get((times.len() * hundredth / 100).min(last))
    };
    let [median, p99, longest] = [at(50), at(99), times.last()].map(|time| {
        time.map_or_else(
            || "-".to_owned(),
            |time| format!("{:.2}", time.as_secs_f64() * 1e3),
        )
    });
    let count = times.len();
    format!("{count} messages, median {median} ms, p99 {p99} ms, longest {longest} ms")
}

//! The clients that come back: a few threads, each with many connections under way.

use super::wire::{RETRY, Refused, begin, finish};
use crate::report::say;
use std::collections::VecDeque;
use std::io::stdin;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// Threads that connect.
const THREADS: usize = 4;

/// Does what the lines of standard input say: `connect SECONDS`, over which they spread, and `cut`.
pub(super) fn run(address: SocketAddr, clients: usize, at_once: usize) -> Result<(), String> {
    let mut streams = Vec::new();
    for line in stdin().lines() {
        let line = line.map_err(|error| error.to_string())?;
        if line == "cut" {
            streams.clear();
            say("cut");
            continue;
        }
        let over = line.strip_prefix("connect ").ok_or("unexpected")?;
        let over = over.parse().map_err(|_| "unexpected")?;
        let begun = Instant::now();
        let tries;
        (streams, tries) =
            connect_all(address, clients, at_once, Duration::from_secs(over), begun)?;
        let took = begun.elapsed().as_secs_f64();
        say(&format!("all in after {took:.2} s, {tries} tries"));
    }
    Ok(())
}

fn connect_all(
    address: SocketAddr,
    clients: usize,
    at_once: usize,
    over: Duration,
    begun: Instant,
) -> Result<(Vec<TcpStream>, usize), String> {
    let under_way = (at_once / THREADS).max(1);
    let due_of = |nth: usize| {
        let part = u32::try_from(nth).unwrap_or(u32::MAX);
        begun + over * part / u32::try_from(clients.max(1)).unwrap_or(1)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let mine = (thread..clients).step_by(THREADS);
                let mine = mine.map(|nth| (due_of(nth), nth)).collect();
                scope.spawn(move || connect_some(address, mine, under_way))
            })
            .collect();
        let mut all = (Vec::with_capacity(clients), 0);
        for thread in threads {
            let (streams, tries) = thread.join().map_err(|_| "a thread panicked")??;
            all.0.extend(streams);
            all.1 += tries;
        }
        Ok(all)
    })
}

/// Connects clients when each is due, in that order; how often they tried.
fn connect_some(
    address: SocketAddr,
    mut due: VecDeque<(Instant, usize)>,
    under_way_max: usize,
) -> Result<(Vec<TcpStream>, usize), String> {
    let (mut streams, mut tries) = (Vec::with_capacity(due.len()), 0);
    let mut under_way = Vec::new();
    while let Some((at, _)) = due.front() {
        thread::sleep(at.saturating_duration_since(Instant::now()));
        let now = Instant::now();
        while under_way.len() < under_way_max
            && let Some((_, nth)) = due.pop_front_if(|(at, _)| *at <= now)
        {
            tries += 1;
            under_way.push((nth, begin(address, nth)));
        }
        for (nth, begun) in under_way.drain(..) {
            match begun.and_then(finish) {
                Ok(stream) => streams.push(stream),
                Err(Refused::ForNow) => due.push_back((Instant::now() + RETRY, nth)),
                Err(Refused::For(cause)) => return Err(format!("client {nth}: {cause}")),
            }
        }
    }
    Ok((streams, tries))
}

//! Connecting by TCP: the options of a socket, and the race between a name's addresses.

mod options;
mod race;

pub use options::TcpOptions;

use crate::DialError;
use crate::connector::{Progress, Step};
use race::Race;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// Addresses of one name that are tried, at most.
const ADDRESSES_MAX: usize = 16;

/// Connects to the first address of `host` that answers.
pub(crate) async fn connect(
    host: &str,
    port: u16,
    options: &TcpOptions,
    progress: &Progress,
) -> Result<TcpStream, DialError> {
    progress.begin(Step::Resolve);
    let resolved = tokio::net::lookup_host((host, port)).await;
    let addresses = match resolved {
        Ok(addresses) => alternating(addresses.collect()),
        Err(source) => {
            let host = host.into();
            return Err(DialError::Resolve { host, source });
        }
    };
    progress.begin(Step::Tcp);
    let mut race = Race::new(addresses, options, progress);
    race.winner().await.ok_or_else(|| DialError::Connect {
        host: host.into(),
        port,
        attempts: progress.take_attempts(),
    })
}

/// The addresses, with the two families in turn and the one first that the system prefers.
fn alternating(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let prefers_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == prefers_v6);
    let mut mixed = Vec::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        let pair = (first.next(), second.next());
        if pair == (None, None) {
            break;
        }
        mixed.extend(pair.0);
        mixed.extend(pair.1);
    }
    let mut seen = Vec::with_capacity(mixed.len());
    mixed.retain(|address| {
        let is_new = !seen.contains(address);
        seen.push(*address);
        is_new
    });
    mixed.truncate(ADDRESSES_MAX);
    mixed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        let addresses = texts.iter().map(|text| text.parse().unwrap());
        addresses.collect()
    }

    #[test]
    fn families_take_turns_and_none_comes_twice() {
        let given = addresses(&[
            "[::1]:1",
            "[::2]:1",
            "[::1]:1",
            "127.0.0.1:1",
            "127.0.0.2:1",
            "127.0.0.3:1",
        ]);
        let expected = addresses(&[
            "[::1]:1",
            "127.0.0.1:1",
            "[::2]:1",
            "127.0.0.2:1",
            "127.0.0.3:1",
        ]);
        assert_eq!(alternating(given), expected);
    }

    #[test]
    fn a_name_with_very_many_addresses_is_tried_at_some() {
        let given = (1..100).map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        assert_eq!(alternating(given.collect()).len(), ADDRESSES_MAX);
    }
}

//! Whether this machine can hold a fleet: files that may be open, and ports to connect from.

use std::net::{IpAddr, SocketAddr};

use super::settings::Fleet;
use super::shared::Sources;
use crate::process::raise_open_files_limit;

/// Files a process has open besides its connections, and some for each thread.
const OTHER_FILES: u64 = 32;

/// Why this machine cannot hold the fleet.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Shortage {
    /// Too few files may be open.
    #[error(
        "{clients} clients need {needed} open files and this process may have {limit}; raise the limit with `ulimit -n {needed}` (or LimitNOFILE, /etc/security/limits.conf), or use fewer clients"
    )]
    OpenFiles {
        /// Clients of the fleet.
        clients: u64,
        /// Files it needs.
        needed: u64,
        /// Files this process may open.
        limit: u64,
    },
    /// Too few ports to connect from.
    #[error(
        "{clients} clients need as many local ports and there are {ports} (net.ipv4.ip_local_port_range has {range} for each of {addresses} source addresses); name more source addresses with --ifaddr A,B,.., or widen the range"
    )]
    Ports {
        /// Clients of the fleet.
        clients: u64,
        /// Ports there are.
        ports: u64,
        /// Ports of one address.
        range: u64,
        /// Source addresses.
        addresses: u64,
    },
}

/// Raises the limit of open files as far as needed and allowed, counts ports, and chooses where connections come from.
pub(crate) fn check(fleet: &Fleet, servers: &[SocketAddr]) -> Result<Sources, Shortage> {
    let limit = raise_open_files_limit();
    enough_files(fleet, limit)?;
    choose_sources(fleet, servers, local_ports(), cfg!(target_os = "linux"))
}

fn enough_files(fleet: &Fleet, limit: Option<u64>) -> Result<(), Shortage> {
    let clients = fleet.clients();
    let needed = clients + OTHER_FILES + 4 * u64::from(fleet.threads);
    match limit {
        Some(limit) if limit < needed => Err(Shortage::OpenFiles {
            clients,
            needed,
            limit,
        }),
        _ => Ok(()),
    }
}

fn choose_sources(
    fleet: &Fleet,
    servers: &[SocketAddr],
    range: u64,
    has_loopback_net: bool,
) -> Result<Sources, Shortage> {
    let clients = fleet.clients();
    let shortage = |addresses: u64| Shortage::Ports {
        clients,
        ports: range * addresses,
        range,
        addresses,
    };
    if !fleet.sources.is_empty() {
        let addresses = u64::try_from(fleet.sources.len()).unwrap_or(u64::MAX);
        let sources: Vec<IpAddr> = fleet.sources.clone();
        return match clients > range.saturating_mul(addresses) {
            true => Err(shortage(addresses)),
            false => Ok(Sources::These(sources)),
        };
    }
    let destinations = u64::try_from(servers.len()).unwrap_or(1).max(1);
    if clients <= range.saturating_mul(destinations) {
        return Ok(Sources::System);
    }
    let is_here = |server: &SocketAddr| server.is_ipv4() && server.ip().is_loopback();
    match has_loopback_net && servers.iter().all(is_here) {
        true => Ok(Sources::Loopback),
        false => Err(shortage(1)),
    }
}

/// Ports that connections of one address can come from; the usual number where the system does not tell.
fn local_ports() -> u64 {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    ports_of(&text.unwrap_or_default()).unwrap_or(16_384)
}

fn ports_of(text: &str) -> Option<u64> {
    let mut numbers = text.split_ascii_whitespace().map(str::parse::<u64>);
    let (first, last) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some(last.checked_sub(first)? + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(idle: u32, sources: usize) -> Fleet {
        Fleet {
            idle,
            sources: vec![IpAddr::from([127, 0, 0, 2]); sources],
            ..Fleet::default()
        }
    }

    #[test]
    fn a_limit_that_is_too_low_is_told_with_what_to_do() {
        assert_eq!(enough_files(&fleet(1000, 0), Some(2000)), Ok(()));
        assert_eq!(enough_files(&fleet(1000, 0), None), Ok(()));
        let text = enough_files(&fleet(1000, 0), Some(1024))
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("1000 clients need 1036") && text.contains("ulimit -n 1036"),
            "{text}"
        );
    }

    #[test]
    fn ports_are_counted_per_source_and_per_server() {
        let far = SocketAddr::from(([192, 0, 2, 1], 1883));
        let here = SocketAddr::from(([127, 0, 0, 1], 1883));
        let choose = |clients, sources, servers: &[SocketAddr]| {
            choose_sources(&fleet(clients, sources), servers, 100, true)
        };
        assert!(matches!(choose(100, 0, &[far]), Ok(Sources::System)));
        assert!(matches!(choose(200, 0, &[far, far]), Ok(Sources::System)));
        assert!(matches!(choose(101, 0, &[here]), Ok(Sources::Loopback)));
        assert!(matches!(choose(200, 2, &[far]), Ok(Sources::These(_))));
        let text = choose(101, 0, &[far]).unwrap_err().to_string();
        assert!(
            text.contains("101 clients") && text.contains("--ifaddr"),
            "{text}"
        );
        assert!(choose(201, 2, &[here]).is_err());
        assert_eq!(ports_of("32768\t60999\n"), Some(28_232));
    }
}

//! Who may not connect, whatever else is said: by Client Identifier, user name, address or network.

use super::flapping::{Flapping, FlappingSettings};
use super::live::Live;
use ipnet::IpNet;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bans at a time.
pub const BANS_MAX: usize = 10_000;
/// Bans of networks at a time, each of which is looked at for each connection.
const NETWORKS_MAX: usize = 1_000;

/// Whom a ban is about.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Banned {
    /// The client with this Client Identifier.
    ClientId(Box<str>),
    /// Every client of this user.
    Username(Box<str>),
    /// Everybody at an address of this network; a single address is one of full length.
    Network(IpNet),
}

impl Banned {
    /// Everybody at one address.
    #[must_use]
    pub fn address(address: IpAddr) -> Self {
        Self::Network(IpNet::from(address.to_canonical()))
    }
}

impl fmt::Display for Banned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientId(client_id) => write!(f, "client `{client_id}`"),
            Self::Username(username) => write!(f, "user `{username}`"),
            Self::Network(network) => write!(f, "{network}"),
        }
    }
}

/// A ban.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Ban {
    /// Whom it is about.
    pub who: Banned,
    /// Why, for people.
    pub reason: Box<str>,
    /// Since when, in milliseconds of Unix time.
    pub at_ms: u64,
    /// Until when, in milliseconds of Unix time; none for ever.
    pub until_ms: Option<u64>,
    /// Whether the broker made it by itself, for a client that came and went; it is not kept over a restart.
    pub is_automatic: bool,
}

impl Ban {
    /// A ban from `at_ms` on without an end, in milliseconds of Unix time.
    #[must_use]
    pub fn new(who: Banned, at_ms: u64) -> Self {
        Self {
            who,
            reason: Box::default(),
            at_ms,
            until_ms: None,
            is_automatic: false,
        }
    }

    fn is_over(&self, now_ms: u64) -> bool {
        self.until_ms.is_some_and(|until_ms| until_ms <= now_ms)
    }
}

/// There are [`BANS_MAX`] bans, or 1,000 of networks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("there are as many bans as there may be")]
pub struct BansFull;

/// All bans, those that are over among them until somebody looks.
pub(crate) struct Bans {
    bans: Mutex<BTreeMap<Banned, Ban>>,
    /// How many of them are about networks and how many about clients, for a look without the lock.
    networks: AtomicUsize,
    clients: AtomicUsize,
    flapping: Flapping,
}

impl Bans {
    pub(crate) fn new(flapping: FlappingSettings) -> Self {
        Self {
            bans: Mutex::default(),
            networks: AtomicUsize::new(0),
            clients: AtomicUsize::new(0),
            flapping: Flapping::new(flapping),
        }
    }

    /// The settings of what bans clients that come and go.
    pub(crate) const fn flapping(&self) -> &Live<FlappingSettings> {
        self.flapping.settings()
    }

    /// Puts a ban, in the place of one about the same.
    pub(crate) fn put(&self, ban: Ban, now_ms: u64) -> Result<(), BansFull> {
        let mut bans = self.bans.lock();
        let is_network = matches!(ban.who, Banned::Network(_));
        if !bans.contains_key(&ban.who) {
            bans.retain(|_, known| !known.is_over(now_ms));
            self.count(&bans);
            let networks = self.networks.load(Ordering::Relaxed);
            if bans.len() >= BANS_MAX || is_network && networks >= NETWORKS_MAX {
                return Err(BansFull);
            }
        }
        bans.insert(ban.who.clone(), ban);
        self.count(&bans);
        Ok(())
    }

    /// Takes a ban away; `false` when there is none.
    pub(crate) fn remove(&self, who: &Banned) -> bool {
        let mut bans = self.bans.lock();
        let is_there = bans.remove(who).is_some();
        self.count(&bans);
        is_there
    }

    /// Those in force.
    pub(crate) fn list(&self, now_ms: u64) -> Vec<Ban> {
        let mut bans = self.bans.lock();
        bans.retain(|_, ban| !ban.is_over(now_ms));
        self.count(&bans);
        bans.values().cloned().collect()
    }

    /// Whether nobody at this address may connect.
    pub(crate) fn has_address(&self, address: IpAddr, now_ms: u64) -> bool {
        if self.networks.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let address = address.to_canonical();
        let bans = self.bans.lock();
        // Networks come last in the order of the table.
        let of_networks = bans.values().rev().map_while(|ban| match &ban.who {
            Banned::Network(network) => Some((network, ban)),
            _ => None,
        });
        let mut of_networks = of_networks.filter(|(_, ban)| !ban.is_over(now_ms));
        of_networks.any(|(network, _)| network.contains(&address))
    }

    /// Whether this client may not connect, wherever it is.
    pub(crate) fn has_client(&self, client_id: &str, username: Option<&str>, now_ms: u64) -> bool {
        if self.clients.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let bans = self.bans.lock();
        let is_banned = |who: &Banned| bans.get(who).is_some_and(|ban| !ban.is_over(now_ms));
        is_banned(&Banned::ClientId(client_id.into()))
            || username.is_some_and(|username| is_banned(&Banned::Username(username.into())))
    }

    /// A client has gone; how long it is banned for, in milliseconds, if it has come and gone too often.
    pub(crate) fn note_gone(&self, client_id: &str, now_ms: u64) -> Option<u64> {
        let ban_ms = self.flapping.note_gone(client_id, now_ms)?;
        let ban = Ban {
            reason: "came and went too often".into(),
            until_ms: Some(now_ms.saturating_add(ban_ms)),
            is_automatic: true,
            ..Ban::new(Banned::ClientId(client_id.into()), now_ms)
        };
        self.put(ban, now_ms).ok().map(|()| ban_ms)
    }

    fn count(&self, bans: &BTreeMap<Banned, Ban>) {
        let of_networks = bans.keys().rev();
        let of_networks = of_networks.take_while(|who| matches!(who, Banned::Network(_)));
        let networks = of_networks.count();
        self.networks.store(networks, Ordering::Relaxed);
        self.clients.store(bans.len() - networks, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> Bans {
        Bans::new(FlappingSettings::OFF)
    }

    fn network(text: &str) -> Banned {
        Banned::Network(text.parse().unwrap())
    }

    #[test]
    fn each_kind_is_for_those_it_names_and_for_its_time() {
        let bans = none();
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(!bans.has_address(at("10.1.2.3"), 0) && !bans.has_client("c", Some("u"), 0));
        let until = |who, until_ms| Ban {
            until_ms: Some(until_ms),
            ..Ban::new(who, 0)
        };
        bans.put(until(network("10.1.0.0/16"), 100), 0).unwrap();
        bans.put(Ban::new(Banned::address(at("::ffff:192.0.2.1")), 0), 0)
            .unwrap();
        bans.put(until(Banned::ClientId("c".into()), 50), 0)
            .unwrap();
        bans.put(Ban::new(Banned::Username("u".into()), 0), 0)
            .unwrap();
        for (address, now_ms, is_banned) in [
            ("10.1.2.3", 99, true),
            ("::ffff:10.1.2.3", 99, true),
            ("10.1.2.3", 100, false),
            ("10.2.0.0", 0, false),
            ("192.0.2.1", 1_000_000, true),
        ] {
            assert_eq!(
                bans.has_address(at(address), now_ms),
                is_banned,
                "{address}"
            );
        }
        assert!(bans.has_client("c", None, 49) && !bans.has_client("c", None, 50));
        assert!(bans.has_client("d", Some("u"), 50) && !bans.has_client("d", Some("v"), 50));
        assert_eq!(bans.list(60).len(), 3, "those in force");
        assert!(bans.remove(&network("10.1.0.0/16")));
        assert!(!bans.remove(&network("10.1.0.0/16")));
        assert!(!bans.has_address(at("10.1.2.3"), 0));
    }

    #[test]
    fn the_table_is_bounded_and_what_is_over_makes_room() {
        let bans = none();
        for n in 0..BANS_MAX {
            let ban = Ban {
                until_ms: Some(10),
                ..Ban::new(Banned::ClientId(n.to_string().into()), 0)
            };
            bans.put(ban, 0).unwrap();
        }
        let one_more = Ban::new(Banned::ClientId("x".into()), 0);
        assert_eq!(bans.put(one_more.clone(), 9), Err(BansFull));
        assert!(!bans.has_client("x", None, 9));
        bans.put(one_more, 10).unwrap();
        assert_eq!(bans.list(10).len(), 1);
    }

    #[test]
    fn who_comes_and_goes_too_often_is_banned_for_a_while() {
        let bans = Bans::new(FlappingSettings {
            is_enabled: true,
            gone_max: 3,
            window_ms: 1_000,
            ban_ms: 5_000,
        });
        for now_ms in [0, 10, 20] {
            assert_eq!(bans.note_gone("c", now_ms), None);
            assert_eq!(bans.note_gone("slow", now_ms * 100), None);
        }
        assert!(!bans.has_client("c", None, 30));
        assert_eq!(bans.note_gone("c", 30), Some(5_000));
        assert!(bans.has_client("c", None, 5_029) && !bans.has_client("c", None, 5_030));
        assert_eq!(bans.note_gone("slow", 3_000), None, "another window");
        assert!(bans.list(40).iter().all(|ban| ban.is_automatic));
        let off = none();
        assert!((0..100).all(|now_ms| off.note_gone("c", now_ms).is_none()));
    }
}

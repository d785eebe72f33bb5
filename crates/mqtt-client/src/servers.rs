//! Which server is tried next.

use crate::ConnectError;
use crate::EndpointError;
use mqtt_io::Endpoint;
use std::collections::VecDeque;

/// An attempt at connecting, as the functions that credentials and transports come from see it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The server's address, without credentials.
    pub server: String,
    /// How many attempts there were since the last connection, with this one: from 1.
    pub number: u32,
    /// Why the attempt before it failed; none for the first.
    pub last_error: Option<ConnectError>,
}

/// The servers of a client and the one whose turn it is.
#[derive(Debug)]
pub(crate) struct Servers {
    /// INVARIANT: not empty.
    all: Vec<Endpoint>,
    at: usize,
    /// Attempts in this round that failed.
    failed: usize,
    /// Where a server has sent the client for once; they come first.
    detour: VecDeque<Endpoint>,
    /// Those that do not know the newest version.
    ///
    /// INVARIANT: at most [`OLDER_MAX`].
    older: VecDeque<Endpoint>,
}

/// Servers that are remembered for not knowing the newest version.
const OLDER_MAX: usize = 64;

impl Servers {
    pub(crate) fn new(first: Endpoint, others: &[Endpoint]) -> Self {
        let mut all = vec![first];
        all.extend(others.iter().cloned());
        Self {
            all,
            at: 0,
            failed: 0,
            detour: VecDeque::new(),
            older: VecDeque::new(),
        }
    }

    /// Whose turn it is.
    pub(crate) fn current(&self) -> Option<&Endpoint> {
        self.detour.front().or_else(|| self.all.get(self.at))
    }

    /// The attempt failed: whether another server comes before a delay.
    pub(crate) fn fail(&mut self) -> bool {
        if self.detour.pop_front().is_some() {
            return true;
        }
        self.failed += 1;
        self.at = (self.at + 1) % self.all.len().max(1);
        let round_is_over = self.failed >= self.all.len();
        if round_is_over {
            self.failed = 0;
        }
        !round_is_over
    }

    /// The server accepted; the next attempt goes to the list again, not where it was sent for once.
    pub(crate) fn succeed(&mut self) {
        self.failed = 0;
        self.detour.clear();
    }

    /// The server names others to go to, for good or for once.
    ///
    /// # Errors
    /// What it names is no server.
    pub(crate) fn redirect(
        &mut self,
        server_reference: &str,
        is_permanent: bool,
    ) -> Result<String, EndpointError> {
        let current = self.current().ok_or(EndpointError::HostMissing)?;
        let named = current.redirected(server_reference)?;
        let to = named.first().map(ToString::to_string).unwrap_or_default();
        self.detour.clear();
        if is_permanent && let Some(place) = self.all.get_mut(self.at) {
            let mut named = named.into_iter();
            if let Some(first) = named.next() {
                *place = first;
            }
            self.detour.extend(self.all.get(self.at).cloned());
            self.detour.extend(named);
        } else {
            self.detour.extend(named);
        }
        Ok(to)
    }

    /// Whether the server whose turn it is has said that it does not know the newest version.
    pub(crate) fn is_older(&self) -> bool {
        self.current()
            .is_some_and(|current| self.older.contains(current))
    }

    /// The server whose turn it is does not know the newest version.
    pub(crate) fn set_older(&mut self) {
        if let Some(current) = self.current().cloned() {
            if self.older.len() == OLDER_MAX {
                self.older.pop_front();
            }
            self.older.push_back(current);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(addresses: &[&str]) -> Servers {
        let all: Vec<_> = addresses
            .iter()
            .map(|address| Endpoint::parse(address).unwrap())
            .collect();
        Servers::new(all[0].clone(), &all[1..])
    }

    fn current(servers: &Servers) -> String {
        servers.current().unwrap().to_string()
    }

    #[test]
    fn every_server_is_tried_before_a_delay() {
        let mut servers = servers(&["mqtt://a:1", "mqtt://b:2"]);
        assert_eq!(current(&servers), "mqtt://a:1");
        assert!(servers.fail());
        assert_eq!(current(&servers), "mqtt://b:2");
        assert!(!servers.fail(), "now a delay");
        assert_eq!(current(&servers), "mqtt://a:1");
        servers.succeed();
        assert!(servers.fail());
        assert_eq!(current(&servers), "mqtt://b:2");
    }

    #[test]
    fn a_detour_comes_first_and_is_forgotten() {
        let mut servers = servers(&["mqtt://a:1"]);
        assert_eq!(servers.redirect("c:3 d:4", false).unwrap(), "mqtt://c:3");
        assert_eq!(current(&servers), "mqtt://c:3");
        assert!(servers.fail());
        assert_eq!(current(&servers), "mqtt://d:4");
        servers.succeed();
        assert_eq!(current(&servers), "mqtt://a:1");
    }

    #[test]
    fn a_server_that_has_moved_is_replaced() {
        let mut servers = servers(&["mqtt://a:1", "mqtt://b:2"]);
        servers.redirect("mqtt://c:3", true).unwrap();
        servers.succeed();
        assert_eq!(current(&servers), "mqtt://c:3");
        assert!(servers.redirect(" ", true).is_err());
        assert_eq!(current(&servers), "mqtt://c:3");
    }

    #[test]
    fn who_does_not_know_the_newest_version_is_remembered() {
        let mut servers = servers(&["mqtt://a:1", "mqtt://b:2"]);
        servers.set_older();
        assert!(servers.is_older());
        servers.fail();
        assert!(!servers.is_older());
    }
}

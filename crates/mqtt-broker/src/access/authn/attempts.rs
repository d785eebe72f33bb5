//! How often somebody at one address may be wrong.

use crate::core::pace::Rate;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Addresses that are remembered at a time.
const ADDRESSES_MAX: usize = 65_536;

/// Failed attempts, by address.
pub(in crate::access) struct Attempts {
    state: Mutex<State>,
}

struct State {
    rate: Option<Rate>,
    /// When the failures of an address count no more.
    paid_off: HashMap<IpAddr, Instant>,
}

impl Attempts {
    pub(in crate::access) fn new(rate: Option<Rate>) -> Self {
        Self {
            state: Mutex::new(State {
                rate,
                paid_off: HashMap::new(),
            }),
        }
    }

    /// Another bound from now on.
    pub(in crate::access) fn bound(&self, rate: Option<Rate>) {
        let mut state = self.state.lock();
        if state.rate != rate {
            state.rate = rate;
            state.paid_off.clear();
        }
    }

    /// Addresses that have been wrong lately.
    pub(in crate::access) fn len(&self) -> usize {
        self.state.lock().paid_off.len()
    }

    /// Whether somebody at this address may try once more.
    pub(in crate::access) fn may_try(&self, address: IpAddr, now: Instant) -> bool {
        let state = self.state.lock();
        let Some(rate) = state.rate else { return true };
        let paid_off = state.paid_off.get(&network(address));
        paid_off.is_none_or(|at| *at + one(rate) <= now + rate.per)
    }

    /// Somebody at this address was wrong.
    pub(in crate::access) fn failed(&self, address: IpAddr, now: Instant) {
        let mut state = self.state.lock();
        let Some(rate) = state.rate else { return };
        let address = network(address);
        if state.paid_off.len() >= ADDRESSES_MAX && !state.paid_off.contains_key(&address) {
            state.make_room(now);
        }
        let at = state.paid_off.entry(address).or_insert(now);
        *at = (*at).max(now) + one(rate);
    }
}

impl State {
    /// Forgets those whose failures count no more; if there is none, the one that is next.
    fn make_room(&mut self, now: Instant) {
        self.paid_off.retain(|_, at| *at > now);
        if self.paid_off.len() >= ADDRESSES_MAX
            && let Some(next) = self.paid_off.iter().min_by_key(|(_, at)| **at)
        {
            let next = *next.0;
            self.paid_off.remove(&next);
        }
    }
}

/// How long one failure counts.
fn one(rate: Rate) -> Duration {
    let nanos = rate.per.as_nanos() / u128::from(rate.count.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// What counts as one address: an IPv6 subscriber has a /64 for itself.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        count: 3,
        per: Duration::from_secs(30),
    };

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn failures_add_up_by_address_and_are_forgotten() {
        let (attempts, start) = (Attempts::new(Some(RATE)), Instant::now());
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        for _ in 0..3 {
            assert!(attempts.may_try(one, start));
            attempts.failed(one, start);
        }
        assert!(!attempts.may_try(one, start));
        assert!(!attempts.may_try(address("::ffff:192.0.2.1"), start));
        assert!(attempts.may_try(other, start));
        let later = start + Duration::from_secs(10);
        assert!(attempts.may_try(one, later));
        attempts.failed(one, later);
        assert!(!attempts.may_try(one, later));
        assert!(attempts.may_try(one, later + Duration::from_secs(30)));
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let (attempts, start) = (Attempts::new(Some(RATE)), Instant::now());
        for last in 0..3 {
            attempts.failed(address(&format!("2001:db8::{last}")), start);
        }
        assert!(!attempts.may_try(address("2001:db8::ffff"), start));
        assert!(attempts.may_try(address("2001:db8:0:1::1"), start));
    }

    #[test]
    fn only_so_many_addresses_are_remembered() {
        let (attempts, start) = (Attempts::new(Some(RATE)), Instant::now());
        let mut nth = 0_u32;
        let mut fail = |times: usize, now| {
            for _ in 0..times {
                attempts.failed(std::net::Ipv4Addr::from(nth).into(), now);
                nth += 1;
            }
        };
        fail(ADDRESSES_MAX, start);
        fail(3, start);
        assert_eq!(attempts.len(), ADDRESSES_MAX);
        fail(1, start + RATE.per);
        assert_eq!(attempts.len(), 1);
        let free = Attempts::new(None);
        free.failed(address("192.0.2.1"), start);
        assert_eq!(free.len(), 0);
        assert!(free.may_try(address("192.0.2.1"), start));
    }
}

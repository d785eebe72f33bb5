//! How fast connections may come from one address.

use super::live::Live;
use super::pace::Rate;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// Addresses watched at a time; more are not counted until some have been quiet.
const WATCHED_MAX: usize = 65_536;
/// Bits of an IPv6 address that stand for one customer of a network.
const CUSTOMER_BITS: u128 = !0 << 64;

/// Of each address, one /64 of IPv6, when all it has done will be paid off; in microseconds.
pub(crate) struct ArrivalRate {
    pub(crate) rate: Live<Option<Rate>>,
    paid_off_us: Mutex<HashMap<IpAddr, u64>>,
}

impl ArrivalRate {
    pub(crate) fn new(rate: Option<Rate>) -> Self {
        Self {
            rate: Live::new(rate),
            paid_off_us: Mutex::default(),
        }
    }

    /// Whether one more may come from `address`, which is counted then.
    pub(crate) fn take(&self, address: IpAddr, now_ms: u64) -> bool {
        let Some(rate) = *self.rate else {
            return true;
        };
        let now_us = now_ms.saturating_mul(1_000);
        let time_us = u64::try_from(rate.per.as_micros()).unwrap_or(u64::MAX);
        let one_us = (time_us / rate.count.max(1)).max(1);
        let mut all = self.paid_off_us.lock();
        let address = customer(address);
        if all.len() >= WATCHED_MAX && !all.contains_key(&address) {
            all.retain(|_, paid_off_us| *paid_off_us > now_us);
            if all.len() >= WATCHED_MAX {
                return true;
            }
        }
        let paid_off_us = all.entry(address).or_insert(now_us);
        let after_us = (*paid_off_us).max(now_us).saturating_add(one_us);
        if after_us.saturating_sub(now_us) > time_us {
            return false;
        }
        *paid_off_us = after_us;
        true
    }
}

fn customer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & CUSTOMER_BITS)),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn so_many_come_at_once_and_then_as_time_passes() {
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        let rate = |count| {
            Some(Rate {
                count,
                per: Duration::from_secs(1),
            })
        };
        let arrivals = ArrivalRate::new(rate(4));
        let taken = |address, now_ms| {
            (0..10)
                .filter(|_| arrivals.take(at(address), now_ms))
                .count()
        };
        assert_eq!(taken("192.0.2.1", 1_000), 4);
        assert_eq!(taken("192.0.2.1", 1_249), 0);
        assert_eq!(taken("192.0.2.1", 1_250), 1);
        assert_eq!(taken("192.0.2.2", 1_250), 4, "another address");
        assert_eq!(taken("2001:db8::1", 1_250), 4);
        assert_eq!(taken("2001:db8::2", 1_250), 0, "the same customer");
        assert_eq!(taken("192.0.2.1", 60_000), 4);
        arrivals.rate.put(None).unwrap();
        assert_eq!(taken("192.0.2.1", 60_000), 10);
    }
}

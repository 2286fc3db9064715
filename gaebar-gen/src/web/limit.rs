//! How often somebody may do something, and who counts as one.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_mins(1);
/// Addresses that are told apart. All others count as one.
const MOST_ADDRESSES: usize = 10_000;

/// Whose an address is: of IPv6, networks are given away whole, with 2^64 addresses each.
pub(super) fn party(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

/// Counts what an address does in a minute. Where addresses are not known, all count as one.
#[derive(Debug)]
pub(super) struct Limiter {
    most: u32,
    counts: Mutex<HashMap<Option<IpAddr>, Count>>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    since: Instant,
    times: u32,
}

impl Limiter {
    pub(super) fn new(most: u32) -> Self {
        Self { most, counts: Mutex::default() }
    }

    /// Whether an address has no more left.
    pub(super) fn is_exceeded(&self, address: Option<IpAddr>) -> bool {
        self.change(address, |count| count.times >= self.most)
    }

    /// Counts once more. Whether that was too much.
    pub(super) fn count(&self, address: Option<IpAddr>) -> bool {
        self.change(address, |count| {
            count.times = count.times.saturating_add(1);
            count.times > self.most
        })
    }

    fn change<T>(&self, address: Option<IpAddr>, change: impl FnOnce(&mut Count) -> T) -> T {
        let now = Instant::now();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= MOST_ADDRESSES {
            counts.retain(|_, count| now.duration_since(count.since) < WINDOW);
        }
        let address = address.map(party).filter(|_| counts.len() < MOST_ADDRESSES);
        let count = counts.entry(address).or_insert(Count { since: now, times: 0 });
        if now.duration_since(count.since) >= WINDOW {
            *count = Count { since: now, times: 0 };
        }
        change(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_count() {
        let limiter = Limiter::new(2);
        let [one, other] = [[1, 1, 1, 1], [2, 2, 2, 2]].map(|address| Some(IpAddr::from(address)));
        assert!(!limiter.count(one) && !limiter.count(one) && limiter.count(one));
        assert!(limiter.is_exceeded(one) && !limiter.is_exceeded(other) && !limiter.is_exceeded(None));
    }

    #[test]
    fn who_has_a_network_of_ipv6_is_one() {
        let limiter = Limiter::new(1);
        let of = |address: &str| Some(address.parse().unwrap());
        assert!(
            !limiter.count(of("2001:db8::1")) && limiter.count(of("2001:db8::ffff:2")) && !limiter.count(of("2001:db8:0:1::1"))
        );
        assert!(!limiter.count(of("192.0.2.1")) && limiter.count(of("::ffff:192.0.2.1")) && !limiter.count(of("::1")));
    }
}

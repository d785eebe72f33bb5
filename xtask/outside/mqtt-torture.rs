//! Learns that there is no such broker to kill.

use mqtt_torture::{Torture, TortureError};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

fn main() {
    let torture = Torture {
        program: "no-such-broker".into(),
        args: Vec::new(),
        addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
        duration: Duration::from_secs(1),
        kills_max: 1,
        life_max: Duration::from_secs(1),
        seed: 1,
    };
    assert!(matches!(torture.run(), Err(TortureError::Start(_))));
}

//! Sends one QoS 1 message and takes its acknowledgement.
// dependency: mqtt-codec = { path = '{root}/crates/mqtt-codec' }

use mqtt_codec::QoS;
use mqtt_session::{Link, Session};

fn main() {
    let (mut session, mut link) = (Session::new(), Link::new(10, 10));
    let packet_id = session
        .send_publish(&mut link, QoS::AtLeastOnce, "21.5")
        .expect("quota is free");
    assert_eq!(session.handle_puback(&mut link, packet_id), Ok("21.5"));
}

//! Sends one QoS 1 message and takes its acknowledgement, in memory of fixed size as every choice of features has it.
// dependency: mqtt-codec = { path = '{root}/crates/mqtt-codec' }

use mqtt_codec::QoS;
use mqtt_session::{Fixed, Link, NoJournal, Session};

/// Four messages in flight each way.
fn main() {
    let mut link = Link::<Fixed<4, 4>>::with_storage(4, 4);
    let mut session = Session::<_, _, Fixed<4, 4>>::with_storage(NoJournal);
    let packet_id = session
        .send_publish(&mut link, QoS::AtLeastOnce, "21.5")
        .expect("quota is free");
    assert_eq!(session.handle_puback(&mut link, packet_id), Ok("21.5"));
}

//! What is tested at every version and QoS.

use crate::{
    brokers::RunningBroker,
    clients::{Client, Connection, Login, Message},
};
use mqtt_codec::{ProtocolVersion, QoS};

/// Where everything is published, and who gets it.
const TOPIC_NAME: &str = "house/kitchen/temperature";
const TOPIC_FILTER: &str = "house/+/temperature/#";

/// A version and a QoS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) version: ProtocolVersion,
    pub(crate) qos: QoS,
}

/// Who is tested against whom, and how.
pub(crate) struct Setup {
    /// First, so that the clients go before the broker.
    pub(crate) clients: Box<dyn Client>,
    pub(crate) broker: RunningBroker,
    pub(crate) cell: Cell,
}

/// A subscriber gets what is published while it is connected.
pub(crate) fn live(setup: &Setup) {
    let mut subscriber = setup.subscriber("subscriber");
    let long = "long ".repeat(4000);
    for payload in ["21.5", "", "21,5 °C, größer", &long, "0"] {
        setup.publish(&setup.message(payload));
        assert_eq!(subscriber.next(), setup.message(payload));
    }
    subscriber.disconnect();
}

/// A later subscriber gets the last retained message; an empty one removes it.
pub(crate) fn retained(setup: &Setup) {
    let retained = |payload| Message {
        retain: true,
        ..setup.message(payload)
    };
    // To a subscription that was there before they are messages like any other. It also shows that
    // the broker has them, which at QoS 0 the publisher is not told.
    let mut before = setup.subscriber("before");
    for payload in ["20", "21"] {
        setup.publish(&retained(payload));
        assert_eq!(before.next(), setup.message(payload));
    }

    let mut later = setup.subscriber("later");
    assert_eq!(later.next(), retained("21"));
    setup.publish(&retained(""));
    for subscriber in [&mut before, &mut later] {
        assert_eq!(subscriber.next(), setup.message(""));
    }

    let mut last = setup.subscriber("last");
    setup.publish(&setup.message("live"));
    for subscriber in [&mut before, &mut later, &mut last] {
        assert_eq!(subscriber.next(), setup.message("live"));
    }
}

/// The Will Message is published when a client goes without DISCONNECT or asks for it, else not.
pub(crate) fn will(setup: &Setup) {
    let mut subscriber = setup.subscriber("subscriber");
    let with_will = |client_id, payload| Login {
        will: Some(setup.message(payload)),
        ..setup.login(client_id)
    };
    let polite = with_will("polite", "polite");
    setup.clients.connect(&polite, None).disconnect();
    if setup.clients.asks_for_will(setup.cell.version) {
        assert_eq!(subscriber.next(), setup.message("polite"));
    }
    let cut_off = with_will("cut-off", "cut off");
    setup.clients.connect(&cut_off, None).cut();
    assert_eq!(subscriber.next(), setup.message("cut off"));
    subscriber.disconnect();
}

/// A kept session gets what was published while its client was away: all of it, in order, at QoS 2
/// once.
pub(crate) fn resume(setup: &Setup) {
    let login = Login {
        keeps_session: true,
        ..setup.login("subscriber")
    };
    let first = setup
        .clients
        .connect(&login, Some((TOPIC_FILTER, setup.cell.qos)));
    setup.check_granted(first.as_ref());
    assert!(
        matches!(first.session_present(), None | Some(false)),
        "a session before the first"
    );
    first.disconnect();

    let payloads = ["1", "2", "3"];
    for payload in payloads {
        setup.publish(&setup.message(payload));
    }

    let mut second = setup.clients.connect(&login, None);
    // MQTT 3.1 has no Session Present.
    if setup.cell.version != ProtocolVersion::V31 {
        assert!(
            matches!(second.session_present(), None | Some(true)),
            "no session to resume"
        );
    }
    setup.publish(&setup.message("end"));
    let mut received = Vec::new();
    while received
        .last()
        .is_none_or(|last| *last != setup.message("end"))
    {
        let message = second.next();
        let is_repeated = setup.cell.qos == QoS::AtLeastOnce && received.contains(&message);
        if !is_repeated {
            received.push(message);
        }
    }
    let expected = payloads
        .into_iter()
        .chain(["end"])
        .map(|payload| setup.message(payload));
    assert_eq!(received, expected.collect::<Vec<_>>());
    second.disconnect();
}

impl Setup {
    fn login(&self, client_id: &'static str) -> Login {
        Login {
            way: self.broker.way.clone(),
            version: self.cell.version,
            client_id,
            keeps_session: false,
            will: None,
        }
    }

    fn message(&self, payload: &str) -> Message {
        Message {
            topic_name: TOPIC_NAME.to_owned(),
            payload: payload.to_owned(),
            qos: self.cell.qos.get(),
            retain: false,
        }
    }

    fn publish(&self, message: &Message) {
        self.clients.publish(&self.login("publisher"), message);
    }

    /// A new subscriber whose subscription the broker has acknowledged.
    fn subscriber(&self, client_id: &'static str) -> Box<dyn Connection> {
        let subscription = Some((TOPIC_FILTER, self.cell.qos));
        let subscriber = self.clients.connect(&self.login(client_id), subscription);
        self.check_granted(subscriber.as_ref());
        subscriber
    }

    fn check_granted(&self, connection: &dyn Connection) {
        assert_eq!(
            connection.granted(),
            Some(self.cell.qos.get()),
            "the granted QoS"
        );
    }
}

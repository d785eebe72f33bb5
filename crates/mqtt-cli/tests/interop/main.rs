//! Our broker under other clients, and our client on both brokers. `docs/interop.md` says what is tested.
//!
//! What a test needs is named by the environment, which `cargo xtask interop` sets.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod brokers;
mod chromium;
mod clients;
#[cfg(all(unix, any(feature = "postgresql", feature = "redis")))]
mod databases;
mod doors;
mod migration;
mod mosquitto_golden;
mod mosquitto_tools;
mod process;
mod scenarios;
mod surroundings;

use brokers::RunningBroker;
use clients::{MosquittoPrograms, OwnClient, RumqttClient, ScriptedClient};
use doors::Door;
use mqtt_codec::{ProtocolVersion, QoS};
use scenarios::{Cell, Setup};

/// The tests of one pairing: every scenario at every version and QoS. Nothing waits for a
/// subscriber at QoS 0, so there is no session to resume.
macro_rules! pairing {
    ($pairing:ident, $clients:expr, $broker:expr) => {
        mod $pairing {
            use super::*;

            fn setup(cell: Cell) -> Setup {
                Setup { clients: Box::new($clients), broker: $broker, cell }
            }

            cell!(v31_qos_0, V31, AtMostOnce: live retained will);
            cell!(v31_qos_1, V31, AtLeastOnce: live retained will resume);
            cell!(v31_qos_2, V31, ExactlyOnce: live retained will resume);
            since_v311!();
        }
    };
}

/// As `pairing`, of clients that do not speak MQTT 3.1.
macro_rules! pairing_since_v311 {
    ($pairing:ident, $clients:expr, $broker:expr) => {
        mod $pairing {
            use super::*;

            fn setup(cell: Cell) -> Setup {
                Setup {
                    clients: Box::new($clients),
                    broker: $broker,
                    cell,
                }
            }

            since_v311!();
        }
    };
}

/// As `pairing_since_v311`, by another door; what a session remembers does not depend on that.
macro_rules! door {
    ($pairing:ident, $clients:expr, $door:ident) => {
        mod $pairing {
            use super::*;

            fn setup(cell: Cell) -> Setup {
                Setup {
                    clients: Box::new($clients),
                    broker: RunningBroker::ours_by(Door::$door, ""),
                    cell,
                }
            }

            cell!(v311_qos_0, V311, AtMostOnce: live will);
            cell!(v311_qos_1, V311, AtLeastOnce: live will);
            cell!(v311_qos_2, V311, ExactlyOnce: live will);
            cell!(v5_qos_0, V5, AtMostOnce: live will);
            cell!(v5_qos_1, V5, AtLeastOnce: live will);
            cell!(v5_qos_2, V5, ExactlyOnce: live will);
        }
    };
}

/// The tests of the versions that all clients speak.
macro_rules! since_v311 {
    () => {
        cell!(v311_qos_0, V311, AtMostOnce: live retained will);
        cell!(v311_qos_1, V311, AtLeastOnce: live retained will resume);
        cell!(v311_qos_2, V311, ExactlyOnce: live retained will resume);
        cell!(v5_qos_0, V5, AtMostOnce: live retained will);
        cell!(v5_qos_1, V5, AtLeastOnce: live retained will resume);
        cell!(v5_qos_2, V5, ExactlyOnce: live retained will resume);
    };
}

/// The tests of one version and QoS.
macro_rules! cell {
    ($cell:ident, $version:ident, $qos:ident: $($scenario:ident)*) => {
        mod $cell {
            use super::*;

            $(#[test]
            fn $scenario() {
                let cell = Cell { version: ProtocolVersion::$version, qos: QoS::$qos };
                scenarios::$scenario(&setup(cell));
            })*
        }
    };
}

// The beginning of a name tells xtask which program the tests need; our client alone and rumqttc need none.
pairing!(
    mosquitto_clients,
    MosquittoPrograms::given(),
    RunningBroker::ours()
);
pairing!(paho_client, ScriptedClient::paho(), RunningBroker::ours());
pairing!(
    aiomqtt_client,
    ScriptedClient::aiomqtt(),
    RunningBroker::ours()
);
pairing_since_v311!(gmqtt_client, ScriptedClient::gmqtt(), RunningBroker::ours());
pairing_since_v311!(rumqtt_client, RumqttClient, RunningBroker::ours());
pairing!(npm_client, ScriptedClient::npm(), RunningBroker::ours());
pairing!(own_client, OwnClient::new(), RunningBroker::ours());
pairing!(
    client_with_mosquitto,
    OwnClient::new(),
    RunningBroker::mosquitto()
);

door!(mosquitto_ssl, MosquittoPrograms::given(), Ssl);
door!(mosquitto_mutual, MosquittoPrograms::given(), Mutual);
#[cfg(unix)]
door!(mosquitto_unix, MosquittoPrograms::given(), Unix);
door!(paho_ssl, ScriptedClient::paho(), Ssl);
door!(paho_mutual, ScriptedClient::paho(), Mutual);
door!(paho_ws, ScriptedClient::paho(), Ws);
door!(paho_wss, ScriptedClient::paho(), Wss);
#[cfg(unix)]
door!(paho_unix, ScriptedClient::paho(), Unix);
door!(npm_ssl, ScriptedClient::npm(), Ssl);
door!(npm_mutual, ScriptedClient::npm(), Mutual);
door!(npm_ws, ScriptedClient::npm(), Ws);
door!(npm_wss, ScriptedClient::npm(), Wss);
door!(own_ssl, OwnClient::new(), Ssl);
door!(own_mutual, OwnClient::new(), Mutual);
door!(own_ws, OwnClient::new(), Ws);
door!(own_wss, OwnClient::new(), Wss);
#[cfg(unix)]
door!(own_unix, OwnClient::new(), Unix);
door!(own_quic, OwnClient::new(), Quic);

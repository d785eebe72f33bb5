//! A broker to talk to, and clients that say exactly what a test wants them to say.

mod client;
mod gate;
mod hello;
mod kept;
mod message;
mod server;
mod service;
mod steered;

pub(crate) use client::Client;
pub(crate) use gate::GatedDisk;
pub(crate) use hello::{Hello, Last};
pub(crate) use kept::Kept;
pub(crate) use message::{Message, Post};
pub(crate) use mqtt_codec::ProtocolVersion::{V5, V31, V311};
pub(crate) use server::Server;
pub(crate) use service::Service;
pub(crate) use steered::Steered;

use mqtt_codec::{QoS, RetainHandling, SubscriptionOptions};

pub(crate) const QOS0: QoS = QoS::AtMostOnce;
pub(crate) const QOS1: QoS = QoS::AtLeastOnce;
pub(crate) const QOS2: QoS = QoS::ExactlyOnce;

/// Subscription Options with nothing set but the QoS.
pub(crate) const fn options(qos: QoS) -> SubscriptionOptions {
    SubscriptionOptions {
        qos,
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::SendAtSubscribe,
    }
}

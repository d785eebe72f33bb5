//! An async MQTT client on tokio for MQTT 3.1, 3.1.1 and 5.0.
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod builder;
mod client;
mod command;
mod connack;
mod core;
mod disconnect;
mod driver;
mod endpoint;
mod error;
mod handshake;
pub mod limits;
mod message;
mod options;
mod properties;
mod publish;
mod queue;
mod router;
mod shared;
mod subscribe;
mod subscription;
mod unclaimed;
mod unsubscribe;
mod will;

pub use builder::ClientBuilder;
pub use client::Client;
pub use connack::ConnAckInfo;
pub use disconnect::Disconnect;
pub use driver::Driver;
pub use endpoint::EndpointError;
pub use error::{
    CloseReason, ClosedError, ConnectError, DisconnectError, PublishError, ServerDisconnect,
    SubscribeError, UnsubscribeError,
};
pub use message::Message;
pub use properties::MessageProperties;
pub use publish::{Publish, Published, Receipt};
pub use subscribe::Subscribe;
pub use subscription::Subscription;
pub use unclaimed::Unclaimed;
pub use unsubscribe::Unsubscribe;
pub use will::Will;

pub use bytes::Bytes;
pub use mqtt_codec::{
    EncodeError, PayloadFormat, ProtocolVersion, QoS, ReasonCode, RetainHandling, TopicError,
};
pub use mqtt_io::Stream;
pub use mqtt_session::{ClientError, SendRefusal, ServerGrants};

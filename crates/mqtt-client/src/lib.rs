//! An async MQTT client on tokio for MQTT 3.1, 3.1.1 and 5.0.
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod answer;
mod authenticate;
#[cfg(feature = "blocking")]
pub mod blocking;
mod builder;
mod client;
mod command;
mod connack;
mod core;
mod dial;
mod disconnect;
mod driver;
mod earlier;
mod error;
mod event;
pub mod limits;
mod mailbox;
mod message;
mod metrics;
#[cfg(feature = "mock")]
pub mod mock;
#[cfg(not(feature = "store"))]
mod no_store;
mod options;
mod out;
mod place;
mod properties;
mod publish;
mod queue;
mod receipts;
mod reconnect;
mod request;
mod router;
mod servers;
mod shared;
#[cfg(feature = "store")]
mod store;
mod subscribe;
mod subscription;
mod text;
mod time;
mod unclaimed;
mod unsubscribe;
mod will;
mod wire;

pub use answer::{Acker, Unanswered};
pub use authenticate::ReauthenticateError;
pub use builder::ClientBuilder;
pub use client::Client;
pub use connack::ConnAckInfo;
pub use dial::Credentials;
pub use disconnect::Disconnect;
pub use driver::Driver;
pub use earlier::Restored;
pub use error::{
    CloseReason, ClosedError, ConnectError, DisconnectError, PublishError, ServerDisconnect,
    SubscribeError, UnsubscribeError,
};
pub use event::{Event, Events, State};
pub use message::Message;
#[cfg(feature = "metrics")]
pub use metrics::Metrics;
pub use properties::MessageProperties;
pub use publish::{Permit, Publish, Published, Receipt, TryEnqueueError};
pub use reconnect::Reconnect;
pub use request::{Request, RequestError};
pub use servers::Attempt;
#[cfg(feature = "store")]
pub use store::{Store, StoreError, StoreSync};
pub use subscribe::{Subscribe, WhenStalled};
pub use subscription::Subscription;
pub use unclaimed::Unclaimed;
pub use unsubscribe::Unsubscribe;
pub use will::Will;

pub use bytes::Bytes;
#[cfg(feature = "scram")]
pub use mqtt_auth::ScramSha256Client;
pub use mqtt_auth::{AuthError, ClientAuth};
pub use mqtt_codec::{
    EncodeError, PayloadFormat, ProtocolVersion, QoS, ReasonCode, RetainHandling, TopicError,
};
pub use mqtt_io::{DialError, Endpoint, EndpointError, Scheme, Stream, TcpOptions};
#[cfg(feature = "proxy")]
pub use mqtt_io::{Proxy, ProxyParseError};
#[cfg(feature = "srv")]
pub use mqtt_io::{SrvError, SrvResolver};
#[cfg(feature = "tls")]
pub use mqtt_io::{TlsCipher, TlsConfig, TlsError, TlsOptions};
#[cfg(feature = "ws")]
pub use mqtt_io::{WsError, WsOptions};
#[cfg(feature = "store")]
pub use mqtt_log::Disk;
pub use mqtt_session::{ClientError, SendRefusal, ServerGrants};

#[cfg(not(feature = "store"))]
use no_store as store;

/// The recipes, so that they compile.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/client.md")]
struct Recipes;

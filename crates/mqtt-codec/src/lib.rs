//! Control Packets between bytes and Rust types.
//!
#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "bytes")]
extern crate alloc;

mod encode_error;
mod error;
mod frame;
mod lenience;
#[cfg(feature = "bytes")]
mod owned_publish;
#[cfg(feature = "bytes")]
mod owned_topic_name;
mod packet;
mod packet_id;
mod packet_type;
mod properties;
mod property;
mod property_block;
mod property_entries;
mod property_id;
mod property_list;
mod property_set;
mod qos;
mod read;
mod reason;
mod rule;
mod topic;
mod version;
mod write;

pub use encode_error::{EncodeError, Field};
pub use error::{DecodeError, Malformed};
pub use frame::{Frame, PACKET_LEN_MAX, bytes_missing, frame};
pub use lenience::Lenience;
#[cfg(feature = "bytes")]
pub use owned_publish::OwnedPublish;
#[cfg(feature = "bytes")]
pub use owned_topic_name::OwnedTopicName;
pub use packet::Packet;
pub use packet::ack::Ack;
pub use packet::auth::Auth;
pub use packet::connack::ConnAck;
pub use packet::connect::{Connect, Will};
pub use packet::disconnect::Disconnect;
#[cfg(feature = "bytes")]
pub use packet::publish::KnownHead;
pub use packet::publish::{
    AliasedHead, Head, MeasuredHead, Publish, PublishHead, patch_packet_id, set_publish_flags,
};
pub use packet::reason_codes::ReasonCodes;
pub use packet::suback::SubAck;
pub use packet::subscribe::{RetainHandling, Subscribe, SubscribeFilters, SubscriptionOptions};
pub use packet::unsuback::UnsubAck;
pub use packet::unsubscribe::{Unsubscribe, UnsubscribeFilters};
pub use packet_id::PacketId;
pub use packet_type::PacketType;
pub use properties::Properties;
pub use property::{PayloadFormat, Property, SubscriptionIdentifier};
pub use property_id::{PropertyId, PropertyScope};
pub use property_list::PropertyList;
pub use property_set::PropertySet;
pub use qos::{Delivery, QoS};
pub use reason::ReasonCode;
pub use rule::Rule;
pub use topic::{SharedFilter, TopicError, TopicFilter, TopicName};
pub use version::ProtocolVersion;

//! An MQTT 3.1, 3.1.1 and 5.0 broker to run or to embed.
//!
//! `core` and `handler` are the broker without sockets: no tokio, no clock. `net` runs them.
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod access;
mod authenticate;
mod broker;
pub mod config;
mod core;
mod data_dir;
mod durable;
mod events;
mod extensions;
mod handler;
mod hooks;
mod hub;
pub mod manage;
mod net;
mod ownership;
mod reload;
mod sys;

pub use crate::core::cause::{DropCause, EndCause, RequestRefused, SessionEnd};
pub use crate::core::counters::Totals;
pub use crate::core::log::{
    Appended, CommitLog, Durability, FoundMessage, LogFull, LogPosition, LogRecord, LogStats,
    MemoryLog, MessageId, Recipient,
};
pub use crate::core::message::{Message, Source};
pub use crate::core::pace::Rate;
pub use crate::core::queue::QueueFull;
pub use crate::core::reached::LimitCause;
pub use crate::core::refusals::{REFUSALS_MAX, Reference, RefusalView};
pub use crate::core::retained::{RetainedBounds, RetainedFull, RetainedLookup, RetainedStore};
pub use crate::core::session_cell::SessionKey;
pub use crate::core::share_group::SharedStrategy;
pub use access::{
    Access, AccessAnswer, AccessQuestion, AccessRequest, Admission, AdmissionGround, AllowAll,
    Answer, AsyncAccess, AuthenticationCounts, AuthenticatorAnswer, Authorizer, ClientInfo,
    Decision, Deferred, Explainer, Explanation, Ground, Guard, Identity, OwnedAccessRequest,
    RULE_FILE_LEN_MAX, UserLoss, UserStore, UserStoreError, UserView,
};
pub use authenticate::{
    AuthAnswer, AuthStep, Authenticate, ConnectRequest, Exchange, Grant, Refusal,
};
pub use broker::{Broker, Builder, StartError};
pub use config::Config;
pub use data_dir::{DataDir, DataDirError};
pub use durable::Durable;
pub use events::{Event, Events};
pub use hooks::{
    Acked, Changes, DeliverVerdict, Dropped, Handover, Hooks, Interest, Publication, PublishAnswer,
    PublishVerdict,
};
pub use manage::{Manager, Rechecked, Sizes};
pub use mqtt_io::PeerCertificate;
pub use mqtt_store::{Event as StoreEvent, OpenError as StoreError};
pub use net::{CertificateError, CertificateState, ListenerState};
pub use ownership::{Claim, ClaimAnswer, Fabric, OwnerEpoch, Ownership, SingleNode};
pub use reload::{ReloadError, ReloadReport};

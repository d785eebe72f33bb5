//! What the broker does with each Control Packet: one file per packet. No tokio.

mod acks;
mod auth;
mod connect;
mod disconnect;
mod prepare;
mod publish;
mod subscribe;
mod unsubscribe;

pub(crate) use auth::AuthState;
pub(crate) use auth::take_grant;
pub(crate) use prepare::topic_of_rights;
pub(crate) use publish::settled;

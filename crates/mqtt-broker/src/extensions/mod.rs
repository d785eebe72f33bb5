//! What goes beyond the standards, each inert unless it is used: rewriting, delayed and exclusive topics, and
//! subscriptions made for clients. No tokio.

pub(crate) mod auto_subscribe;
pub(crate) mod delayed;
pub(crate) mod exclusive;
mod placeholders;
pub(crate) mod rewrite;
pub(crate) mod topics;

pub(crate) use auto_subscribe::AutoSubscriptions;
pub(crate) use delayed::Delayed;
pub(crate) use exclusive::Exclusive;
pub(crate) use rewrite::Rewriter;
pub(crate) use topics::{Delay, Subscribed};

use crate::core::live::Live;

/// All of them.
#[derive(Debug)]
pub(crate) struct Extensions {
    pub(crate) rewriter: Live<Rewriter>,
    pub(crate) delayed: Delayed,
    pub(crate) exclusive: Exclusive,
    pub(crate) auto_subscriptions: Live<AutoSubscriptions>,
}

impl Extensions {
    pub(crate) fn new(config: &crate::config::Config) -> Self {
        Self {
            rewriter: Live::new(Rewriter::new(&config.rewrite)),
            delayed: Delayed::new(&config.delayed),
            exclusive: Exclusive::default(),
            auto_subscriptions: Live::new(AutoSubscriptions::new(&config.auto_subscribe)),
        }
    }
}

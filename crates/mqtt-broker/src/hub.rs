//! All hooks of a broker behind one set of bits that says whether anybody listens.

use crate::access::ClientInfo;
use crate::core::cause::{EndCause, RequestRefused, SessionEnd};
use crate::hooks::{Acked, DeliverVerdict, Dropped, Handover, Hooks, Interest};
use mqtt_codec::SubscriptionOptions;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

/// The hooks, in the order they were added.
pub(crate) struct Hub {
    hooks: Vec<Arc<dyn Hooks>>,
    /// What any of them is interested in.
    interest: AtomicU16,
    /// Whether rights decide about each message when it is delivered.
    on_receipt: AtomicBool,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("hooks", &self.hooks.len())
            .field("interest", &self.interest)
            .finish()
    }
}

impl Hub {
    pub(crate) fn new(hooks: Vec<Arc<dyn Hooks>>) -> Self {
        let hub = Self {
            hooks,
            interest: AtomicU16::new(0),
            on_receipt: AtomicBool::new(false),
        };
        hub.refresh();
        hub
    }

    /// Asks each hook again what it is interested in.
    pub(crate) fn refresh(&self) {
        let all = self.hooks.iter().map(|hook| hook.interest());
        let on_receipt = match self.on_receipt.load(Ordering::Relaxed) {
            true => Interest::RECEIPT,
            false => Interest::NONE,
        };
        let all = all.fold(on_receipt, Interest::and);
        self.interest.store(all.0, Ordering::Relaxed);
    }

    /// Whether rights decide about each message when it is delivered.
    pub(crate) fn set_on_receipt(&self, on_receipt: bool) {
        self.on_receipt.store(on_receipt, Ordering::Relaxed);
        self.refresh();
    }

    /// Whether anybody wants calls of this kind.
    #[inline]
    pub(crate) fn wants(&self, kind: Interest) -> bool {
        Interest(self.interest.load(Ordering::Relaxed)).has(kind)
    }

    /// Those who want calls of this kind.
    pub(crate) fn of(&self, kind: Interest) -> impl Iterator<Item = &Arc<dyn Hooks>> {
        let hooks = match self.wants(kind) {
            true => self.hooks.as_slice(),
            false => &[],
        };
        hooks.iter().filter(move |hook| hook.interest().has(kind))
    }

    pub(crate) fn deliver(&self, handover: &Handover<'_>) -> DeliverVerdict {
        let withheld = self
            .of(Interest::DELIVER)
            .any(|hook| hook.deliver(handover) == DeliverVerdict::Withhold);
        match withheld {
            true => DeliverVerdict::Withhold,
            false => DeliverVerdict::Pass,
        }
    }

    pub(crate) fn acked(&self, acked: &Acked<'_>) {
        for hook in self.of(Interest::ACKED) {
            hook.acked(acked);
        }
    }

    pub(crate) fn dropped(&self, dropped: &Dropped<'_>) {
        for hook in self.of(Interest::DROPPED) {
            hook.dropped(dropped);
        }
    }

    pub(crate) fn connected(&self, client: &ClientInfo, session_present: bool) {
        for hook in self.of(Interest::CLIENTS) {
            hook.connected(client, session_present);
        }
    }

    pub(crate) fn disconnected(&self, client: &ClientInfo, cause: EndCause) {
        for hook in self.of(Interest::CLIENTS) {
            hook.disconnected(client, cause);
        }
    }

    pub(crate) fn refused(&self, peer: SocketAddr, client_id: &str, cause: EndCause) {
        for hook in self.of(Interest::CLIENTS) {
            hook.refused(peer, client_id, cause);
        }
    }

    pub(crate) fn subscribed(
        &self,
        client_id: &str,
        topic_filter: &str,
        options: SubscriptionOptions,
    ) {
        for hook in self.of(Interest::SUBSCRIPTIONS) {
            hook.subscribed(client_id, topic_filter, options);
        }
    }

    pub(crate) fn unsubscribed(&self, client_id: &str, topic_filter: &str) {
        for hook in self.of(Interest::SUBSCRIPTIONS) {
            hook.unsubscribed(client_id, topic_filter);
        }
    }

    pub(crate) fn request_refused(&self, client: &ClientInfo, topic: &str, cause: RequestRefused) {
        for hook in self.of(Interest::REFUSALS) {
            hook.request_refused(client, topic, cause);
        }
    }

    pub(crate) fn session_started(&self, client_id: &str) {
        for hook in self.of(Interest::SESSIONS) {
            hook.session_started(client_id);
        }
    }

    pub(crate) fn session_ended(&self, client_id: &str, cause: SessionEnd) {
        for hook in self.of(Interest::SESSIONS) {
            hook.session_ended(client_id, cause);
        }
    }
}

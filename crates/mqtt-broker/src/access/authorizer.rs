//! The broker's own [`Access`]: rules of the configuration and of files, which can be changed while it runs.

use super::policy::{Explanation, Ground, Policy, Ruling};
use super::{Access, AccessRequest, Answer, ClientInfo, Decision, OwnedAccessRequest};
use crate::config::{Config, ConfigError, DenyAction, LostRight};
use crate::extensions::Subscribed;
use crate::handler::topic_of_rights;
use mqtt_access::{Action, Rules, Subject};
use mqtt_codec::{QoS, ReasonCode};
use parking_lot::RwLock;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Decides by the rules of a configuration.
///
/// While there are none, every client that was let in may do everything, and asking costs next to nothing.
#[derive(Debug)]
pub struct Authorizer {
    policy: RwLock<Arc<Policy>>,
    /// Whether the policy in force refuses nobody who has no rules of its own.
    is_open: AtomicBool,
    /// Whether the policy in force decides about messages when they are delivered.
    on_receipt: AtomicBool,
    /// Whether the policy in force has decisions that have to be waited for.
    may_wait: AtomicBool,
    /// Changes with the policy; never 0.
    generation: AtomicU32,
}

impl Authorizer {
    /// Reads the rules that `config` names.
    ///
    /// # Errors
    /// A file that cannot be read, or what is wrong in it, with its lines.
    pub fn from_config(config: &Config) -> Result<Self, ConfigError> {
        let policy = Policy::load(config)?;
        Ok(Self {
            is_open: AtomicBool::new(policy.is_open()),
            on_receipt: AtomicBool::new(policy.decides_on_receipt()),
            may_wait: AtomicBool::new(policy.may_wait()),
            policy: RwLock::new(Arc::new(policy)),
            generation: AtomicU32::new(1),
        })
    }

    /// Puts the rules that `config` names in the place of those in force; subscriptions that exist are not asked
    /// about before [`Manager::recheck`](crate::Manager::recheck).
    ///
    /// # Errors
    /// As [`from_config`](Self::from_config); the rules in force stay then.
    pub fn reload(&self, config: &Config) -> Result<(), ConfigError> {
        let policy = Policy::load(config)?;
        let mut in_force = self.policy.write();
        self.is_open.store(policy.is_open(), Ordering::Relaxed);
        let on_receipt = policy.decides_on_receipt();
        self.on_receipt.store(on_receipt, Ordering::Relaxed);
        self.may_wait.store(policy.may_wait(), Ordering::Relaxed);
        *in_force = Arc::new(policy);
        let next = self.generation.load(Ordering::Relaxed).wrapping_add(1);
        self.generation.store(next.max(1), Ordering::Release);
        Ok(())
    }

    /// What is decided about something a client wants, topics as it would write them, and why.
    ///
    /// `own` are rules that came with the client. Services are asked, if it comes to them.
    pub async fn explain(
        &self,
        subject: &Subject<'_>,
        own: Option<&Rules>,
        action: &Action<'_>,
    ) -> Explanation {
        let policy = Arc::clone(&self.policy.read());
        let subscribed;
        let meant = match *action {
            Action::Publish {
                topic_name,
                qos,
                retain,
            } => match topic_of_rights(policy.delays, topic_name) {
                Err(_) => {
                    return Explanation::new(false, Ground::OfBroker);
                }
                Ok(topic_name) => Action::Publish {
                    topic_name,
                    qos,
                    retain,
                },
            },
            Action::Subscribe { topic_filter, qos } => {
                subscribed = Subscribed::of(topic_filter);
                let topic_filter = subscribed.matched();
                Action::Subscribe { topic_filter, qos }
            }
            Action::Receive { .. } => *action,
        };
        let ruling = policy.ask_all(own, subject, &meant).await;
        ruling.explanation_in_full()
    }

    fn explain_for(&self, client: &ClientInfo, action: &Action<'_>) -> Explanation {
        if client.superuser {
            return Explanation::new(true, Ground::Superuser);
        }
        let policy = self.policy.read();
        let ruling = policy.ask(client.rules.as_deref(), &client.subject(), action);
        ruling.explanation()
    }

    /// What is decided, or whom to wait for.
    fn is_allowed(
        &self,
        client: &ClientInfo,
        action: &Action<'_>,
    ) -> Result<Decision, Arc<Policy>> {
        let own = client.rules.as_deref();
        if client.superuser || own.is_none() && self.is_open.load(Ordering::Relaxed) {
            return Ok(Decision::Allow);
        }
        let policy = self.policy.read();
        let ruling = policy.ask(own, &client.subject(), action);
        match ruling.is_unknown() {
            true => Err(Arc::clone(&policy)),
            false => Ok(decision(ruling, policy.deny_action)),
        }
    }
}

fn decision(ruling: Ruling<'_>, deny_action: DenyAction) -> Decision {
    let reason = ReasonCode::NOT_AUTHORIZED;
    match deny_action {
        _ if ruling.is_allowed() => Decision::Allow,
        DenyAction::Ignore => Decision::Deny(reason),
        DenyAction::Disconnect => Decision::Disconnect(reason),
    }
}

impl Access for Authorizer {
    fn decide(&self, request: &AccessRequest<'_>) -> Answer {
        let Some((client, action)) = asked(request) else {
            // Who may connect is for authentication to say.
            return Answer::Ready(Decision::Allow);
        };
        match self.is_allowed(client, &action) {
            Ok(is_allowed) => Answer::Ready(is_allowed),
            Err(policy) => {
                let request = OwnedAccessRequest::from(request);
                Answer::Pending(Box::pin(async move {
                    let request = request.borrowed();
                    let Some((client, action)) = asked(&request) else {
                        return Decision::Deny(ReasonCode::NOT_AUTHORIZED);
                    };
                    let (own, subject) = (client.rules.as_deref(), client.subject());
                    let ruling = policy.ask_all(own, &subject, &action).await;
                    decision(ruling, policy.deny_action)
                }))
            }
        }
    }

    fn generation(&self) -> Option<NonZeroU32> {
        // What a service says holds for a time only.
        if self.may_wait.load(Ordering::Relaxed) {
            return None;
        }
        NonZeroU32::new(self.generation.load(Ordering::Acquire))
    }

    fn on_lost_right(&self) -> Option<LostRight> {
        Some(self.policy.read().on_lost_right)
    }

    fn decides_on_receipt(&self) -> bool {
        self.on_receipt.load(Ordering::Relaxed)
    }

    fn may_receive(&self, client: &ClientInfo, topic_name: &str) -> bool {
        let action = Action::Receive { topic_name };
        matches!(self.is_allowed(client, &action), Ok(Decision::Allow))
    }

    fn explain(&self, request: &AccessRequest<'_>) -> Option<Explanation> {
        let (client, action) = asked(request)?;
        Some(self.explain_for(client, &action))
    }
}

/// Who wants to do what; none of a request to connect.
fn asked<'a>(request: &AccessRequest<'a>) -> Option<(&'a ClientInfo, Action<'a>)> {
    match *request {
        AccessRequest::Connect { .. } => None,
        AccessRequest::Publish {
            client,
            topic_name,
            qos,
            retain,
        } => {
            let qos = level(qos);
            let action = Action::Publish {
                topic_name,
                qos,
                retain,
            };
            Some((client, action))
        }
        AccessRequest::Subscribe {
            client,
            topic_filter,
            qos,
        } => {
            let qos = level(qos);
            Some((client, Action::Subscribe { topic_filter, qos }))
        }
    }
}

const fn level(qos: QoS) -> u8 {
    match qos {
        QoS::AtMostOnce => 0,
        QoS::AtLeastOnce => 1,
        QoS::ExactlyOnce => 2,
    }
}

impl ClientInfo {
    /// What rules want to know of it.
    #[must_use]
    pub fn subject(&self) -> Subject<'_> {
        let certificate = self.certificate.as_deref();
        Subject {
            client_id: &self.client_id,
            username: self.username.as_deref(),
            cert_common_name: certificate.and_then(|shown| shown.common_name.as_deref()),
            address: Some(self.peer.ip()),
            listener: Some(&self.listener),
            attributes: self.attributes.as_deref(),
        }
    }
}

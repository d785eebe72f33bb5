//! What a broker's core is put together from.

use super::arrival_rate::ArrivalRate;
use super::bans::Bans;
use super::limits::Limits;
use super::log::CommitLog;
use super::retained::RetainedStore;
use crate::access::Access;
use crate::authenticate::Authenticate;
use crate::extensions::Extensions;
use crate::hub::Hub;
use crate::ownership::{Fabric, Ownership};
use crate::sys::Sys;
use mqtt_codec::{Property, QoS};
use std::sync::Arc;

/// Everything that is plugged in.
pub(crate) struct Parts {
    pub(crate) limits: Limits,
    pub(crate) offer: Offer,
    pub(crate) access: Arc<dyn Access>,
    /// Without it `access` is asked about CONNECT too.
    pub(crate) authenticate: Option<Arc<dyn Authenticate>>,
    pub(crate) log: Arc<dyn CommitLog>,
    pub(crate) ownership: Arc<dyn Ownership>,
    pub(crate) fabric: Option<Arc<dyn Fabric>>,
    pub(crate) hub: Hub,
    pub(crate) extensions: Extensions,
    pub(crate) retained: Arc<dyn RetainedStore>,
    pub(crate) sys: Sys,
    pub(crate) bans: Bans,
    pub(crate) arrival_rate: ArrivalRate,
}

/// What clients are offered; v5 §3.2.2.3.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Offer {
    /// The highest QoS of a PUBLISH taken.
    pub(crate) qos_max: QoS,
    /// Whether retained messages are taken.
    pub(crate) retain: bool,
    /// Whether Topic Filters may have wildcards.
    pub(crate) wildcards: bool,
    /// Whether subscriptions may be shared.
    pub(crate) shared: bool,
    /// Whether `$exclusive/` is understood.
    pub(crate) exclusive: bool,
    /// Response Information for those who ask; empty for none.
    pub(crate) response_information: Box<str>,
}

impl Offer {
    /// What CONNACK has to say of it: only what is not there.
    pub(crate) fn properties<'p>(&self) -> impl Iterator<Item = Property<'p>> + use<'p> {
        // Spec: v5 [MQTT-3.2.2-9]: Maximum QoS is never 2.
        let lacks = [
            (self.qos_max != QoS::ExactlyOnce).then_some(Property::MaximumQoS(self.qos_max)),
            (!self.retain).then_some(Property::RetainAvailable(false)),
            (!self.wildcards).then_some(Property::WildcardSubscriptionAvailable(false)),
            (!self.shared).then_some(Property::SharedSubscriptionAvailable(false)),
        ];
        lacks.into_iter().flatten()
    }
}

/// Whether a Topic Name is for the broker's own messages, so that no client may publish there.
pub(crate) fn is_of_broker(topic_name: &str) -> bool {
    topic_name.starts_with("$SYS/")
}

impl Default for Offer {
    fn default() -> Self {
        Self {
            qos_max: QoS::ExactlyOnce,
            retain: true,
            wildcards: true,
            shared: true,
            exclusive: false,
            response_information: Box::default(),
        }
    }
}

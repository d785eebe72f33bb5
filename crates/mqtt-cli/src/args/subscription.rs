//! What is asked of retained messages in a SUBSCRIBE; MQTT 5 only.

use std::io::Write;

use mqtt_client::RetainHandling;
use mqtt_codec::ProtocolVersion;

/// The options of a subscription that are about retained messages.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct SubscriptionArgs {
    /// Have the retain flag tell what the publisher said; MQTT 5
    #[arg(long, alias = "rap")]
    pub(crate) retain_as_published: bool,
    /// When retained messages are sent: always, new (for a new subscription) or never; MQTT 5
    #[arg(long, value_name = "WHEN", value_parser = retain_handling)]
    pub(crate) retain_handling: Option<RetainHandling>,
}

impl SubscriptionArgs {
    /// Before MQTT 5 Mosquitto's programs take these flags and send nothing; that is told, unless `quiet`.
    pub(crate) fn as_mosquitto(&mut self, version: Option<ProtocolVersion>, quiet: bool) {
        let is_older = version.is_some_and(|version| !version.has_properties());
        if !is_older || !self.is_given() {
            return;
        }
        *self = Self::default();
        if !quiet {
            // With stderr closed nobody is left to tell.
            let _ = writeln!(
                std::io::stderr(),
                "Warning: --retain-as-published and --retain-handling are of MQTT 5, say -V 5"
            );
        }
    }

    /// Whether there is any.
    pub(crate) const fn is_given(&self) -> bool {
        self.retain_as_published || self.retain_handling.is_some()
    }
}

fn retain_handling(text: &str) -> Result<RetainHandling, String> {
    match text {
        "always" | "0" => Ok(RetainHandling::SendAtSubscribe),
        "new" | "1" => Ok(RetainHandling::SendIfNew),
        "never" | "2" => Ok(RetainHandling::DoNotSend),
        _ => Err("say always, new or never".to_owned()),
    }
}

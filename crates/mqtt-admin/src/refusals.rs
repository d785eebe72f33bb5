//! Requests about what was refused.

use crate::protocol::{Fault, LIST_MAX, List, RefusalEntry};
use crate::service::{Service, unix_s, written};
use mqtt_broker::{Reference, RefusalView, RequestRefused};
use serde_json::Value;

impl Service {
    /// The last of them, oldest first.
    pub(crate) fn refusals(&self, client_id: Option<&str>, limit: usize) -> List<RefusalEntry> {
        let mut views = self.manager.refusals();
        views.retain(|view| client_id.is_none_or(|wanted| *view.client_id == *wanted));
        let left_out = views.len().saturating_sub(limit.clamp(1, LIST_MAX));
        let items = views.iter().skip(left_out).map(entry);
        List {
            items: items.collect(),
            next: None,
        }
    }

    pub(crate) fn refusal(&self, reference: &str) -> Result<Value, Fault> {
        let Some(parsed) = Reference::parse(reference) else {
            return Err(Fault::invalid(format_args!(
                "`{reference}` is no reference: six hexadecimal digits"
            )));
        };
        match self.manager.refusal(parsed) {
            Some(view) => written(&entry(&view)),
            None => Err(Fault::not_found(format_args!(
                "no refusal `{reference}` is known: it is too long ago, or of another broker"
            ))),
        }
    }
}

fn entry(view: &RefusalView) -> RefusalEntry {
    let (action, reason) = match view.request {
        RequestRefused::Publish(reason) => ("publish", reason.get()),
        RequestRefused::Subscribe(reason) => ("subscribe", reason.get()),
        _ => ("other", 0),
    };
    RefusalEntry {
        reference: view.reference.to_string(),
        client_id: view.client_id.to_string(),
        username: view.username.as_deref().map(str::to_owned),
        peer: view.peer.to_string(),
        action: action.to_owned(),
        reason,
        topic: view.topic.to_string(),
        ground: view.ground.to_string(),
        times: view.times,
        at_s: unix_s(view.at),
    }
}

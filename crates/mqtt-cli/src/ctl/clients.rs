//! `mqtt ctl clients` and `mqtt ctl subscriptions`.

use mqtt_admin::{ClientEntry, ClientFilter, LIST_MAX, List, Request, SubscriptionEntry};
use serde_json::Value;

use super::{
    Ctl, failure,
    print::{Table, ago, duration, yes_no},
    say,
};
use crate::{args::ClientsCommand, exit::Failure};

/// The Session Expiry Interval that never ends.
const NEVER: u32 = u32::MAX;

impl Ctl {
    pub(super) fn clients(&mut self, command: ClientsCommand) -> Result<(), Failure> {
        match command {
            ClientsCommand::List {
                like,
                username,
                connected,
                disconnected,
                limit,
            } => {
                let filter = ClientFilter {
                    client_id: like,
                    username,
                    connected: (connected || disconnected).then_some(connected),
                };
                self.list_clients(&filter, limit)
            }
            ClientsCommand::Show { client_id } => self.show_client(client_id),
            ClientsCommand::Kick { client_id } => {
                let words = format!("the connection of `{client_id}` is ended");
                self.done(&Request::Kick { client_id }, &words)
            }
        }
    }

    fn list_clients(&mut self, filter: &ClientFilter, limit: Option<usize>) -> Result<(), Failure> {
        let mut table = Table::new(&[
            "CLIENT",
            "CONNECTED",
            "USER",
            "FROM",
            "LISTENER",
            "VERSION",
            "SUBSCRIPTIONS",
            "QUEUED",
            "DROPPED",
        ]);
        let mut left = limit.unwrap_or(usize::MAX);
        let mut after = None;
        while left > 0 {
            let request = Request::Clients {
                filter: filter.clone(),
                after,
                limit: left.min(LIST_MAX),
            };
            let page: List<Value> = self.client.ask(&request).map_err(failure)?;
            left = left.saturating_sub(page.items.len());
            self.print_items(page.items, &mut table, |client: ClientEntry| {
                [
                    client.client_id,
                    yes_no(client.connected).to_owned(),
                    client.username.unwrap_or_else(|| "-".to_owned()),
                    client.peer.unwrap_or_else(|| "-".to_owned()),
                    client.listener.unwrap_or_else(|| "-".to_owned()),
                    client.version.unwrap_or_else(|| "-".to_owned()),
                    client.subscriptions.to_string(),
                    client.queued.to_string(),
                    client.dropped.to_string(),
                ]
            })?;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        self.end_list(&table);
        Ok(())
    }

    fn show_client(&mut self, client_id: String) -> Result<(), Failure> {
        let request = Request::Client { client_id };
        if self.is_json {
            return self.pass_on(&request);
        }
        let client: ClientEntry = self.client.ask(&request).map_err(failure)?;
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let since = match client.disconnected_at_s {
            None => ("connected", ago(client.connected_at_s)),
            Some(at_s) => ("disconnected", ago(at_s)),
        };
        let expiry = match client.session_expiry_interval_s {
            0 => "with the connection".to_owned(),
            NEVER => "never".to_owned(),
            s => format!("{} after the connection", duration(u64::from(s))),
        };
        let keep_alive = match client.keep_alive_s {
            0 => "off".to_owned(),
            s => format!("{s}s"),
        };
        let mut table = Table::new(&[]);
        let rows = [
            ("client", client.client_id),
            since,
            ("user", or_none(client.username)),
            ("from", or_none(client.peer)),
            ("listener", or_none(client.listener)),
            ("version", or_none(client.version)),
            ("keep alive", keep_alive),
            ("session ends", expiry),
            ("subscriptions", client.subscriptions.to_string()),
            ("queued", client.queued.to_string()),
            ("in flight", client.in_flight.to_string()),
            ("dropped", client.dropped.to_string()),
            ("bytes to write", client.outbox_bytes.to_string()),
        ];
        for (name, value) in rows {
            table.row([name.to_owned(), value]);
        }
        say(&table.to_string());
        Ok(())
    }

    pub(super) fn subscriptions(&mut self, client_id: Option<String>) -> Result<(), Failure> {
        let mut table = Table::new(&["CLIENT", "FILTER", "QOS", "NO LOCAL", "RETAIN AS PUBLISHED"]);
        let mut after = None;
        loop {
            let request = Request::Subscriptions {
                client_id: client_id.clone(),
                after,
                limit: LIST_MAX,
            };
            let page: List<Value> = self.client.ask(&request).map_err(failure)?;
            self.print_items(page.items, &mut table, |one: SubscriptionEntry| {
                [
                    one.client_id,
                    one.topic_filter,
                    one.qos.to_string(),
                    yes_no(one.no_local).to_owned(),
                    yes_no(one.retain_as_published).to_owned(),
                ]
            })?;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        self.end_list(&table);
        Ok(())
    }
}

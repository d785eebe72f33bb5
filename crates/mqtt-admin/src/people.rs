//! Requests about bans and users.

use crate::protocol::{BanEntry, BannedEntry, Fault, List, Secret, UserEntry};
use crate::service::{Service, unix_s, written};
use ipnet::IpNet;
use mqtt_broker::manage::{Ban, Banned};
use mqtt_broker::{UserStore, UserStoreError};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::time::SystemTime;

/// Users in one answer.
const USERS_MAX: usize = 1_000;

impl Service {
    pub(crate) fn bans(&self) -> List<BanEntry> {
        let bans = self.manager.bans();
        List {
            items: bans.iter().map(ban_entry).collect(),
            next: None,
        }
    }

    pub(crate) fn ban(
        &self,
        who: &BannedEntry,
        reason: &str,
        seconds: Option<u64>,
    ) -> Result<Value, Fault> {
        let who = banned(who)?;
        let now_ms = unix_s(SystemTime::now()).saturating_mul(1_000);
        let until = |s: u64| now_ms.saturating_add(s.saturating_mul(1_000));
        let mut ban = Ban::new(who, now_ms);
        ban.reason = reason.into();
        ban.until_ms = seconds.map(until);
        tracing::info!(who = %ban.who, reason, seconds, "banned by an administrator");
        let ended = self.manager.ban(ban).map_err(Fault::failed)?;
        Ok(json!(ended))
    }

    pub(crate) fn unban(&self, who: &BannedEntry) -> Result<Value, Fault> {
        let who = banned(who)?;
        match self.manager.unban(&who).map_err(Fault::failed)? {
            true => {
                tracing::info!(%who, "ban taken away by an administrator");
                Ok(Value::Null)
            }
            false => Err(Fault::not_found(format_args!("{who} is not banned"))),
        }
    }

    pub(crate) fn users(&self, after: Option<&str>) -> Result<Value, Fault> {
        let users = self.store()?.list(after, USERS_MAX);
        let items = users.iter().map(|user| UserEntry {
            username: user.name.to_string(),
            superuser: user.superuser,
        });
        written(&List {
            items: items.collect(),
            next: None,
        })
    }

    pub(crate) fn add_user(
        &self,
        username: &str,
        password: &Secret,
        superuser: bool,
    ) -> Result<Value, Fault> {
        let added = self
            .store()?
            .add(username, password.0.as_bytes(), superuser);
        added.map_err(user_fault)?;
        tracing::info!(username, superuser, "user added by an administrator");
        Ok(Value::Null)
    }

    pub(crate) async fn set_password(
        &self,
        username: &str,
        password: &Secret,
    ) -> Result<Value, Fault> {
        let set = self.store()?.set_password(username, password.0.as_bytes());
        set.map_err(user_fault)?;
        tracing::info!(username, "password changed by an administrator");
        self.manager.recheck().await;
        Ok(Value::Null)
    }

    pub(crate) async fn delete_user(&self, username: &str) -> Result<Value, Fault> {
        self.store()?.delete(username).map_err(user_fault)?;
        tracing::info!(username, "user deleted by an administrator");
        self.manager.recheck().await;
        Ok(Value::Null)
    }

    fn store(&self) -> Result<&UserStore, Fault> {
        let none = || Fault::failed("this broker has no user database");
        self.manager.users().ok_or_else(none)
    }
}

fn user_fault(error: UserStoreError) -> Fault {
    match error {
        UserStoreError::NoSuchUser { .. } => Fault::not_found(error),
        UserStoreError::Name(_) => Fault::invalid(error),
        error => Fault::failed(error),
    }
}

fn banned(who: &BannedEntry) -> Result<Banned, Fault> {
    Ok(match who {
        BannedEntry::ClientId(client_id) => Banned::ClientId(client_id.as_str().into()),
        BannedEntry::Username(username) => Banned::Username(username.as_str().into()),
        BannedEntry::Address(text) => match (text.parse::<IpAddr>(), text.parse::<IpNet>()) {
            (Ok(address), _) => Banned::address(address),
            (_, Ok(network)) => Banned::Network(network.trunc()),
            _ => {
                return Err(Fault::invalid(format_args!(
                    "`{text}` is no address such as 192.0.2.1 and no network such as 10.0.0.0/8"
                )));
            }
        },
    })
}

fn ban_entry(ban: &Ban) -> BanEntry {
    BanEntry {
        who: match &ban.who {
            Banned::ClientId(client_id) => BannedEntry::ClientId(client_id.to_string()),
            Banned::Username(username) => BannedEntry::Username(username.to_string()),
            Banned::Network(network) if network.prefix_len() == network.max_prefix_len() => {
                BannedEntry::Address(network.addr().to_string())
            }
            Banned::Network(network) => BannedEntry::Address(network.to_string()),
        },
        reason: ban.reason.to_string(),
        at_s: ban.at_ms / 1_000,
        until_s: ban.until_ms.map(|until_ms| until_ms / 1_000),
        automatic: ban.is_automatic,
    }
}

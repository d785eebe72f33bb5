//! `mqtt ctl bans` and `mqtt ctl users`.

use mqtt_admin::{BanEntry, BannedEntry, List, Request, Secret, UserEntry};
use serde_json::Value;

use super::{
    Ctl, failure,
    print::{Table, ago, from_now, yes_no},
    say,
};
use crate::{
    args::{BannedArgs, BansCommand, UsersCommand},
    exit::Failure,
    passwd::asked_for,
};

impl Ctl {
    pub(super) fn bans(&mut self, command: BansCommand) -> Result<(), Failure> {
        match command {
            BansCommand::List => {
                let list: List<Value> = self.client.ask(&Request::Bans).map_err(failure)?;
                let mut table = Table::new(&["WHO", "SINCE", "UNTIL", "REASON"]);
                self.print_items(list.items, &mut table, |ban: BanEntry| {
                    let until = ban.until_s.map_or_else(|| "removed".to_owned(), from_now);
                    [shown(&ban.who), ago(ban.at_s), until, ban.reason]
                })?;
                self.end_list(&table);
                Ok(())
            }
            BansCommand::Add {
                who,
                seconds,
                reason,
            } => {
                let request = Request::Ban {
                    who: who.entry(),
                    reason,
                    seconds,
                };
                if self.is_json {
                    return self.pass_on(&request);
                }
                let ended: usize = self.client.ask(&request).map_err(failure)?;
                say(&format!("banned; connections ended: {ended}\n"));
                Ok(())
            }
            BansCommand::Remove { who } => {
                let who = who.entry();
                self.done(&Request::Unban { who }, "the ban is taken away")
            }
        }
    }

    pub(super) fn users(&mut self, command: UsersCommand) -> Result<(), Failure> {
        match command {
            UsersCommand::List => self.list_users(),
            UsersCommand::Add {
                username,
                superuser,
            } => {
                let words = format!("user `{username}` is added");
                let password = Secret(asked_for()?.to_string());
                let request = Request::AddUser {
                    username,
                    password,
                    superuser,
                };
                self.done(&request, &words)
            }
            UsersCommand::Passwd { username } => {
                let words = format!("user `{username}` has another password");
                let password = Secret(asked_for()?.to_string());
                self.done(&Request::SetPassword { username, password }, &words)
            }
            UsersCommand::Delete { username } => {
                let words = format!("user `{username}` is deleted");
                self.done(&Request::DeleteUser { username }, &words)
            }
        }
    }

    fn list_users(&mut self) -> Result<(), Failure> {
        let mut table = Table::new(&["USER", "SUPERUSER"]);
        let mut after = None;
        loop {
            let request = Request::Users { after };
            let list: List<UserEntry> = self.client.ask(&request).map_err(failure)?;
            after = list.items.last().map(|user| user.username.clone());
            let items = list.items.iter().map(serde_json::to_value);
            let items = items.collect::<Result<Vec<_>, _>>();
            let items = items.map_err(Failure::run_time)?;
            self.print_items(items, &mut table, |user: UserEntry| {
                [user.username, yes_no(user.superuser).to_owned()]
            })?;
            if after.is_none() {
                break;
            }
        }
        self.end_list(&table);
        Ok(())
    }
}

impl BannedArgs {
    fn entry(self) -> BannedEntry {
        let client_id = self.client_id.map(BannedEntry::ClientId);
        let username = self.username.map(BannedEntry::Username);
        let address = self.address.unwrap_or_default();
        client_id
            .or(username)
            .unwrap_or(BannedEntry::Address(address))
    }
}

fn shown(who: &BannedEntry) -> String {
    match who {
        BannedEntry::ClientId(client_id) => format!("client {client_id}"),
        BannedEntry::Username(username) => format!("user {username}"),
        BannedEntry::Address(address) => address.clone(),
    }
}

//! The clients of a fleet by name and number, and which of them a thread has.

use super::client::{Client, Work};
use super::publisher::Publisher;
use super::receiver::Receiver;
use super::settings::Fleet;
use super::shared::Shared;
use super::template::{self, Random, Template};

/// What a client does, by the word that stands in its Client Identifier.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Role {
    Subscribe,
    Publish,
    Connect,
}

/// Names of one client.
#[derive(Debug)]
pub(super) struct Names {
    number: u64,
    client_id: String,
    user_name: Option<String>,
    password: Option<String>,
}

/// The clients of thread `place`, in the order they connect.
pub(super) fn clients(shared: &Shared, place: u16) -> Vec<Client> {
    let fleet = &shared.fleet;
    let threads = u64::from(fleet.threads.max(1));
    let roles = [
        (Role::Subscribe, fleet.subscribers),
        (Role::Publish, fleet.publishers),
        (Role::Connect, fleet.idle),
    ];
    let all = roles
        .into_iter()
        .flat_map(|(role, count)| (0..count).map(move |index| (role, index)));
    let own = (0..)
        .zip(all)
        .filter(|(ordinal, _)| ordinal % threads == u64::from(place));
    own.map(|(ordinal, (role, index))| client(shared, ordinal, role, index))
        .collect()
}

fn client(shared: &Shared, ordinal: u64, role: Role, index: u32) -> Client {
    let fleet = &shared.fleet;
    let names = Names::new(fleet, &shared.host, shared.run, role, index);
    let known = names.known(&shared.host);
    let work = match role {
        Role::Connect => Work::Nothing,
        Role::Subscribe => {
            let filters = names.topic_filters(fleet, &shared.host);
            Work::Receive(Box::new(Receiver::new(filters)))
        }
        Role::Publish => {
            let copies = shared.copies.as_ref();
            let copies =
                copies.and_then(|all| all.get(usize::try_from(index).unwrap_or(usize::MAX)));
            let copies = copies.map(Vec::as_slice).unwrap_or_default();
            let place = (shared.run, index);
            Work::Publish(Box::new(Publisher::new(
                fleet,
                &shared.bodies,
                &known,
                place,
                copies,
            )))
        }
    };
    let mut client = Client::new(ordinal, index, names.client_id, work, fleet);
    client.user_name = names.user_name;
    client.password = names.password;
    client
}

impl Names {
    /// Names of client `index` of a role.
    pub(super) fn new(fleet: &Fleet, host: &str, run: u32, role: Role, index: u32) -> Self {
        let identity = &fleet.identity;
        let number = u64::from(identity.start_number) + u64::from(index) + 1;
        let word = match role {
            Role::Subscribe => "sub",
            Role::Publish => "pub",
            Role::Connect => "conn",
        };
        let known = |client_id: &str, user_name: &str, text: &str| {
            let client = template::Client {
                number,
                client_id,
                user_name,
                host,
            };
            Template::new(text)
                .for_client(&client)
                .text(0, &mut Random::new(0))
        };
        let user_name = identity.user_name.as_ref();
        let user_name = user_name.map(|text| known("", "", text));
        let user = user_name.as_deref().unwrap_or_default();
        let client_id = match (&identity.client_id, &identity.prefix) {
            // Those who come in pairs must not have one name.
            (Some(text), _) => match (role, fleet.publishers > 0 && fleet.subscribers > 0) {
                (Role::Subscribe, true) => format!("{}_sub", known("", user, text)),
                _ => known("", user, text),
            },
            (None, prefix) if identity.short => {
                let prefix = prefix.as_deref().unwrap_or_default();
                match (role, fleet.publishers > 0) {
                    (Role::Subscribe, true) => format!("{prefix}s{number}"),
                    _ => format!("{prefix}{number}"),
                }
            }
            (None, Some(prefix)) => format!("{prefix}_bench_{word}_{number}"),
            // A session that is to be found again keeps its name.
            (None, None) if !fleet.clean_start => format!("{host}_bench_{word}_{number}"),
            (None, None) => format!("{host}_bench_{word}_{number}_{run:08x}"),
        };
        let password = identity.password.as_ref();
        let password = password.map(|text| known(&client_id, user, text));
        Self {
            number,
            user_name,
            password,
            client_id,
        }
    }

    /// What texts of this client are made with.
    pub(super) fn known<'a>(&'a self, host: &'a str) -> template::Client<'a> {
        template::Client {
            number: self.number,
            client_id: &self.client_id,
            user_name: self.user_name.as_deref().unwrap_or_default(),
            host,
        }
    }

    /// What it subscribes to.
    pub(super) fn topic_filters(&self, fleet: &Fleet, host: &str) -> Vec<String> {
        let known = self.known(host);
        let texts = fleet.subscribing.topic_filters.iter();
        let filter = |text: &String| {
            let template = Template::new(text).for_client(&known);
            template.text(0, &mut Random::new(self.number))
        };
        texts.map(filter).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::settings::Identity;

    fn ids(fleet: &Fleet) -> [String; 2] {
        [Role::Subscribe, Role::Publish].map(|role| Names::new(fleet, "h", 10, role, 1).client_id)
    }

    #[test]
    fn every_client_has_a_name_of_its_own() {
        let mut fleet = Fleet {
            publishers: 2,
            subscribers: 2,
            ..Fleet::default()
        };
        assert_eq!(
            ids(&fleet),
            ["h_bench_sub_2_0000000a", "h_bench_pub_2_0000000a"]
        );
        fleet.clean_start = false;
        assert_eq!(ids(&fleet), ["h_bench_sub_2", "h_bench_pub_2"]);
        fleet.identity.prefix = Some("x".to_owned());
        fleet.identity.start_number = 40;
        assert_eq!(ids(&fleet), ["x_bench_sub_42", "x_bench_pub_42"]);
        fleet.identity.short = true;
        assert_eq!(ids(&fleet), ["xs42", "x42"]);
        fleet.identity = Identity {
            client_id: Some("%u-%i-%h".to_owned()),
            user_name: Some("u%i".to_owned()),
            ..Identity::default()
        };
        assert_eq!(ids(&fleet), ["u2-2-h_sub", "u2-2-h"]);
    }
}

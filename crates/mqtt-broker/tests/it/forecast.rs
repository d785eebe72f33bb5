//! Who would lose what by another configuration, told beforehand.

use crate::kit::{Client, Hello, Last, QOS0, Server, V5, V311, options};
use mqtt_access::{HashForm, StoredPassword};
use mqtt_broker::config::{Bind, LostRight};
use mqtt_broker::manage::{FORECAST_CLIENTS_MAX, FORECAST_LOSSES_MAX, Forecast, Loser};
use mqtt_broker::{Config, UserLoss};
use mqtt_codec::ReasonCode;
use std::path::PathBuf;
use tempfile::TempDir;

/// A directory with a password file, and configurations that name it.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Users whose passwords are what follows the colon; each with the same salted form as long as the text is the same.
    fn write_users(&self, users: &[&str]) {
        let path = self.users();
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        let line = |user: &&str| {
            let name = user.split(':').next().unwrap();
            let known = before
                .lines()
                .find(|line| line.starts_with(&format!("{name}:")));
            let changed = user.contains(':');
            match known.filter(|_| !changed) {
                Some(line) => format!("{line}\n"),
                None => {
                    let form = HashForm::Pbkdf2Sha512;
                    let hash = StoredPassword::hashed(b"secret", form).unwrap();
                    format!("{name}:{hash}\n")
                }
            }
        };
        let text: String = users.iter().map(line).collect();
        std::fs::write(path, text).unwrap();
    }

    fn users(&self) -> PathBuf {
        self.0.path().join("users")
    }

    /// A configuration with that file and these rules.
    fn config(&self, rules: &str) -> Config {
        let text = format!(
            "[listeners.tcp.door]\nbind = \"127.0.0.1:0\"\n\
             [[authentication]]\nname = \"people\"\nmechanism = \"password_based\"\nbackend = \"file\"\npath = {:?}\n\
             [authorization]\nrules = [{rules}]\n",
            self.users()
        );
        Config::from_toml(&text, "broker.toml").unwrap()
    }
}

const ALL: &str = "{ permission = \"allow\" }";

fn server(config: &Config) -> Server {
    Server::built(|own| *own = config.clone(), |builder| builder)
}

fn hello<'a>(username: &'a str, client_id: &'a str) -> Hello<'a> {
    Hello {
        username: Some(username),
        password: Some(b"secret"),
        ..Hello::new(V5, client_id)
    }
}

fn forecast(server: &Server, config: &Config) -> Forecast {
    let manager = server.broker().manager();
    server.block_on(manager.forecast(config)).unwrap()
}

/// A client with what it would lose and why, in words.
fn told(loser: &Loser) -> (&str, bool, Vec<String>) {
    let losses = loser.losses.iter();
    let told = losses.map(|loss| match loss.topic() {
        Some(topic) => format!("{} {topic}: {loss}", loss.label()),
        None => format!("{}: {loss}", loss.label()),
    });
    (&loser.client_id, loser.is_disconnected, told.collect())
}

fn subscribe(client: &mut Client, topic_filter: &str) {
    let granted = client.subscribe_with(&[(topic_filter, options(QOS0))], &[]);
    assert_eq!(granted, [0]);
}

#[test]
fn a_plan_names_who_would_lose_what_and_changes_nothing() {
    let folder = Folder::new();
    folder.write_users(&["ann", "bob", "cat", "dan", "eve"]);
    let before = folder.config(ALL);
    let server = server(&before);
    let mut ann = hello("ann", "a").connect(&server);
    subscribe(&mut ann, "home/#");
    let mut bob = hello("bob", "b").connect(&server);
    let mut cat = hello("cat", "c").connect(&server);
    let mut dan = Hello {
        will: Some(Last::new("wills/dan")),
        ..hello("dan", "d")
    }
    .connect(&server);
    subscribe(&mut dan, "home/dan/#");
    subscribe(&mut dan, "$share/g/home/#");
    let lasting = Hello {
        username: Some("eve"),
        password: Some(b"secret"),
        ..Hello::lasting(V311, "e")
    };
    lasting.attach(&server, false).disconnect();
    server.wait_for_connections(4);
    let same = forecast(&server, &before);
    assert_eq!((same.sessions, same.clients.len(), same.away), (5, 0, 0));
    // Bob and Eve are gone, Cat has another password, Dan fewer rights.
    folder.write_users(&["ann", "cat:", "dan"]);
    let after = folder.config(
        "{ permission = \"allow\", username = \"ann\" },\n\
         { permission = \"allow\", topics = [\"home/${username}/#\"] }",
    );
    let foreseen = forecast(&server, &after);
    let told: Vec<_> = foreseen.clients.iter().map(told).collect();
    let user = "user: its user is gone or has another password".to_owned();
    assert_eq!(
        told,
        [
            ("b", true, vec![user.clone()]),
            ("c", true, vec![user]),
            (
                "d",
                true,
                vec![
                    "will wills/dan: it may not publish there".to_owned(),
                    "subscription $share/g/home/#: no rule is about it (authorization.no_match)"
                        .to_owned(),
                ]
            ),
        ]
    );
    assert_eq!((foreseen.sessions, foreseen.away, foreseen.more), (5, 1, 0));
    assert_eq!(foreseen.clients[0].username.as_deref(), Some("bob"));
    assert_eq!(&*foreseen.clients[0].listener, "tcp:door");
    // It was a question.
    for client in [&mut ann, &mut bob, &mut cat, &mut dan] {
        client.ping();
    }
    assert_eq!(server.broker().sizes().subscriptions, 3);
    let _bob_2 = hello("bob", "b2").connect(&server);
    server.wait_for_connections(5);
    // And it was right.
    let report = server.reload(after).unwrap();
    assert_eq!(report.rechecked.clients_disconnected, 4, "b2 too");
    for client in [&mut bob, &mut cat, &mut dan] {
        client.expect_disconnect(ReasonCode::NOT_AUTHORIZED);
    }
    ann.ping();
}

#[test]
fn who_keeps_its_connection_is_told_apart() {
    let folder = Folder::new();
    folder.write_users(&["ann"]);
    let server = server(&folder.config(ALL));
    let mut ann = hello("ann", "a").connect(&server);
    subscribe(&mut ann, "home/#");
    let mut after = folder.config("{ permission = \"deny\", topics = [\"home/#\"] }");
    after.authorization.on_lost_right = LostRight::Unsubscribe;
    let foreseen = forecast(&server, &after);
    let expected = vec!["subscription home/#: the rule broker.toml:9".to_owned()];
    assert_eq!(told(&foreseen.clients[0]), ("a", false, expected));
    // Nobody from its address may come back.
    let mut after = folder.config(ALL);
    let door = after.listeners.values_mut().next().unwrap();
    door.access_rules = vec!["deny all".parse().unwrap()];
    let foreseen = forecast(&server, &after);
    let expected = "address: access_rules turn its address away when it comes back";
    assert_eq!(
        told(&foreseen.clients[0]),
        ("a", false, vec![expected.to_owned()])
    );
    // Without its listener it could not stay.
    let mut after = folder.config(ALL);
    let door = after.listeners.remove("tcp:door").unwrap();
    after.listeners.insert("tcp:other".to_owned(), door);
    let foreseen = forecast(&server, &after);
    let expected = "listener: its listener is not in the configuration";
    assert_eq!(
        told(&foreseen.clients[0]),
        ("a", true, vec![expected.to_owned()])
    );
}

#[test]
fn an_authenticator_that_is_not_asked_any_more_lets_nobody_stay() {
    let folder = Folder::new();
    folder.write_users(&["ann"]);
    let before = folder.config(ALL);
    let server = server(&before);
    let _ann = hello("ann", "a").connect(&server);
    let mut after = before;
    let mut other = after.authentication.first().unwrap().clone();
    "others".clone_into(&mut other.name);
    after.authentication = vec![other];
    let foreseen = forecast(&server, &after);
    let why = UserLoss::NotAsked.to_string();
    assert_eq!(told(&foreseen.clients[0]).2, [format!("user: {why}")]);
}

#[test]
fn a_configuration_that_would_be_refused_has_no_forecast() {
    let folder = Folder::new();
    folder.write_users(&["ann"]);
    let config = folder.config(ALL);
    let server = server(&config);
    let mut open = config.clone();
    open.authentication.clear();
    let door = open.listeners.values_mut().next().unwrap();
    door.bind = Bind::Address("0.0.0.0:0".parse().unwrap());
    let manager = server.broker().manager();
    server.block_on(manager.forecast(&open)).unwrap_err();
    std::fs::write(folder.users(), "no line of users\n").unwrap();
    server.block_on(manager.forecast(&config)).unwrap_err();
}

#[test]
fn a_long_list_is_cut_and_the_rest_counted() {
    let folder = Folder::new();
    folder.write_users(&["ann"]);
    let mut before = folder.config(ALL);
    before.mqtt.max_connections = FORECAST_CLIENTS_MAX * 2;
    let server = server(&before);
    let clients: Vec<_> = (0..FORECAST_CLIENTS_MAX + 3)
        .map(|nth| {
            let mut client = hello("ann", &format!("c{nth}")).connect(&server);
            if nth == 0 {
                for filter in 0..FORECAST_LOSSES_MAX + 2 {
                    subscribe(&mut client, &format!("t/{filter}"));
                }
            }
            client
        })
        .collect();
    let after = folder.config("{ permission = \"deny\", topics = [\"t/#\"] }");
    let foreseen = forecast(&server, &after);
    assert_eq!((foreseen.clients.len(), foreseen.more), (1, 0));
    let first = &foreseen.clients[0];
    assert_eq!((first.losses.len(), first.more), (FORECAST_LOSSES_MAX, 2));
    folder.write_users(&["bob"]);
    let foreseen = forecast(&server, &after);
    assert_eq!(foreseen.clients.len(), FORECAST_CLIENTS_MAX);
    assert_eq!(foreseen.more, 3);
    drop(clients);
}

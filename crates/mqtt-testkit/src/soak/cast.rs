//! Who takes part in a soak: publishers and their topics, subscribers and their filters, groups.

use mqtt_codec::{ProtocolVersion, QoS, TopicFilter, TopicName};
use std::collections::BTreeMap;

/// Folders the publishers' topics are divided into.
const FOLDERS: usize = 8;
/// Where Wills are published.
const WILLS: &str = "soak/will/+";

/// What a client is there for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Role {
    Publisher,
    Subscriber,
    /// Of the group with this number.
    Member(usize),
}

/// One client.
#[derive(Clone, Debug)]
pub(super) struct Player {
    pub(super) client_id: String,
    pub(super) version: ProtocolVersion,
    pub(super) role: Role,
    /// Whether its session outlives its connections.
    pub(super) keeps: bool,
    /// Whether it reads little at a time, and at times nothing.
    pub(super) slow: bool,
    /// How many unacknowledged messages it takes; v5 only, 0 to say nothing.
    pub(super) receive_maximum: u16,
    /// Topic Aliases it allows; v5 only.
    pub(super) topic_aliases: u16,
    /// What it subscribes to, as it says it.
    pub(super) filters: Vec<(String, QoS)>,
    /// Streams its subscriptions bring, and at which QoS.
    pub(super) expects: BTreeMap<usize, QoS>,
    /// Streams it publishes.
    pub(super) streams: Vec<usize>,
    /// QoS at which it sees the Wills.
    pub(super) watches: Option<QoS>,
}

/// One topic of one publisher.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) topic_name: String,
    pub(super) qos: QoS,
    pub(super) retained: bool,
}

/// A group that shares its messages.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// All members keep their sessions, so that no message may come twice.
    pub(super) strict: bool,
    pub(super) expects: BTreeMap<usize, QoS>,
}

/// All of them.
#[derive(Clone, Debug)]
pub(super) struct Cast {
    pub(super) players: Vec<Player>,
    pub(super) streams: Vec<Stream>,
    pub(super) groups: Vec<Group>,
}

impl Cast {
    /// Of ten clients four publish, five subscribe and one is a member of a group.
    pub(super) fn new(clients: usize) -> Self {
        let publishers: Vec<usize> = (0..clients).filter(|client| client % 10 < 4).collect();
        let folders = publishers.len().clamp(1, FOLDERS);
        let mut streams = Vec::new();
        let mut of_publishers = BTreeMap::new();
        for (place, &client) in publishers.iter().enumerate() {
            let first = streams.len();
            for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                streams.push(Stream {
                    topic_name: format!("soak/{}/{client}/q{}", place % folders, qos.get()),
                    qos,
                    retained: false,
                });
            }
            streams.push(Stream {
                topic_name: format!("soak/kept/{client}"),
                qos: QoS::AtLeastOnce,
                retained: true,
            });
            of_publishers.insert(client, (first..streams.len()).collect::<Vec<_>>());
        }
        let mut cast = Self {
            players: Vec::new(),
            groups: [
                ("soak/0/#", QoS::ExactlyOnce),
                ("soak/1/#", QoS::AtLeastOnce),
            ]
            .into_iter()
            .map(|(filter, qos)| Group {
                strict: qos == QoS::ExactlyOnce,
                expects: expected(&streams, &[(filter.to_owned(), qos)]),
            })
            .collect(),
            streams,
        };
        for client in 0..clients {
            let own = of_publishers.remove(&client).unwrap_or_default();
            let player = cast.player(client, folders, own);
            cast.players.push(player);
        }
        cast
    }

    /// What a stream is called in reports.
    pub(super) fn name_of(&self, stream: usize) -> &str {
        self.streams
            .get(stream)
            .map_or("?", |stream| &stream.topic_name)
    }

    fn player(&self, client: usize, folders: usize, streams: Vec<usize>) -> Player {
        let (ten, kind) = (client / 10, client % 10);
        let [v31, v311, v5] = ProtocolVersion::ALL;
        let versions = [v311, v5, v5, v311, v31];
        let version = versions.get((ten + kind) % 5).copied().unwrap_or(v5);
        let role = match kind {
            0..4 => Role::Publisher,
            9 => Role::Member(ten % 2),
            _ => Role::Subscriber,
        };
        // A group with an even number keeps everything; of the other each second member does.
        let keeps = match kind {
            3 | 8 => false,
            9 => ten % 4 != 3,
            _ => true,
        };
        let place = ten * 4 + kind.saturating_sub(4);
        let mut filters = match role {
            Role::Publisher => Vec::new(),
            Role::Subscriber => filters(place, place % folders),
            Role::Member(0) => vec![("$share/first/soak/0/#".to_owned(), QoS::ExactlyOnce)],
            Role::Member(_) => vec![("$share/second/soak/1/#".to_owned(), QoS::AtLeastOnce)],
        };
        let expects = match role {
            Role::Member(group) => self.groups.get(group).map(|group| group.expects.clone()),
            _ => None,
        }
        .unwrap_or_else(|| expected(&self.streams, &filters));
        let watches = match client {
            4 => Some(QoS::ExactlyOnce),
            5 => Some(QoS::AtLeastOnce),
            _ => None,
        };
        filters.extend(watches.map(|qos| (WILLS.to_owned(), qos)));
        Player {
            client_id: format!("soak-{client}"),
            version,
            role,
            keeps,
            slow: kind == 7,
            receive_maximum: [0, 10, 100].get(ten % 3).copied().unwrap_or(0),
            topic_aliases: if ten % 2 == 0 { 4 } else { 0 },
            filters,
            expects,
            streams,
            watches,
        }
    }
}

/// Where the Will of a client is published.
pub(super) fn will_topic(client: usize) -> String {
    format!("soak/will/{client}")
}

/// The subscriptions of one subscriber: one folder each, in several ways.
fn filters(place: usize, folder: usize) -> Vec<(String, QoS)> {
    let one = QoS::AtLeastOnce;
    let two = QoS::ExactlyOnce;
    match place % 5 {
        0 => vec![
            (format!("soak/{folder}/+/q2"), two),
            (format!("soak/{folder}/+/q1"), two),
        ],
        1 => vec![
            (format!("soak/{folder}/#"), one),
            ("soak/kept/+".to_owned(), one),
        ],
        // Overlapping: one copy, at the higher QoS.
        2 => vec![
            (format!("soak/{folder}/+/q2"), one),
            (format!("soak/{folder}/#"), two),
        ],
        3 => vec![
            ("soak/kept/+".to_owned(), two),
            (format!("soak/+/{folder}/+"), two),
        ],
        _ => vec![
            (format!("+/{folder}/+/+"), two),
            ("soak/kept/#".to_owned(), one),
        ],
    }
}

/// Streams that `filters` match, each at the highest QoS it comes at.
fn expected(streams: &[Stream], filters: &[(String, QoS)]) -> BTreeMap<usize, QoS> {
    let mut expected = BTreeMap::new();
    for (number, stream) in streams.iter().enumerate() {
        let Ok(topic_name) = TopicName::try_new(&stream.topic_name) else {
            continue;
        };
        let granted = filters.iter().filter_map(|(filter, qos)| {
            let filter = TopicFilter::try_new(filter).ok()?;
            filter.matches(topic_name).then_some(*qos)
        });
        if let Some(granted) = granted.max() {
            expected.insert(number, granted.min(stream.qos));
        }
    }
    expected
}

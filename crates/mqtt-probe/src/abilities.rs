//! What a broker can do, by what it says and by trying.

use std::time::Duration;

use mqtt_client::{Client, ClientBuilder, ConnAckInfo, ConnectError, ProtocolVersion, QoS};

use crate::marker::random;
use crate::messages::{self, Trial};

/// Client Identifiers that every version takes have at most so many letters: this and sixteen digits.
const CLIENT_ID: &str = "probe";

/// Every version, the oldest first.
const VERSIONS: [(ProtocolVersion, &str); 3] = [
    (ProtocolVersion::V31, "3.1"),    // version: every one is tried
    (ProtocolVersion::V311, "3.1.1"), // version: every one is tried
    (ProtocolVersion::V5, "5.0"),     // version: every one is tried
];

/// The longest Topic Name there is. Spec: v5 §1.5.4.
const TOPIC_LEN_MAX: usize = 65_535;

/// How a broker is tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AbilitySettings {
    /// The longest payload that is tried, in bytes. Default 1 MiB.
    pub payload_len_max: usize,
    /// How long an answer may take. Default 5 s.
    pub patience: Duration,
}

impl Default for AbilitySettings {
    fn default() -> Self {
        Self {
            payload_len_max: 1 << 20,
            patience: Duration::from_secs(5),
        }
    }
}

/// One thing a broker can do or cannot.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ability {
    /// What, in a few words.
    pub name: String,
    /// Whether.
    pub verdict: Verdict,
    /// How much of it, or why not.
    pub detail: String,
}

/// Whether a broker can do something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It did, or it says a number.
    Yes,
    /// It did not.
    No,
}

/// Tries everything, on topics that nobody else has; what is retained for it is cleared again.
///
/// `builder` gives a client of the broker without a version and a Client Identifier; `told` gets each answer as it
/// is found. A trial that the broker ends a connection for has a connection of its own.
///
/// # Errors
/// No version can connect; the error is that of the newest.
pub async fn abilities(
    builder: impl Fn() -> ClientBuilder,
    settings: AbilitySettings,
    mut told: impl FnMut(&Ability),
) -> Result<Vec<Ability>, ConnectError> {
    let mut found = Vec::new();
    let mut tell = |ability: Ability| {
        told(&ability);
        found.push(ability);
    };
    let mut newest = None;
    let mut failed = None;
    for (version, name) in VERSIONS {
        let connected = connect(&builder, version).await;
        tell(Ability::of(
            format!("MQTT {name}"),
            &connected.as_ref().map(|_| String::new()),
        ));
        match connected {
            Ok(client) => {
                // How the one before ends changes nothing.
                if let Some((_, before)) = newest.replace((version, client)) {
                    let _: Result<_, _> = Client::disconnect(&before).await;
                }
            }
            Err(error) => failed = Some(error),
        }
    }
    let Some((version, client)) = newest else {
        return Err(failed.unwrap_or(ConnectError::NoAnswer));
    };
    if let Some(connack) = client.connack().filter(|_| version.has_properties()) {
        said(&connack).into_iter().for_each(&mut tell);
    }
    let trial = Trial {
        client: client.clone(),
        topic_name: format!("mqtt/probe/{:016x}", random()),
        patience: settings.patience,
    };
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let name = format!("QoS {}", qos.get());
        tell(Ability::of(name, &trial.comes_back(qos).await));
    }
    tell(Ability::of(
        "order of 100 messages",
        &trial.keeps_order().await,
    ));
    tell(Ability::of("retained messages", &trial.retains().await));
    tell(Ability::of("wildcard +", &trial.matches("+", "one").await));
    tell(Ability::of(
        "wildcard #",
        &trial.matches("#", "one/two").await,
    ));
    tell(Ability::of("shared subscriptions", &trial.shares().await));
    let _ = client.disconnect().await;

    let attempt = async |topic_len: usize, payload_len: usize| {
        let client = connect(&builder, version).await.ok()?;
        let taken = messages::takes(&client, topic_len, payload_len, settings.patience).await;
        let _ = client.disconnect().await;
        taken.then_some(())
    };
    let topic = longest(TOPIC_LEN_MAX, async |len| attempt(len, 1).await).await;
    tell(largest("longest Topic Name", topic, TOPIC_LEN_MAX));
    let payload = longest(settings.payload_len_max, async |len| attempt(64, len).await).await;
    tell(largest(
        "longest payload",
        payload,
        settings.payload_len_max,
    ));
    Ok(found)
}

async fn connect(
    builder: &impl Fn() -> ClientBuilder,
    version: ProtocolVersion,
) -> Result<Client, ConnectError> {
    let client_id = format!("{CLIENT_ID}{:016x}", random());
    builder()
        .version(version)
        .client_id(client_id)
        .connect()
        .await
}

/// What the CONNACK of version 5 says.
fn said(connack: &ConnAckInfo) -> Vec<Ability> {
    let number = |name: &str, value: String| Ability {
        name: name.to_owned(),
        verdict: Verdict::Yes,
        detail: value,
    };
    let whether = |name: &str, is_so: bool| Ability {
        name: name.to_owned(),
        verdict: if is_so { Verdict::Yes } else { Verdict::No },
        detail: "says the CONNACK".to_owned(),
    };
    let grants = connack.grants;
    vec![
        number("Receive Maximum", connack.receive_maximum.to_string()),
        number("Maximum Packet Size", connack.packet_len_max.to_string()),
        number(
            "Topic Alias Maximum",
            connack.topic_alias_maximum.to_string(),
        ),
        number("Maximum QoS", grants.maximum_qos.get().to_string()),
        number(
            "Keep Alive in force",
            format!("{} s", connack.keep_alive.as_secs()),
        ),
        whether("Retain Available", grants.retain),
        whether("Wildcard Subscription Available", grants.wildcards),
        whether(
            "Subscription Identifiers Available",
            grants.subscription_identifiers,
        ),
        whether("Shared Subscription Available", grants.shared_subscriptions),
    ]
}

/// The largest length up to `max` that `works`, to a sixteenth; 0 when not even one byte does.
async fn longest(max: usize, works: impl AsyncFn(usize) -> Option<()>) -> usize {
    if works(max).await.is_some() {
        return max;
    }
    let (mut good, mut bad) = (0, max);
    while bad - good > (good / 16).max(1) {
        let middle = good.midpoint(bad);
        match works(middle).await {
            Some(()) => good = middle,
            None => bad = middle,
        }
    }
    good
}

fn largest(name: &str, len: usize, tried: usize) -> Ability {
    Ability {
        name: name.to_owned(),
        verdict: if len > 0 { Verdict::Yes } else { Verdict::No },
        detail: match len {
            0 => "none came through".to_owned(),
            len if len == tried => format!("{len} bytes, no more were tried"),
            len => format!("about {len} bytes"),
        },
    }
}

impl Ability {
    fn of<E: std::fmt::Display>(name: impl Into<String>, outcome: &Result<String, E>) -> Self {
        let (verdict, detail) = match outcome {
            Ok(detail) => (Verdict::Yes, detail.clone()),
            Err(error) => (Verdict::No, error.to_string()),
        };
        Self {
            name: name.into(),
            verdict,
            detail,
        }
    }
}

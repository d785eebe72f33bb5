//! Who clients are: plain, in an exchange of AUTH packets, again later, and elsewhere.

use crate::kit::{Client, Hello, Last, Post, QOS1, Server, V5, V311};
use mqtt_broker::{
    Access, AccessRequest, Answer, AuthAnswer, AuthStep, Authenticate, ConnectRequest, Decision,
    Exchange, Grant, Refusal,
};
use mqtt_codec::{Auth, Packet, Properties, Property, PropertyList, ReasonCode};

/// Knows the method `twice`: the client proves itself by sending back what it is asked, with each byte doubled.
///
/// The method `late` is the same with answers that take a moment, `short` accepts at once. Without a method the
/// User Name says what happens.
struct Judge;

struct Twice {
    is_late: bool,
    asked: Option<Vec<u8>>,
}

fn doubled(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| [*byte, *byte]).collect()
}

impl Exchange for Twice {
    fn step(&mut self, data: Option<&[u8]>) -> AuthAnswer {
        let data = data.unwrap_or_default();
        let step = match &self.asked {
            None if data == b"enough" => AuthStep::accept(),
            None => {
                self.asked = Some(data.to_vec());
                AuthStep::Continue(data.into())
            }
            Some(asked) if data == doubled(asked) => AuthStep::Accept(Box::new(Grant {
                username: Some(String::from_utf8_lossy(asked).into()),
                authentication_data: Some(b"welcome".as_slice().into()),
                superuser: asked == b"root",
                ..Grant::default()
            })),
            Some(asked) if data.is_empty() => AuthStep::Continue(asked.as_slice().into()),
            Some(_) => AuthStep::refuse(ReasonCode::NOT_AUTHORIZED),
        };
        match self.is_late {
            false => AuthAnswer::Ready(step),
            true => AuthAnswer::Pending(Box::pin(async {
                tokio::task::yield_now().await;
                step
            })),
        }
    }
}

impl Authenticate for Judge {
    fn connect(&self, request: &ConnectRequest<'_>) -> AuthAnswer {
        assert_eq!(request.listener, "tcp:listen-1");
        AuthAnswer::Ready(match request.username {
            Some("stranger") => AuthStep::Refuse(Box::new(Refusal {
                reason_string: Some("who are you?".into()),
                ..Refusal::new(ReasonCode::BAD_USER_NAME_OR_PASSWORD)
            })),
            Some("there") => AuthStep::Refuse(Box::new(Refusal::use_another_server("there:1883"))),
            Some("gone") => AuthStep::Refuse(Box::new(Refusal::server_moved("there:1883"))),
            Some("ask") => AuthStep::Continue(b"what?".as_slice().into()),
            Some("special") => AuthStep::Accept(Box::new(Grant {
                response_information: Some("to/special".into()),
                ..Grant::default()
            })),
            _ => AuthStep::accept(),
        })
    }

    fn exchange(&self, request: &ConnectRequest<'_>) -> Option<Box<dyn Exchange>> {
        let is_late = match request.method? {
            "twice" => false,
            "late" => true,
            _ => return None,
        };
        Some(Box::new(Twice {
            is_late,
            asked: None,
        }))
    }
}

/// Lets each publish to a topic of its own name.
struct OwnTopic;

impl Access for OwnTopic {
    fn decide(&self, request: &AccessRequest<'_>) -> Answer {
        Answer::Ready(match request {
            AccessRequest::Publish {
                client, topic_name, ..
            } if client.username.as_deref() != Some(topic_name) => {
                Decision::Deny(ReasonCode::NOT_AUTHORIZED)
            }
            _ => Decision::Allow,
        })
    }
}

fn server() -> Server {
    Server::built(
        |_| {},
        |builder| builder.authenticate(Judge).access(OwnTopic),
    )
}

fn hello<'a>(properties: &'a [Property<'a>]) -> Hello<'a> {
    Hello {
        properties,
        ..Hello::new(V5, "c")
    }
}

fn say(client: &mut Client, reason: ReasonCode, properties: &[Property<'_>]) {
    let list = PropertyList::new(properties);
    client.send(&Packet::Auth(Auth {
        reason,
        properties: Properties::from(&list),
    }));
}

/// AUTH must come next: its Reason Code, method and data.
fn asked(client: &mut Client) -> (u8, String, Vec<u8>) {
    let received = client.receive();
    let Ok(Packet::Auth(auth)) = received.packet() else {
        panic!("not an AUTH: {received:?}");
    };
    let method = auth.properties.authentication_method().unwrap();
    let data = auth.properties.authentication_data().unwrap_or_default();
    (auth.reason.get(), method.to_owned(), data.to_vec())
}

const CONTINUE: ReasonCode = ReasonCode::CONTINUE_AUTHENTICATION;
const AGAIN: ReasonCode = ReasonCode::RE_AUTHENTICATE;

/// An authenticated client.
fn authenticated(server: &Server, method: &str, name: &[u8]) -> Client {
    let properties = [
        Property::AuthenticationMethod(method),
        Property::AuthenticationData(name),
    ];
    let mut client = hello(&properties).send(server);
    assert_eq!(asked(&mut client), (0x18, method.to_owned(), name.to_vec()));
    let answer = doubled(name);
    let properties = [
        Property::AuthenticationMethod(method),
        Property::AuthenticationData(&answer),
    ];
    say(&mut client, CONTINUE, &properties);
    let welcome = client.welcome();
    assert_eq!(welcome.reason, 0);
    for told in [
        format!("AuthenticationMethod({method:?})"),
        format!("AuthenticationData({:?})", b"welcome"),
    ] {
        assert!(welcome.properties.contains(&told), "{told} in {welcome:?}");
    }
    client
}

/// Covers: v5 [MQTT-3.2.0-1], v5 [MQTT-3.2.0-2], v5 [MQTT-4.12.0-2].
#[test]
fn v5_an_exchange_of_auth_ends_in_connack() {
    let server = server();
    for method in ["twice", "late"] {
        let mut client = authenticated(&server, method, b"ann");
        // The name that authentication found counts, not what CONNECT said.
        let post = |topic| Post {
            qos: QOS1,
            ..Post::new(topic, b"")
        };
        assert_eq!(client.publish_fully(&post("ann")), 0x10);
        assert_eq!(client.publish_fully(&post("other")), 0x87);
        client.ping();
    }
}

#[test]
fn v5_a_method_may_be_content_with_connect() {
    let server = server();
    let properties = [
        Property::AuthenticationMethod("twice"),
        Property::AuthenticationData(b"enough"),
    ];
    let (_, welcome) = hello(&properties).ask(&server);
    assert_eq!(welcome.reason, 0);
    assert!(
        welcome
            .properties
            .contains(&"AuthenticationMethod(\"twice\")".to_owned())
    );
}

#[test]
fn v5_a_superuser_is_not_asked_about() {
    let server = server();
    let mut client = authenticated(&server, "twice", b"root");
    let post = Post {
        qos: QOS1,
        ..Post::new("other", b"")
    };
    assert_eq!(client.publish_fully(&post), 0x10);
}

/// Covers: v5 [MQTT-4.12.0-1].
#[test]
fn v5_an_unknown_method_is_refused() {
    for server in [server(), Server::start()] {
        let properties = [Property::AuthenticationMethod("unknown")];
        let (mut client, welcome) = hello(&properties).ask(&server);
        assert_eq!(welcome.reason, 0x8C);
        client.expect_close();
    }
}

/// Covers: v5 [MQTT-4.12.0-4].
#[test]
fn v5_an_exchange_refused_midway_ends_in_a_refusal() {
    let server = server();
    let properties = [
        Property::AuthenticationMethod("twice"),
        Property::AuthenticationData(b"ann"),
    ];
    let mut client = hello(&properties).send(&server);
    asked(&mut client);
    let wrong = [
        Property::AuthenticationMethod("twice"),
        Property::AuthenticationData(b"wrong"),
    ];
    say(&mut client, CONTINUE, &wrong);
    assert_eq!(client.welcome().reason, 0x87);
    client.expect_close();
    assert_eq!(server.broker().sizes().sessions, 0);
}

#[test]
fn v5_only_auth_and_disconnect_may_follow_before_connack() {
    let server = server();
    let properties = [
        Property::AuthenticationMethod("twice"),
        Property::AuthenticationData(b"ann"),
    ];
    for packet in [
        Packet::PingReq,
        Packet::Disconnect(mqtt_codec::Disconnect::default()),
    ] {
        let mut client = hello(&properties).send(&server);
        asked(&mut client);
        client.send(&packet);
        client.expect_close();
    }
    let mut client = hello(&properties).send(&server);
    asked(&mut client);
    client.send_bytes(&hello(&properties).bytes());
    client.expect_close();
    let ends = server.broker().totals().ends;
    assert_eq!(ends.get("connect_expected"), Some(&2), "{ends:?}");
}

/// Covers: v5 [MQTT-4.12.0-5].
#[test]
fn v5_the_method_stays_the_same() {
    let server = server();
    let properties = [
        Property::AuthenticationMethod("twice"),
        Property::AuthenticationData(b"ann"),
    ];
    let mut client = hello(&properties).send(&server);
    asked(&mut client);
    say(
        &mut client,
        CONTINUE,
        &[Property::AuthenticationMethod("late")],
    );
    client.expect_close();

    let mut client = authenticated(&server, "twice", b"ann");
    say(
        &mut client,
        AGAIN,
        &[Property::AuthenticationMethod("late")],
    );
    client.expect_disconnect(ReasonCode::PROTOCOL_ERROR);
}

#[test]
fn v5_a_client_proves_itself_again() {
    let server = server();
    for method in ["twice", "late"] {
        let mut client = authenticated(&server, method, b"ann");
        let again = [
            Property::AuthenticationMethod(method),
            Property::AuthenticationData(b"bob"),
        ];
        say(&mut client, AGAIN, &again);
        assert_eq!(
            asked(&mut client),
            (0x18, method.to_owned(), b"bob".to_vec())
        );
        // Everything else goes on meanwhile.
        client.ping();
        let answer = doubled(b"bob");
        let answer = [
            Property::AuthenticationMethod(method),
            Property::AuthenticationData(&answer),
        ];
        say(&mut client, CONTINUE, &answer);
        assert_eq!(
            asked(&mut client),
            (0, method.to_owned(), b"welcome".to_vec())
        );
        let post = |topic| Post {
            qos: QOS1,
            ..Post::new(topic, b"")
        };
        assert_eq!(client.publish_fully(&post("bob")), 0x10);
        assert_eq!(client.publish_fully(&post("ann")), 0x87);
    }
}

/// Covers: v5 [MQTT-4.12.1-2].
#[test]
fn v5_a_failed_re_authentication_ends_the_connection() {
    let server = server();
    let mut client = authenticated(&server, "twice", b"ann");
    let again = [
        Property::AuthenticationMethod("twice"),
        Property::AuthenticationData(b"ann"),
    ];
    say(&mut client, AGAIN, &again);
    asked(&mut client);
    say(
        &mut client,
        CONTINUE,
        &[
            Property::AuthenticationMethod("twice"),
            Property::AuthenticationData(b"no"),
        ],
    );
    client.expect_disconnect(ReasonCode::NOT_AUTHORIZED);
    let ends = server.broker().totals().ends;
    assert_eq!(ends.get("authentication_failed"), Some(&1), "{ends:?}");
}

#[test]
fn v5_auth_without_a_method_in_connect_is_a_protocol_error() {
    let server = server();
    let mut client = Client::connect(&server, V5, "c");
    say(
        &mut client,
        AGAIN,
        &[Property::AuthenticationMethod("twice")],
    );
    client.expect_disconnect(ReasonCode::PROTOCOL_ERROR);
}

#[test]
fn v5_auth_out_of_turn_is_a_protocol_error() {
    let server = server();
    let mut client = authenticated(&server, "twice", b"ann");
    say(
        &mut client,
        CONTINUE,
        &[Property::AuthenticationMethod("twice")],
    );
    client.expect_disconnect(ReasonCode::PROTOCOL_ERROR);
}

#[test]
fn v5_an_exchange_that_takes_too_long_is_closed() {
    let server = Server::built(
        |config| config.mqtt.idle_timeout = mqtt_broker::config::Duration::from_millis(200),
        |builder| builder.authenticate(Judge),
    );
    let properties = [
        Property::AuthenticationMethod("twice"),
        Property::AuthenticationData(b"ann"),
    ];
    let mut client = hello(&properties).send(&server);
    asked(&mut client);
    client.expect_close();
    let ends = server.broker().totals().ends;
    assert_eq!(ends.get("connect_timeout"), Some(&1), "{ends:?}");
}

#[test]
fn v5_nobody_is_asked_for_ever() {
    let server = server();
    let method = Property::AuthenticationMethod("twice");
    let mut client = hello(&[method, Property::AuthenticationData(b"ann")]).send(&server);
    // An empty answer has the question asked again.
    for _ in 0..16 {
        asked(&mut client);
        say(&mut client, CONTINUE, &[method]);
    }
    assert_eq!(client.welcome().reason, 0x87);
    client.expect_close();
}

#[test]
fn a_refusal_says_what_the_version_can_say() {
    let server = server();
    let hello = |version, name| Hello {
        username: Some(name),
        ..Hello::new(version, "c")
    };
    let (mut client, welcome) = hello(V5, "stranger").ask(&server);
    assert_eq!(welcome.reason, 0x86);
    assert_eq!(welcome.properties, ["ReasonString(\"who are you?\")"]);
    client.expect_close();
    let (mut client, welcome) = hello(V311, "stranger").ask(&server);
    assert_eq!(welcome.bytes, [0x20, 2, 0, 4]);
    client.expect_close();
    // Without a method there is no way to ask for more.
    let (_, welcome) = hello(V5, "ask").ask(&server);
    assert_eq!(welcome.reason, 0x87);
}

/// Covers: v5 [MQTT-3.2.2-19].
#[test]
fn v5_a_reason_string_is_left_out_where_it_does_not_fit() {
    let server = server();
    for (len_max, told) in [(100, true), (10, false)] {
        let properties = [Property::MaximumPacketSize(
            std::num::NonZeroU32::new(len_max).unwrap(),
        )];
        let hello = Hello {
            username: Some("stranger"),
            properties: &properties,
            ..Hello::new(V5, "c")
        };
        let (_, welcome) = hello.ask(&server);
        assert_eq!(welcome.reason, 0x86);
        assert_eq!(!welcome.properties.is_empty(), told, "{welcome:?}");
    }
}

#[test]
fn v5_a_client_is_sent_to_another_server() {
    let server = server();
    for (name, reason) in [("there", 0x9C), ("gone", 0x9D)] {
        let (mut client, welcome) = Hello {
            username: Some(name),
            ..Hello::new(V5, "c")
        }
        .ask(&server);
        assert_eq!(welcome.reason, reason);
        assert_eq!(welcome.properties, ["ServerReference(\"there:1883\")"]);
        client.expect_close();
        let (mut client, welcome) = Hello {
            username: Some(name),
            ..Hello::new(V311, "c")
        }
        .ask(&server);
        assert_eq!(
            welcome.bytes,
            [0x20, 2, 0, 3],
            "unavailable, as far as 3.1.1 can say"
        );
        client.expect_close();
    }
}

#[test]
fn v5_response_information_may_be_a_client_s_own() {
    let server = server();
    let hello = Hello {
        username: Some("special"),
        properties: &[Property::RequestResponseInformation(true)],
        ..Hello::new(V5, "c")
    };
    let (_, welcome) = hello.ask(&server);
    assert!(
        welcome
            .properties
            .contains(&"ResponseInformation(\"to/special\")".to_owned()),
        "{welcome:?}"
    );
}

#[test]
fn a_will_is_asked_about_under_the_name_authentication_found() {
    let server = server();
    let properties = [
        Property::AuthenticationMethod("twice"),
        Property::AuthenticationData(b"ann"),
    ];
    for (topic, reason) in [("ann", 0), ("bob", 0x87)] {
        let hello = Hello {
            will: Some(Last::new(topic)),
            ..hello(&properties)
        };
        let mut client = hello.send(&server);
        asked(&mut client);
        say(
            &mut client,
            CONTINUE,
            &[
                Property::AuthenticationMethod("twice"),
                Property::AuthenticationData(b"aannnn"),
            ],
        );
        assert_eq!(client.welcome().reason, reason, "{topic}");
    }
}

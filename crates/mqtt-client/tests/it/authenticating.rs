//! Enhanced authentication: SCRAM-SHA-256 and methods of one's own, before CONNACK and again later.

use crate::net::{Net, net};
use crate::server::Server;
use mqtt_auth::{ScramSha256Server, StoredScram};
use mqtt_client::{
    AuthError, Client, ClientAuth, CloseReason, ConnectError, ProtocolVersion, ReasonCode,
    ReauthenticateError, ScramSha256Client, SendRefusal,
};
use mqtt_codec::{Auth, ConnAck, Packet, Properties, Property, PropertyList};
use std::future::IntoFuture;

const METHOD: &str = "SCRAM-SHA-256";

/// Authentication Data of a packet whose method is SCRAM-SHA-256.
fn data(properties: &Properties<'_>) -> Vec<u8> {
    assert_eq!(properties.authentication_method(), Some(METHOD));
    properties
        .authentication_data()
        .unwrap_or_default()
        .to_vec()
}

async fn send_auth(server: &mut Server, reason: ReasonCode, method: &str, data: &[u8]) {
    let properties = [
        Property::AuthenticationMethod(method),
        Property::AuthenticationData(data),
    ];
    let list = PropertyList::new(&properties);
    let properties = Properties::from(&list);
    server.send(Packet::Auth(Auth { reason, properties })).await;
}

async fn send_connack(server: &mut Server, data: &[u8]) {
    let properties = [
        Property::AuthenticationMethod(METHOD),
        Property::AuthenticationData(data),
    ];
    let list = PropertyList::new(&properties);
    let connack = ConnAck {
        session_present: false,
        reason: ReasonCode::SUCCESS,
        properties: Properties::from(&list),
    };
    server.send(Packet::ConnAck(connack)).await;
}

async fn recv_auth(server: &mut Server, reason: ReasonCode) -> Vec<u8> {
    let received = server.recv().await;
    let Packet::Auth(auth) = received.packet() else {
        panic!("AUTH expected, {:?} came", received.packet())
    };
    assert_eq!(auth.reason, reason);
    data(&auth.properties)
}

/// Takes CONNECT and goes through SCRAM with the user "alice" and `password`: the server's proof.
async fn scram(server: &mut Server, password: &str) -> Result<Vec<u8>, AuthError> {
    let received = server.recv().await;
    let Packet::Connect(connect) = received.packet() else {
        panic!("CONNECT expected")
    };
    let first = data(&connect.properties);
    challenge(server, &first, password).await
}

async fn challenge(
    server: &mut Server,
    first: &[u8],
    password: &str,
) -> Result<Vec<u8>, AuthError> {
    let scram = ScramSha256Server::new().unwrap();
    let mut exchange = scram.begin(first).unwrap();
    assert_eq!(exchange.username(), "alice");
    let stored = StoredScram::new(password).unwrap();
    let asked = exchange.challenge(Some(&stored)).unwrap();
    send_auth(server, ReasonCode::CONTINUE_AUTHENTICATION, METHOD, &asked).await;
    let proof = recv_auth(server, ReasonCode::CONTINUE_AUTHENTICATION).await;
    exchange.finish(&proof)
}

fn alice() -> ScramSha256Client {
    ScramSha256Client::new("alice", "pencil")
}

async fn authenticated() -> (Client, Server, Net) {
    let (mut net, builder) = net("first.example");
    let script = async {
        let mut server = net.next(ProtocolVersion::V5).await;
        let proof = scram(&mut server, "pencil").await.unwrap();
        send_connack(&mut server, &proof).await;
        server
    };
    let (client, server) = tokio::join!(builder.authentication(alice).connect(), script);
    (client.unwrap(), server, net)
}

/// Covers: v5 [MQTT-4.12.0-3], v5 [MQTT-4.12.0-5].
#[tokio::test(start_paused = true)]
async fn scram_is_gone_through_on_every_connection() {
    let (client, server, mut net) = authenticated().await;
    drop(server);
    let mut server = net.next(ProtocolVersion::V5).await;
    let proof = scram(&mut server, "pencil").await.unwrap();
    send_connack(&mut server, &proof).await;
    client.publish("t", "").await.unwrap();
    assert!(matches!(server.recv().await.packet(), Packet::Publish(_)));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_found_out_and_not_tried_again() {
    let (mut net, builder) = net("first.example");
    let script = async {
        let mut server = net.next(ProtocolVersion::V5).await;
        assert_eq!(scram(&mut server, "another").await, Err(AuthError::Refused));
        let connack = ConnAck {
            session_present: false,
            reason: ReasonCode::NOT_AUTHORIZED,
            properties: Properties::EMPTY,
        };
        server.send(Packet::ConnAck(connack)).await;
    };
    let (client, ()) = tokio::join!(builder.authentication(alice).connect(), script);
    let error = client.unwrap_err();
    assert_eq!(error.reason(), Some(ReasonCode::NOT_AUTHORIZED));
    assert!(error.is_auth() && !error.is_retryable());
}

/// A server that accepts without proof of its own may be anybody.
#[tokio::test(start_paused = true)]
async fn a_server_that_proves_nothing_is_left() {
    let (mut net, builder) = net("first.example");
    let script = async {
        let mut server = net.next(ProtocolVersion::V5).await;
        scram(&mut server, "pencil").await.unwrap();
        send_connack(&mut server, b"v=AAAA").await;
    };
    let (client, ()) = tokio::join!(builder.authentication(alice).connect(), script);
    let error = client.unwrap_err();
    assert!(matches!(error, ConnectError::Authentication(_)), "{error}");
    assert!(error.is_auth() && !error.is_retryable());
}

#[tokio::test(start_paused = true)]
async fn a_version_without_auth_is_no_way_around_it() {
    let (_net, builder) = net("first.example");
    let builder = builder.version(ProtocolVersion::V311);
    let error = builder.authentication(alice).connect().await.unwrap_err();
    assert!(
        matches!(error, ConnectError::AuthenticationNotSupported),
        "{error}"
    );
}

/// Covers: v5 [MQTT-4.12.1-1].
#[tokio::test(start_paused = true)]
async fn a_client_can_authenticate_again() {
    let (client, mut server, _net) = authenticated().await;
    let script = async {
        let first = recv_auth(&mut server, ReasonCode::RE_AUTHENTICATE).await;
        client.publish("meanwhile", "").await.unwrap();
        assert!(matches!(server.recv().await.packet(), Packet::Publish(_)));
        let proof = challenge(&mut server, &first, "pencil").await.unwrap();
        send_auth(&mut server, ReasonCode::SUCCESS, METHOD, &proof).await;
    };
    let (authenticated, ()) = tokio::join!(client.reauthenticate(), script);
    authenticated.unwrap();
}

#[tokio::test(start_paused = true)]
async fn authenticating_again_ends_with_the_connection() {
    let (client, mut server, mut net) = authenticated().await;
    let script = async {
        recv_auth(&mut server, ReasonCode::RE_AUTHENTICATE).await;
        drop(server);
        let mut server = net.next(ProtocolVersion::V5).await;
        scram(&mut server, "pencil").await.unwrap();
    };
    let (authenticated, ()) = tokio::join!(client.reauthenticate(), script);
    let error = authenticated.unwrap_err();
    assert!(
        matches!(error, ReauthenticateError::ConnectionLost),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn who_never_authenticated_cannot_do_it_again() {
    let (client, _server) = crate::server::connected(ProtocolVersion::V5).await;
    let error = client.reauthenticate().await.unwrap_err();
    let not_due = SendRefusal::AuthenticationNotDue;
    assert!(matches!(error, ReauthenticateError::NotSent(refusal) if refusal == not_due));
}

/// Answers every question by itself.
struct Echo;

impl ClientAuth for Echo {
    fn method(&self) -> &str {
        "ECHO"
    }

    fn first(&mut self) -> Result<Vec<u8>, AuthError> {
        Ok(Vec::new())
    }

    fn next(&mut self, server_data: &[u8]) -> Result<Vec<u8>, AuthError> {
        Ok(server_data.to_vec())
    }

    fn finish(&mut self, _: Option<&[u8]>) -> Result<(), AuthError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn any_method_can_be_brought_along() {
    let (mut net, builder) = net("first.example");
    let script = async {
        let mut server = net.next(ProtocolVersion::V5).await;
        server.recv().await;
        let proceed = ReasonCode::CONTINUE_AUTHENTICATION;
        for question in [&b"one"[..], b"two"] {
            send_auth(&mut server, proceed, "ECHO", question).await;
            let received = server.recv().await;
            let Packet::Auth(auth) = received.packet() else {
                panic!("AUTH")
            };
            assert_eq!(auth.properties.authentication_data(), Some(question));
        }
        let properties = [Property::AuthenticationMethod("ECHO")];
        let list = PropertyList::new(&properties);
        let connack = ConnAck {
            session_present: false,
            reason: ReasonCode::SUCCESS,
            properties: Properties::from(&list),
        };
        server.send(Packet::ConnAck(connack)).await;
        server
    };
    let connect = builder.authentication(|| Echo).connect();
    let (client, mut server) = tokio::join!(connect, script);
    let client = client.unwrap();
    let (disconnected, ()) = tokio::join!(client.disconnect().into_future(), server.disconnected());
    drop(server);
    assert!(disconnected.is_ok());
    assert!(matches!(client.closed().await, CloseReason::Disconnected));
}

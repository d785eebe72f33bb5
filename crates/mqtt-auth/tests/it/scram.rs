//! SCRAM-SHA-256: who gets in, who does not, and what a cheat learns.

use mqtt_auth::{AuthError, ClientAuth, ScramSha256Client, ScramSha256Server, StoredScram};
use proptest::prelude::*;
use std::num::NonZeroU32;

/// The fewest rounds, for the tests' sake.
fn stored(password: &str) -> StoredScram {
    StoredScram::derive(
        password,
        b"0123456789abcdef",
        NonZeroU32::new(4096).unwrap(),
    )
}

/// The whole exchange; the error of whoever ends it.
fn exchange(client: &mut ScramSha256Client, stored: Option<&StoredScram>) -> Result<(), AuthError> {
    let server = ScramSha256Server::new().unwrap();
    let mut exchange = server.begin(&client.first()?)?;
    let challenge = exchange.challenge(stored)?;
    let proof = client.next(&challenge)?;
    let server_proof = exchange.finish(&proof)?;
    client.finish(Some(&server_proof))
}

#[test]
fn whoever_knows_the_password_gets_in() {
    for (username, password) in [
        ("alice", "pencil"),
        ("a,b=c", "p,q=r"),
        ("us\u{e9}r", "\u{1f511}"),
        // Compatibility forms look the same and are the same.
        ("\u{2168}", "\u{2168}"),
    ] {
        let mut client = ScramSha256Client::new(username, password);
        assert_eq!(
            exchange(&mut client, Some(&stored(password))),
            Ok(()),
            "{username}"
        );
    }
}

#[test]
fn the_server_learns_the_name_as_it_was_given() {
    let server = ScramSha256Server::new().unwrap();
    let first = ScramSha256Client::new("a,b=c", "p").first().unwrap();
    assert_eq!(server.begin(&first).unwrap().username(), "a,b=c");
}

#[test]
fn the_first_message_names_no_channel_and_no_password() {
    let mut client = ScramSha256Client::new("alice", "pencil");
    let first = String::from_utf8(client.first().unwrap()).unwrap();
    assert!(first.starts_with("n,,n=alice,r="), "{first}");
    assert!(!format!("{client:?}").contains("pencil"));
    assert_eq!(client.method(), "SCRAM-SHA-256");
    // No two exchanges begin alike.
    assert_ne!(client.first().unwrap(), first.into_bytes());
}

#[test]
fn a_wrong_password_is_refused() {
    let mut client = ScramSha256Client::new("alice", "pen");
    assert_eq!(
        exchange(&mut client, Some(&stored("pencil"))),
        Err(AuthError::Refused)
    );
    // And the same client may try again.
    assert_eq!(exchange(&mut client, Some(&stored("pen"))), Ok(()));
}

#[test]
fn a_user_that_is_not_there_looks_like_one_that_is() {
    let server = ScramSha256Server::new().unwrap();
    let mut salts = Vec::new();
    for username in ["nobody", "nobody", "nemo"] {
        let mut client = ScramSha256Client::new(username, "pencil");
        let mut exchange = server.begin(&client.first().unwrap()).unwrap();
        let challenge = exchange.challenge(None).unwrap();
        let proof = client.next(&challenge).unwrap();
        assert_eq!(exchange.finish(&proof), Err(AuthError::Refused));
        let challenge = String::from_utf8(challenge).unwrap();
        let (_, work) = challenge.split_once(",s=").unwrap();
        assert!(work.ends_with(",i=15000"), "{work}");
        salts.push(work.to_owned());
    }
    assert_eq!(salts[0], salts[1]);
    assert_ne!(salts[0], salts[2]);
}

#[test]
fn a_server_that_does_not_know_the_user_is_noticed() {
    let server = ScramSha256Server::new().unwrap();
    let forged = format!("v={}", "A".repeat(43) + "=");
    for answer in [
        None,
        Some(forged.as_bytes()),
        Some(b"v="),
        Some(b"e=other-error"),
    ] {
        let mut client = ScramSha256Client::new("alice", "pencil");
        let mut exchange = server.begin(&client.first().unwrap()).unwrap();
        let challenge = exchange.challenge(Some(&stored("pencil"))).unwrap();
        client.next(&challenge).unwrap();
        assert_eq!(
            client.finish(answer),
            Err(AuthError::ServerUnproven),
            "{answer:?}"
        );
    }
    // One that is satisfied without a challenge has proven nothing either.
    let mut client = ScramSha256Client::new("alice", "pencil");
    client.first().unwrap();
    assert_eq!(
        client.finish(Some(forged.as_bytes())),
        Err(AuthError::ServerUnproven)
    );
}

#[test]
fn too_little_and_too_much_work_is_refused() {
    for (iterations, is_refused) in [(1, true), (4095, true), (4096, false), (1_000_001, true)] {
        let mut client = ScramSha256Client::new("alice", "pencil");
        let first = String::from_utf8(client.first().unwrap()).unwrap();
        let (_, nonce) = first.split_once("r=").unwrap();
        let challenge = format!("r={nonce}server,s=MDEyMzQ1Njc4OWFiY2RlZg==,i={iterations}");
        let answer = client.next(challenge.as_bytes());
        assert_eq!(
            matches!(answer, Err(AuthError::Iterations { .. })),
            is_refused,
            "{answer:?}"
        );
    }
}

#[test]
fn a_challenge_for_someone_else_is_refused() {
    let mut client = ScramSha256Client::new("alice", "pencil");
    client.first().unwrap();
    let answer = client.next(b"r=othernonce,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=4096");
    assert!(
        matches!(answer, Err(AuthError::Malformed { .. })),
        "{answer:?}"
    );
}

#[test]
fn a_proof_is_good_for_its_exchange_only() {
    let server = ScramSha256Server::new().unwrap();
    let stored = stored("pencil");
    let mut client = ScramSha256Client::new("alice", "pencil");
    let first = client.first().unwrap();
    let mut one = server.begin(&first).unwrap();
    let proof = client.next(&one.challenge(Some(&stored)).unwrap()).unwrap();
    let mut other = server.begin(&first).unwrap();
    other.challenge(Some(&stored)).unwrap();
    assert_eq!(other.finish(&proof), Err(AuthError::Refused));
    assert!(one.finish(&proof).is_ok());
    // And only once.
    assert_eq!(one.finish(&proof), Err(AuthError::OutOfTurn));
}

#[test]
fn steps_out_of_turn_are_refused() {
    let mut client = ScramSha256Client::new("alice", "pencil");
    assert_eq!(client.next(b"r=a,s=b,i=4096"), Err(AuthError::OutOfTurn));
    let server = ScramSha256Server::new().unwrap();
    let mut exchange = server.begin(&client.first().unwrap()).unwrap();
    assert_eq!(
        exchange.finish(b"c=biws,r=a,p=b"),
        Err(AuthError::OutOfTurn)
    );
    for username in ["", "a\0b"] {
        assert_eq!(
            ScramSha256Client::new(username, "p").first(),
            Err(AuthError::Username)
        );
    }
}

/// Text that is near to what belongs there.
fn near_messages() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just("n"),
        Just("y"),
        Just(""),
        Just("p=x"),
        Just("a="),
        Just("a"),
        Just("n="),
        Just("n=alice"),
        Just("r="),
        Just("r=abc"),
        Just("s=AAAA"),
        Just("s="),
        Just("i=4096"),
        Just("i="),
        Just("c=biws"),
        Just("p="),
        Just("p=AAAA"),
        Just("v="),
        Just("e="),
        Just("m=1"),
        Just("x"),
    ];
    let joined =
        proptest::collection::vec(part, 0..6).prop_map(|parts| parts.join(",").into_bytes());
    prop_oneof![joined, proptest::collection::vec(any::<u8>(), 0..40)]
}

proptest! {
    #[test]
    fn no_message_makes_either_end_panic(
        first in near_messages(), challenge in near_messages(), proof in near_messages(), last in near_messages(),
    ) {
        let server = ScramSha256Server::new().unwrap();
        if let Ok(mut exchange) = server.begin(&first) {
            let _ = exchange.challenge(None);
            prop_assert!(exchange.finish(&proof).is_err());
        }
        let mut client = ScramSha256Client::new("alice", "pencil");
        let good = client.first().unwrap();
        prop_assert!(client.next(&challenge).is_err());
        prop_assert!(client.finish(Some(&last)).is_err());
        // As far as it goes well, then badly.
        let mut exchange = server.begin(&good).unwrap();
        let good_challenge = exchange.challenge(Some(&stored("pencil"))).unwrap();
        prop_assert!(exchange.finish(&proof).is_err());
        let mut client = ScramSha256Client::new("alice", "pencil");
        let mut exchange = server.begin(&client.first().unwrap()).unwrap();
        let nonce = exchange.challenge(None).unwrap();
        let nonce = nonce.split(|byte| *byte == b',').next().unwrap();
        let _ = client.next(&[nonce, b",", &challenge].concat());
        prop_assert!(client.finish(Some(&last)).is_err());
        prop_assert!(client.next(&good_challenge).is_err());
    }
}

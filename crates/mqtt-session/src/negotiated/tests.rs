//! What is in force, version by version.

use super::{Negotiated, RefusedPublish, ServerLimits, SessionExpiry};
use core::num::{NonZeroU16, NonZeroU32};
use mqtt_codec::{
    ConnAck, Connect, PACKET_LEN_MAX, Properties, Property, PropertyList, ProtocolVersion,
    ReasonCode,
};

const BEFORE_V5: [ProtocolVersion; 2] = [ProtocolVersion::V31, ProtocolVersion::V311];
const V5: ProtocolVersion = ProtocolVersion::V5;

const LIMITS: ServerLimits = ServerLimits {
    receive_maximum: 20,
    inflight_max: 30,
    topic_alias_maximum: 40,
    packet_len_max: 50_000,
    session_expiry_max: SessionExpiry(600),
    keep_alive_max_s: NonZeroU16::new(100),
};

fn connect<'a>(
    version: ProtocolVersion,
    clean_start: bool,
    keep_alive_s: u16,
    properties: &'a PropertyList<'a>,
) -> Connect<'a> {
    Connect {
        version,
        bridge: false,
        clean_start,
        keep_alive_s,
        client_id: "a",
        will: None,
        username: None,
        password: None,
        properties: Properties::from(properties),
    }
}

fn of_connect(version: ProtocolVersion, clean: bool, properties: &[Property<'_>]) -> Negotiated {
    let properties = PropertyList::new(properties);
    Negotiated::of_connect(&connect(version, clean, 60, &properties), &LIMITS)
}

fn of_connack(
    version: ProtocolVersion,
    asked: &[Property<'_>],
    granted: &[Property<'_>],
) -> Negotiated {
    let (asked, granted) = (PropertyList::new(asked), PropertyList::new(granted));
    let connack = ConnAck {
        session_present: false,
        reason: ReasonCode::SUCCESS,
        properties: Properties::from(&granted),
    };
    Negotiated::of_connack(&connect(version, false, 60, &asked), &connack)
}

fn receive_maximum(packets: u16) -> Property<'static> {
    Property::ReceiveMaximum(NonZeroU16::new(packets).unwrap())
}

fn packet_len_max(bytes: u32) -> Property<'static> {
    Property::MaximumPacketSize(NonZeroU32::new(bytes).unwrap())
}

/// Covers: v3.1.1 [MQTT-3.1.2-4], v3.1.1 [MQTT-3.1.2-6].
#[test]
fn v311_3_1_2_4_clean_session_decides_how_long_the_session_stays() {
    for version in BEFORE_V5 {
        let unlimited = ServerLimits {
            session_expiry_max: SessionExpiry::NEVER,
            ..LIMITS
        };
        for (clean, expiry) in [
            (true, SessionExpiry::AT_DISCONNECT),
            (false, SessionExpiry::NEVER),
        ] {
            let none = PropertyList::new(&[]);
            let connect = connect(version, clean, 60, &none);
            let server = Negotiated::of_connect(&connect, &unlimited);
            assert_eq!(server.session_expiry, expiry);
            let connack = ConnAck {
                session_present: false,
                reason: ReasonCode::SUCCESS,
                properties: Properties::EMPTY,
            };
            let client = Negotiated::of_connack(&connect, &connack);
            assert_eq!(client.session_expiry, expiry);
        }
        let limited = of_connect(version, false, &[]);
        assert_eq!(limited.session_expiry, SessionExpiry(600));
    }
}

/// Covers: v5 [MQTT-3.1.2-23].
#[test]
fn v5_3_1_2_23_clean_start_says_nothing_about_the_end_of_the_session() {
    for clean in [false, true] {
        assert_eq!(
            of_connect(V5, clean, &[]).session_expiry,
            SessionExpiry::AT_DISCONNECT
        );
        for (asked, granted) in [(0, 0), (599, 599), (600, 600), (601, 600), (u32::MAX, 600)] {
            let server = of_connect(V5, clean, &[Property::SessionExpiryInterval(asked)]);
            assert_eq!(server.session_expiry, SessionExpiry(granted));
        }
    }
    let asked = [Property::SessionExpiryInterval(900)];
    assert_eq!(
        of_connack(V5, &asked, &[]).session_expiry,
        SessionExpiry(900)
    );
    let granted = [Property::SessionExpiryInterval(600)];
    assert_eq!(
        of_connack(V5, &asked, &granted).session_expiry,
        SessionExpiry(600)
    );
}

#[test]
fn a_session_ends_its_expiry_after_the_connection() {
    assert_eq!(SessionExpiry::AT_DISCONNECT.deadline_ms(5), Some(5));
    assert_eq!(SessionExpiry(2).deadline_ms(5), Some(2_005));
    assert_eq!(
        SessionExpiry(u32::MAX - 1).deadline_ms(0),
        Some(4_294_967_294_000)
    );
    assert_eq!(SessionExpiry(1).deadline_ms(u64::MAX), Some(u64::MAX));
    assert_eq!(SessionExpiry::NEVER.deadline_ms(5), None);
}

/// Covers: v5 [MQTT-4.9.0-1].
#[test]
fn v5_4_9_0_1_receive_maximum_is_65535_unless_said() {
    let server = of_connect(V5, true, &[]);
    assert_eq!(
        (server.peer_receive_maximum, server.own_receive_maximum),
        (30, 20)
    );
    let server = of_connect(V5, true, &[receive_maximum(7)]);
    assert_eq!(
        (server.peer_receive_maximum, server.own_receive_maximum),
        (7, 20)
    );
    let client = of_connack(V5, &[], &[]);
    assert_eq!(
        (client.peer_receive_maximum, client.own_receive_maximum),
        (65_535, 65_535)
    );
    let client = of_connack(V5, &[receive_maximum(8)], &[receive_maximum(9)]);
    assert_eq!(
        (client.peer_receive_maximum, client.own_receive_maximum),
        (9, 8)
    );
}

#[test]
fn no_limit_is_held_against_a_peer_that_cannot_be_told() {
    for version in BEFORE_V5 {
        let server = of_connect(version, true, &[]);
        assert_eq!(
            (server.peer_receive_maximum, server.own_receive_maximum),
            (30, 65_535)
        );
        let client = of_connack(version, &[receive_maximum(8)], &[]);
        assert_eq!(
            (client.peer_receive_maximum, client.own_receive_maximum),
            (65_535, 65_535)
        );
        assert_eq!(client.peer_topic_alias_maximum, 0);
        assert_eq!(client.peer_packet_len_max, PACKET_LEN_MAX);
    }
}

/// Covers: v5 [MQTT-3.1.2-27], v5 [MQTT-3.2.2-18].
#[test]
fn v5_3_2_2_18_no_aliases_unless_announced() {
    assert_eq!(of_connect(V5, true, &[]).peer_topic_alias_maximum, 0);
    assert_eq!(of_connack(V5, &[], &[]).peer_topic_alias_maximum, 0);
    let announced = [Property::TopicAliasMaximum(12)];
    let server = of_connect(V5, true, &announced);
    assert_eq!(
        (
            server.peer_topic_alias_maximum,
            server.own_topic_alias_maximum
        ),
        (12, 40)
    );
    let client = of_connack(V5, &announced, &[Property::TopicAliasMaximum(13)]);
    assert_eq!(
        (
            client.peer_topic_alias_maximum,
            client.own_topic_alias_maximum
        ),
        (13, 12)
    );
}

#[test]
fn the_largest_packet_is_what_the_peer_says_within_the_format() {
    assert_eq!(
        of_connect(V5, true, &[]).peer_packet_len_max,
        PACKET_LEN_MAX
    );
    for (said, in_force) in [(1, 1), (1_000, 1_000), (u32::MAX, PACKET_LEN_MAX)] {
        let server = of_connect(V5, true, &[packet_len_max(said)]);
        assert_eq!(server.peer_packet_len_max, in_force);
        let client = of_connack(V5, &[], &[packet_len_max(said)]);
        assert_eq!(client.peer_packet_len_max, in_force);
    }
}

/// Covers: v5 [MQTT-3.1.2-21], v5 [MQTT-3.2.2-21].
#[test]
fn v5_3_2_2_21_server_keep_alive_replaces_that_of_the_client() {
    assert_eq!(of_connack(V5, &[], &[]).keep_alive_s, 60);
    for granted in [0, 1, 100] {
        let client = of_connack(V5, &[], &[Property::ServerKeepAlive(granted)]);
        assert_eq!(client.keep_alive_s, granted);
    }
}

/// Covers: v5 [MQTT-3.2.2-22].
#[test]
fn v5_3_2_2_22_the_server_lowers_keep_alive_only_where_it_can_say_so() {
    let none = PropertyList::new(&[]);
    let keep_alive_s = |version, asked, keep_alive_max_s| {
        let limits = ServerLimits {
            keep_alive_max_s,
            ..LIMITS
        };
        Negotiated::of_connect(&connect(version, true, asked, &none), &limits).keep_alive_s
    };
    for (asked, granted) in [(0, 100), (1, 1), (100, 100), (101, 100), (u16::MAX, 100)] {
        assert_eq!(keep_alive_s(V5, asked, NonZeroU16::new(100)), granted);
        assert_eq!(keep_alive_s(V5, asked, None), asked);
        for version in BEFORE_V5 {
            assert_eq!(keep_alive_s(version, asked, NonZeroU16::new(100)), asked);
        }
    }
}

#[test]
fn problem_information_is_wanted_unless_refused() {
    assert!(of_connect(V5, true, &[]).problem_information);
    for wanted in [true, false] {
        let said = [Property::RequestProblemInformation(wanted)];
        assert_eq!(of_connect(V5, true, &said).problem_information, wanted);
    }
}

#[test]
fn a_refused_publish_is_answered_in_v5_and_ends_the_connection_before() {
    assert_eq!(
        of_connect(V5, true, &[]).refused_publish(),
        RefusedPublish::Reason
    );
    for version in BEFORE_V5 {
        let negotiated = of_connect(version, true, &[]);
        assert_eq!(negotiated.refused_publish(), RefusedPublish::Close);
    }
}

#[test]
fn disconnect_may_change_an_expiry_that_connect_did_not_put_at_0() {
    let max = SessionExpiry(600);
    let overridden = |connect_s, disconnect_s, max| {
        let mut negotiated = of_connect(V5, true, &[Property::SessionExpiryInterval(connect_s)]);
        negotiated.session_expiry = negotiated.session_expiry.min(max);
        let allowed = negotiated.override_session_expiry(SessionExpiry(disconnect_s), max);
        (allowed, negotiated.session_expiry.0)
    };
    assert_eq!(overridden(10, 0, max), (true, 0));
    assert_eq!(overridden(10, 20, max), (true, 20));
    assert_eq!(overridden(10, 601, max), (true, 600));
    assert_eq!(overridden(0, 0, max), (true, 0));
    assert_eq!(overridden(0, 1, max), (false, 0));
    // Where the server grants none at all, the client may have asked for one.
    assert_eq!(overridden(10, 20, SessionExpiry::AT_DISCONNECT), (true, 0));
}

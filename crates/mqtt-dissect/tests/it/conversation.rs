//! How the packets of the two sides belong together.

use std::time::Duration;

use mqtt_codec::ProtocolVersion;
use mqtt_dissect::{Conversation, Note, Settings, Side, Start};

const CONNECT: &[u8] = b"\x10\x0D\0\x04MQTT\x04\x02\0\x3C\0\x01c";
/// Receive Maximum 1, Topic Alias Maximum 1, Maximum Packet Size 30.
const CONNECT_V5: &[u8] =
    b"\x10\x19\0\x04MQTT\x05\x02\0\x3C\x0B\x21\0\x01\x22\0\x01\x27\0\0\0\x1E\0\x01c";

struct Talk {
    conversation: Conversation,
    now: Duration,
}

impl Talk {
    fn new() -> Self {
        Self::from(Start::Beginning)
    }

    fn from(start: Start) -> Self {
        Self {
            conversation: Conversation::new(Settings::default(), start),
            now: Duration::ZERO,
        }
    }

    /// The notes on the one packet in `bytes`, a millisecond after the one before.
    fn say(&mut self, side: Side, bytes: &[u8]) -> Vec<Note> {
        self.now += Duration::from_millis(1);
        let mut spoken = self.conversation.feed(side, Some(self.now), bytes);
        assert_eq!(spoken.len(), 1);
        let spoken = spoken.remove(0);
        assert!(spoken.packet.is_right(), "{:?}", spoken.packet.fault);
        spoken.notes
    }
}

const fn answers(number: u64, packet: &'static str, after_ms: u64) -> Note {
    Note::Answers {
        number,
        packet,
        after: Some(Duration::from_millis(after_ms)),
    }
}

use Side::{Client, Server};

#[test]
fn each_answer_belongs_to_its_request() {
    let mut talk = Talk::new();
    assert_eq!(talk.say(Client, CONNECT), []);
    assert_eq!(
        talk.say(Server, b"\x20\x02\0\0"),
        [answers(1, "CONNECT", 1)]
    );
    assert_eq!(talk.say(Client, b"\x82\x06\0\x01\0\x01#\x02"), []);
    assert_eq!(talk.say(Client, b"\x32\x05\0\x01t\0\x02"), []);
    assert_eq!(
        talk.say(Server, b"\x90\x03\0\x01\x02"),
        [answers(3, "SUBSCRIBE", 2)]
    );
    assert_eq!(
        talk.say(Server, b"\x40\x02\0\x02"),
        [answers(4, "PUBLISH", 2)]
    );
    assert_eq!(talk.say(Client, b"\xC0\0"), []);
    assert_eq!(talk.say(Server, b"\xD0\0"), [answers(7, "PINGREQ", 1)]);
    assert_eq!(talk.say(Client, b"\xA2\x05\0\x01\0\x01#"), []);
    assert_eq!(
        talk.say(Server, b"\xB0\x02\0\x01"),
        [answers(9, "UNSUBSCRIBE", 1)]
    );
    assert_eq!(talk.conversation.under_way(), 0);
}

#[test]
fn a_delivery_at_qos_2_is_followed_to_its_end() {
    let mut talk = Talk::new();
    talk.say(Client, CONNECT);
    talk.say(Server, b"\x20\x02\0\0");
    // The same Packet Identifier is used in both directions at once.
    assert_eq!(talk.say(Client, b"\x34\x05\0\x01t\0\x01"), []);
    assert_eq!(talk.say(Server, b"\x34\x05\0\x01t\0\x01"), []);
    assert_eq!(
        talk.say(Server, b"\x50\x02\0\x01"),
        [answers(3, "PUBLISH", 2)]
    );
    assert_eq!(
        talk.say(Client, b"\x62\x02\0\x01"),
        [answers(5, "PUBREC", 1)]
    );
    let completes = Note::Completes {
        number: 3,
        after: Some(Duration::from_millis(4)),
    };
    assert_eq!(
        talk.say(Server, b"\x70\x02\0\x01"),
        [answers(6, "PUBREL", 1), completes]
    );
    assert_eq!(talk.conversation.under_way(), 1);
}

#[test]
fn a_repetition_is_told_from_a_new_message() {
    let mut talk = Talk::new();
    talk.say(Client, CONNECT);
    talk.say(Client, b"\x32\x05\0\x01t\0\x02");
    assert_eq!(
        talk.say(Client, b"\x3A\x05\0\x01t\0\x02"),
        [Note::Repeats { number: 2 }]
    );
    assert_eq!(
        talk.say(Client, b"\x32\x05\0\x01t\0\x02"),
        [Note::PacketIdInUse { number: 2 }]
    );
}

#[test]
fn what_is_wrong_at_its_place_is_said() {
    let mut talk = Talk::new();
    assert_eq!(
        talk.say(Server, b"\x20\x02\0\0"),
        [Note::BeforeConnect, Note::AnswersNothing]
    );
    talk.say(Client, CONNECT);
    assert_eq!(talk.say(Client, CONNECT), [Note::SecondConnect]);
    assert_eq!(talk.say(Server, b"\xC0\0"), [Note::WrongSide]);
    assert_eq!(talk.say(Server, b"\x40\x02\0\x09"), [Note::AnswersNothing]);
    assert_eq!(talk.say(Server, b"\xE0\0"), [Note::WrongSide]);
    talk.say(Client, b"\xE0\0");
    assert_eq!(talk.say(Client, b"\xC0\0"), [Note::AfterDisconnect]);
}

#[test]
fn from_the_middle_nothing_unheard_is_a_fault() {
    let mut talk = Talk::from(Start::Middle);
    for packet in [&b"\x40\x02\0\x09"[..], b"\xD0\0", b"\x90\x03\0\x01\x02"] {
        assert_eq!(talk.say(Server, packet), [Note::RequestNotHeard]);
    }
}

#[test]
fn limits_of_the_receiver_are_watched() {
    let mut talk = Talk::new();
    talk.say(Client, CONNECT_V5);
    assert_eq!(
        talk.say(Server, b"\x20\x03\0\0\0"),
        [answers(1, "CONNECT", 1)]
    );
    assert_eq!(talk.say(Server, b"\x32\x06\0\x01t\0\x01\0"), []);
    assert_eq!(
        talk.say(Server, b"\x32\x06\0\x01t\0\x02\0"),
        [Note::ReceiveMaximumExceeded { maximum: 1 }]
    );
    let mut long = b"\x30\x20\0\x01t\0".to_vec();
    long.resize(34, b'p');
    assert_eq!(
        talk.say(Server, &long),
        [Note::PacketTooLarge { maximum: 30 }]
    );
    assert_eq!(talk.say(Server, b"\x30\x07\0\x01t\x03\x23\0\x01"), []);
    assert_eq!(
        talk.say(Server, b"\x30\x06\0\0\x03\x23\0\x01"),
        [Note::Topic {
            topic_name: "t".to_owned()
        }]
    );
    assert_eq!(
        talk.say(Server, b"\x30\x06\0\0\x03\x23\0\x02"),
        [Note::AliasTooHigh { maximum: 1 }, Note::AliasUnknown]
    );
}

#[test]
fn one_side_tells_the_other_the_version() {
    let mut conversation = Conversation::new(Settings::default(), Start::Beginning);
    conversation.feed(Client, None, CONNECT_V5);
    // As 3.1.1 it would be right as well.
    let spoken = conversation.feed(Server, None, b"\x30\x05\0\x01t\0x");
    assert_eq!(spoken[0].packet.version, ProtocolVersion::V5);
    assert_eq!(spoken[0].packet.find("payload").unwrap().len, 1);
}

#[test]
fn a_resumed_session_may_go_on_with_pubrel() {
    let mut talk = Talk::new();
    talk.say(Client, CONNECT);
    assert_eq!(talk.say(Client, b"\x62\x02\0\x01"), [Note::RequestNotHeard]);
    assert_eq!(
        talk.say(Server, b"\x70\x02\0\x01"),
        [answers(2, "PUBREL", 1)]
    );
}

//! Answers are told when the last one who has a message lets go of it, and each keeps its place until then.

use super::*;
use crate::command::{Outgoing, Request};
use mqtt_codec::{
    ConnAck, Connect, Delivery, PACKET_LEN_MAX, Packet, PacketId, Properties, ProtocolVersion,
    Publish, QoS, TopicName, frame,
};
use mqtt_session::{
    ClientConnection, ClientEvent, ClientSession, ClientSettings, Heap, NoJournal, UnknownSession,
};
use std::task::{Context, Waker};

fn handle<T>(
    connection: &mut ClientConnection<Outgoing, Request, Heap, NoJournal>,
    packet: Packet<'_>,
    take: impl FnOnce(ClientEvent<'_, Outgoing, Request>) -> T,
) -> T {
    let mut bytes = [0; 64];
    packet.encode(ProtocolVersion::V5, &mut bytes).unwrap();
    let frame = frame(&bytes, PACKET_LEN_MAX).unwrap().unwrap();
    take(connection.handle_frame(frame, 0, &mut Vec::new()).unwrap())
}

/// The tokens of `count` messages of QoS 1 that have come on one connection.
fn tokens(count: u16) -> Vec<AckToken> {
    let settings = ClientSettings {
        ping_answer_within_ms: 1000,
        unknown_session: UnknownSession::Refuse,
    };
    let connect = Connect {
        clean_start: true,
        ..Connect::new(ProtocolVersion::V5, "me")
    };
    let (mut session, mut out) = (ClientSession::default(), Vec::new());
    let connection = ClientConnection::connect(&mut session, &connect, settings, 0, &mut out);
    let mut connection = connection.unwrap();
    let connack = Packet::ConnAck(ConnAck {
        session_present: false,
        reason: ReasonCode::SUCCESS,
        properties: Properties::EMPTY,
    });
    handle(&mut connection, connack, |_| ());
    let message = |packet_id| {
        Packet::Publish(Publish {
            delivery: Delivery::new(QoS::AtLeastOnce, PacketId::new(packet_id)).unwrap(),
            topic_name: Some(TopicName::try_new("a").unwrap()),
            ..Publish::default()
        })
    };
    let take = |event: ClientEvent<'_, Outgoing, Request>| match event {
        ClientEvent::Message { ack, .. } => ack.unwrap(),
        other => panic!("{other:?}"),
    };
    let ids = 1..=count;
    ids.map(|id| handle(&mut connection, message(id), take))
        .collect()
}

/// A table with `count` messages, what names their tokens, and where the driver is told.
struct Fixture {
    answers: Arc<Answers>,
    held: Vec<Option<Answer>>,
    names: Vec<String>,
    driver: mailbox::Receiver<Command>,
}

impl Fixture {
    fn new(count: u16) -> Self {
        let (commands, driver) = mailbox::mailbox();
        let answers = Answers::new(commands);
        let tokens = tokens(count);
        Self {
            names: tokens.iter().map(|token| format!("{token:?}")).collect(),
            held: tokens
                .into_iter()
                .map(|token| Some(answers.begin(token)))
                .collect(),
            answers,
            driver,
        }
    }

    fn let_go(&mut self, at: usize) {
        drop(self.held[at].take().unwrap());
    }

    /// How often the driver was told, and what it finds.
    fn told(&self) -> (usize, Vec<Seen>) {
        let mut commands = VecDeque::new();
        let cx = Context::from_waker(Waker::noop());
        self.driver.poll_take(&cx, &mut commands);
        let mut answered = Vec::new();
        self.answers.take_answered(&mut answered);
        let answered = answered.into_iter().map(|Answered { token, reason }| {
            let number = token.map(|token| self.number_of(&token));
            Seen(number, reason)
        });
        (commands.len(), answered.collect())
    }

    fn number_of(&self, token: &AckToken) -> usize {
        let name = format!("{token:?}");
        self.names.iter().position(|other| *other == name).unwrap()
    }
}

/// What the driver gets: the number of the message whose token it is, and the reason.
#[derive(Debug, Eq, PartialEq)]
struct Seen(Option<usize>, Option<ReasonCode>);

const OK: Option<ReasonCode> = Some(ReasonCode::SUCCESS);
const REFUSED: Option<ReasonCode> = Some(ReasonCode::QUOTA_EXCEEDED);

#[test]
fn the_last_of_those_who_have_a_message_answers_it() {
    let mut fixture = Fixture::new(1);
    let other = fixture.held[0].clone();
    fixture.let_go(0);
    assert_eq!(fixture.told(), (0, vec![]));
    drop(other);
    assert_eq!(fixture.told(), (1, vec![Seen(Some(0), OK)]));
    assert!(fixture.answers.first().is_none());
}

#[test]
fn one_who_refuses_outweighs_all_who_do_not() {
    let mut fixture = Fixture::new(1);
    let other = fixture.held[0].clone().unwrap();
    other.refuse(ReasonCode::QUOTA_EXCEEDED);
    drop(other);
    fixture.let_go(0);
    assert_eq!(fixture.told(), (1, vec![Seen(Some(0), REFUSED)]));
}

#[test]
fn the_driver_is_told_once_of_all_answers_it_has_not_seen() {
    let mut fixture = Fixture::new(3);
    fixture.let_go(1);
    fixture.let_go(0);
    assert_eq!(
        fixture.told(),
        (1, vec![Seen(Some(1), OK), Seen(Some(0), OK)])
    );
    fixture.let_go(2);
    assert_eq!(fixture.told(), (1, vec![Seen(Some(2), OK)]));
}

#[test]
fn the_first_is_the_oldest_without_an_answer() {
    let mut fixture = Fixture::new(3);
    assert_eq!(fixture.answers.first().map(|first| first.serial), Some(0));
    fixture.let_go(1);
    assert_eq!(fixture.answers.first_serial(), 0);
    fixture.let_go(0);
    assert_eq!(fixture.answers.first_serial(), 2, "both are done");
    fixture.let_go(2);
    assert_eq!(fixture.answers.first_serial(), 3, "that of the next one");
}

#[test]
fn one_that_nobody_answers_keeps_its_place_and_its_token() {
    let mut fixture = Fixture::new(2);
    fixture.held[0].as_ref().unwrap().abandon();
    fixture.let_go(0);
    assert_eq!(fixture.told(), (1, vec![Seen(None, None)]));
    assert_eq!(fixture.answers.first_serial(), 0);
    let abandoned = fixture.answers.end_connection();
    assert_eq!(abandoned.len(), 1);
    assert_eq!(fixture.number_of(&abandoned[0]), 0);
    assert_eq!(fixture.answers.first_serial(), 2);
}

#[test]
fn what_the_driver_has_answered_itself_is_answered_by_nobody_else() {
    let mut fixture = Fixture::new(2);
    let token = fixture.answers.take_first().unwrap();
    assert_eq!(fixture.number_of(&token), 0);
    fixture.held[0]
        .as_ref()
        .unwrap()
        .refuse(ReasonCode::QUOTA_EXCEEDED);
    fixture.let_go(0);
    assert_eq!(fixture.told(), (0, vec![]));
    assert_eq!(fixture.answers.first_serial(), 1);
}

#[test]
fn an_answer_of_an_earlier_connection_is_told_all_the_same() {
    let mut fixture = Fixture::new(2);
    assert!(fixture.answers.end_connection().is_empty(), "both are held");
    let next = fixture.answers.begin(tokens(1).remove(0));
    assert_eq!((next.serial(), fixture.answers.first_serial()), (2, 2));
    fixture.let_go(1);
    fixture.held[0].as_ref().unwrap().abandon();
    fixture.let_go(0);
    let (_, answered) = fixture.told();
    assert_eq!(
        answered,
        [Seen(Some(1), OK), Seen(Some(0), None)],
        "its token is given up"
    );
    assert_eq!(
        fixture.answers.first_serial(),
        2,
        "it is none of this connection"
    );
    drop(next);
}

#[test]
fn the_words_about_a_taken_message_are_those_of_its_subscription() {
    let fixture = Fixture::new(1);
    let taken = Taken {
        topic_name: "a".into(),
        when_stalled: WhenStalled::Disconnect,
    };
    assert!(fixture.answers.first().unwrap().taken.is_none());
    fixture.held[0].as_ref().unwrap().set_taken(taken);
    let first = fixture.answers.first().unwrap();
    let taken = first.taken.unwrap();
    assert_eq!(&*taken.topic_name, "a");
    assert!(matches!(taken.when_stalled, WhenStalled::Disconnect));
}

#[test]
fn an_acker_answers_as_it_is_used_and_as_it_was_told_otherwise() {
    let reject = Unanswered::Reject(ReasonCode::QUOTA_EXCEEDED);
    let mut fixture = Fixture::new(5);
    let mut acker =
        |at: usize, unanswered| Acker::new(fixture.held[at].take().unwrap(), unanswered);
    acker(0, Unanswered::Leave).ack();
    acker(1, Unanswered::Ack).reject(ReasonCode::QUOTA_EXCEEDED);
    drop(acker(2, Unanswered::Ack));
    drop(acker(3, reject));
    drop(acker(4, Unanswered::Leave));
    let answered = [
        Seen(Some(0), OK),
        Seen(Some(1), REFUSED),
        Seen(Some(2), OK),
        Seen(Some(3), REFUSED),
        Seen(None, None),
    ];
    assert_eq!(fixture.told().1, answered);
}

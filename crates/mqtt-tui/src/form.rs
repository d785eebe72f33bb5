//! A message as it is typed.

use tui_input::Input;

use crate::app::Outgoing;

/// What is filled in.
#[derive(Debug)]
pub(crate) struct PublishForm {
    pub(crate) topic_name: Input,
    pub(crate) payload: Input,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) field: Field,
}

/// What keys are typed into.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Field {
    TopicName,
    Payload,
    Qos,
    Retain,
}

/// Every field, from the top.
const FIELDS: [Field; 4] = [Field::TopicName, Field::Payload, Field::Qos, Field::Retain];

impl PublishForm {
    /// For a message to this topic; with the payload next when there is one.
    pub(crate) fn to(topic_name: &str) -> Self {
        Self {
            topic_name: topic_name.into(),
            payload: Input::default(),
            qos: 0,
            retain: false,
            field: match topic_name.is_empty() {
                true => Field::TopicName,
                false => Field::Payload,
            },
        }
    }

    /// Goes to the next field, or the one before.
    pub(crate) fn go(&mut self, forward: bool) {
        let at = FIELDS
            .iter()
            .position(|field| *field == self.field)
            .unwrap_or_default();
        let step = if forward { 1 } else { FIELDS.len() - 1 };
        let next = FIELDS.get((at + step) % FIELDS.len());
        self.field = next.copied().unwrap_or(Field::TopicName);
    }

    /// The text that keys are typed into, if it is one.
    pub(crate) fn text(&mut self) -> Option<&mut Input> {
        match self.field {
            Field::TopicName => Some(&mut self.topic_name),
            Field::Payload => Some(&mut self.payload),
            Field::Qos | Field::Retain => None,
        }
    }

    /// Takes the next of few choices.
    pub(crate) fn turn(&mut self) {
        match self.field {
            Field::Qos => self.qos = (self.qos + 1) % 3,
            Field::Retain => self.retain = !self.retain,
            Field::TopicName | Field::Payload => {}
        }
    }

    pub(crate) fn outgoing(&self) -> Outgoing {
        Outgoing {
            topic_name: self.topic_name.value().to_owned(),
            payload: self.payload.value().to_owned(),
            qos: self.qos,
            retain: self.retain,
        }
    }
}

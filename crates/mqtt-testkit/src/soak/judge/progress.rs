//! How far one subscriber has come with the messages of one publisher to one topic.

use mqtt_codec::QoS;
use std::collections::BTreeSet;

/// One message as it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received {
    pub(super) number: u64,
    pub(super) qos: QoS,
    pub(super) dup: bool,
    /// Its publisher sent it twice, so the broker may as well.
    pub(super) may_repeat: bool,
}

/// What came, of messages that are published in the order of their numbers.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The newest of all.
    newest: u64,
    /// The newest on this connection.
    in_connection: u64,
}

impl Progress {
    /// The newest message received; 0 before the first.
    pub(super) const fn newest(&self) -> u64 {
        self.newest
    }

    /// What is not acknowledged may come again from now on.
    pub(super) const fn reconnected(&mut self) {
        self.in_connection = 0;
    }

    /// Takes one in; whether it is new. With `from_first` the first that comes must be number 1.
    pub(super) fn receive(
        &mut self,
        received: Received,
        from_first: bool,
        abandoned: &BTreeSet<u64>,
    ) -> Result<bool, String> {
        let number = received.number;
        if number > self.newest {
            let before = std::mem::replace(&mut self.newest, number);
            self.in_connection = number;
            let may_skip = received.qos == QoS::AtMostOnce || (before == 0 && !from_first);
            let skipped = (before + 1..number).find(|number| !abandoned.contains(number));
            return match skipped {
                Some(skipped) if !may_skip => {
                    Err(format!("number {skipped} is missing after number {before}"))
                }
                _ => Ok(true),
            };
        }
        if received.may_repeat && received.qos != QoS::ExactlyOnce {
            return Ok(false);
        }
        let in_connection = std::mem::replace(&mut self.in_connection, number);
        match received.qos {
            QoS::AtMostOnce | QoS::ExactlyOnce => Err(format!("after number {}", self.newest)),
            QoS::AtLeastOnce if number <= in_connection => Err(format!(
                "after number {in_connection} on the same connection"
            )),
            QoS::AtLeastOnce if !received.dup => Err("again, without DUP".to_owned()),
            QoS::AtLeastOnce => Ok(false),
        }
    }
}

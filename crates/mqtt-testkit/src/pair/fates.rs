//! What became of each message: how often it arrived, whether it was taken for good, and what its sender was told.

use super::referee::{Verdict, check};
use mqtt_codec::QoS;

/// How a message came back to the application that published it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// The last acknowledgement came.
    Acknowledged,
    /// The last acknowledgement said no.
    Refused,
    /// The session ended before.
    Lost,
    /// Its time was over before it was sent.
    Expired,
    /// The peer takes no packet as large.
    TooLarge,
}

/// Places in a journal are counted in records; what is in a place that is not durable ends with the process.
#[derive(Clone, Copy, Debug)]
struct Fate {
    qos: QoS,
    topic: u8,
    /// PUBLISH packets that were encoded.
    sent: u32,
    /// Where the sender's journal has its beginning.
    begun: Option<u64>,
    /// What the sender was told, and where its journal has that.
    outcome: Option<(Outcome, u64)>,
    /// Where the sender's journal has that it is not sent any more, although it was.
    given_up: Option<u64>,
    /// Whether later ones ever went before it for that.
    was_given_up: bool,
    /// Deliveries that neither a refusal nor a crash took back.
    delivered: u32,
    was_delivered: bool,
    /// Where the receiver's journal has that the application took it, or refused it.
    taken: Option<u64>,
    refused: Option<u64>,
}

/// All messages of one direction, by number.
#[derive(Debug, Default)]
pub(super) struct Fates {
    fates: Vec<Fate>,
}

impl Fates {
    /// The application wants the next message sent; its number.
    pub(super) fn published(&mut self, qos: QoS, topic: u8) -> u32 {
        self.fates.push(Fate {
            qos,
            topic,
            sent: 0,
            begun: None,
            outcome: None,
            given_up: None,
            was_given_up: false,
            delivered: 0,
            was_delivered: false,
            taken: None,
            refused: None,
        });
        u32::try_from(self.fates.len() - 1).unwrap_or(u32::MAX)
    }

    /// PUBLISH is encoded.
    pub(super) fn sent(&mut self, number: u32) -> Verdict {
        self.of(number)?.sent += 1;
        Ok(())
    }

    /// PUBLISH is encoded for the first time; the journal has it at `at`.
    pub(super) fn begun(&mut self, number: u32, at: u64) -> Verdict {
        let overtaken = self.numbers_from(number).any(|fate| fate.begun.is_some());
        check(!overtaken, || {
            format!("message {number} is first sent out of order")
        })?;
        let fate = self.of(number)?;
        check(fate.outcome.is_none(), || {
            format!("message {number} has come back, and is sent")
        })?;
        fate.begun = Some(at);
        Ok(())
    }

    /// PUBLISH is not sent again.
    pub(super) fn given_up(&mut self, number: u32, at: u64) -> Verdict {
        let fate = self.of(number)?;
        fate.given_up = Some(at);
        fate.was_given_up = true;
        Ok(())
    }

    /// The sender's application gets its message back.
    pub(super) fn resolved(&mut self, number: u32, outcome: Outcome, at: u64) -> Verdict {
        let fate = self.of(number)?;
        let before = fate.outcome.replace((outcome, at));
        let fate = *fate;
        check(before.is_none(), || {
            format!("message {number} comes back twice: {before:?}, {outcome:?}")
        })?;
        let is_right = match outcome {
            Outcome::Acknowledged if fate.given_up.is_some() => fate.delivered <= 1,
            Outcome::Acknowledged if fate.qos == QoS::ExactlyOnce => {
                fate.taken.is_some() && fate.delivered == 1
            }
            Outcome::Acknowledged => fate.qos == QoS::AtLeastOnce && fate.taken.is_some(),
            Outcome::Refused => fate.refused.is_some(),
            Outcome::Lost => fate.begun.is_some(),
            Outcome::Expired => fate.begun.is_none(),
            Outcome::TooLarge => fate.begun.is_none() || fate.given_up.is_some(),
        };
        check(is_right, || {
            format!("message {number} comes back as {outcome:?}: {fate:?}")
        })
    }

    /// The receiver's application gets a message.
    pub(super) fn delivered(&mut self, number: u32, reached: QoS) -> Verdict {
        let Fate { qos, topic, .. } = *self.of(number)?;
        check(qos == reached, || {
            format!("message {number} of {qos:?} came as {reached:?}")
        })?;
        let overtaken = self
            .numbers_from(number)
            .skip(1)
            .any(|fate| fate.qos == qos && fate.topic == topic && fate.was_delivered);
        let fate = self.of(number)?;
        // What comes again may come late.
        let in_order = !overtaken || fate.was_delivered || fate.was_given_up;
        fate.was_delivered = true;
        fate.delivered += 1;
        let Fate {
            delivered,
            sent,
            taken,
            ..
        } = *fate;
        check(in_order, || format!("message {number} was overtaken"))?;
        let most = if qos == QoS::AtLeastOnce { sent } else { 1 };
        let is_new = qos != QoS::ExactlyOnce || taken.is_none();
        check(delivered <= most && is_new, || {
            format!(
                "message {number} of {qos:?} is delivered {delivered} times, taken at {taken:?}"
            )
        })
    }

    /// The receiver's application has the message for good.
    pub(super) fn taken(&mut self, number: u32, at: u64) -> Verdict {
        let fate = self.of(number)?;
        fate.taken.get_or_insert(at);
        Ok(())
    }

    /// The receiver's application refuses a message it got.
    pub(super) fn refused(&mut self, number: u32, at: u64) -> Verdict {
        let fate = self.of(number)?;
        fate.refused.get_or_insert(at);
        fate.delivered = fate.delivered.saturating_sub(1);
        Ok(())
    }

    /// The sender's process died with everything behind `durable`.
    pub(super) fn sender_crashed(&mut self, durable: u64) {
        for fate in &mut self.fates {
            forget(&mut fate.begun, durable);
            forget(&mut fate.given_up, durable);
            if fate.outcome.is_some_and(|(_, at)| at > durable) {
                fate.outcome = None;
            }
        }
    }

    /// The receiver's process died with everything behind `durable`.
    pub(super) fn receiver_crashed(&mut self, durable: u64) -> Verdict {
        for (number, fate) in self.fates.iter_mut().enumerate() {
            forget(&mut fate.refused, durable);
            if fate.taken.is_some_and(|at| at <= durable) {
                continue;
            }
            let is_promised = fate.taken.is_some()
                && fate.given_up.is_none()
                && matches!(fate.outcome, Some((Outcome::Acknowledged, _)));
            check(!is_promised, || {
                format!("message {number} was acknowledged and is lost: {fate:?}")
            })?;
            fate.taken = None;
            fate.delivered = 0;
        }
        Ok(())
    }

    /// Everything has come to rest: no message is missing.
    pub(super) fn at_rest(&self) -> Verdict {
        for (number, fate) in self.fates.iter().enumerate() {
            let (taken, refused) = (fate.taken.is_some(), fate.refused.is_some());
            let outcome = fate.outcome.map(|(outcome, _)| outcome);
            let count = fate.delivered;
            let is_right = match (fate.qos, outcome) {
                (QoS::AtMostOnce, _) => count <= 1,
                (_, None) => false,
                (QoS::AtLeastOnce, Some(Outcome::Acknowledged)) => taken || fate.given_up.is_some(),
                (QoS::ExactlyOnce, Some(Outcome::Acknowledged)) => {
                    fate.given_up.is_some() || taken && count == 1
                }
                (QoS::AtLeastOnce, Some(Outcome::Refused)) => refused,
                (QoS::ExactlyOnce, Some(Outcome::Refused)) => refused && count == 0,
                (_, Some(Outcome::Expired)) => !fate.was_delivered,
                (QoS::AtLeastOnce, Some(Outcome::Lost | Outcome::TooLarge)) => true,
                (QoS::ExactlyOnce, Some(Outcome::Lost | Outcome::TooLarge)) => count <= 1,
            };
            check(is_right, || {
                format!("in the end message {number} is {fate:?}")
            })?;
        }
        Ok(())
    }

    /// The message with `number` and those after it.
    fn numbers_from(&self, number: u32) -> impl Iterator<Item = &Fate> {
        self.fates
            .iter()
            .skip(usize::try_from(number).unwrap_or(usize::MAX))
    }

    fn of(&mut self, number: u32) -> Result<&mut Fate, String> {
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        let fate = self.fates.get_mut(at);
        fate.ok_or_else(|| format!("there is no message {number}"))
    }
}

fn forget(place: &mut Option<u64>, durable: u64) {
    if place.is_some_and(|at| at > durable) {
        *place = None;
    }
}

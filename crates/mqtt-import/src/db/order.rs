//! In which order messages are written, so that each session finds its own in the order it had them.
//!
//! Messages are written as they arrived. A session whose queue has another order, because an old retained message came
//! into it behind newer ones, gets a copy at that place.

use super::survey::Session;

/// One message for one session.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Delivery {
    /// With, or behind, which message it is written.
    pub(crate) at: usize,
    /// Whether it is a copy behind that message, and not that message.
    pub(crate) is_copy: bool,
    /// The session's place.
    pub(crate) session: usize,
    /// The place in the session's queue.
    pub(crate) entry: usize,
    /// The message's place.
    pub(crate) message: usize,
}

/// All deliveries of QoS 1 and 2, in the order they are written.
pub(crate) fn deliveries(sessions: &[Session], is_wanted: impl Fn(usize) -> bool) -> Vec<Delivery> {
    let mut all = Vec::new();
    for (nth, session) in sessions
        .iter()
        .enumerate()
        .filter(|(nth, _)| is_wanted(*nth))
    {
        let mut last = None;
        for (entry, found) in session.entries.iter().enumerate() {
            if found.qos == 0 {
                continue;
            }
            let is_copy = last.is_some_and(|last| found.message <= last);
            let at = match last {
                Some(last) if is_copy => last,
                _ => found.message,
            };
            last = Some(at);
            all.push(Delivery {
                at,
                is_copy,
                session: nth,
                entry,
                message: found.message,
            });
        }
    }
    all.sort_unstable();
    all
}

#[cfg(test)]
mod tests {
    use super::super::survey::{Entry, Progress};
    use super::*;

    fn session(messages: &[usize]) -> Session {
        let entries = messages.iter().map(|message| Entry {
            message: *message,
            packet_id: 0,
            qos: 1,
            retain: false,
            progress: Progress::Waits,
            subscription_ids: Box::default(),
        });
        Session {
            client_id: String::new(),
            expiry_s: 0,
            detached_s: None,
            subscriptions: Vec::new(),
            entries: entries.collect(),
        }
    }

    #[test]
    fn each_session_finds_its_own_order() {
        let queues: [&[usize]; 4] = [&[0, 1, 2], &[2, 0, 1, 3], &[1, 1, 1], &[3, 2, 1, 0]];
        let sessions: Vec<Session> = queues.iter().map(|queue| session(queue)).collect();
        let all = deliveries(&sessions, |_| true);
        for (nth, queue) in queues.iter().enumerate() {
            let written = all.iter().filter(|delivery| delivery.session == nth);
            let written: Vec<usize> = written.map(|delivery| delivery.message).collect();
            assert_eq!(written, *queue, "session {nth}");
        }
        let copies = all.iter().filter(|delivery| delivery.is_copy).count();
        assert_eq!(
            copies,
            2 + 2 + 3,
            "those that are older than what came before"
        );
    }
}

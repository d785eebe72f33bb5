//! Keep Alive: when the server gives up on silence, when the client has to speak.

/// The server's side: the Client must send something within one and a half times the Keep Alive.
///
/// Spec: v5 [MQTT-3.1.2-22], v3.1.1 [MQTT-3.1.2-24]; times in milliseconds of the caller's epoch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ServerKeepAlive {
    keep_alive_s: u16,
}

impl ServerKeepAlive {
    /// `keep_alive_s` in seconds; 0 turns it off.
    pub const fn new(keep_alive_s: u16) -> Self {
        Self { keep_alive_s }
    }

    /// When silence since `last_received_ms` is too long; none when turned off.
    pub fn deadline_ms(self, last_received_ms: u64) -> Option<u64> {
        (self.keep_alive_s != 0)
            .then(|| last_received_ms.saturating_add(u64::from(self.keep_alive_s) * 1500))
    }
}

/// What a client's keep alive asks for at a moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClientKeepAliveStep {
    /// Nothing before this moment; none when turned off.
    WaitUntil(Option<u64>),
    /// Send PINGREQ now, then say so with [`ClientKeepAlive::sent_ping`].
    SendPing,
    /// The server did not answer in time: the connection is dead.
    Dead,
}

/// The client's side: PINGREQ after a silence of either side, death when nothing comes back in time.
///
/// A silence of ours is what the server must not see; one of the server's may mean that nobody is there any more,
/// however much we send. Any byte received counts as an answer. Spec: v5 [MQTT-3.1.2-20], §3.12.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClientKeepAlive {
    keep_alive_ms: u64,
    answer_within_ms: u64,
    last_sent_ms: u64,
    last_received_ms: u64,
    /// When the first PINGREQ left that nothing came back for.
    ping_sent_ms: Option<u64>,
}

impl ClientKeepAlive {
    /// `keep_alive_s` in seconds (0 turns it off), an answer is due `answer_within_ms` after PINGREQ.
    pub fn new(keep_alive_s: u16, answer_within_ms: u64, now_ms: u64) -> Self {
        Self {
            keep_alive_ms: u64::from(keep_alive_s) * 1000,
            answer_within_ms,
            last_sent_ms: now_ms,
            last_received_ms: now_ms,
            ping_sent_ms: None,
        }
    }

    /// Bytes left for the server.
    pub const fn sent(&mut self, now_ms: u64) {
        self.last_sent_ms = now_ms;
    }

    /// Bytes came from the server.
    pub const fn received(&mut self, now_ms: u64) {
        self.last_received_ms = now_ms;
        self.ping_sent_ms = None;
    }

    /// PINGREQ has left.
    pub const fn sent_ping(&mut self, now_ms: u64) {
        self.last_sent_ms = now_ms;
        if self.ping_sent_ms.is_none() {
            self.ping_sent_ms = Some(now_ms);
        }
    }

    /// PINGREQ waits behind bytes that the transport goes on taking: its answer is due from now on.
    pub const fn put_off_answer(&mut self, now_ms: u64) {
        if self.ping_sent_ms.is_some() {
            self.ping_sent_ms = Some(now_ms);
        }
    }

    /// What to do at `now_ms`.
    pub fn step(&self, now_ms: u64) -> ClientKeepAliveStep {
        if self.keep_alive_ms == 0 {
            return ClientKeepAliveStep::WaitUntil(None);
        }
        let dead_at_ms = self
            .ping_sent_ms
            .map(|sent_ms| sent_ms.saturating_add(self.answer_within_ms));
        if dead_at_ms.is_some_and(|dead_at_ms| now_ms >= dead_at_ms) {
            return ClientKeepAliveStep::Dead;
        }
        // An answer that is late does not end the duty to speak; v5 [MQTT-3.1.2-20].
        let silent_since_ms = match self.ping_sent_ms {
            None => self.last_sent_ms.min(self.last_received_ms),
            Some(_) => self.last_sent_ms,
        };
        let ping_at_ms = silent_since_ms.saturating_add(self.keep_alive_ms);
        match now_ms >= ping_at_ms {
            true => ClientKeepAliveStep::SendPing,
            false => ClientKeepAliveStep::WaitUntil(Some(
                dead_at_ms.map_or(ping_at_ms, |dead_at_ms| dead_at_ms.min(ping_at_ms)),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ClientKeepAliveStep::{Dead, SendPing, WaitUntil};
    use super::*;

    /// Covers: v5 [MQTT-3.1.2-22], v3.1.1 [MQTT-3.1.2-24].
    #[test]
    fn v5_3_1_2_22_silence_may_last_one_and_a_half_times_keep_alive() {
        assert_eq!(ServerKeepAlive::new(10).deadline_ms(1_000), Some(16_000));
        assert_eq!(ServerKeepAlive::new(1).deadline_ms(0), Some(1_500));
        let longest = ServerKeepAlive::new(u16::MAX).deadline_ms(0);
        assert_eq!(longest, Some(98_302_500));
        assert_eq!(
            ServerKeepAlive::new(1).deadline_ms(u64::MAX),
            Some(u64::MAX)
        );
        assert_eq!(ServerKeepAlive::new(0).deadline_ms(1_000), None);
    }

    #[test]
    fn an_answer_is_due_from_when_pingreq_has_left() {
        let mut keep_alive = ClientKeepAlive::new(10, 5_000, 0);
        keep_alive.put_off_answer(9_000);
        assert_eq!(keep_alive.step(10_000), SendPing, "nothing to put off");
        keep_alive.sent_ping(10_000);
        keep_alive.put_off_answer(14_000);
        assert_eq!(keep_alive.step(15_000), WaitUntil(Some(19_000)));
        assert_eq!(keep_alive.step(19_000), Dead);
    }

    /// Covers: v5 [MQTT-3.1.2-20], v3.1.1 [MQTT-3.1.2-23].
    #[test]
    fn v5_3_1_2_20_pingreq_is_due_after_keep_alive_without_sending() {
        let mut keep_alive = ClientKeepAlive::new(10, 5_000, 1_000);
        assert_eq!(keep_alive.step(10_999), WaitUntil(Some(11_000)));
        assert_eq!(keep_alive.step(11_000), SendPing);
        keep_alive.sent(10_500);
        keep_alive.received(10_900);
        assert_eq!(keep_alive.step(11_000), WaitUntil(Some(20_500)));
        keep_alive.received(20_400);
        assert_eq!(
            keep_alive.step(20_500),
            SendPing,
            "receiving is not sending"
        );
    }

    #[test]
    fn keep_alive_0_asks_for_nothing() {
        let keep_alive = ClientKeepAlive::new(0, 5_000, 0);
        assert_eq!(keep_alive.step(u64::MAX), WaitUntil(None));
    }

    #[test]
    fn any_answer_to_pingreq_in_time_keeps_the_connection() {
        let mut keep_alive = ClientKeepAlive::new(10, 5_000, 0);
        keep_alive.sent_ping(10_000);
        assert_eq!(keep_alive.step(14_999), WaitUntil(Some(15_000)));
        assert_eq!(keep_alive.step(15_000), Dead);
        keep_alive.sent(14_999);
        assert_eq!(keep_alive.step(15_000), Dead, "sending proves nothing");
        keep_alive.received(14_999);
        assert_eq!(keep_alive.step(15_000), WaitUntil(Some(24_999)));
    }

    #[test]
    fn regress_a_client_that_always_sends_notices_a_dead_server() {
        let mut keep_alive = ClientKeepAlive::new(10, 5_000, 0);
        keep_alive.received(1_000);
        for now_ms in (2_000..11_000).step_by(1_000) {
            keep_alive.sent(now_ms);
            assert_eq!(keep_alive.step(now_ms), WaitUntil(Some(11_000)));
        }
        assert_eq!(keep_alive.step(11_000), SendPing);
        keep_alive.sent_ping(11_000);
        for now_ms in (12_000..16_000).step_by(1_000) {
            keep_alive.sent(now_ms);
            assert_eq!(keep_alive.step(now_ms), WaitUntil(Some(16_000)));
        }
        assert_eq!(keep_alive.step(16_000), Dead);
        keep_alive.received(16_000);
        assert_eq!(keep_alive.step(16_000), WaitUntil(Some(25_000)));
    }

    /// Covers: v5 [MQTT-3.1.2-20], v3.1.1 [MQTT-3.1.2-23].
    #[test]
    fn v5_3_1_2_20_pingreq_is_due_again_while_the_answer_to_one_is_late() {
        let mut keep_alive = ClientKeepAlive::new(2, 5_000, 0);
        assert_eq!(keep_alive.step(2_000), SendPing);
        keep_alive.sent_ping(2_000);
        assert_eq!(keep_alive.step(2_000), WaitUntil(Some(4_000)));
        assert_eq!(keep_alive.step(4_000), SendPing);
        keep_alive.sent_ping(4_000);
        assert_eq!(keep_alive.step(4_000), WaitUntil(Some(6_000)));
        keep_alive.sent_ping(6_000);
        assert_eq!(keep_alive.step(6_000), WaitUntil(Some(7_000)));
        assert_eq!(keep_alive.step(7_000), Dead, "counted from the first");
    }
}

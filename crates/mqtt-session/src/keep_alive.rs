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

/// The client's side: PINGREQ after a silence of ours, death when nothing comes back in time.
///
/// Any byte received counts as an answer; spec: v5 [MQTT-3.1.2-20], §3.12.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClientKeepAlive {
    keep_alive_ms: u64,
    answer_within_ms: u64,
    last_sent_ms: u64,
    ping_sent_ms: Option<u64>,
}

impl ClientKeepAlive {
    /// `keep_alive_s` in seconds (0 turns it off), an answer is due `answer_within_ms` after PINGREQ.
    pub fn new(keep_alive_s: u16, answer_within_ms: u64, now_ms: u64) -> Self {
        Self {
            keep_alive_ms: u64::from(keep_alive_s) * 1000,
            answer_within_ms,
            last_sent_ms: now_ms,
            ping_sent_ms: None,
        }
    }

    /// Bytes left for the server.
    pub const fn sent(&mut self, now_ms: u64) {
        self.last_sent_ms = now_ms;
    }

    /// Bytes came from the server.
    pub const fn received(&mut self) {
        self.ping_sent_ms = None;
    }

    /// PINGREQ has left.
    pub const fn sent_ping(&mut self, now_ms: u64) {
        self.last_sent_ms = now_ms;
        self.ping_sent_ms = Some(now_ms);
    }

    /// What to do at `now_ms`.
    pub fn step(&self, now_ms: u64) -> ClientKeepAliveStep {
        if self.keep_alive_ms == 0 {
            return ClientKeepAliveStep::WaitUntil(None);
        }
        if let Some(ping_sent_ms) = self.ping_sent_ms {
            let deadline_ms = ping_sent_ms.saturating_add(self.answer_within_ms);
            return match now_ms >= deadline_ms {
                true => ClientKeepAliveStep::Dead,
                false => ClientKeepAliveStep::WaitUntil(Some(deadline_ms)),
            };
        }
        let ping_at_ms = self.last_sent_ms.saturating_add(self.keep_alive_ms);
        match now_ms >= ping_at_ms {
            true => ClientKeepAliveStep::SendPing,
            false => ClientKeepAliveStep::WaitUntil(Some(ping_at_ms)),
        }
    }
}

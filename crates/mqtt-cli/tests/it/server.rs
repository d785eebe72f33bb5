//! A server that says what a test tells it to, for what our broker never does.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread::{self, JoinHandle},
    time::Duration,
};

/// CONNACK of v5 that accepts.
pub(crate) const V5_ACCEPTED: &[u8] = &[0x20, 3, 0, 0x00, 0];

/// A server whose end of the talk is a function of the test.
pub(crate) struct ScriptedServer {
    port: u16,
    script: JoinHandle<()>,
}

impl ScriptedServer {
    /// Runs `script`, which takes connections from the listener.
    pub(crate) fn run(script: impl FnOnce(&mut Accept) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = thread::spawn(move || script(&mut Accept(listener)));
        Self { port, script }
    }

    /// Runs `script` on one connection whose CONNECT was read and answered with `connack`.
    pub(crate) fn after_connack(
        connack: &'static [u8],
        script: impl FnOnce(&mut Talk) + Send + 'static,
    ) -> Self {
        Self::run(move |accept| {
            let mut talk = accept.next();
            assert_eq!(talk.hear().first, 0x10);
            talk.say(connack);
            script(&mut talk);
        })
    }

    /// Its port, for `-p`.
    pub(crate) fn port(&self) -> String {
        self.port.to_string()
    }

    /// Waits for the script's end; fails if it did.
    pub(crate) fn join(self) {
        self.script.join().unwrap();
    }
}

/// Where connections come from.
pub(crate) struct Accept(TcpListener);

impl Accept {
    /// The next connection.
    pub(crate) fn next(&mut self) -> Talk {
        let (stream, _) = self.0.accept().unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        Talk(stream)
    }
}

/// One connection.
pub(crate) struct Talk<S = TcpStream>(pub(crate) S);

/// A packet as it came.
pub(crate) struct Heard {
    /// The first byte: type and flags.
    pub(crate) first: u8,
    /// What follows the Remaining Length.
    pub(crate) body: Vec<u8>,
}

impl<S: Read + Write> Talk<S> {
    /// The next packet.
    pub(crate) fn hear(&mut self) -> Heard {
        let [first] = self.bytes();
        let mut len = 0;
        for shift in [0, 7, 14, 21] {
            let [byte] = self.bytes();
            len |= usize::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; len];
        self.0.read_exact(&mut body).unwrap();
        Heard { first, body }
    }

    /// Sends bytes.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }
}

impl Heard {
    /// The Packet Identifier of a SUBSCRIBE, or of a PUBLISH to `topic_name` at QoS 1 or 2.
    pub(crate) fn packet_id(&self, topic_name: Option<&str>) -> [u8; 2] {
        let at = topic_name.map_or(0, |topic_name| 2 + topic_name.len());
        self.body.get(at..at + 2).unwrap().try_into().unwrap()
    }
}

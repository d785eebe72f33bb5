//! From an address to an accepted connection.

use crate::command::{Outgoing, Request};
use crate::connack::{ConnAckInfo, ConnAckWords};
use crate::options::Options;
use crate::properties::owned_pairs;
use crate::{ConnectError, Stream, limits};
use mqtt_codec::{ConnAck, ProtocolVersion, ReasonCode};
use mqtt_io::{PacketReader, Verdict, WriteQueue, poll_read_chunk};
use mqtt_session::{
    ClientConnection, ClientError, ClientEvent, ClientSession, ClientSettings, UnknownSession,
};
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How to get a stream of bytes.
#[derive(Debug)]
pub(crate) enum Dial {
    Tcp,
    Given(Stream),
}

/// A connection the server has accepted.
#[derive(Debug)]
pub(crate) struct Established {
    pub(crate) stream: Stream,
    pub(crate) reader: PacketReader,
    pub(crate) connection: ClientConnection<Outgoing, Request>,
    pub(crate) connack: Arc<ConnAckInfo>,
    /// The moment that counts as 0 ms.
    pub(crate) epoch: Instant,
}

/// Connects, and once more in an older version if the server asks for that.
pub(crate) async fn connect(options: &Options, dial: Dial) -> Result<Established, ConnectError> {
    let attempts = async {
        let newest = ProtocolVersion::V5; // version: what a client speaks when nothing was chosen
        let version = options.version.unwrap_or(newest);
        let stream = match dial {
            Dial::Given(stream) => return attempt(options, stream, version).await,
            Dial::Tcp => dial_tcp(options).await?,
        };
        let refusal = match attempt(options, stream, version).await {
            Err(refusal) if options.version.is_none() => refusal,
            decided => return decided,
        };
        if refusal.reason() != Some(ReasonCode::UNSUPPORTED_PROTOCOL_VERSION) {
            return Err(refusal);
        }
        let older = ProtocolVersion::V311; // version: the one step back when nothing was chosen
        tracing::debug!("the server does not know MQTT 5, trying 3.1.1");
        attempt(options, dial_tcp(options).await?, older).await
    };
    timeout(options.connect_timeout, attempts)
        .await
        .unwrap_or(Err(ConnectError::Timeout))
}

async fn dial_tcp(options: &Options) -> Result<Stream, ConnectError> {
    Ok(Stream::connect_tcp(&options.endpoint.host, options.endpoint.port).await?)
}

async fn attempt(
    options: &Options,
    mut stream: Stream,
    version: ProtocolVersion,
) -> Result<Established, ConnectError> {
    let epoch = Instant::now();
    let mut out = Vec::new();
    let settings = ClientSettings {
        ping_answer_within_ms: millis(limits::PING_TIMEOUT),
        unknown_session: UnknownSession::TakeOver,
    };
    let mut session = ClientSession::new();
    let mut connection = options
        .with_connect(version, |connect| {
            ClientConnection::connect(&mut session, connect, settings, 0, &mut out)
        })
        .map_err(ConnectError::Will)?
        .map_err(ConnectError::Options)?;
    let mut queue = WriteQueue::new();
    queue.push(out);
    poll_fn(|cx| queue.poll_flush(&mut stream, cx)).await?;

    let mut reader = PacketReader::new(options.packet_len_max.get());
    loop {
        let mut answer = None;
        let (len, fed) = poll_fn(|cx| {
            poll_read_chunk(&mut stream, cx, |bytes| {
                let fed = reader.feed(bytes, |frame| {
                    // What follows CONNACK is for the driver.
                    if answer.is_some() {
                        return Verdict::Pause;
                    }
                    let now_ms = millis(epoch.elapsed());
                    let handled = connection.handle_frame(frame, now_ms, &mut Vec::new());
                    answer = Some(handled.map(Answer::of));
                    Verdict::Continue
                });
                (bytes.len(), fed)
            })
        })
        .await?;
        let answer = answer.transpose()?;
        if let Some(Answer::Refused(refusal)) = answer {
            return Err(refusal);
        }
        fed.map_err(ClientError::Decode)?;
        match answer {
            Some(Answer::Accepted(words)) => {
                let (client_id, negotiated) = (&options.client_id, connection.negotiated());
                let connack = words.into_info(client_id, negotiated, connection.grants());
                let connack = Arc::new(connack);
                return Ok(Established {
                    stream,
                    reader,
                    connection,
                    connack,
                    epoch,
                });
            }
            _ if len == 0 => return Err(ConnectError::NoAnswer),
            _ => {}
        }
    }
}

/// A CONNACK, owned as far as the client needs it.
enum Answer {
    Accepted(ConnAckWords),
    Refused(ConnectError),
}

impl Answer {
    fn of(event: ClientEvent<'_, Outgoing, Request>) -> Self {
        match event {
            ClientEvent::Refused(connack) => Self::Refused(refused(&connack)),
            ClientEvent::Connected { connack, .. } => Self::Accepted(ConnAckWords::of(&connack)),
            // Before CONNACK the session takes nothing else.
            _ => Self::Refused(ConnectError::NoAnswer),
        }
    }
}

fn refused(connack: &ConnAck<'_>) -> ConnectError {
    let properties = &connack.properties;
    ConnectError::Refused {
        reason: connack.reason,
        reason_string: properties.reason_string().map(Into::into),
        server_reference: properties.server_reference().map(Into::into),
        user_properties: owned_pairs(properties),
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

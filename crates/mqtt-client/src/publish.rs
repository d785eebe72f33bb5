//! Publishing: the request, its receipt and the server's answer.

use crate::command::{Command, Outgoing};
use crate::options::whole_seconds;
use crate::place::{Place, Spot};
use crate::properties::owned_pairs;
use crate::receipts::{Claim, Reply};
use crate::shared::Shared;
use crate::store::Kept;
use crate::{Client, MessageProperties, PublishError};
use bytes::Bytes;
use mqtt_codec::{Ack, PayloadFormat, QoS, ReasonCode, TopicName};
use mqtt_session::MessageExpiry;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::TryAcquireError;

/// A message to publish, made by [`Client::publish`].
///
/// `.await` on it resolves when the server has answered: at QoS 1 with PUBACK, at QoS 2 with PUBCOMP. At QoS 0,
/// which has no answer, it resolves when the bytes are handed to the transport.
///
/// Cancel safety: dropped before its first poll, or while all places for waiting messages are taken, nothing was
/// sent. Dropped later, the message is sent all the same and only the answer is lost.
#[derive(Debug)]
#[must_use = "nothing is published before it is awaited"]
pub struct Publish {
    client: Client,
    topic_name: String,
    payload: Bytes,
    qos: QoS,
    retain: bool,
    properties: Option<Box<MessageProperties>>,
}

impl Publish {
    pub(crate) fn new(client: Client, topic_name: String, payload: Bytes) -> Self {
        let (qos, retain, properties) = (QoS::AtMostOnce, false, None);
        Self {
            client,
            topic_name,
            payload,
            qos,
            retain,
            properties,
        }
    }

    /// Sets the QoS; 0 when not set.
    pub const fn qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// Has the server retain it; an empty payload removes what is retained.
    pub const fn retain(mut self) -> Self {
        self.retain = true;
        self
    }

    /// Sets all properties at once; from v5 on, as all properties.
    pub fn properties(mut self, properties: MessageProperties) -> Self {
        self.properties = Some(Box::new(properties));
        self
    }

    /// Says what the payload is, usually by a MIME type.
    pub fn content_type(self, content_type: impl Into<String>) -> Self {
        self.with(|properties| properties.content_type = Some(content_type.into()))
    }

    /// Says where an answer is expected.
    pub fn response_topic(self, topic_name: impl Into<String>) -> Self {
        self.with(|properties| properties.response_topic = Some(topic_name.into()))
    }

    /// Says what the answer should carry.
    pub fn correlation_data(self, correlation_data: impl Into<Bytes>) -> Self {
        self.with(|properties| properties.correlation_data = Some(correlation_data.into()))
    }

    /// Adds a name and a value for the application.
    pub fn user_property(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.with(|properties| properties.user_properties.push((name.into(), value.into())))
    }

    /// Sets how long it is of use, in whole seconds: for the server that keeps it, and while it waits here.
    ///
    /// What waits here counts as time passed; one that expires before it is sent ends with
    /// [`PublishError::Expired`].
    pub fn message_expiry(self, expiry: Duration) -> Self {
        self.with(|properties| properties.message_expiry_s = Some(whole_seconds(expiry)))
    }

    /// Says whether the payload is UTF-8 text.
    pub fn payload_format(self, payload_format: PayloadFormat) -> Self {
        self.with(|properties| properties.payload_format = Some(payload_format))
    }

    /// Hands the message to the client and returns a receipt, so that many can be under way at once.
    ///
    /// Waits for a place when [`ClientBuilder::publish_capacity`](crate::ClientBuilder::publish_capacity) messages, or
    /// [`ClientBuilder::publish_bytes`](crate::ClientBuilder::publish_bytes) bytes, are under way. Without a
    /// connection the message waits for the next one. With a [store](crate::ClientBuilder::store) a message of QoS 1
    /// or 2 is on the disk when this resolves.
    ///
    /// Cancel safety: dropped while waiting for a place, nothing was sent; dropped while waiting for the disk, it is.
    ///
    /// # Errors
    /// A topic is none, the message cannot be stored, or the client has ended.
    pub async fn enqueue(self) -> Result<Receipt, PublishError> {
        self.check()?;
        let (qos, len) = (self.qos, self.len());
        if !self.is_stored()
            && let Ok(spot) = Spot::try_acquire(&self.client.handle.shared, qos, len)
        {
            return self.send_unstored(spot);
        }
        let (client, mut outgoing) = self.into_outgoing();
        let shared = &client.handle.shared;
        let mut place = Place::acquire(shared, qos, len).await?;
        let receipt = loop {
            let not_taken = match hand_over(&client, outgoing, place) {
                Ok(receipt) => break receipt,
                Err(not_taken) => *not_taken,
            };
            let Some(unsent) = not_taken.unsent else {
                return Err(not_taken.error);
            };
            (outgoing, place) = unsent;
            match &shared.keeper {
                Some(keeper) => keeper.room().await?,
                None => return Err(not_taken.error),
            }
        };
        receipt.stored().await?;
        Ok(receipt)
    }

    /// As [`Publish::enqueue`], but gives the message back instead of waiting for a place, and does not wait for the
    /// disk: [`Receipt::stored`] does.
    ///
    /// # Errors
    /// [`TryEnqueueError::Full`] with the message when there is no place, else as [`Publish::enqueue`].
    pub fn try_enqueue(self) -> Result<Receipt, TryEnqueueError> {
        self.check()?;
        let shared = &self.client.handle.shared;
        match Spot::try_acquire(shared, self.qos, self.len()) {
            Ok(spot) => Ok(self.send(spot)?),
            Err(TryAcquireError::NoPermits) => Err(TryEnqueueError::Full(Box::new(self))),
            Err(TryAcquireError::Closed) => Err(PublishError::from(shared.closed_error()).into()),
        }
    }

    /// Bytes that count.
    fn len(&self) -> usize {
        self.topic_name.len().saturating_add(self.payload.len())
    }

    fn check(&self) -> Result<(), PublishError> {
        TopicName::try_new(&self.topic_name).map_err(PublishError::TopicName)?;
        match &self.properties {
            Some(properties) => properties.check().map_err(PublishError::ResponseTopic),
            None => Ok(()),
        }
    }

    /// Whether the store has to see it first.
    fn is_stored(&self) -> bool {
        self.qos != QoS::AtMostOnce && self.client.handle.shared.keeper.is_some()
    }

    fn send(self, spot: Spot) -> Result<Receipt, PublishError> {
        if !self.is_stored() {
            return self.send_unstored(spot);
        }
        let (client, outgoing) = self.into_outgoing();
        let place = Place::of(&client.handle.shared, spot);
        hand_over(&client, outgoing, place).map_err(|not_taken| not_taken.error)
    }

    /// Tells the driver of a message, which is made where the driver takes it from: it is not moved on its way.
    #[inline]
    fn send_unstored(self, spot: Spot) -> Result<Receipt, PublishError> {
        let expiry = self.expiry();
        let Self {
            client,
            topic_name,
            payload,
            qos,
            retain,
            properties,
        } = self;
        let shared = &client.handle.shared;
        let Some((reply, claim)) = shared.receipts.begin() else {
            return Err(shared.closed_error().into());
        };
        let receipt = Receipt {
            claim: Some(claim),
            shared: Arc::clone(shared),
            kept: None,
        };
        let topic_name = topic_name.into();
        let is_sent = client.handle.commands.send_made(|| {
            Command::Publish(Outgoing {
                topic_name,
                payload,
                qos,
                retain,
                properties,
                reply,
                expiry,
                spot,
                received: ReasonCode::SUCCESS,
                notes: None,
            })
        });
        match is_sent {
            true => Ok(receipt),
            false => Err(shared.closed_error().into()),
        }
    }

    /// When it is of no more use.
    fn expiry(&self) -> Option<MessageExpiry> {
        let expiry_s = self.properties.as_ref()?.message_expiry_s?;
        let now_ms = self.client.handle.shared.now_ms();
        Some(MessageExpiry::after(expiry_s, now_ms))
    }

    /// The message for the driver, still without a place and an answer.
    fn into_outgoing(self) -> (Client, Outgoing) {
        let expiry = self.expiry();
        let outgoing = Outgoing {
            topic_name: self.topic_name.into(),
            payload: self.payload,
            qos: self.qos,
            retain: self.retain,
            properties: self.properties,
            reply: Reply::default(),
            expiry,
            spot: Spot::default(),
            received: ReasonCode::SUCCESS,
            notes: None,
        };
        (self.client, outgoing)
    }

    fn with(mut self, change: impl FnOnce(&mut MessageProperties)) -> Self {
        change(self.properties.get_or_insert_default());
        self
    }
}

/// Why a message was not taken.
struct NotTaken<'a> {
    error: PublishError,
    /// The message, if it may be taken later.
    unsent: Option<(Outgoing, Place<'a>)>,
}

/// Tells the driver of a message, and before that the store, if there is one.
fn hand_over<'a>(
    client: &Client,
    mut outgoing: Outgoing,
    place: Place<'a>,
) -> Result<Receipt, Box<NotTaken<'a>>> {
    let shared = &client.handle.shared;
    let keeper = shared.keeper.as_ref();
    let Some(keeper) = keeper.filter(|_| outgoing.qos != QoS::AtMostOnce) else {
        return send(client, outgoing, place, None);
    };
    let order = match keeper.keep(&mut outgoing, shared.now_ms()) {
        Ok(order) => order,
        Err(error) => {
            let unsent = error.is_disk_behind().then_some((outgoing, place));
            return Err(Box::new(NotTaken { error, unsent }));
        }
    };
    let sent = send(client, outgoing, place, Some(order.kept()));
    if sent.is_err() {
        order.take_back();
    }
    sent
}

/// Gives the driver a message with its place, and a way for its answer.
fn send<'a>(
    client: &Client,
    mut outgoing: Outgoing,
    place: Place<'a>,
    kept: Option<Kept>,
) -> Result<Receipt, Box<NotTaken<'a>>> {
    let closed = || {
        Box::new(NotTaken {
            error: client.handle.shared.closed_error().into(),
            unsent: None,
        })
    };
    let shared = Arc::clone(&client.handle.shared);
    let Some((reply, claim)) = shared.receipts.begin() else {
        return Err(closed());
    };
    outgoing.reply = reply;
    outgoing.spot = place.take();
    let receipt = Receipt {
        claim: Some(claim),
        shared,
        kept,
    };
    match client.send(Command::Publish(outgoing)) {
        Ok(()) => Ok(receipt),
        Err(_) => Err(closed()),
    }
}

impl IntoFuture for Publish {
    type Output = Result<Published, PublishError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.enqueue().await?.await })
    }
}

/// Why a message was not taken at once.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TryEnqueueError {
    /// There is no place for it now; here it is again.
    #[error("as many messages as may wait do")]
    Full(Box<Publish>),
    /// It will not be taken.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// A place for one message; made by [`Client::reserve`].
#[derive(Debug)]
#[must_use = "dropped, the place is given back"]
pub struct Permit {
    client: Client,
    qos: QoS,
    len_max: usize,
    spot: Spot,
}

impl Permit {
    pub(crate) async fn reserve(
        client: Client,
        qos: QoS,
        len_max: usize,
    ) -> Result<Self, PublishError> {
        let place = Place::acquire(&client.handle.shared, qos, len_max).await?;
        let spot = place.take();
        Ok(Self {
            client,
            qos,
            len_max,
            spot,
        })
    }

    /// Hands a message to the client of the permit without waiting, at the QoS of the permit, whatever `publish` says.
    ///
    /// # Errors
    /// A topic is none, the message is longer than was reserved, or the client has ended.
    pub fn send(
        mut self,
        publish: impl FnOnce(&Client) -> Publish,
    ) -> Result<Receipt, PublishError> {
        let mut publish = publish(&self.client).qos(self.qos);
        // The place is one of this client's.
        publish.client.clone_from(&self.client);
        publish.check()?;
        if publish.len() > self.len_max {
            let (len, len_max) = (publish.len(), self.len_max);
            return Err(PublishError::LongerThanReserved { len, len_max });
        }
        publish.send(std::mem::take(&mut self.spot))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        drop(Place::of(
            &self.client.handle.shared,
            std::mem::take(&mut self.spot),
        ));
    }
}

/// Resolves when the server has answered a message; see [`Publish`].
///
/// It outlives connections and resolves in any case: with an error at the latest when the client ends. Dropping it
/// takes nothing back. Cancel safety: polled again, it goes on.
#[derive(Debug)]
#[must_use = "the server's answer is not looked at"]
pub struct Receipt {
    /// None once it has resolved.
    claim: Option<Claim>,
    shared: Arc<Shared>,
    /// Where it stands in the store, if it is kept there.
    kept: Option<Kept>,
}

impl Receipt {
    /// Of a message of an earlier process.
    pub(crate) const fn restored(claim: Option<Claim>, shared: Arc<Shared>) -> Self {
        Self {
            claim,
            shared,
            kept: None,
        }
    }

    /// Waits until the message is in the [store](crate::ClientBuilder::store), and as durable as that is to make it; at
    /// once without a store, and at QoS 0.
    ///
    /// [`Publish::enqueue`] has waited for it already; [`Publish::try_enqueue`] and [`Permit::send`] have not, so that
    /// many messages can wait for the disk together.
    ///
    /// Cancel safety: nothing is lost.
    ///
    /// # Errors
    /// The disk has failed: the message may be lost with the process.
    pub async fn stored(&self) -> Result<(), PublishError> {
        match (&self.shared.keeper, self.kept) {
            (Some(keeper), Some(kept)) => keeper.stored(kept).await,
            _ => Ok(()),
        }
    }
}

impl Future for Receipt {
    type Output = Result<Published, PublishError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match &self.claim {
            Some(claim) => match self.shared.receipts.poll_take(claim, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(answer) => answer,
            },
            None => None,
        };
        self.claim = None;
        Poll::Ready(answer.unwrap_or_else(|| Err(self.shared.closed_error().into())))
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(claim) = &self.claim {
            self.shared.receipts.let_go(claim);
        }
    }
}

/// The server's answer to a message it took; at QoS 0, and before v5, just "success".
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Published {
    reason: ReasonCode,
    reason_string: Option<String>,
    user_properties: Vec<(String, String)>,
}

impl Published {
    /// A success without words.
    pub(crate) const fn plain(reason: ReasonCode) -> Self {
        Self {
            reason,
            reason_string: None,
            user_properties: Vec::new(),
        }
    }

    /// # Errors
    /// The acknowledgement refuses the message.
    pub(crate) fn of(ack: &Ack<'_>) -> Result<Self, PublishError> {
        let reason = match ack.reason {
            // Only PUBCOMP says this: the server had it all, and its first PUBCOMP was lost with a connection.
            ReasonCode::PACKET_IDENTIFIER_NOT_FOUND => ReasonCode::SUCCESS,
            reason => reason,
        };
        let reason_string = ack.properties.reason_string().map(Into::into);
        let user_properties = owned_pairs(&ack.properties);
        if reason.is_error() {
            return Err(PublishError::Refused {
                reason,
                reason_string,
                user_properties,
            });
        }
        Ok(Self {
            reason,
            reason_string,
            user_properties,
        })
    }

    /// Success, or 0x10 when nobody is subscribed; the server may leave that out.
    pub const fn reason(&self) -> ReasonCode {
        self.reason
    }

    /// The server's words for people.
    pub fn reason_string(&self) -> Option<&str> {
        self.reason_string.as_deref()
    }

    /// Names and values of the server's own.
    pub fn user_properties(&self) -> &[(String, String)] {
        &self.user_properties
    }
}

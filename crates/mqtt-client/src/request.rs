//! Request and response: a message, and the one message that answers it.

use crate::command::{Command, Request as Asked, SubscribeRequest};
use crate::queue::MessageQueue;
use crate::{
    Client, ClosedError, Message, MessageProperties, Publish, PublishError, SubscribeError, limits,
};
use bytes::Bytes;
use mqtt_codec::{QoS, SubscriptionOptions};
use std::collections::HashMap;
use std::future::IntoFuture;
use std::hash::{BuildHasher, RandomState};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// A request to make, by [`Client::request`]; `.await` on it resolves with the response. From v5 on.
///
/// The first one subscribes to a Response Topic of this client, which all later ones share; responses are told apart by
/// their Correlation Data. Who answers publishes to the [Response Topic](MessageProperties::response_topic) of the
/// request, with its Correlation Data: [`Client::respond`]. Spec: v5 §4.10.
///
/// Cancel safety: dropped before its first poll nothing was sent; dropped later, a response is thrown away.
#[derive(Debug)]
#[must_use = "nothing is asked before it is awaited"]
pub struct Request {
    publish: Publish,
    client: Client,
    timeout: Duration,
}

/// Why a request has no response.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The version in use has no Response Topic.
    #[error("the version in use has no requests")]
    NotSupported,
    /// No response came in time.
    #[error("no response in time")]
    Timeout,
    /// The Response Topic cannot be subscribed to.
    #[error("response topic: {0}")]
    Subscribe(#[from] SubscribeError),
    /// The request was not published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The client has ended.
    #[error(transparent)]
    Closed(#[from] ClosedError),
}

impl RequestError {
    /// Whether asking again may succeed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NotSupported => false,
            Self::Timeout => true,
            Self::Subscribe(error) => error.is_retryable(),
            Self::Publish(error) => error.is_retryable(),
            Self::Closed(closed) => closed.reason.is_retryable(),
        }
    }
}

impl Request {
    pub(crate) fn new(client: Client, topic_name: String, payload: Bytes) -> Self {
        Self {
            publish: client.publish(topic_name, payload),
            client,
            timeout: limits::REQUEST_TIMEOUT,
        }
    }

    /// Sets the QoS of the request, and of its response at most; 0 when not set.
    pub fn qos(mut self, qos: QoS) -> Self {
        self.publish = self.publish.qos(qos);
        self
    }

    /// Sets how long the response may take, from the first poll on; 10 seconds when not set.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the properties of the request; Response Topic and Correlation Data are set by the client.
    pub fn properties(mut self, properties: MessageProperties) -> Self {
        self.publish = self.publish.properties(properties);
        self
    }

    async fn send(self) -> Result<Message, RequestError> {
        let Self {
            publish,
            client,
            timeout: limit,
        } = self;
        let answered = async {
            let response_topic = subscribed(&client).await?;
            let responses = Arc::clone(&client.handle.shared.responses);
            let (awaited, response) = Awaited::new(responses);
            let publish = publish
                .response_topic(response_topic)
                .correlation_data(awaited.number.to_be_bytes().to_vec());
            let mut response = pin!(response);
            let published = pin!(publish.into_future());
            tokio::select! {
                biased;
                // It may overtake the acknowledgement of its request.
                response = &mut response => return given(&client, response),
                published = published => published?,
            };
            given(&client, response.await)
        };
        timeout(limit, answered)
            .await
            .unwrap_or(Err(RequestError::Timeout))
    }
}

impl IntoFuture for Request {
    type Output = Result<Message, RequestError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

fn given(
    client: &Client,
    response: Result<Message, oneshot::error::RecvError>,
) -> Result<Message, RequestError> {
    response.map_err(|_| client.handle.shared.closed_error().into())
}

/// The Response Topic of this client, subscribed to.
async fn subscribed(client: &Client) -> Result<String, RequestError> {
    let shared = &client.handle.shared;
    let connack = client.connected().await?;
    if !connack.version.has_properties() {
        return Err(RequestError::NotSupported);
    }
    // Later ones wait until the first has subscribed.
    let mut topic_name = shared.responses.topic_name.lock().await;
    if let Some(topic_name) = &*topic_name {
        return Ok(topic_name.clone());
    }
    let base = connack.response_information.as_deref();
    let base = base.unwrap_or("responses").trim_end_matches('/');
    let chosen = format!("{base}/{:016x}", RandomState::new().hash_one(()));
    let (reply, granted) = oneshot::channel();
    let request = SubscribeRequest {
        topic_filters: Arc::new([chosen.as_str().into()]),
        options: vec![SubscriptionOptions::new(QoS::ExactlyOnce)],
        user_properties: Vec::new(),
        identifier: None,
        client: Arc::downgrade(&client.handle),
        queue: Arc::new(MessageQueue::of_responses(Arc::clone(&shared.responses))),
        reply,
        permit: shared.permit(&shared.requests).await?,
    };
    client.send(Command::Request(Asked::Subscribe(Box::new(request))))?;
    let granted = granted.await.map_err(|_| shared.closed_error())?;
    // It stays as long as the client.
    granted?.keep();
    *topic_name = Some(chosen.clone());
    Ok(chosen)
}

/// The requests of a client that have no response yet.
#[derive(Debug, Default)]
pub(crate) struct Responses {
    /// The Response Topic, once it is subscribed to.
    topic_name: tokio::sync::Mutex<Option<String>>,
    /// Who waits, by Correlation Data; one for each request somebody awaits.
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next_number: u64,
    replies: HashMap<u64, oneshot::Sender<Message>>,
    is_closed: bool,
}

impl Responses {
    /// Hands a message to the request it answers; `false` if nobody waits for it any more.
    pub(crate) fn give(&self, message: Message) -> bool {
        let correlation_data = message.properties().correlation_data.as_deref();
        let number = correlation_data.and_then(|data| data.try_into().ok());
        let Some(number) = number.map(u64::from_be_bytes) else {
            return false;
        };
        let reply = self.lock().replies.remove(&number);
        reply.is_some_and(|reply| reply.send(message).is_ok())
    }

    /// No responses follow.
    pub(crate) fn close(&self) {
        let mut waiting = self.lock();
        waiting.is_closed = true;
        waiting.replies.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while it is held.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request without a response; not waited for any more when it is dropped.
struct Awaited {
    number: u64,
    responses: Arc<Responses>,
}

impl Awaited {
    fn new(responses: Arc<Responses>) -> (Self, oneshot::Receiver<Message>) {
        let (reply, response) = oneshot::channel();
        let mut waiting = responses.lock();
        let number = waiting.next_number;
        waiting.next_number = number.wrapping_add(1);
        if !waiting.is_closed {
            waiting.replies.insert(number, reply);
        }
        drop(waiting);
        (Self { number, responses }, response)
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.responses.lock().replies.remove(&self.number);
    }
}

//! Our client, by its library.

use super::{Client, Connection, Login, Message, SESSION_EXPIRY_S};
use crate::process::PATIENCE;
use mqtt_client::{CloseReason, Subscription, TlsOptions, Unclaimed, Will};
use mqtt_codec::QoS;
use std::{
    future::{Future, IntoFuture},
    rc::Rc,
    time::Duration,
};
use tokio::{runtime::Runtime, task::JoinHandle, time::timeout};

/// Our client, in a runtime for one test.
pub(crate) struct OwnClient(Rc<Runtime>);

impl OwnClient {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        Self(Rc::new(runtime.unwrap()))
    }

    fn log_in(&self, login: &Login) -> LoggedIn {
        let session_expiry_s = if login.keeps_session {
            SESSION_EXPIRY_S
        } else {
            0
        };
        let mut builder = mqtt_client::Client::builder(login.way.url())
            .version(login.version)
            .client_id(login.client_id)
            .clean_start(!login.keeps_session)
            .session_expiry(Duration::from_secs(session_expiry_s.into()));
        if let Some(authority) = login.way.authority() {
            let mut tls = TlsOptions::new().ca_file(authority).unwrap();
            if let Some((certificate, key)) = login.way.identity() {
                tls = tls.identity_files(certificate, key).unwrap();
            }
            builder = builder.tls(tls.build().unwrap());
        }
        if let Some(will) = &login.will {
            let (topic_name, payload) = (will.topic_name.clone(), will.payload.clone());
            let left = Will::new(topic_name, payload).qos(qos_of(will));
            builder = builder.will(if will.retain { left.retain() } else { left });
        }
        let (client, driver) = builder.build().unwrap();
        let driver = self.0.spawn(driver);
        let connack = within(&self.0, "CONNACK", client.connected());
        match connack {
            Ok(connack) => {
                assert_eq!(connack.version, login.version);
                LoggedIn {
                    client,
                    driver,
                    session_present: connack.session_present,
                }
            }
            Err(error) => panic!("{} cannot connect: {error}", login.client_id),
        }
    }
}

impl Client for OwnClient {
    fn connect(&self, login: &Login, topic_filter: Option<(&str, QoS)>) -> Box<dyn Connection> {
        let logged_in = self.log_in(login);
        let subscription = topic_filter.map(|(topic_filter, qos)| {
            let subscribe = logged_in.client.subscribe(topic_filter).qos(qos);
            match within(&self.0, "SUBACK", subscribe.into_future()) {
                Ok(subscription) => subscription,
                Err(error) => panic!("{} cannot subscribe: {error}", login.client_id),
            }
        });
        let unclaimed = logged_in.client.unclaimed();
        Box::new(OwnConnection {
            runtime: Rc::clone(&self.0),
            logged_in,
            subscription,
            unclaimed,
        })
    }

    fn publish(&self, login: &Login, message: &Message) {
        let logged_in = self.log_in(login);
        let (topic_name, payload) = (message.topic_name.clone(), message.payload.clone());
        let publish = logged_in
            .client
            .publish(topic_name, payload)
            .qos(qos_of(message));
        let publish = if message.retain {
            publish.retain()
        } else {
            publish
        };
        let published = within(&self.0, "the end of a publish", publish.into_future());
        if let Err(error) = published {
            panic!("{} cannot publish: {error}", login.client_id);
        }
        logged_in.disconnect(&self.0);
    }
}

/// A client the broker has accepted.
struct LoggedIn {
    client: mqtt_client::Client,
    driver: JoinHandle<CloseReason>,
    session_present: bool,
}

impl LoggedIn {
    fn disconnect(self, runtime: &Runtime) {
        within(
            runtime,
            "the end of the connection",
            self.client.disconnect().into_future(),
        )
        .unwrap();
    }
}

/// A connected client, and where its messages come.
struct OwnConnection {
    runtime: Rc<Runtime>,
    logged_in: LoggedIn,
    subscription: Option<Subscription>,
    /// For the messages of a subscription made in an earlier connection.
    unclaimed: Unclaimed,
}

impl Connection for OwnConnection {
    fn session_present(&self) -> Option<bool> {
        Some(self.logged_in.session_present)
    }

    fn granted(&self) -> Option<u8> {
        let subscription = self.subscription.as_ref()?;
        Some(subscription.granted_qos().get())
    }

    fn next(&mut self) -> Message {
        let message = match &mut self.subscription {
            Some(subscription) => within(&self.runtime, "a message", subscription.next()),
            None => within(&self.runtime, "an unclaimed message", self.unclaimed.next()),
        };
        let Some(message) = message else {
            let reason = within(
                &self.runtime,
                "why it ended",
                self.logged_in.client.closed(),
            );
            panic!("the connection ended before a message: {reason:?}");
        };
        Message {
            topic_name: message.topic_name().to_owned(),
            payload: String::from_utf8(message.payload().to_vec()).unwrap(),
            qos: message.qos().get(),
            retain: message.retain(),
        }
    }

    fn disconnect(self: Box<Self>) {
        if let Some(subscription) = self.subscription {
            // Dropping it would unsubscribe.
            subscription.detach();
        }
        self.logged_in.disconnect(&self.runtime);
    }

    fn cut(self: Box<Self>) {
        self.logged_in.driver.abort();
        let ended = within(
            &self.runtime,
            "the end of the driver",
            self.logged_in.driver,
        );
        assert!(ended.is_err_and(|error| error.is_cancelled()));
    }
}

fn qos_of(message: &Message) -> QoS {
    QoS::from_u8(message.qos).unwrap()
}

/// Waits for `future`, but not for ever.
#[track_caller]
fn within<F: Future>(runtime: &Runtime, awaited: &str, future: F) -> F::Output {
    match runtime.block_on(async { timeout(PATIENCE, future).await }) {
        Ok(output) => output,
        Err(_) => panic!("waited {PATIENCE:?} for {awaited}"),
    }
}

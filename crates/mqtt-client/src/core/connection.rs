//! The beginning and the end of a Network Connection, and what the session makes of them.

use super::publish::not_published;
use super::{Core, Link};
use crate::command::{Outgoing, Request};
use crate::connack::{ConnAckInfo, ConnAckWords};
use crate::dial::Credentials;
use crate::error::PublishError;
use crate::event::Event;
use crate::options::ConnectWords;
use crate::properties::owned_pairs;
use crate::time::millis;
use crate::{CloseReason, ConnectError};
use mqtt_codec::{ConnAck, ProtocolVersion, QoS, ReasonCode};
use mqtt_session::{ClientConnection, ClientError, ClientSession, ClientSettings, UnknownSession};
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::mem;
use std::sync::Arc;

impl Core {
    /// Begins a connection: CONNECT goes to `out`, and CONNACK is due by `until_ms`.
    ///
    /// # Errors
    /// The options make no CONNECT of `version`.
    pub(crate) fn begin(
        &mut self,
        server: String,
        version: ProtocolVersion,
        credentials: &Credentials,
        until_ms: u64,
    ) -> Result<(), ConnectError> {
        let options = Arc::clone(&self.options);
        let has_begun = self.was_accepted || self.is_restored;
        let clean_start = match version.has_properties() {
            // From v5 on it says how to begin, not how to end.
            true => options.clean_start && !has_begun,
            false => options.clean_start && self.shared.keeper.is_none(),
        };
        let authentication = self
            .exchange
            .begin(options.authentication.as_ref())
            .map_err(ConnectError::Authentication)?;
        if authentication.is_some() && !version.has_auth() {
            return Err(ConnectError::AuthenticationNotSupported);
        }
        let assigned = self.assigned_client_id.as_deref();
        let words = ConnectWords {
            authentication: authentication
                .as_ref()
                .map(|(method, data)| (method.as_str(), data.as_slice())),
            version,
            clean_start,
            client_id: assigned.unwrap_or(&options.client_id),
            credentials,
        };
        let settings = ClientSettings {
            ping_answer_within_ms: millis(options.ping_timeout),
            unknown_session: match options.strict_session {
                true => UnknownSession::Refuse,
                false => UnknownSession::TakeOver,
            },
        };
        let mut session = match mem::replace(&mut self.link, Link::Away(ClientSession::default())) {
            Link::Away(session) => session,
            Link::Here(connection) => connection.into_session(),
        };
        self.out.clear();
        self.pushed = 0;
        let (now_ms, out) = (self.now_ms, &mut self.out);
        let begun = options.with_connect(words, |connect| {
            ClientConnection::connect(&mut session, connect, settings, now_ms, out)
        });
        let begun = begun
            .map_err(ConnectError::Will)
            .and_then(|begun| begun.map_err(ConnectError::Options));
        let mut connection = match begun {
            Ok(connection) => connection,
            Err(error) => {
                self.link = Link::Away(session);
                return Err(error);
            }
        };
        connection.limit_handshake(until_ms);
        connection.limit_outbound_aliases(options.topic_alias_max);
        if !options.strict_receive_maximum {
            connection.take_excess();
        }
        // Before CONNACK, so that what the application has left comes again as new.
        for (token, reason) in mem::take(&mut self.late_answers) {
            connection.acknowledge(token, reason, now_ms, out);
        }
        self.link = Link::Here(Box::new(connection));
        self.server = server;
        self.known.clear();
        self.is_accepted = false;
        Ok(())
    }

    /// The server accepted.
    pub(super) fn accept(&mut self, words: ConnAckWords) {
        let Link::Here(connection) = &mut self.link else {
            return;
        };
        let asked = self.assigned_client_id.as_deref();
        let asked = asked.unwrap_or(&self.options.client_id);
        let (negotiated, grants) = (connection.negotiated(), connection.grants());
        let connack = Arc::new(words.into_info(asked, negotiated, grants));
        let mut lost = Vec::new();
        while let Some(message) = connection.poll_lost() {
            lost.push(message);
        }
        let resumed = connection.inflight();
        if let Some(keeper) = &self.shared.keeper {
            keeper.set_established(connection.outlives_connection());
        }
        let was_accepted = mem::replace(&mut self.was_accepted, true) || self.is_restored;
        self.is_accepted = true;
        if connack.client_id != self.options.client_id {
            self.assigned_client_id = Some(connack.client_id.clone());
        }
        self.router
            .begin_ids(first_subscription_id(connack.session_present));
        let counters = &self.shared.counters;
        counters.connections.add(1);
        if connack.session_present {
            counters.resent.add(super::count(resumed));
        }
        self.shared.set_connected(Arc::clone(&connack));
        tracing::info!(server = %self.server, session_present = connack.session_present, "connected");
        self.event(&Event::Connected {
            server: self.server.clone(),
            connack: Arc::clone(&connack),
        });
        if was_accepted {
            self.settle_earlier(&connack, lost);
        }
    }

    /// What was begun on an earlier connection goes on, or begins anew.
    fn settle_earlier(&mut self, connack: &ConnAckInfo, lost: Vec<Outgoing>) {
        let queues = self.router.queues().chain([&self.shared.unclaimed]);
        for queue in queues {
            match connack.session_present {
                true => queue.forget_repeated(self.held.first_serial()),
                false => queue.keep_unanswered(self.held.first_serial()),
            }
        }
        if connack.session_present {
            return;
        }
        let (mut republished, mut failed) = (VecDeque::new(), 0);
        for message in lost {
            if message.qos == QoS::AtLeastOnce && !self.options.fail_lost {
                republished.push_back(message);
            } else {
                failed += 1;
                not_published(&self.shared, message, PublishError::SessionLost);
            }
        }
        let republished_count = republished.len();
        republished.append(&mut self.waiting);
        for message in republished {
            self.wait(message);
        }
        let resubscribed = self.resubscribe();
        self.event(&Event::SessionLost {
            resubscribed,
            republished: republished_count,
            failed,
        });
    }

    /// The connection is gone, and another one follows: what it leaves behind.
    pub(crate) fn lose(&mut self, reason: &CloseReason) {
        self.is_accepted = false;
        self.exchange.lose();
        self.ping_until = None;
        self.ending = None;
        self.out.clear();
        self.pushed = 0;
        self.shared.set_connecting();
        let mut lost = Vec::with_capacity(self.unsent.len());
        for unsent in mem::take(&mut self.unsent) {
            unsent.spot.give_back(&mut self.room);
            lost.push(unsent.reply);
        }
        self.settle();
        for reply in lost {
            self.shared.counters.publish_failures.add(1);
            let error = PublishError::ConnectionLost(reason.clone());
            self.shared.receipts.answer(reply, Err(error));
        }
        let abandoned = self.held.end_connection().into_iter();
        let again = ReasonCode::UNSPECIFIED_ERROR;
        self.late_answers
            .extend(abandoned.map(|token| (token, again)));
        let link = mem::replace(&mut self.link, Link::Away(ClientSession::default()));
        let session = match link {
            Link::Away(session) => session,
            Link::Here(mut connection) => {
                let unanswered: Vec<Request> = connection.end_requests().collect();
                for request in unanswered.into_iter().rev() {
                    if let Request::Subscribe(request) = &request {
                        // It is added again when the request is sent again.
                        self.router.detach_queue(&request.queue);
                    }
                    self.waiting_requests.push_front(request);
                }
                connection.into_session()
            }
        };
        self.link = Link::Away(session);
    }
}

/// What a connection to `server` that was never accepted failed with.
pub(super) fn before_connack(reason: CloseReason, server: &str) -> CloseReason {
    let error = match reason {
        CloseReason::EndOfStream => ConnectError::NoAnswer,
        CloseReason::Io(source) => ConnectError::Io {
            server: server.into(),
            source,
        },
        CloseReason::Protocol(ClientError::HandshakeTimeout) => ConnectError::Timeout,
        CloseReason::Protocol(error) => ConnectError::Protocol(error),
        other => return other,
    };
    CloseReason::ConnectFailed(Arc::new(error))
}

pub(super) fn refused(connack: &ConnAck<'_>) -> ConnectError {
    let properties = &connack.properties;
    ConnectError::Refused {
        reason: connack.reason,
        reason_string: properties.reason_string().map(Into::into),
        server_reference: properties.server_reference().map(Into::into),
        user_properties: owned_pairs(properties),
    }
}

/// Where Subscription Identifiers start.
///
/// A session the server continues has messages with those of an earlier run, which are small; they must not be taken
/// for ours.
fn first_subscription_id(session_present: bool) -> u32 {
    if !session_present {
        return 1;
    }
    let random = u32::try_from(RandomState::new().hash_one(()) >> 38).unwrap_or(0);
    (1 << 20) + random
}

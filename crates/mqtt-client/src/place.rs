//! Places of messages that wait to be sent or acknowledged: how many there may be is bounded.

use crate::ClosedError;
use crate::shared::Shared;
use mqtt_codec::QoS;
use std::sync::Arc;
use tokio::sync::TryAcquireError;

/// What a message takes of what may wait, given back when this is dropped; nothing for what is left of a message that
/// has ended.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// None once it was given back.
    shared: Option<Arc<Shared>>,
    /// Whether the message has an acknowledgement.
    is_acknowledged: bool,
    bytes: u32,
}

/// Places that are given back together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Room {
    pub(crate) unsent: usize,
    pub(crate) unacknowledged: usize,
    pub(crate) bytes: usize,
}

impl Place {
    pub(crate) async fn acquire(
        shared: &Arc<Shared>,
        qos: QoS,
        len: usize,
    ) -> Result<Self, ClosedError> {
        match Self::try_acquire(shared, qos, len) {
            Ok(place) => return Ok(place),
            Err(TryAcquireError::Closed) => return Err(shared.closed_error()),
            Err(TryAcquireError::NoPermits) => {}
        }
        let bytes = shared.bytes_of(len);
        let message = shared.places(qos).acquire().await;
        let message = message.map_err(|_| shared.closed_error())?;
        let permits = shared.bytes.acquire_many(bytes).await;
        permits.map_err(|_| shared.closed_error())?.forget();
        message.forget();
        Ok(Self::taken(shared, qos, bytes))
    }

    /// One, if there is one and nobody waits for it.
    pub(crate) fn try_acquire(
        shared: &Arc<Shared>,
        qos: QoS,
        len: usize,
    ) -> Result<Self, TryAcquireError> {
        let bytes = shared.bytes_of(len);
        let message = shared.places(qos).try_acquire()?;
        shared.bytes.try_acquire_many(bytes)?.forget();
        message.forget();
        Ok(Self::taken(shared, qos, bytes))
    }

    /// For a message of an earlier process, for which there is room since the beginning.
    #[cfg(feature = "store")]
    pub(crate) fn restored(shared: &Arc<Shared>, len: usize) -> Self {
        Self::try_acquire(shared, QoS::AtLeastOnce, len).unwrap_or_default()
    }

    fn taken(shared: &Arc<Shared>, qos: QoS, bytes: u32) -> Self {
        Self {
            shared: Some(Arc::clone(shared)),
            is_acknowledged: qos != QoS::AtMostOnce,
            bytes,
        }
    }

    /// Gives it back with others.
    pub(crate) fn give_back(mut self, room: &mut Room) {
        if self.shared.take().is_some() {
            room.add(&self);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            let mut room = Room::default();
            room.add(self);
            shared.give_back(&mut room);
        }
    }
}

impl Room {
    fn add(&mut self, place: &Place) {
        match place.is_acknowledged {
            true => self.unacknowledged += 1,
            false => self.unsent += 1,
        }
        self.bytes += usize::try_from(place.bytes).unwrap_or(0);
    }
}

//! Places of messages that wait to be sent or acknowledged: how many there may be is bounded.

use crate::ClosedError;
use crate::shared::Shared;
use mqtt_codec::QoS;
use tokio::sync::TryAcquireError;

/// What a message takes of what may wait: given back when this is dropped, until the driver has the message.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    shared: &'a Shared,
    spot: Spot,
}

/// What a message in the hands of the driver takes, who [gives it back](Spot::give_back); nothing for what is left of
/// a message that has ended.
#[derive(Debug, Default)]
pub(crate) struct Spot {
    /// Where the message takes a place, if it does.
    kind: Option<Kind>,
    bytes: u32,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Unsent,
    Unacknowledged,
}

/// Places that are given back together.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Room {
    pub(crate) unsent: usize,
    pub(crate) unacknowledged: usize,
    pub(crate) bytes: usize,
}

impl<'a> Place<'a> {
    pub(crate) async fn acquire(
        shared: &'a Shared,
        qos: QoS,
        len: usize,
    ) -> Result<Self, ClosedError> {
        match Spot::try_acquire(shared, qos, len) {
            Ok(spot) => return Ok(Self { shared, spot }),
            Err(TryAcquireError::Closed) => return Err(shared.closed_error()),
            Err(TryAcquireError::NoPermits) => {}
        }
        let bytes = shared.bytes_of(len);
        let message = shared.places(qos).acquire().await;
        let message = message.map_err(|_| shared.closed_error())?;
        let permits = shared.bytes.acquire_many(bytes).await;
        permits.map_err(|_| shared.closed_error())?.forget();
        message.forget();
        let spot = Spot::taken(qos, bytes);
        Ok(Self { shared, spot })
    }

    /// The one that `spot` stands for.
    pub(crate) const fn of(shared: &'a Shared, spot: Spot) -> Self {
        Self { shared, spot }
    }

    /// For the driver, who gives it back.
    pub(crate) fn take(mut self) -> Spot {
        std::mem::take(&mut self.spot)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.spot.kind.is_some() {
            let mut room = Room::default();
            std::mem::take(&mut self.spot).give_back(&mut room);
            self.shared.give_back(&mut room);
        }
    }
}

impl Spot {
    /// One, if there is one and nobody waits for it.
    pub(crate) fn try_acquire(
        shared: &Shared,
        qos: QoS,
        len: usize,
    ) -> Result<Self, TryAcquireError> {
        let bytes = shared.bytes_of(len);
        let message = shared.places(qos).try_acquire()?;
        shared.bytes.try_acquire_many(bytes)?.forget();
        message.forget();
        Ok(Self::taken(qos, bytes))
    }

    /// For a message of an earlier process, for which there is room since the beginning.
    #[cfg(feature = "store")]
    pub(crate) fn restored(shared: &Shared, len: usize) -> Self {
        Self::try_acquire(shared, QoS::AtLeastOnce, len).unwrap_or_default()
    }

    fn taken(qos: QoS, bytes: u32) -> Self {
        let kind = match qos {
            QoS::AtMostOnce => Kind::Unsent,
            QoS::AtLeastOnce | QoS::ExactlyOnce => Kind::Unacknowledged,
        };
        Self {
            kind: Some(kind),
            bytes,
        }
    }

    /// Gives it back with others.
    pub(crate) fn give_back(self, room: &mut Room) {
        match self.kind {
            Some(Kind::Unsent) => room.unsent += 1,
            Some(Kind::Unacknowledged) => room.unacknowledged += 1,
            None => return,
        }
        room.bytes += usize::try_from(self.bytes).unwrap_or(0);
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CloseReason;
    use crate::options::Options;
    use mqtt_io::Endpoint;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    const MESSAGES: usize = 2;
    const BYTES: usize = 100;

    fn shared() -> Shared {
        let mut options = Options::new(Endpoint::parse("mqtt://localhost").unwrap());
        options.publish_capacity = MESSAGES;
        options.publish_bytes = BYTES;
        Shared::new(&options, None)
    }

    fn take(shared: &Shared, qos: QoS, len: usize) -> Result<Place<'_>, TryAcquireError> {
        Spot::try_acquire(shared, qos, len).map(|spot| Place::of(shared, spot))
    }

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn messages_without_an_answer_and_with_one_have_their_own_places() {
        let shared = shared();
        let kinds = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
        let [first, second] = [(); MESSAGES].map(|()| take(&shared, kinds[0], 1).unwrap());
        assert!(take(&shared, kinds[0], 1).is_err());
        let _one = take(&shared, kinds[1], 1).unwrap();
        let _other = take(&shared, kinds[2], 1).unwrap();
        assert!(take(&shared, kinds[1], 1).is_err());
        assert!(take(&shared, kinds[2], 1).is_err());
        drop((first, second));
        assert!(take(&shared, kinds[0], 1).is_ok());
    }

    #[test]
    fn a_place_that_was_dropped_is_there_again_with_its_bytes() {
        let shared = shared();
        let place = take(&shared, QoS::AtLeastOnce, BYTES).unwrap();
        assert!(take(&shared, QoS::AtMostOnce, 1).is_err(), "no bytes left");
        assert_eq!(shared.unsent.available_permits(), MESSAGES, "taken back");
        drop(place);
        assert_eq!(shared.bytes.available_permits(), BYTES);
        assert_eq!(shared.unacknowledged.available_permits(), MESSAGES);
    }

    #[test]
    fn the_driver_gives_places_back_together() {
        let shared = shared();
        let mut room = Room::default();
        for (qos, len) in [(QoS::AtMostOnce, 10), (QoS::ExactlyOnce, 20)] {
            take(&shared, qos, len).unwrap().take().give_back(&mut room);
        }
        Spot::default().give_back(&mut room);
        let both = Room {
            unsent: 1,
            unacknowledged: 1,
            bytes: 30,
        };
        assert_eq!(room, both);
        assert_eq!(shared.bytes.available_permits(), BYTES - 30);
        shared.give_back(&mut room);
        assert_eq!(room, Room::default());
        assert_eq!(shared.bytes.available_permits(), BYTES);
    }

    #[test]
    fn a_message_longer_than_all_there_is_takes_all() {
        let shared = shared();
        let place = take(&shared, QoS::AtMostOnce, BYTES * 10).unwrap();
        assert_eq!(shared.bytes.available_permits(), 0);
        drop(place);
        assert_eq!(shared.bytes.available_permits(), BYTES);
    }

    #[test]
    fn who_waits_gets_the_place_first_and_leaves_nothing_behind_when_it_gives_up() {
        let shared = shared();
        let place = take(&shared, QoS::AtMostOnce, BYTES).unwrap();
        {
            let mut gives_up = pin!(Place::acquire(&shared, QoS::AtMostOnce, 1));
            assert!(poll(gives_up.as_mut()).is_pending());
        }
        let mut waits = pin!(Place::acquire(&shared, QoS::AtMostOnce, BYTES));
        assert!(poll(waits.as_mut()).is_pending());
        drop(place);
        assert!(take(&shared, QoS::AtMostOnce, 1).is_err(), "it is its turn");
        let Poll::Ready(Ok(waited)) = poll(waits.as_mut()) else {
            panic!("there is a place")
        };
        drop(waited);
        assert_eq!(shared.unsent.available_permits(), MESSAGES);
        assert_eq!(shared.bytes.available_permits(), BYTES);
    }

    #[test]
    fn the_end_ends_waiting() {
        let shared = shared();
        let _place = take(&shared, QoS::AtMostOnce, BYTES).unwrap();
        let mut waits = pin!(Place::acquire(&shared, QoS::AtMostOnce, 1));
        assert!(poll(waits.as_mut()).is_pending());
        shared.begin_close(CloseReason::Disconnected);
        assert!(matches!(poll(waits.as_mut()), Poll::Ready(Err(_))));
        let refused = take(&shared, QoS::AtMostOnce, 1);
        assert!(matches!(refused, Err(TryAcquireError::Closed)));
    }
}

//! What takes the place of a store without the feature `store`: nothing that can exist.

use crate::command::Outgoing;
use crate::earlier::{Earlier, Leftover};
use crate::options::Options;
use crate::shared::Shared;
use crate::{CloseReason, ConnectError, PublishError};
use mqtt_codec::{PacketId, QoS};
use mqtt_session::{Change, Journal, JournalFull};
use std::sync::Arc;
use std::task::{Context, Poll};

/// There is none.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Keeper {}

/// The place of a message in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept;

/// The order of messages in it.
pub(crate) struct Order;

/// Nothing was found.
#[derive(Debug)]
pub(crate) enum Found {}

impl Order {
    pub(crate) const fn kept(&self) -> Kept {
        Kept
    }

    pub(crate) fn take_back(self) {}
}

impl Keeper {
    pub(crate) fn keep(&self, _: &mut Outgoing, _: u64) -> Result<Order, PublishError> {
        match *self {}
    }

    pub(crate) async fn stored(&self, _: Kept) -> Result<(), PublishError> {
        match *self {}
    }

    pub(crate) async fn room(&self) -> Result<(), PublishError> {
        match *self {}
    }

    pub(crate) fn forget(&self, _: u64) {
        match *self {}
    }

    pub(crate) fn set_established(&self, _: bool) {
        match *self {}
    }

    pub(crate) fn reached(&self) -> u64 {
        match *self {}
    }

    pub(crate) async fn reach(&self, _: u64) {
        match *self {}
    }

    pub(crate) fn take_trouble(&self) -> bool {
        match *self {}
    }

    pub(crate) fn poll(&self, _: &Context<'_>) -> Poll<CloseReason> {
        match *self {}
    }

    pub(crate) fn close(&self) {
        match *self {}
    }
}

impl Found {
    pub(crate) fn messages(&self) -> usize {
        match *self {}
    }

    pub(crate) fn len(&self) -> usize {
        match *self {}
    }

    pub(crate) fn into_earlier(self, _: &Arc<Shared>, _: &Options) -> (Earlier, Vec<Leftover>) {
        match self {}
    }
}

/// No client has a store.
///
/// # Errors
/// None.
pub(crate) fn open(_: &Options) -> Result<Option<(Arc<Keeper>, Found)>, ConnectError> {
    Ok(None)
}

/// Keeps nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeeperJournal(pub(crate) Option<Arc<Keeper>>);

impl Journal<Outgoing> for KeeperJournal {
    type Barrier = u64;

    const KEEPS: bool = false;

    fn begin(&mut self, _: PacketId, _: QoS, _: &Outgoing) -> Result<(), JournalFull> {
        Ok(())
    }

    fn change(&mut self, _: Change) {}

    fn barrier(&self) -> u64 {
        self.0.as_ref().map_or(0, |keeper| keeper.reached())
    }
}

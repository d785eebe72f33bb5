//! The packets of a client's connections, in a line each.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use mqtt_client::Stream;
use mqtt_dissect::{Conversation, Settings, Side, Start, Style};
use tokio_util::io::{InspectReader, InspectWriter};

/// What has streams of bytes looked at: each packet becomes a line for `tell`, before the client sees it.
pub(crate) fn packets(
    tell: impl Fn(String) + Send + Sync + 'static,
) -> impl Fn(Stream) -> Stream + Send + Sync + 'static {
    let tell: Arc<dyn Fn(String) + Send + Sync> = Arc::new(tell);
    move |stream| {
        let conversation = Conversation::new(Settings::default(), Start::Beginning);
        let conversation = Arc::new(Mutex::new(conversation));
        let take = |side: Side| {
            let (conversation, tell) = (Arc::clone(&conversation), Arc::clone(&tell));
            move |bytes: &[u8]| {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                // Nothing panics while it is held.
                let mut conversation = conversation.lock().unwrap_or_else(PoisonError::into_inner);
                for packet in conversation.feed(side, now.ok(), bytes) {
                    tell(packet.to_line(Style::default()));
                }
            }
        };
        let reader = InspectReader::new(stream, take(Side::Server));
        Stream::other(InspectWriter::new(reader, take(Side::Client)))
    }
}

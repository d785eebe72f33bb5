//! Connections by QUIC: taken, refused or asked for proof, and seen through the same handshake as others.

use super::accept::{ConnectionPace, Door, enter};
use super::entrance::{Entrance, EntryRules};
use super::handshakes::Caller;
use mqtt_io::{QuicHandshake, QuicListener, TlsAcceptor};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long the last bytes of connections may take after a stop; they keep their own time, this is for those that do not.
const LAST_BYTES: Duration = Duration::from_secs(6);

/// Accepts on a listener until the broker stops or `closed` is true.
pub(super) async fn serve_quic(
    door: Arc<Door>,
    listener: QuicListener,
    entrance: Arc<Entrance>,
    mut closed: watch::Receiver<bool>,
) {
    let mut stop = door.stop.clone();
    let mut pace = ConnectionPace::default();
    let mut shown = entrance.tls.as_ref().map(|tls| tls.acceptor());
    loop {
        if *stop.borrow_and_update() || *closed.borrow_and_update() {
            break;
        }
        let rules = entrance.rules();
        let accepted = tokio::select! {
            biased;
            accepted = next(&door, &listener, &entrance, &rules, &mut pace) => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
            _ = closed.wait_for(|closed| *closed) => break,
        };
        let Some(handshake) = accepted else {
            return;
        };
        follow_certificates(&listener, &entrance, &mut shown);
        admit(&door, &entrance, rules, handshake);
    }
    listener.refuse_more();
    // Connections end with their clients told; that is sent by what the listener keeps alive.
    tokio::spawn(async move {
        let _ = timeout(LAST_BYTES, listener.wait_idle()).await;
    });
}

/// The next client, as soon as it may come; none when the socket is gone.
async fn next(
    door: &Door,
    listener: &QuicListener,
    entrance: &Entrance,
    rules: &EntryRules,
    pace: &mut ConnectionPace,
) -> Option<QuicHandshake> {
    pace.turn(door, entrance).await;
    entrance.room(door, rules).await;
    let accepted = listener.accept().await?;
    pace.take(door.clock.now_ms());
    Some(accepted)
}

/// Shows what the files say now.
fn follow_certificates(
    listener: &QuicListener,
    entrance: &Entrance,
    shown: &mut Option<TlsAcceptor>,
) {
    let Some(current) = entrance.tls.as_ref().map(|tls| tls.acceptor()) else {
        return;
    };
    let is_shown = |shown: &TlsAcceptor| Arc::ptr_eq(shown.config(), current.config());
    if shown.as_ref().is_some_and(is_shown) {
        return;
    }
    if let Err(error) = listener.set_tls(current.config().as_ref().clone()) {
        let listener = &*entrance.name;
        tracing::warn!(listener, %error, "what was read before stays in force");
    }
    *shown = Some(current);
}

/// Lets a client in if rules and limits allow it.
fn admit(
    door: &Arc<Door>,
    entrance: &Arc<Entrance>,
    rules: Arc<EntryRules>,
    handshake: QuicHandshake,
) {
    // From here on it takes more than a packet with somebody else's address to be given room.
    let is_busy = entrance.under_way.len() >= rules.handshakes_max / 2;
    if is_busy && !handshake.is_address_proved() {
        handshake.demand_proof();
        return;
    }
    let peer = handshake.peer_addr();
    match enter(door, entrance, &rules, peer) {
        Some(places) => {
            let caller = Caller::Quic(Box::new(handshake));
            entrance.begin_handshake(door, rules, caller, peer, places);
        }
        None => handshake.refuse(),
    }
}

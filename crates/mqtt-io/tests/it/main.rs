//! mqtt-io over real sockets.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[cfg(feature = "tls")]
mod certificates;
mod connector;
mod loopback;
#[cfg(feature = "proxy")]
mod proxy;
#[cfg(feature = "proxy-protocol")]
mod proxy_protocol;
#[cfg(all(feature = "quic", feature = "proxy"))]
mod quic;
#[cfg(all(feature = "proxy-protocol", feature = "ws"))]
mod replay;
#[cfg(feature = "srv")]
mod srv;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "ws")]
mod websocket;

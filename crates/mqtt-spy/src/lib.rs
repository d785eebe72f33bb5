//! A transparent MQTT proxy, and what is seen through it.
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod capture;
mod door;
mod event;
mod filter;
mod observer;
mod proxy;
mod recording;
mod relay;
mod seen;
mod shown;

pub use capture::Capture;
pub use door::{Door, DoorError};
pub use event::{Event, Happening};
pub use filter::{ClientPattern, Filter};
pub use mqtt_dissect::{Settings, Side, Spoken, Stream, Style, What};
pub use mqtt_io::{
    Connector, Endpoint, Listener, Scheme, TlsAcceptor, TlsError, TlsIdentity, TlsServerOptions,
};
pub use observer::{Observer, Totals};
pub use proxy::{Limits, Proxy};
pub use recording::Recording;
pub use seen::Seen;

//! The broker, seen through a socket.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod kit;

mod abuse;
mod access;
mod aliases;
mod auth;
mod backlog;
mod bans;
mod connect;
mod defaults;
mod disk;
mod doors;
mod explainer;
mod extensions;
mod flows;
mod forecast;
mod guard;
mod guard_database;
mod guard_http;
mod guard_matrix;
mod guard_tokens;
mod hooks;
mod large;
mod limits;
mod listeners;
mod log;
mod malformed;
mod manage;
mod offer;
mod properties;
mod reload;
mod restart;
mod retained;
mod rights;
mod shared;
mod standard;
mod stuck;
mod subscribe;
mod sys;
mod takeover;
mod will;

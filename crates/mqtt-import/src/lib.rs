//! What other brokers leave behind, for this one: `mosquitto.conf`, `mosquitto.db`, `emqx.conf`.
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod db;
mod emqx;
mod hocon;
mod mosquitto;
mod remark;
mod toml_text;

pub use db::{DbError, DbFault, DbLimits, DbReport, ImportError, Replace, check_db, import_db};
pub use emqx::emqx_conf;
pub use mosquitto::{MosquittoConf, MosquittoOptions, Surroundings, mosquitto_conf};
pub use remark::{Class, Imported, Remark};

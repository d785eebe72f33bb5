//! Prints the table of the configuration's keys, which `cargo xtask config` puts into `docs/configuration.md`.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

fn main() {
    print!("{}", mqtt_broker::Config::reference());
}

//! Another project that names mqtt-io and nothing else of this workspace.

use mqtt_io as _;

fn main() {}

//! Another project that names mqtt-broker and nothing else of this workspace.

use mqtt_broker as _;

fn main() {}

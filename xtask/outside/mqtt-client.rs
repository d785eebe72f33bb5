//! Another project that names mqtt-client and nothing else of this workspace.

use mqtt_client as _;

fn main() {}

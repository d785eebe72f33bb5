//! Another project that names mqtt-codec and nothing else of this workspace.

use mqtt_codec as _;

fn main() {}

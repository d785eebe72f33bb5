//! Another project that names mqtt-session and nothing else of this workspace.

use mqtt_session as _;

fn main() {}

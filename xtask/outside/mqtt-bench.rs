//! Another project that names mqtt-bench and nothing else of this workspace.

use mqtt_bench as _;

fn main() {}

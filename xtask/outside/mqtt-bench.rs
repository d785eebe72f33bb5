//! Looks a scenario up by name.

fn main() {
    assert!(mqtt_bench::find("pair10-q0").is_some());
    assert!(mqtt_bench::find("no such scenario").is_none());
}

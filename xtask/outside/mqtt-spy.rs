//! Makes a proxy, and looks at a connection that never was.

use mqtt_spy::{ClientPattern, Filter, Observer, Settings};

fn main() {
    let filter = Filter::default().with_clients(vec![ClientPattern::new("pump-*")]);
    let observer = Observer::new(Settings::default(), filter);
    assert_eq!(observer.totals().packets, 0);
}

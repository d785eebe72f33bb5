//! Asks where no broker runs.

use mqtt_admin::{ClientFilter, LIST_MAX, Request};

fn main() {
    let request = Request::Clients {
        filter: ClientFilter::default(),
        after: None,
        limit: LIST_MAX,
    };
    assert_eq!(request.clone(), request);
    #[cfg(unix)]
    assert!(matches!(
        mqtt_admin::Client::connect("no-such.sock"),
        Err(mqtt_admin::CallError::NoBroker { .. })
    ));
}

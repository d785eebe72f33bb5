//! Rights that a service over HTTP decides about.

use super::*;
use crate::kit::Service;
use mqtt_broker::config::{HttpAuthorization, HttpRequest};

/// A service decides, its answers are kept for a while, and whatever is no clear answer allows nothing.
#[cfg(feature = "http")]
#[test]
fn a_service_is_asked() {
    let rules = r#"{ permission = "allow", topics = ["known"] }"#;
    for (status, answer, cached, granted, ground) in [
        (200, r#"{"result": "allow"}"#, true, 0x10, None),
        (204, "", true, 0x10, None),
        (200, r#"{"result": "deny"}"#, true, DENIED, Some("service")),
        (
            200,
            r#"{"result": "ignore"}"#,
            true,
            DENIED,
            Some("no_match"),
        ),
        (200, "{}", false, DENIED, Some("service_failed")),
        (200, "allow", false, DENIED, Some("service_failed")),
        (
            200,
            r#"{"result": true}"#,
            false,
            DENIED,
            Some("service_failed"),
        ),
        (200, r#"["allow"]"#, false, DENIED, Some("service_failed")),
        (
            201,
            r#"{"result": "allow"}"#,
            false,
            DENIED,
            Some("service_failed"),
        ),
        (
            302,
            r#"{"result": "allow"}"#,
            false,
            DENIED,
            Some("service_failed"),
        ),
        (401, "", false, DENIED, Some("service_failed")),
        (
            500,
            r#"{"result": "allow"}"#,
            false,
            DENIED,
            Some("service_failed"),
        ),
    ] {
        let service = Service::start(status, answer);
        let url = service.url("/rights");
        let request = HttpRequest::default();
        let mut authorization = self::rules(rules);
        let asked = HttpAuthorization { url, request };
        authorization.sources = vec![AuthorizationSource::Http(asked)];
        let server = server(authorization);
        let mut alice = connect(&server, "a", "alice");
        assert_eq!(publish(&mut alice, "known"), 0x10);
        for _ in 0..3 {
            assert_eq!(publish(&mut alice, "x"), granted, "{status} {answer}");
        }
        let asked = service.asked();
        assert_eq!(asked.len(), if cached { 1 } else { 3 }, "{status} {answer}");
        assert!(
            asked[0].body.contains(r#""action":"publish""#),
            "{}",
            asked[0].body
        );
        assert!(
            asked[0].body.contains(r#""username":"alice""#),
            "{}",
            asked[0].body
        );
        let denied = server.broker().totals().denied;
        assert_eq!(denied.keys().next().copied(), ground, "{status} {answer}");
    }
}

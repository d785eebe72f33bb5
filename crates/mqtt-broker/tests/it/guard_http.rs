//! The built-in authentication, asking a service: what it is asked, and what each answer does.
#![cfg(feature = "http")]

use crate::kit::{Hello, Server, Service, V5};
use mqtt_broker::config::{
    Authenticator, AuthenticatorKind, Duration, HttpMethod, HttpService, Secret,
};
use std::collections::BTreeMap;

const BAD: u8 = 0x86;
const UNAVAILABLE: u8 = 0x88;

fn http(service: HttpService) -> Authenticator {
    Authenticator {
        name: "service".to_owned(),
        enable: true,
        kind: AuthenticatorKind::Http(Box::new(service)),
    }
}

fn body() -> BTreeMap<String, String> {
    let body = [
        ("u", "${username}"),
        ("p", "${password}"),
        ("c", "${clientid}"),
    ];
    body.map(|(key, text)| (key.to_owned(), text.to_owned()))
        .into()
}

fn settings(service: &Service) -> HttpService {
    HttpService {
        url: Some(service.url("/auth")),
        body: body(),
        cache_ttl: Duration::from_secs(0),
        request_timeout: Duration::from_millis(500),
        ..HttpService::default()
    }
}

fn server(settings: HttpService) -> Server {
    Server::built(
        |config| {
            config.authentication = vec![http(settings)];
            config.authentication_settings.max_failures = None;
        },
        |builder| builder,
    )
}

fn ask(server: &Server, username: &str, password: &[u8]) -> u8 {
    let hello = Hello {
        username: Some(username),
        password: Some(password),
        ..Hello::new(V5, "c")
    };
    hello.ask(server).1.reason
}

#[test]
fn each_answer_has_its_verdict() {
    let service = Service::start(200, "");
    let server = server(settings(&service));
    for (status, answer, reason) in [
        (200, r#"{"result": "allow"}"#, 0),
        (
            200,
            r#"{"result": "allow", "is_superuser": true, "acl": []}"#,
            0,
        ),
        (200, r#"{"result": "deny"}"#, BAD),
        (200, r#"{"result": "ignore"}"#, BAD),
        (204, "", 0),
        // Whatever is no clear answer lets nobody in.
        (200, "", UNAVAILABLE),
        (200, "allow", UNAVAILABLE),
        (200, r#"{"result": true}"#, UNAVAILABLE),
        (200, r#"["allow"]"#, UNAVAILABLE),
        (200, r#"{"result": "allow", "acl": "all"}"#, UNAVAILABLE),
        (
            200,
            r#"{"result": "allow", "expire_at": "never"}"#,
            UNAVAILABLE,
        ),
        (201, r#"{"result": "allow"}"#, UNAVAILABLE),
        (302, r#"{"result": "allow"}"#, UNAVAILABLE),
        (401, "", UNAVAILABLE),
        (500, r#"{"result": "allow"}"#, UNAVAILABLE),
        (0, "", UNAVAILABLE),
    ] {
        service.say(status, answer);
        assert_eq!(ask(&server, "bob", b"one"), reason, "{status} {answer}");
    }
    let large = format!(r#"{{"result": "allow", "x": "{}"}}"#, "x".repeat(70_000));
    service.say(200, &large);
    assert_eq!(ask(&server, "bob", b"one"), UNAVAILABLE);
}

#[test]
fn a_service_that_is_not_there_lets_nobody_in() {
    let service = HttpService {
        url: Some("http://127.0.0.1:1/".to_owned()),
        ..HttpService::default()
    };
    assert_eq!(ask(&server(service), "bob", b"one"), UNAVAILABLE);
}

#[test]
fn it_is_asked_as_configured() {
    let service = Service::start(204, "");
    let secret = BTreeMap::from([("authorization".to_owned(), Secret::new("Bearer x"))]);
    let json = server(HttpService {
        headers: secret,
        ..settings(&service)
    });
    assert_eq!(ask(&json, "b\"ö", b"1 2"), 0);
    let form = BTreeMap::from([(
        "content-type".to_owned(),
        Secret::new("application/x-www-form-urlencoded"),
    )]);
    let form = server(HttpService {
        headers: form,
        ..settings(&service)
    });
    assert_eq!(ask(&form, "b\"ö", b"1 2"), 0);
    let query = server(HttpService {
        method: HttpMethod::Get,
        url: Some(service.url("/auth/${clientid}?x=1")),
        ..settings(&service)
    });
    assert_eq!(ask(&query, "b&c", b"1"), 0);
    let asked = service.asked();
    let [json, form, query] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    assert!(
        json.head.starts_with("POST /auth HTTP/1.1\r\n"),
        "{}",
        json.head
    );
    assert!(
        json.head.contains("authorization: Bearer x\r\n"),
        "{}",
        json.head
    );
    assert!(
        json.head.contains("content-type: application/json\r\n"),
        "{}",
        json.head
    );
    assert_eq!(json.body, r#"{"c":"c","p":"1 2","u":"b\"ö"}"#);
    assert_eq!(form.body, "c=c&p=1%202&u=b%22%C3%B6");
    let line = "GET /auth/c?x=1&c=c&p=1&u=b%26c HTTP/1.1\r\n";
    assert!(query.head.starts_with(line), "{}", query.head);
    assert_eq!(query.body, "");
}

/// A password that is no text cannot be put into words, so nobody is asked and nobody comes in.
#[test]
fn what_is_no_text_is_not_asked_about() {
    let service = Service::start(204, "");
    assert_eq!(ask(&server(settings(&service)), "bob", b"\xff"), BAD);
    assert!(service.asked().is_empty());
}

#[test]
fn consent_is_remembered_and_a_refusal_is_not() {
    let service = Service::start(200, r#"{"result": "deny"}"#);
    let server = server(HttpService {
        cache_ttl: Duration::from_secs(3600),
        ..settings(&service)
    });
    assert_eq!(ask(&server, "bob", b"one"), BAD);
    service.say(204, "");
    assert_eq!(ask(&server, "bob", b"one"), 0);
    service.say(500, "");
    assert_eq!(ask(&server, "bob", b"one"), 0);
    assert_eq!(ask(&server, "bob", b"two"), UNAVAILABLE);
    assert_eq!(service.asked().len(), 3);
}

#[test]
fn what_it_knows_of_a_client_is_known() {
    let answer = r##"{"result": "allow", "is_superuser": false,
        "client_attrs": {"floor": "3", "n": 4, "list": []},
        "acl": [{"permission": "allow", "action": "publish", "topic": "a/#"}]}"##;
    let service = Service::start(200, answer);
    let server = server(settings(&service));
    let hello = Hello {
        username: Some("bob"),
        ..Hello::new(V5, "c")
    };
    let _client = hello.connect(&server);
    let view = server.broker().manager().client("c").unwrap();
    let client = view.client.unwrap();
    assert_eq!(client.attribute("floor"), Some("3"));
    assert_eq!(client.attribute("n"), Some("4"));
    assert_eq!(client.attribute("list"), None);
    assert_eq!(client.rules.as_ref().unwrap().rules().len(), 1);
    assert!(server.broker().guard().unwrap().still_valid(&client));
}

#[test]
fn who_expires_is_disconnected() {
    let now_s = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_secs();
    let answer = format!(r#"{{"result": "allow", "expire_at": {}}}"#, now_s + 2);
    let service = Service::start(200, &answer);
    let server = server(settings(&service));
    let hello = Hello {
        username: Some("bob"),
        ..Hello::new(V5, "c")
    };
    let mut client = hello.connect(&server);
    client.expect_disconnect(mqtt_codec::ReasonCode::NOT_AUTHORIZED);
    assert_eq!(server.broker().guard().unwrap().counts().expired, 1);
}

#[test]
fn what_is_wrong_with_it_is_said_at_the_start() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (url, words) in [
        (None, "it has no `url`"),
        (Some("http://${clientid}/"), "before its path"),
        (Some("http://h/${x}"), "${x} is none of"),
    ] {
        let config = mqtt_broker::Config {
            authentication: vec![http(HttpService {
                url: url.map(Into::into),
                ..HttpService::default()
            })],
            ..mqtt_broker::Config::default()
        };
        let error = runtime.block_on(async { mqtt_broker::Guard::from_config(&config) });
        let error = error.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

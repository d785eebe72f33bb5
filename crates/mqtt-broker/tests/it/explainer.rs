//! What is told of a configuration without a broker: who comes in, who may do what, and what decides.

use data_encoding::BASE64URL_NOPAD;
use mqtt_access::Action;
use mqtt_broker::config::{Authenticator, AuthenticatorKind, CertificateField, Jwt, Secret};
use mqtt_broker::{AccessAnswer, AccessQuestion, Config, Explainer, PeerCertificate};
use ring::hmac;

const SECRET: &str = "a secret of thirty-two bytes, and more";

const PUBLISH: Action<'static> = Action::Publish {
    topic_name: "home/door",
    qos: 1,
    retain: false,
};

fn token(claims: &str) -> String {
    let parts = [r#"{"alg":"HS256"}"#, claims];
    let [header, claims] = parts.map(|part| BASE64URL_NOPAD.encode(part.as_bytes()));
    let signed = format!("{header}.{claims}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = BASE64URL_NOPAD.encode(hmac::sign(&key, signed.as_bytes()).as_ref());
    format!("{signed}.{signature}")
}

fn with(text: &str, kinds: Vec<AuthenticatorKind>) -> Config {
    let mut config = Config::from_toml(text, "broker.toml").unwrap();
    let ones = kinds.into_iter().zip(["one", "two"]);
    config.authentication = ones
        .map(|(kind, name)| Authenticator {
            name: name.to_owned(),
            enable: true,
            kind,
        })
        .collect();
    config
}

fn ask(config: Config, question: &AccessQuestion<'_>) -> AccessAnswer {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { Explainer::from_config(config).unwrap().ask(question).await })
}

/// What comes with a token counts as it does in a broker: its name, its rules, and that it may do everything.
#[test]
fn a_token_brings_what_it_says() {
    for (claims, is_allowed, ground, rule) in [
        (r#"{"sub":"tom"}"#, false, "no_match", None),
        (
            r#"{"sub":"tom","acl":[{"permission":"allow","action":"publish","topic":"home/#"}]}"#,
            true,
            "own_rule",
            Some("allow publish, topics \"home/#\""),
        ),
        (
            r##"{"sub":"tom","acl":[{"permission":"deny","action":"all","topic":"#"}]}"##,
            false,
            "own_rule",
            Some("deny all, topics \"#\""),
        ),
        (
            r#"{"sub":"tom","is_superuser":true}"#,
            true,
            "superuser",
            None,
        ),
        (
            r#"{"sub":"ann"}"#,
            true,
            "rule",
            Some("allow all, username \"ann\""),
        ),
    ] {
        let jwt = Jwt {
            secret: Some(Secret::new(SECRET)),
            ..Jwt::default()
        };
        let rules = "[[authorization.rules]]\npermission = \"allow\"\nusername = \"ann\"\n";
        let config = with(rules, vec![AuthenticatorKind::Jwt(Box::new(jwt))]);
        let password = token(claims);
        let mut question = AccessQuestion::new("c", PUBLISH);
        question.password = Some(password.as_bytes());
        let answer = ask(config, &question);
        assert_eq!(answer.admission.ground.label(), "let_in", "{claims}");
        assert_eq!(answer.admission.ground.authenticator(), Some("one"));
        assert_eq!(answer.is_allowed, is_allowed, "{claims}");
        assert_eq!(answer.right.ground.label(), ground, "{claims}");
        assert_eq!(answer.right.rule.as_deref(), rule, "{claims}");
    }
}

/// A listener that takes the name from a certificate takes it here, and has nothing to take without one.
#[test]
fn a_certificate_gives_the_name() {
    let rules = "[[authorization.rules]]\npermission = \"allow\"\nusername = \"meter-7\"\n";
    let config = || {
        let mut config = with(rules, Vec::new());
        let listener = config.listeners.get_mut("tcp:default").unwrap();
        listener.peer_cert_as_username = Some(CertificateField::Cn);
        config
    };
    let mut question = AccessQuestion::new("c", PUBLISH);
    question.username = Some("somebody");
    question.listener = Some("tcp:default");
    let answer = ask(config(), &question);
    let ground = answer.admission.ground.label();
    assert_eq!((answer.is_allowed, ground), (false, "no_certificate_name"));
    let certificate = PeerCertificate::vouched_for("meter-7");
    question.certificate = Some(&certificate);
    let answer = ask(config(), &question);
    assert_eq!(answer.client.username.as_deref(), Some("meter-7"));
    assert!(answer.is_allowed, "{}", answer.right.ground);
}

/// SCRAM is not for a password in CONNECT; without one, it is what would be asked.
#[test]
fn enhanced_authentication_is_not_asked_for_a_password() {
    let config = || with("", vec![AuthenticatorKind::Scram]);
    let mut question = AccessQuestion::new("c", PUBLISH);
    question.username = Some("ann");
    let answer = ask(config(), &question);
    assert_eq!(answer.admission.ground.label(), "needs_password");
    question.password = Some(b"x");
    let answer = ask(config(), &question);
    assert_eq!(answer.admission.ground.label(), "unknown");
    assert!(!answer.is_allowed);
}

/// A service that gives no answer lets nobody in, and is named.
#[cfg(feature = "http")]
#[test]
fn a_service_that_gives_no_answer_is_named() {
    use crate::kit::Service;
    use mqtt_broker::config::HttpService;
    let service = Service::start(500, "");
    let settings = HttpService {
        url: Some(service.url("/auth")),
        ..HttpService::default()
    };
    let config = with("", vec![AuthenticatorKind::Http(Box::new(settings))]);
    let mut question = AccessQuestion::new("c", PUBLISH);
    question.username = Some("ann");
    question.password = Some(b"x");
    let answer = ask(config, &question);
    let said = answer.admission.ground.to_string();
    assert_eq!(said, "the authenticator `one` gives no answer");
    assert!(!answer.is_allowed && answer.right.is_allowed);
}

//! What fleets do, without a broker and without waiting.
#![expect(clippy::expect_used, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use mqtt_sim::{Fleet, Said, Scenario, ScenarioError, Step, What, shipped};

fn fleet(text: &str) -> Fleet {
    let scenario = Scenario::parse(text).expect("a scenario");
    Fleet::new(&scenario, 7, 1_000_000_000_000_000_000).expect("a fleet")
}

/// The steps of the first so many seconds.
fn steps(fleet: &mut Fleet, seconds: u64) -> Vec<Step> {
    let end = Duration::from_secs(seconds);
    let steps = std::iter::from_fn(|| fleet.next_step());
    steps.take_while(|step| step.at <= end).collect()
}

fn said(steps: &[Step]) -> Vec<&Said> {
    let said = steps.iter().filter_map(|step| match &step.what {
        What::Publish(said) => Some(said),
        _ => None,
    });
    said.collect()
}

fn error(text: &str) -> String {
    let scenario = Scenario::parse(text);
    scenario.expect_err("no scenario").to_string()
}

const SENSOR: &str = r#"
[[devices]]
name = "sensor"
count = 3
[[devices.messages]]
topic = "hall/{{client_id}}"
interval = "2s"
jitter = "500ms"
qos = 1
[devices.messages.fields]
number = { type = "counter", start = 5, step = 2, max = 8 }
place = "hall"
"#;

#[test]
fn the_same_seed_says_the_same() {
    let first = steps(&mut fleet(SENSOR), 60);
    assert_eq!(first, steps(&mut fleet(SENSOR), 60));
    let scenario = Scenario::parse(SENSOR).expect("a scenario");
    let mut other = Fleet::new(&scenario, 8, 0).expect("a fleet");
    assert_ne!(first, steps(&mut other, 60));
}

#[test]
fn each_device_connects_first_and_speaks_in_its_interval() {
    let steps = steps(&mut fleet(SENSOR), 100);
    let mut last = BTreeMap::new();
    for step in &steps {
        match &step.what {
            What::Connect => assert_eq!(last.insert(step.device, step.at), None),
            What::Publish(said) => {
                let before = last.insert(step.device, step.at).expect("it is connected");
                let since = step.at - before;
                assert!(since <= Duration::from_secs(3), "{since:?}");
                assert_eq!(said.topic_name, format!("hall/sensor-{}", step.device));
                assert_eq!(said.qos, 1);
            }
            What::Disconnect { .. } => panic!("nobody leaves"),
        }
    }
    let count = said(&steps).len();
    assert!((145..=153).contains(&count), "{count}");
}

#[test]
fn time_does_not_drift_with_jitter() {
    let steps = steps(&mut fleet(SENSOR), 20_000);
    let of_first = steps.iter().filter(|step| step.device == 0).count();
    assert!((9_999..=10_002).contains(&of_first), "{of_first}");
}

#[test]
fn a_counter_starts_again_after_its_largest() {
    let steps = steps(&mut fleet(SENSOR), 30);
    let of_first = steps
        .iter()
        .filter(|step| step.device == 0)
        .cloned()
        .collect::<Vec<_>>();
    let payloads = said(&of_first).into_iter().take(3);
    let payloads: Vec<_> = payloads
        .map(|said| String::from_utf8_lossy(&said.payload))
        .collect();
    assert_eq!(
        payloads,
        [
            r#"{"number":5,"place":"hall"}"#,
            r#"{"number":7,"place":"hall"}"#,
            r#"{"number":5,"place":"hall"}"#
        ]
    );
}

#[test]
fn who_is_offline_says_nothing_and_comes_back() {
    let text = r#"
        [[devices]]
        name = "car"
        client_id = "car-{{client 3}}"
        offline = { every = "10s", for = "5s", abrupt = true }
        will = { topic = "{{client_id}}/online", payload = "no", retain = true }
        [[devices.messages]]
        topic = "{{client_id}}/online"
        payload = "yes"
        [[devices.messages]]
        topic = "{{client_id}}/speed"
        interval = "100ms"
        payload = "{{rand 0 9}}"
    "#;
    let mut fleet = fleet(text);
    assert_eq!(fleet.client_id(0), Some("car-000"));
    assert_eq!(
        fleet.will(0).map(|will| will.topic_name.as_str()),
        Some("car-000/online")
    );
    let steps = steps(&mut fleet, 200);
    let mut is_connected = false;
    let mut left = 0;
    for step in &steps {
        match &step.what {
            What::Connect => {
                assert!(!is_connected);
                is_connected = true;
            }
            What::Disconnect { abrupt } => {
                assert!(is_connected && *abrupt);
                is_connected = false;
                left += 1;
            }
            What::Publish(_) => assert!(is_connected, "at {:?}", step.at),
        }
    }
    assert!((8..=20).contains(&left), "{left}");
    let greetings = said(&steps)
        .iter()
        .filter(|said| said.payload == b"yes")
        .count();
    let connects = steps
        .iter()
        .filter(|step| step.what == What::Connect)
        .count();
    assert_eq!(greetings, connects);
}

#[test]
fn values_stay_where_they_belong() {
    let text = r#"
        [[devices]]
        name = "d"
        [[devices.messages]]
        topic = "t"
        interval = "1s"
        [devices.messages.fields]
        sine = { type = "sine", min = -1, max = 1, period = "10s", decimals = 3 }
        walk = { type = "walk", start = 5, step = 3, min = 0, max = 10, decimals = 0 }
        random = { type = "random", min = 2, max = 3, decimals = 2 }
        choice = { type = "choice", values = ["a", "b", 7], weights = [1, 0, 1] }
        way = { type = "gps", speed_kmh = 36, points = [[52.0, 13.0], [52.01, 13.0]] }
        time = { type = "time", iso = true }
    "#;
    let steps = steps(&mut fleet(text), 500);
    let said = said(&steps);
    assert!(said.len() > 400);
    for said in said {
        let json: serde_json::Value = serde_json::from_slice(&said.payload).expect("JSON");
        let number = |path: &str| {
            json.pointer(path)
                .and_then(serde_json::Value::as_f64)
                .expect("a number")
        };
        assert!((-1.0..=1.0).contains(&number("/sine")), "{json}");
        assert!((0.0..=10.0).contains(&number("/walk")), "{json}");
        assert!((2.0..=3.0).contains(&number("/random")), "{json}");
        assert!(json["choice"] == "a" || json["choice"] == 7, "{json}");
        assert!((52.0..=52.01).contains(&number("/way/lat")), "{json}");
        assert!(
            json["time"]
                .as_str()
                .is_some_and(|time| time.starts_with("2001-09-09T")),
            "{json}"
        );
    }
}

#[test]
fn a_way_is_gone_at_its_speed() {
    let text = r#"
        [[devices]]
        name = "d"
        [[devices.messages]]
        topic = "t"
        interval = "1s"
        [devices.messages.fields]
        way = { type = "gps", speed_kmh = 36, points = [[50.0, 10.0], [51.0, 10.0]] }
    "#;
    let steps = steps(&mut fleet(text), 60);
    let latitudes: Vec<f64> = said(&steps)
        .iter()
        .map(|said| {
            let json: serde_json::Value = serde_json::from_slice(&said.payload).expect("JSON");
            json["way"]["lat"].as_f64().expect("a number")
        })
        .collect();
    for pair in latitudes.windows(2) {
        // 10 m in a second.
        let metres = (pair[1] - pair[0]).abs() * 111_195.0;
        assert!((9.8..=10.2).contains(&metres), "{metres}");
    }
}

#[test]
fn every_shipped_scenario_is_one() {
    for shipped in shipped() {
        let scenario = Scenario::parse(shipped.text)
            .unwrap_or_else(|error| panic!("{}: {error}", shipped.name));
        assert!(!scenario.title.is_empty());
        let mut fleet = Fleet::new(&scenario, 1, 0).expect("a fleet");
        assert_eq!(fleet.len(), scenario.count());
        let steps = steps(&mut fleet, 60);
        assert!(!said(&steps).is_empty(), "{}", shipped.name);
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    assert_eq!(error("title = 'x'"), "a scenario needs [[devices]]");
    let message =
        |rest: &str| format!("[[devices]]\nname = 'd'\n[[devices.messages]]\ntopic = 't'\n{rest}");
    let cases = [
        (
            message("interval = 'soon'"),
            "line 5",
            "\"soon\" is no duration",
        ),
        (message("qos = 3"), "message \"t\"", "qos is 0, 1 or 2"),
        (
            message("intervall = '1s'"),
            "line 5",
            "unknown field `intervall`",
        ),
        (
            message("interval = '1us'"),
            "message \"t\"",
            "interval is 1ms or longer",
        ),
        (
            message("payload = '{{never}}'"),
            "payload",
            "no field \"never\"",
        ),
        (
            message("payload = 'a'\nfields = { a = 1 }"),
            "message \"t\"",
            "do not go together",
        ),
        (
            message("fields = { a = { type = 'sine', min = 1 } }"),
            "field \"a\"",
            "max",
        ),
        (
            message("fields = { a = { type = 'wave' } }"),
            "field \"a\"",
            "unknown variant `wave`",
        ),
        (
            message("fields = { a = { type = 'choice', values = [] } }"),
            "field \"a\"",
            "at least one",
        ),
        (
            "[[devices]]\nname = 'd'\ncount = 10001".to_owned(),
            "devices",
            "more than 10000",
        ),
    ];
    for (text, place, problem) in cases {
        let error = error(&text);
        assert!(
            error.contains(place) && error.contains(problem),
            "{error}\nof\n{text}"
        );
    }
}

#[test]
fn an_error_is_an_error_of_its_kind() {
    let error = Scenario::parse("devices = 1").expect_err("no scenario");
    assert!(matches!(error, ScenarioError::Toml(_)));
}

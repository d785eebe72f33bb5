//! What can be asked, and what changes by it.

use crate::kit::Server;
use mqtt_admin::{
    CallError, ClientEntry, ClientFilter, Counters, FaultKind, LIST_MAX, List, ReloadEntry,
    Request, Status,
};
use mqtt_codec::{Packet, ReasonCode};

fn list(filter: ClientFilter, after: Option<u64>, limit: usize) -> Request {
    Request::Clients {
        filter,
        after,
        limit,
    }
}

#[test]
fn clients_are_listed_in_parts_and_by_filter() {
    let server = Server::start();
    let _clients: Vec<_> = ["a1", "a2", "b1", "b2", "b3"]
        .map(|id| server.client(id))
        .into();
    let mut admin = server.admin();
    let (mut names, mut after, mut parts) = (Vec::new(), None, 0);
    loop {
        let request = list(ClientFilter::default(), after, 2);
        let part: List<ClientEntry> = admin.ask(&request).unwrap();
        names.extend(part.items.into_iter().map(|client| client.client_id));
        parts += 1;
        after = part.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((names.join(" "), parts), ("a1 a2 b1 b2 b3".to_owned(), 3));
    let only_b = ClientFilter {
        client_id: Some("b".to_owned()),
        connected: Some(true),
        ..ClientFilter::default()
    };
    let part: List<ClientEntry> = admin.ask(&list(only_b, None, LIST_MAX)).unwrap();
    let names: Vec<_> = part.items.iter().map(|client| &*client.client_id).collect();
    assert_eq!((names, part.next), (vec!["b1", "b2", "b3"], None));
    let nobody = ClientFilter {
        username: Some("ann".to_owned()),
        ..ClientFilter::default()
    };
    let part: List<ClientEntry> = admin.ask(&list(nobody, None, LIST_MAX)).unwrap();
    assert_eq!(part.items, []);
}

#[test]
fn a_kicked_client_is_told() {
    let server = Server::start();
    let mut client = server.client("c");
    let mut admin = server.admin();
    let kick = Request::Kick {
        client_id: "c".to_owned(),
    };
    admin.call(&kick).unwrap();
    let received = client.receive().unwrap();
    let Ok(Packet::Disconnect(disconnect)) = received.packet() else {
        panic!("{received:?}");
    };
    assert_eq!(disconnect.reason, ReasonCode::ADMINISTRATIVE_ACTION);
    client.receive().unwrap_err();
    let again = admin.call(&kick);
    let Err(CallError::Refused(fault)) = again else {
        panic!("{again:?}");
    };
    assert_eq!(fault.kind, FaultKind::NotFound);
    assert_eq!(fault.message, "no client `c` is connected");
}

#[test]
fn the_log_level_is_the_programs() {
    let server = Server::start();
    let mut admin = server.admin();
    let set = |level: &str| Request::SetLogLevel {
        level: level.to_owned(),
    };
    admin.call(&set("debug")).unwrap();
    assert_eq!(*server.host.level.lock().unwrap(), "debug");
    let level: String = admin.ask(&Request::LogLevel).unwrap();
    assert_eq!(level, "debug");
    let refused = admin.call(&set("loud"));
    let Err(CallError::Refused(fault)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        (fault.kind, &*fault.message),
        (FaultKind::Invalid, "no such level")
    );
}

#[test]
fn counters_and_metrics_show_the_same() {
    let server = Server::start();
    let _client = server.client("c");
    let mut admin = server.admin();
    let status: Status = admin.ask(&Request::Status).unwrap();
    assert_eq!((status.connections, status.sessions), (1, 1));
    let counters: Counters = admin.ask(&Request::Counters).unwrap();
    assert_eq!(counters.0.get("mqtt_clients_accepted_total"), Some(&1));
    assert_eq!(counters.0.get("mqtt_sessions"), Some(&1));
    let dropped = "mqtt_messages_dropped_total{cause=\"offline\"}";
    assert_eq!(counters.0.get(dropped), Some(&0));
    let page: String = admin.ask(&Request::Metrics).unwrap();
    for line in [
        "# TYPE mqtt_clients_accepted counter",
        "mqtt_clients_accepted_total 1",
        "mqtt_sessions 1",
        "mqtt_messages_dropped_total{cause=\"offline\"} 0",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
    assert!(page.ends_with("# EOF\n"));
}

/// Names are what dashboards are built on: each is in the documents.
#[test]
fn every_metric_is_documented() {
    let server = Server::start();
    let page = include_str!("../../../../docs/metrics.md");
    let counters: Counters = server.admin().ask(&Request::Counters).unwrap();
    for name in counters.0.keys() {
        let (name, _) = name.split_once('{').unwrap_or((name, ""));
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}

fn told(report: &ReloadEntry) -> (Vec<&str>, Vec<&str>) {
    (
        report.live.iter().map(|change| &*change.key).collect(),
        report
            .needs_restart
            .iter()
            .map(|change| &*change.key)
            .collect(),
    )
}

#[test]
fn a_reload_takes_over_what_it_can_and_names_the_rest() {
    let server = Server::start();
    let mut admin = server.admin();
    let write = |text: &str| text.clone_into(&mut server.host.file.lock().unwrap());
    let reload = |admin: &mut mqtt_admin::Client| -> Result<ReloadEntry, CallError> {
        admin.ask(&Request::Reload)
    };
    write("");
    let report = reload(&mut admin).unwrap();
    assert_eq!(told(&report), (vec![], vec![]));
    write("mqtt.max_subscriptions = 7\nlog.level = \"debug\"\nnode.name = \"b\"");
    let report = reload(&mut admin).unwrap();
    let expected = (
        vec!["log.level", "mqtt.max_subscriptions"],
        vec!["node.name"],
    );
    assert_eq!(told(&report), expected);
    let change = report.live.last().unwrap();
    assert_eq!(
        (change.old.as_deref(), change.new.as_deref()),
        (Some("10000"), Some("7"))
    );
    assert_eq!(*server.host.level.lock().unwrap(), "debug");
    // What takes a restart is told until there is one; what was taken over is not told again.
    let report = reload(&mut admin).unwrap();
    assert_eq!(told(&report), (vec![], vec!["node.name"]));
    write("mqtt.max_subscriptons = 8");
    let refused = reload(&mut admin);
    let Err(CallError::Refused(fault)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        (fault.kind, &*fault.message),
        (
            FaultKind::Invalid,
            "broker.toml:1: unknown key `mqtt.max_subscriptons`, did you mean `mqtt.max_subscriptions`?"
        )
    );
    write("");
    let plan = Request::Plan {
        origin: "new.toml".to_owned(),
        text: "mqtt.max_subscriptions = 8".to_owned(),
    };
    for _ in 0..2 {
        let report: ReloadEntry = admin.ask(&plan).unwrap();
        let expected = (vec!["log.level", "mqtt.max_subscriptions"], vec![]);
        assert_eq!(told(&report), expected, "a plan changes nothing");
        let forecast = report.forecast.unwrap();
        assert_eq!((forecast.sessions, forecast.clients.len()), (0, 0));
    }
}

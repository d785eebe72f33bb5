//! `mqtt access explain`.

use std::{fs, io::Write, process::Stdio};

use tempfile::{TempDir, tempdir};

use crate::process::{Ended, Running, mqtt, run};

/// A configuration with rules of its own and rules in a file.
fn house() -> TempDir {
    let dir = tempdir().unwrap();
    let acl = dir.path().join("acl.conf");
    fs::write(
        &acl,
        "%% ours\n{allow, {ipaddr, \"10.0.0.0/8\"}, subscribe, [\"home/#\"]}.\n",
    )
    .unwrap();
    let config = format!(
        "[[authorization.rules]]\npermission = \"allow\"\nusername = \"alice\"\ntopics = [\"home/#\"]\n\n\
         [[authorization.rules]]\npermission = \"allow\"\nclient_attrs = {{ site = \"north\" }}\nqos = 1\nretain = true\n\n\
         [[authorization.sources]]\ntype = \"file\"\nformat = \"emqx\"\npath = {:?}\n",
        acl.display().to_string()
    );
    fs::write(dir.path().join("broker.toml"), config).unwrap();
    dir
}

#[test]
fn the_rule_that_decides_is_named() {
    let dir = house();
    let config = dir.path().join("broker.toml").display().to_string();
    let acl = dir.path().join("acl.conf").display().to_string();
    let nobody = "  authentication  the listener asks nobody who clients are";
    let told = |verdict: &str, client: &str, rule: &str| {
        let rule = match rule {
            "" => String::new(),
            rule => format!("  rule            {rule}\n"),
        };
        format!("{verdict}\n{nobody}\n  client          \"c1\", {client}\n{rule}")
    };
    let no_match = "denied: no rule is about it (authorization.no_match)";
    let nameless = "without a user name";
    let alices = "allow all, topics \"home/#\", username \"alice\"";
    let norths = "allow all, client_attrs.site \"north\", qos 1, retain true";
    let networks = "allow subscribe, topics \"home/#\", address 10.0.0.0/8";
    let first = format!("allowed: the rule {config}:1");
    for (args, code, expected) in [
        (
            "--user alice --publish home/door --qos 1",
            0,
            told(&first, "user \"alice\"", alices),
        ),
        (
            "--user bob --publish home/door",
            3,
            told(no_match, "user \"bob\"", ""),
        ),
        (
            "--attribute site=north --publish x --qos 1 --retain",
            0,
            told(
                &format!("allowed: the rule {config}:6"),
                &format!("{nameless}, site \"north\""),
                norths,
            ),
        ),
        (
            "--attribute site=north --publish x --qos 1",
            3,
            told(no_match, &format!("{nameless}, site \"north\""), ""),
        ),
        (
            "--address 10.1.2.3 --subscribe $share/g/home/+",
            0,
            told(&format!("allowed: the rule {acl}:2"), nameless, networks),
        ),
        (
            "--address 11.1.2.3 --subscribe home/+",
            3,
            told(no_match, nameless, ""),
        ),
        (
            "--user alice --receive home/door",
            0,
            told(&first, "user \"alice\"", alices),
        ),
        (
            "--user alice --publish $SYS/x",
            3,
            told(
                "denied: the topic is the broker's own",
                "user \"alice\"",
                "",
            ),
        ),
        (
            "--user alice --publish $delayed/5/home/door",
            0,
            told(&first, "user \"alice\"", alices),
        ),
    ] {
        let all = ["access", "explain", "--config", &config, "--client", "c1"];
        let ended = run(all.into_iter().chain(args.split(' ')));
        assert_eq!(
            (ended.code, ended.stdout),
            (Some(code), expected),
            "{args}: {}",
            ended.stderr
        );
    }
}

#[test]
fn without_rules_everything_is_allowed() {
    let ended = run(["access", "explain", "--client", "c1", "--subscribe", "#"]);
    let mut lines = ended.stdout.lines();
    let said = (ended.code, lines.next());
    assert_eq!(said, (Some(0), Some("allowed: there are no rules")));
}

/// A configuration that asks a token's key, then a password file, who clients are.
fn doors() -> TempDir {
    let dir = tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let made = run(["passwd", "-b", "-c", &path("users"), "alice", "right"]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let config = format!(
        "[listeners.tcp.default]\nbind = \"127.0.0.1:0\"\n\n\
         [listeners.tcp.open]\nbind = \"127.0.0.1:0\"\nenable_authn = false\n\n\
         [[authentication]]\nname = \"tokens\"\nmechanism = \"jwt\"\nsecret = \"0123456789abcdef0123456789abcdef\"\n\n\
         [[authentication]]\nname = \"certificates\"\nmechanism = \"certificate\"\n\n\
         [[authentication]]\nname = \"people\"\nmechanism = \"password_based\"\nbackend = \"file\"\npath = {:?}\n\n\
         [[authorization.rules]]\npermission = \"allow\"\nusername = [\"alice\", \"meter-7\"]\ntopics = [\"home/#\"]\n",
        path("users")
    );
    fs::write(dir.path().join("broker.toml"), config).unwrap();
    dir
}

/// Runs `access explain` with this standard input.
fn explain(config: &str, args: &str, input: &str) -> Ended {
    let all = ["access", "explain", "--config", config, "--client", "c1"];
    let mut child = mqtt(all.into_iter().chain(args.split(' ')))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It need not read what it did not ask for.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    Ended::from(Running::from(child).output())
}

#[test]
fn the_authenticator_that_decides_is_named() {
    let dir = doors();
    let config = dir.path().join("broker.toml").display().to_string();
    let rule = format!("allowed: the rule {config}:");
    for (args, input, code, first, answers) in [
        (
            "--user alice --password-stdin --publish home/door",
            "right\n",
            0,
            rule.as_str(),
            "tokens: does not know it|certificates: does not know it|people: lets it in",
        ),
        (
            "--user alice --password-stdin --publish home/door",
            "wrong\n",
            3,
            "denied: the authenticator `people` refuses it: wrong password",
            "tokens: does not know it|certificates: does not know it|people: refuses it: wrong password",
        ),
        (
            "--user bob --password-stdin --publish home/door",
            "right\n",
            3,
            "denied: no authenticator knows it",
            "tokens: does not know it|certificates: does not know it|people: does not know it",
        ),
        (
            "--user alice --publish home/door",
            "",
            0,
            rule.as_str(),
            "tokens: needs its password first",
        ),
        (
            "--publish home/door",
            "",
            3,
            "denied: it does not say who it is",
            "tokens: does not know it|certificates: does not know it|people: does not know it",
        ),
        (
            "--cert-common-name meter-7 --publish home/door",
            "",
            0,
            rule.as_str(),
            "tokens: does not know it|certificates: lets it in",
        ),
        (
            "--user alice --listener tcp:open --publish home/door",
            "",
            3,
            "denied: no rule is about it (authorization.no_match)",
            "the listener asks nobody who clients are",
        ),
    ] {
        let ended = explain(&config, args, input);
        assert_eq!(ended.code, Some(code), "{args}: {}", ended.stderr);
        let mut lines = ended.stdout.lines();
        let said = lines.next().unwrap_or_default();
        assert!(said.starts_with(first), "{args}: {said}");
        let detail = |line: &str| line.get(18..).unwrap_or_default().to_owned();
        let found: Vec<_> = lines
            .filter(|line| !line.starts_with("  client") && !line.starts_with("  rule"))
            .map(detail)
            .collect();
        assert_eq!(found.join("|"), answers, "{args}");
    }
    let ended = explain(&config, "--listener tcp:none --publish a", "");
    let wrong = "mqtt: the configuration has no listener `tcp:none`\n";
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(2), wrong));
}

#[test]
fn programs_are_told_the_same_in_json() {
    let dir = doors();
    let config = dir.path().join("broker.toml").display().to_string();
    let args = "--json --user alice --password-stdin --publish home/door --listener tcp:default";
    let ended = explain(&config, args, "right\n");
    let said: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        (&said["allowed"], &said["decided_by"]),
        (&true.into(), &"authorization".into())
    );
    assert_eq!(said["authentication"]["authenticator"], "people");
    assert_eq!(said["authorization"]["file"], config.as_str());
    let text = fs::read_to_string(&config).unwrap();
    let line = said["authorization"]["line"].as_u64().unwrap();
    let line = text.lines().nth(usize::try_from(line).unwrap() - 1);
    assert_eq!(line, Some("[[authorization.rules]]"));
    assert_eq!(said["client"]["username"], "alice");
    let ended = explain(&config, args, "unguessable\n");
    let said: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        (&said["allowed"], &said["decided_by"]),
        (&false.into(), &"authentication".into())
    );
    assert_eq!(said["authentication"]["ground"], "refused");
    assert!(
        !ended.stdout.contains("unguessable"),
        "no password is shown"
    );
}

/// The users of a broker are read where it keeps them, and nothing there is changed.
#[test]
fn nothing_is_written() {
    let dir = doors();
    let (data, config) = (dir.path().join("data"), dir.path().join("two.toml"));
    fs::create_dir(&data).unwrap();
    let users = dir.path().join("users").display().to_string();
    let text = format!(
        "node.data_dir = {:?}\n[[authentication]]\nmechanism = \"password_based\"\n\
         backend = \"built_in_database\"\nbootstrap_file = {users:?}\n",
        data.display().to_string()
    );
    fs::write(&config, text).unwrap();
    let config = config.display().to_string();
    let args = "--user alice --password-stdin --publish a";
    let ended = explain(&config, args, "right\n");
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert_eq!(fs::read_dir(&data).unwrap().count(), 0);
}

#[test]
fn what_is_wrong_is_one_line() {
    let dir = house();
    let config = dir.path().join("broker.toml").display().to_string();
    let acl = dir.path().join("acl.conf");
    for (args, expected) in [
        ("--publish a/+", "mqtt: `a/+` is no topic to publish to\n"),
        ("--subscribe a/#/b", "mqtt: `a/#/b` is no topic filter\n"),
    ] {
        let all = ["access", "explain", "--config", &config, "--client", "c1"];
        let ended = run(all.into_iter().chain(args.split(' ')));
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(2), expected));
    }
    fs::write(
        &acl,
        "{allow, all}.\n{allow, {zone, \"z\"}}.\n{allowed, all}.\n",
    )
    .unwrap();
    let acl = acl.display();
    let expected = format!(
        "mqtt: {acl}:2: `{{zone, \"z\"}}` has no counterpart here; {acl}:3: `allowed` has no counterpart here\n"
    );
    for command in [
        vec![
            "access",
            "explain",
            "--config",
            &config,
            "--client",
            "c",
            "--publish",
            "a",
        ],
        vec!["broker", "check", &config],
    ] {
        let ended = run(command);
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(2), expected.as_str())
        );
    }
}

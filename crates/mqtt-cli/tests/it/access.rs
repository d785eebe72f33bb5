//! `mqtt access explain`.

use std::fs;

use tempfile::{TempDir, tempdir};

use crate::process::run;

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
    let no_match = "denied: no rule is about it (authorization.no_match)\n".to_owned();
    for (args, code, expected) in [
        (
            "--user alice --publish home/door --qos 1",
            0,
            format!("allowed: the rule {config}:1\n"),
        ),
        ("--user bob --publish home/door", 3, no_match.clone()),
        (
            "--attribute site=north --publish x --qos 1 --retain",
            0,
            format!("allowed: the rule {config}:6\n"),
        ),
        (
            "--attribute site=north --publish x --qos 1",
            3,
            no_match.clone(),
        ),
        (
            "--address 10.1.2.3 --subscribe $share/g/home/+",
            0,
            format!("allowed: the rule {acl}:2\n"),
        ),
        ("--address 11.1.2.3 --subscribe home/+", 3, no_match),
        (
            "--user alice --receive home/door",
            0,
            format!("allowed: the rule {config}:1\n"),
        ),
        (
            "--user alice --publish $SYS/x",
            3,
            "denied: the topic is the broker's own\n".to_owned(),
        ),
        (
            "--user alice --publish $delayed/5/home/door",
            0,
            format!("allowed: the rule {config}:1\n"),
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
    let said = (ended.code, ended.stdout.as_str());
    assert_eq!(said, (Some(0), "allowed: there are no rules\n"));
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

//! Flags from the environment and from profiles.

use std::{fs, path::Path};

use tempfile::tempdir;

use crate::process::{Ended, Running, RunningBroker, mqtt};

/// Runs `mqtt` with its configuration in `home`.
fn run(home: &Path, args: &[&str], variables: &[(&str, &str)]) -> Ended {
    let mut command = mqtt(args);
    command
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home.join("config"))
        .envs(variables.iter().copied())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    Ended::from(Running::from(command.spawn().unwrap()).output())
}

#[cfg(target_os = "linux")]
#[test]
fn a_flag_is_stronger_than_the_environment_and_that_than_a_profile() {
    let dir = tempdir().unwrap();
    let broker = RunningBroker::start(&dir, &["--listen", "127.0.0.1:0"]);
    let port = broker.addrs.first().unwrap().port().to_string();
    let publish = ["pub", "-t", "a", "-n"];
    let save = [
        "-h",
        "127.0.0.1",
        "-p",
        &port,
        "-u",
        "me",
        "-P",
        "hush",
        "--save-profile",
        "here",
    ];
    let ended = run(dir.path(), &[&publish[..], &save].concat(), &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let path = dir.path().join("config/mqtt/profiles/here.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(&port) && !text.contains("hush"), "{text}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let with_profile = [&publish[..], &["--profile", "here"]].concat();
    let password = ("MQTT_PW", "hush");
    for (args, variables, code) in [
        (with_profile.clone(), vec![password], 0),
        (with_profile.clone(), vec![password, ("MQTT_PORT", "1")], 1),
        (
            [&with_profile[..], &["-p", &port]].concat(),
            vec![password, ("MQTT_PORT", "1")],
            0,
        ),
        (
            publish.to_vec(),
            vec![("MQTT_PROFILE", "here"), password],
            0,
        ),
    ] {
        let ended = run(dir.path(), &args, &variables);
        assert_eq!(
            ended.code,
            Some(code),
            "{args:?} {variables:?}: {}",
            ended.stderr
        );
    }
    let ended = run(dir.path(), &publish, &[("MQTT_PORT", "18x83")]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended
            .stderr
            .trim_end()
            .ends_with("; it comes from MQTT_PORT"),
        "{}",
        ended.stderr
    );
    let ended = run(
        dir.path(),
        &[&publish[..], &["--profile", "nowhere"]].concat(),
        &[],
    );
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("nowhere.toml"), "{}", ended.stderr);
}

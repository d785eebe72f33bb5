//! Checks a user of a password file, and what rules in Mosquitto's form say.

use mqtt_access::{Action, Checked, Rules, StoredPassword, Subject, Users, Verdict};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = format!("alice:{}", StoredPassword::new(b"secret")?);
    let users = Users::parse(&file).map_err(|(line, error)| format!("{line}: {error}"))?;
    assert_eq!(users.check("alice", b"secret"), Checked::Right { line: 1 });
    let rules = Rules::parse_mosquitto("user alice\ntopic read home/#", Path::new("acl"));
    let rules = rules.map_err(|(line, error)| format!("{line}: {error}"))?;
    let alice = Subject {
        username: Some("alice"),
        ..Subject::default()
    };
    let action = Action::Receive {
        topic_name: "home/door",
    };
    assert!(matches!(rules.ask(&alice, &action), Verdict::Allowed(rule) if rule.source.line == 2));
    Ok(())
}

//! Our broker asks a database who clients are.

#[cfg(feature = "postgresql")]
mod postgresql;
#[cfg(feature = "redis")]
mod redis;

use crate::{brokers::RunningBroker, doors::Door};
use std::process::Command;

/// How `mqtt pub` ends: what it was connected for is done, is refused, or the Reason Code of CONNACK.
const SUCCESS: i32 = 0;
const MAY_NOT_PUBLISH: i32 = 1;
const BAD_USER_NAME_OR_PASSWORD: i32 = 0x86;
const SERVER_UNAVAILABLE: i32 = 0x88;

/// A database that has to answer may take long on a machine that has much else to do.
const PATIENT: &str = "20s";

/// Who tries to connect, and what the end is.
struct Try {
    username: &'static str,
    password: &'static str,
    /// How `mqtt pub` ends.
    code: i32,
}

const fn attempt(username: &'static str, password: &'static str, code: i32) -> Try {
    Try {
        username,
        password,
        code,
    }
}

/// A broker that asks this database; only a superuser may publish.
struct Asking(RunningBroker);

impl Asking {
    /// `backend` is the rest of `[[authentication]]`.
    fn start(backend: &str, request_timeout: &str) -> Self {
        let more = format!(
            "[authorization]\nno_match = \"deny\"\n[mqtt]\naccess_timeout = \"30s\"\n\
             [authentication_settings]\nmax_failures = \"infinity\"\n\
             [[authentication]]\nmechanism = \"password_based\"\nrequest_timeout = \"{request_timeout}\"\n{backend}"
        );
        Self(RunningBroker::ours_by(Door::Tcp, &more))
    }

    #[track_caller]
    fn sees(&self, tries: &[Try]) {
        for Try {
            username,
            password,
            code,
        } in tries
        {
            let found = self.publish_as(username, password);
            assert_eq!(found, Some(*code), "{username:?} with {password:?}");
        }
    }

    /// How `mqtt pub` ends.
    fn publish_as(&self, username: &str, password: &str) -> Option<i32> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mqtt"));
        command.args(["pub", "--quiet", "-h", "127.0.0.1", "-p"]);
        command.arg(self.0.way.addr.port().to_string());
        command.args(["-t", "a", "-m", "b", "-q", "1", "-V", "5", "-i", "c"]);
        command.args(["-u", username, "-P", password]);
        command.status().unwrap().code()
    }

    /// A counter of this broker.
    fn counted(&self, counter: &str) -> u64 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mqtt"));
        command.arg("ctl").arg("--data-dir").arg(self.0.data_dir());
        let output = command.arg("metrics").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let start = format!("{counter} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("no {counter} in\n{text}"))
            .parse()
            .unwrap()
    }

    /// How often authentication had this outcome.
    fn ended(&self, outcome: &str) -> u64 {
        let counter = "mqtt_authentications_total";
        self.counted(&format!("{counter}{{outcome=\"{outcome}\"}}"))
    }

    /// How often the log has a line with this, which it has at least once.
    fn logged(&self, text: &str) -> usize {
        self.0.logged(text).matches(text).count()
    }

    /// Whether the log has this nowhere, in front of its line about a connection that has ended.
    fn conceals(&self, text: &str) -> bool {
        let log = self.0.logged("connection closed");
        log.contains("connection closed") && !log.contains(text)
    }
}

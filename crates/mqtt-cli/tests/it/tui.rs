//! `mqtt tui` in a pseudo-terminal: keys go in, and the screen is what a person would see.

use std::{
    io::{Read as _, Write},
    num::NonZeroU16,
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use tempfile::{TempDir, tempdir};

use crate::process::{RunningBroker, run};

/// The screen of the tests.
const SIZE: PtySize = PtySize {
    rows: 40,
    cols: 140,
    pixel_width: 0,
    pixel_height: 0,
};

/// How long something may take to be seen.
const PATIENCE: Duration = Duration::from_secs(60);

/// A screen, and somebody who looks at it.
struct Person {
    screen: Arc<(Mutex<vt100::Parser>, Condvar)>,
    keyboard: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    _terminal: Box<dyn MasterPty + Send>,
}

impl Person {
    fn starts(args: &[&str], environment: &[(&str, &str)]) -> Self {
        let terminal = native_pty_system().openpty(SIZE).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_mqtt"));
        command.args(args);
        command.env("TERM", "xterm-256color");
        command.env_remove("NO_COLOR");
        for (name, value) in environment {
            command.env(name, value);
        }
        let child = terminal.slave.spawn_command(command).unwrap();
        drop(terminal.slave);
        let cells = |count| NonZeroU16::new(count).unwrap();
        let parser = vt100::Parser::new(cells(SIZE.rows), cells(SIZE.cols), 0);
        let screen = Arc::new((Mutex::new(parser), Condvar::new()));
        let mut output = terminal.master.try_clone_reader().unwrap();
        let seen = Arc::clone(&screen);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The end of a terminal is an error on Linux.
            while let Ok(len @ 1..) = output.read(&mut bytes) {
                seen.0.lock().unwrap().process(bytes.get(..len).unwrap());
                seen.1.notify_all();
            }
        });
        Self {
            screen,
            keyboard: terminal.master.take_writer().unwrap(),
            child,
            _terminal: terminal.master,
        }
    }

    fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    /// Waits until the screen is as `is_so` says; the text of it.
    #[track_caller]
    fn sees_that(&self, what: &str, is_so: impl Fn(&vt100::Screen) -> bool) -> String {
        let until = Instant::now() + PATIENCE;
        let mut parser = self.screen.0.lock().unwrap();
        while !is_so(parser.screen()) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{what} is not seen on\n{}",
                parser.screen().contents()
            );
            parser = self.screen.1.wait_timeout(parser, left).unwrap().0;
        }
        parser.screen().contents()
    }

    #[track_caller]
    fn sees(&self, text: &str) -> String {
        self.sees_that(text, |screen| screen.contents().contains(text))
    }

    /// Waits for the end; its exit code.
    fn leaves(mut self) -> u32 {
        self.types("q");
        self.child.wait().unwrap().exit_code()
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        // It has ended already where all went well.
        let _ = self.child.kill();
    }
}

fn broker() -> (TempDir, RunningBroker, String) {
    let dir = tempdir().unwrap();
    let broker = RunningBroker::start(&dir, &["--listen", "127.0.0.1:0"]);
    let url = format!("mqtt://{}", broker.addrs.first().unwrap());
    (dir, broker, url)
}

#[track_caller]
fn publish(url: &str, args: &[&str]) {
    let ended = run([&["pub", "-L", url], args].concat());
    assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)));
}

#[test]
fn payloads_are_shown_as_they_are_said_to_be() {
    let (_dir, _broker, url) = broker();
    // {"celsius":21.5} and what is none.
    let hex = "7b2263656c73697573223a32312e357d";
    publish(&url, &["-r", "-t", "a", "-m", hex]);
    publish(&url, &["-r", "-t", "b", "-m", "no digits"]);
    let mut person = Person::starts(&["tui", "-L", &url, "--decode", "hex,json"], &[]);
    person.sees("as hexadecimal, JSON");
    person.sees("\"celsius\": 21.5");
    person.sees("/celsius: 21.5, from 21.5 to 21.5");
    person.types("j");
    person.sees("hexadecimal: byte 0: this is no hexadecimal digit");
    person.sees("no digits");
    assert_eq!(person.leaves(), 0);
}

#[test]
fn a_person_looks_at_topics_and_publishes() {
    let (_dir, _broker, url) = broker();
    let house = ["-r", "-t", "house/hall", "-m", r#"{"celsius":21.5}"#];
    publish(&url, &house);
    let mut person = Person::starts(&["tui", "-L", &url], &[]);
    person.sees("▸ house  1 topic, 1");
    person.types("lj");
    person.sees("house/hall");
    person.sees("QoS 0, retained, 16 bytes");
    person.sees("\"celsius\": 21.5");
    person.sees("/celsius: 21.5, from 21.5 to 21.5");
    publish(&url, &["-t", "house/hall", "-m", r#"{"celsius":23}"#]);
    person.sees("/celsius: 23, from 21.5 to 23");
    person.types("d");
    person.sees("-   \"celsius\": 21.5");
    person.types("t");
    publish(&url, &["-t", "house/cellar", "-m", "dry"]);
    person.sees("PUBLISH");
    // A message of this person's own comes back.
    person.types("pgarden\twet\t \r");
    person.sees("published to garden");
    person.sees("garden = wet");
    assert_eq!(person.leaves(), 0);
}

#[test]
fn retained_messages_are_cleared_from_it() {
    let (_dir, _broker, url) = broker();
    publish(&url, &["-r", "-t", "a/b", "-m", "1"]);
    let mut person = Person::starts(&["tui", "-L", &url, "-t", "a/#"], &[]);
    person.sees("▸ a");
    person.types("x");
    person.sees("Clear 1 retained messages for everybody?");
    person.types("y");
    person.sees("1 retained messages cleared");
    assert_eq!(person.leaves(), 0);
    let left = run(["sub", "-L", &url, "-t", "a/#", "-W", "1"]);
    assert_eq!((left.stdout.as_str(), left.code), ("", Some(27)));
}

#[test]
fn the_terminal_is_given_back_and_has_colours_only_when_wanted() {
    let (_dir, _broker, url) = broker();
    publish(&url, &["-r", "-t", "a", "-m", "1"]);
    let is_coloured = |screen: &vt100::Screen| {
        let cells = (0..SIZE.rows).flat_map(|row| (0..SIZE.cols).map(move |column| (row, column)));
        let mut cells = cells.filter_map(|(row, column)| screen.cell(row, column));
        cells.any(|cell| cell.fgcolor() != vt100::Color::Default)
    };
    let plain = Person::starts(&["tui", "-L", &url], &[("NO_COLOR", "1")]);
    plain.sees("a = 1");
    plain.sees_that("no colour", |screen| !is_coloured(screen));
    assert_eq!(plain.leaves(), 0);
    let mut coloured = Person::starts(&["tui", "-L", &url], &[]);
    coloured.sees_that("a colour", is_coloured);
    coloured.sees_that("the other screen", vt100::Screen::alternate_screen);
    coloured.types("q");
    coloured.sees_that("the first screen", |screen| !screen.alternate_screen());
    assert_eq!(coloured.child.wait().unwrap().exit_code(), 0);
}

#[test]
fn a_broker_that_goes_away_is_told() {
    let (_dir, broker, url) = broker();
    let person = Person::starts(&["tui", "-L", &url], &[]);
    person.sees("no messages yet");
    drop(broker);
    person.sees(", again in ");
    assert_eq!(person.leaves(), 0);
}

#[test]
fn without_a_terminal_it_says_what_to_use() {
    let ended = run(["tui", "-h", "127.0.0.1"]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("a terminal is needed for this"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let (_dir, _broker, url) = broker();
    let mut person = Person::starts(&["tui", "-L", &url], &[]);
    person.sees("no messages yet");
    let pid = person.child.process_id().unwrap().to_string();
    let killed = std::process::Command::new("kill").arg(&pid).status();
    assert!(killed.unwrap().success());
    person.sees_that("the first screen", |screen| !screen.alternate_screen());
    assert_eq!(person.child.wait().unwrap().exit_code(), 143);
}

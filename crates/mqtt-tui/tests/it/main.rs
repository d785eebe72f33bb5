//! Keys go in, pictures come out.

mod screen;

use std::time::Duration;

use mqtt_tui::{Action, Limits, Outgoing};
use screen::Screen;

#[test]
fn topics_are_a_tree_that_opens() {
    let mut screen = Screen::new();
    screen.receive("house/kitchen/light", "on");
    screen.receive("house/hall", "21.5");
    screen.receive("garden", "wet");
    screen.shows("garden = wet 1");
    screen.shows("▸ house  2 topics, 2");
    screen.hides("hall");
    screen.keys("jl");
    screen.shows("▾ house");
    screen.shows("hall = 21.5 1");
    screen.keys("h");
    screen.hides("hall");
    screen.keys("E");
    screen.shows("light = on");
    screen.keys("C");
    screen.hides("light");
}

#[test]
fn who_looks_at_what_is_closed_looks_at_what_closed_it() {
    let mut screen = Screen::new();
    screen.receive("a/b/c", "1");
    screen.keys("Ejj");
    screen.shows("┌a/b/c");
    screen.keys("C");
    screen.shows("┌a─");
}

#[test]
fn a_filter_shows_what_has_it() {
    let mut screen = Screen::new();
    screen.receive("house/kitchen/light", "on");
    screen.receive("garden", "wet");
    screen.keys("fkit");
    screen.shows("filter: kit_");
    screen.shows("light = on");
    screen.hides("garden");
    screen.enter();
    screen.escape();
    screen.shows("garden = wet");
}

#[test]
fn a_search_goes_from_topic_to_topic() {
    let mut screen = Screen::new();
    for topic in ["a/one", "b/two", "c/one"] {
        screen.receive(topic, topic);
    }
    screen.keys("/ONE");
    screen.enter();
    screen.shows("┌a/one");
    screen.keys("n");
    screen.shows("┌c/one");
    screen.keys("n");
    screen.shows("┌a/one");
    screen.keys("N");
    screen.shows("┌c/one");
    screen.keys("/nowhere");
    screen.enter();
    screen.shows("no topic has \"nowhere\" in its name");
}

#[test]
fn a_payload_is_decoded_and_its_form_can_be_chosen() {
    let mut screen = Screen::new();
    screen.receive("a", r#"{"t":21.50,"on":true}"#);
    screen.shows("as JSON");
    screen.shows("\"t\": 21.50,");
    screen.keys("e");
    screen.shows(r#"{"t":21.50,"on":true}"#);
    screen.keys("e");
    screen.shows("000000  7b 22 74 22");
}

#[test]
fn what_differs_from_the_message_before_is_marked() {
    let mut screen = Screen::new();
    screen.receive("a", r#"{"t":1,"u":2}"#);
    screen.receive("a", r#"{"t":5,"u":2}"#);
    screen.keys("d");
    screen.shows("-   \"t\": 1,");
    screen.shows("+   \"t\": 5,");
    screen.shows("    \"u\": 2");
}

#[test]
fn earlier_messages_can_be_looked_at_while_others_come() {
    let mut screen = Screen::new();
    for payload in ["first", "second", "third"] {
        screen.receive("a", payload);
    }
    screen.keys("[[");
    screen.shows("2 before the last");
    screen.shows("│first");
    screen.receive("a", "fourth");
    screen.shows("3 before the last");
    screen.shows("│first");
    screen.escape();
    screen.shows("│fourth");
}

#[test]
fn a_number_is_drawn_over_time() {
    let mut screen = Screen::new();
    for value in [1, 5, 3] {
        screen.receive(
            "a",
            &format!(r#"{{"t":{value},"n":{{"u":{}}}}}"#, value * 10),
        );
    }
    screen.shows("/t: 3, from 1 to 5");
    screen.keys("s");
    screen.shows("/n/u: 30, from 10 to 50");
    screen.keys("s");
    screen.shows("/t: 3, from 1 to 5");
}

#[test]
fn a_message_is_typed_and_published() {
    let mut screen = Screen::new();
    screen.receive("house/hall", "1");
    screen.keys("EjPon q");
    screen.tab();
    screen.keys("  ");
    screen.tab();
    screen.keys(" ");
    screen.shows("topic    house/hall");
    screen.shows("payload  on q");
    screen.shows("QoS      2");
    screen.shows("retain   yes");
    assert_eq!(
        screen.enter(),
        Some(Action::Publish(Outgoing {
            topic_name: "house/hall".to_owned(),
            payload: "on q".to_owned(),
            qos: 2,
            retain: true,
        }))
    );
    screen.keys("px");
    assert_eq!(screen.escape(), None);
    screen.shows("nothing was published");
}

#[test]
fn retained_messages_are_cleared_after_a_question() {
    let mut screen = Screen::new();
    screen.retained("a/b", "1");
    screen.retained("a/c", "1");
    screen.receive("a/d", "1");
    screen.keys("x");
    screen.shows("Clear 2 retained messages for everybody?");
    assert_eq!(screen.key('n'), None);
    screen.keys("x");
    let topic_names = vec!["a/b".to_owned(), "a/c".to_owned()];
    assert_eq!(screen.key('y'), Some(Action::Clear(topic_names)));
}

#[test]
fn what_comes_during_a_pause_is_counted() {
    let mut screen = Screen::new();
    screen.receive("a", "1");
    screen.keys("z");
    screen.receive("a", "2");
    screen.shows("a = 1");
    screen.shows("paused, 1 missed");
    screen.keys("z");
    screen.receive("a", "3");
    screen.shows("a = 3");
}

#[test]
fn packets_are_shown_when_asked_for() {
    let mut screen = Screen::new();
    for number in 0..30 {
        screen.app.trace(format!("packet {number}"));
    }
    screen.hides("packet 29");
    screen.keys("t");
    screen.shows("packet 29");
    screen.hides("packet 20");
    screen.tab();
    screen.tab();
    screen.tab();
    screen.keys("kkkk");
    screen.shows("4 more below");
    screen.shows("packet 20");
}

#[test]
fn a_bound_that_is_reached_is_told() {
    let mut screen = Screen::with(Limits {
        nodes_max: 1,
        ..Limits::default()
    });
    screen.receive("a", "1");
    screen.receive("b", "1");
    screen.shows("1 of topics without room");
}

#[test]
fn nothing_on_the_screen_moves_the_cursor() {
    let mut screen = Screen::new();
    screen.receive("a\u{9b}2J/\u{7}", "x\x1b]0;title\x07y");
    screen.keys("E");
    let picture = screen.picture();
    assert!(
        picture
            .chars()
            .all(|char| !char.is_control() || char == '\n'),
        "{picture:?}"
    );
}

#[test]
fn the_smallest_screen_is_drawn_too() {
    for (width, height) in [(1, 1), (5, 3), (59, 10), (200, 2)] {
        let mut screen = Screen::sized(width, height);
        screen.receive("a/b", r#"{"t":1}"#);
        screen.keys("Et");
        screen.picture();
        screen.keys("?");
        screen.picture();
        screen.escape();
        screen.keys("P");
        screen.picture();
    }
}

#[test]
fn help_names_the_keys_and_numbers_the_redraws() {
    let mut screen = Screen::new();
    screen.keys("?");
    screen.shows("publish a message");
    screen.escape();
    screen.app.drawn_in(Duration::from_millis(3));
    screen.keys("i");
    screen.shows("redraw p99      3.0 ms");
}

#[test]
fn without_colour_there_is_none() {
    let mut screen = Screen::new();
    screen.app = mqtt_tui::App::new("here", Limits::default()).without_colour();
    screen.retained("a/b", "1");
    screen.keys("Ed");
    assert!(!screen.has_colour());
}

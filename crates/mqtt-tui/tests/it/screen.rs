//! A screen that is only drawn in memory.

use mqtt_tui::ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use mqtt_tui::ratatui::style::Color;
use mqtt_tui::ratatui::{Terminal, backend::TestBackend};
use mqtt_tui::{Action, App, Limits, Received};

pub(crate) struct Screen {
    pub(crate) app: App,
    terminal: Terminal<TestBackend>,
}

impl Screen {
    pub(crate) fn new() -> Self {
        Self::sized(120, 40)
    }

    pub(crate) fn with(limits: Limits) -> Self {
        let mut screen = Self::new();
        screen.app = App::new("mqtt://localhost", limits);
        screen
    }

    pub(crate) fn sized(width: u16, height: u16) -> Self {
        Self {
            app: App::new("mqtt://localhost", Limits::default()),
            terminal: Terminal::new(TestBackend::new(width, height)).expect("it is only memory"),
        }
    }

    pub(crate) fn receive(&mut self, topic_name: &str, payload: &str) {
        self.app.receive(&message(topic_name, payload));
    }

    pub(crate) fn retained(&mut self, topic_name: &str, payload: &str) {
        self.app.receive(&Received {
            retain: true,
            ..message(topic_name, payload)
        });
    }

    /// Presses each of these; between two there is a picture, as in life.
    pub(crate) fn keys(&mut self, keys: &str) {
        for key in keys.chars() {
            self.picture();
            assert_eq!(self.key(key), None, "{key}");
        }
    }

    pub(crate) fn key(&mut self, key: char) -> Option<Action> {
        self.press(KeyCode::Char(key))
    }

    pub(crate) fn enter(&mut self) -> Option<Action> {
        self.press(KeyCode::Enter)
    }

    pub(crate) fn escape(&mut self) -> Option<Action> {
        self.press(KeyCode::Esc)
    }

    pub(crate) fn tab(&mut self) {
        assert_eq!(self.press(KeyCode::Tab), None);
    }

    fn press(&mut self, code: KeyCode) -> Option<Action> {
        let modifiers = KeyModifiers::NONE;
        self.app.key(KeyEvent::new(code, modifiers))
    }

    pub(crate) fn picture(&mut self) -> String {
        let drawn = self.terminal.draw(|frame| self.app.draw(frame));
        drawn.expect("it is only memory");
        let buffer = self.terminal.backend().buffer();
        let width = usize::from(buffer.area.width);
        let lines = buffer.content().chunks(width);
        let lines = lines.map(|cells| cells.iter().map(|cell| cell.symbol()).collect::<String>());
        lines.collect::<Vec<_>>().join("\n")
    }

    #[track_caller]
    pub(crate) fn shows(&mut self, text: &str) {
        let picture = self.picture();
        assert!(picture.contains(text), "{text:?} is not in\n{picture}");
    }

    #[track_caller]
    pub(crate) fn hides(&mut self, text: &str) {
        let picture = self.picture();
        assert!(!picture.contains(text), "{text:?} is in\n{picture}");
    }

    pub(crate) fn has_colour(&mut self) -> bool {
        self.picture();
        let mut cells = self.terminal.backend().buffer().content().iter();
        cells.any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
    }
}

fn message(topic_name: &str, payload: &str) -> Received {
    Received {
        topic_name: topic_name.to_owned(),
        payload: payload.to_owned().into(),
        ..Received::default()
    }
}

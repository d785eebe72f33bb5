//! Draws a screen that nobody sees.

use mqtt_tui::ratatui::{Terminal, backend::TestBackend};
use mqtt_tui::{App, Limits, Received};

fn main() {
    let mut app = App::new("mqtt://localhost", Limits::default());
    app.receive(&Received {
        topic_name: "hall".to_owned(),
        ..Received::default()
    });
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("it is only memory");
    terminal
        .draw(|frame| app.draw(frame))
        .expect("it is only memory");
    let cells = terminal.backend().buffer().content().iter();
    let text: String = cells.map(|cell| cell.symbol()).collect();
    assert!(text.contains("hall"));
}

//! What a picture of 10,000 open topics costs while 5,000 messages a second come in.

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use mqtt_tui::ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use mqtt_tui::ratatui::{Terminal, backend::TestBackend};
use mqtt_tui::{App, Limits, Received};

const TOPICS: u32 = 10_000;

/// Of 5,000 a second, those between two pictures of which there are 10 a second.
const MESSAGES_PER_PICTURE: u32 = 500;

fn redraw(criterion: &mut Criterion) {
    let mut app = App::new("mqtt://localhost", Limits::default());
    for topic in 0..TOPICS {
        app.receive(&message(topic, 0));
    }
    let open_all = KeyEvent::new(KeyCode::Char('E'), KeyModifiers::NONE);
    app.key(open_all);
    let Ok(mut terminal) = Terminal::new(TestBackend::new(200, 60));
    let mut number = 0;
    let mut next = || {
        for _ in 0..MESSAGES_PER_PICTURE {
            number += 1;
            // Half of them on the topic that is looked at.
            let topic = if number % 2 == 0 { 0 } else { number % TOPICS };
            app.receive(&message(topic, number));
        }
        app.at(Duration::from_millis(u64::from(number) / 5));
        let Ok(_) = terminal.draw(|frame| app.draw(frame));
    };
    criterion.bench_function("10,000 topics, 5,000 messages/s", |bench| {
        bench.iter(&mut next);
    });
}

fn message(topic: u32, number: u32) -> Received {
    let payload = format!(
        r#"{{"number":{number},"celsius":{}.5,"on":true}}"#,
        number % 40
    );
    Received {
        topic_name: format!("plant/{}/line/{}/sensor/{topic}", topic % 10, topic % 100),
        payload: payload.into(),
        at: Duration::from_micros(u64::from(number) * 200),
        ..Received::default()
    }
}

criterion_group!(benches, redraw);
criterion_main!(benches);

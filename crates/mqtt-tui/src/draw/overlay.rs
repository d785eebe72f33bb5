//! What is drawn above the rest: help, numbers, a form, a question.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

use crate::app::{App, Mode};
use crate::form::{Field, PublishForm};
use crate::keys::HELP;
use crate::view::printable;

/// Topics that are named before they are cleared.
const NAMED_MAX: usize = 10;

/// Draws what the mode asks for.
pub(super) fn draw(app: &App, frame: &mut Frame<'_>) {
    let (title, lines) = match &app.mode {
        Mode::Normal | Mode::Filter | Mode::Search => return,
        Mode::Help => ("keys", help()),
        Mode::Statistics => ("numbers", statistics(app)),
        Mode::Publish(form) => ("publish", publish(form)),
        Mode::Clear(topic_names) => ("clear retained messages", clear(topic_names)),
    };
    let height = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .saturating_add(2);
    let width = lines.iter().map(Line::width).max().unwrap_or_default();
    let width = u16::try_from(width)
        .unwrap_or(u16::MAX)
        .saturating_add(4)
        .max(50);
    let area = middle(frame.area(), width, height);
    frame.render_widget(Clear, area);
    let block = Block::bordered().title(title);
    let paragraph = Paragraph::new(lines).wrap(Wrap { trim: false });
    frame.render_widget(paragraph.block(block), area);
}

fn middle(area: Rect, width: u16, height: u16) -> Rect {
    let width = Constraint::Length(width.min(area.width));
    area.centered(width, Constraint::Length(height.min(area.height)))
}

fn help() -> Vec<Line<'static>> {
    let width = HELP
        .iter()
        .map(|(keys, _)| keys.len())
        .max()
        .unwrap_or_default();
    let lines = HELP.iter().map(|(keys, text)| {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        Line::from(vec![
            Span::styled(format!("{keys:width$}  "), bold),
            Span::raw(*text),
        ])
    });
    lines.collect()
}

fn statistics(app: &App) -> Vec<Line<'static>> {
    let ms = |percent| {
        let time = app.redraws.quantile(percent);
        format!("{:.1}", time.as_secs_f64() * 1_000.0)
    };
    let lines = [
        format!("connection      {}", printable(&app.connection)),
        format!("messages        {}, {} bytes", app.messages, app.bytes),
        format!("topics          {}", app.tree.topics()),
        format!("kept            {} bytes", app.tree.bytes()),
        format!("history cut     {} times", app.tree.sweeps()),
        format!("without room    {} messages", app.tree.left_out()),
        format!("dropped         {} messages", app.dropped),
        format!("redraw p50      {} ms", ms(50)),
        format!("redraw p99      {} ms", ms(99)),
    ];
    lines.into_iter().map(Line::from).collect()
}

fn publish(form: &PublishForm) -> Vec<Line<'static>> {
    let field = |field: Field, name: &str, value: &str| {
        let is_current = form.field == field;
        let cursor = match is_current && matches!(field, Field::TopicName | Field::Payload) {
            true => "_",
            false => "",
        };
        let style = match is_current {
            true => Style::new().add_modifier(Modifier::BOLD),
            false => Style::new(),
        };
        Line::styled(format!("{name:8} {}{cursor}", printable(value)), style)
    };
    let retain = if form.retain { "yes" } else { "no" };
    vec![
        field(Field::TopicName, "topic", form.topic_name.value()),
        field(Field::Payload, "payload", form.payload.value()),
        field(Field::Qos, "QoS", &form.qos.to_string()),
        field(Field::Retain, "retain", retain),
        Line::default(),
        Line::from("Tab next, Space changes, Enter publishes, Esc does not"),
    ]
}

fn clear(topic_names: &[String]) -> Vec<Line<'static>> {
    let named = topic_names.iter().take(NAMED_MAX);
    let mut lines: Vec<Line<'_>> = named.map(|name| Line::from(printable(name))).collect();
    if topic_names.len() > NAMED_MAX {
        lines.push(Line::from(format!(
            "and {} more",
            topic_names.len() - NAMED_MAX
        )));
    }
    lines.push(Line::default());
    lines.push(Line::from(format!(
        "Clear {} retained messages for everybody? y or n",
        topic_names.len()
    )));
    lines
}

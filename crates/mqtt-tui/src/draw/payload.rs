//! One message, and those before it.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Sparkline, Wrap};

use crate::app::{App, Pane};
use crate::diff::{self, Change};
use crate::message::Kept;
use crate::series;
use crate::view::{printable, view};

/// Heights of the picture of numbers, as exact as eight lines can show.
const HEIGHTS: u8 = 64;

/// Lines of the picture of numbers.
const PICTURE_LINES: u16 = 4;

/// Draws the message that is looked at.
pub(super) fn draw(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let topic_name = app.selected.map(|id| app.tree.topic_name(id));
    let title = printable(&topic_name.unwrap_or_default());
    let block = app.block(Pane::Payload, title);
    let Some((kept, earlier)) = app.looked_at() else {
        let text = match app.selected {
            Some(_) => "no message of this topic itself",
            None => "no messages yet",
        };
        frame.render_widget(Paragraph::new(text).block(block), area);
        return;
    };
    let shown = view(&kept.payload, app.form, &app.decoder);
    let mut lines = head(app, kept, &shown.label);
    if let Some(error) = &shown.error {
        lines.push(Line::styled(printable(error), app.colour(Color::Red)));
    }
    match earlier.filter(|_| app.is_diff) {
        Some(earlier) => {
            let earlier = view(&earlier.payload, app.form, &app.decoder).lines;
            lines.extend(differences(app, &earlier, &shown.lines));
        }
        None => lines.extend(shown.lines.into_iter().map(Line::from)),
    }
    let paragraph = Paragraph::new(lines)
        .block(block)
        .wrap(Wrap { trim: false })
        .scroll((app.payload_scroll, 0));
    frame.render_widget(paragraph, area);
}

/// What is known of a message beside its payload.
fn head(app: &App, kept: &Kept, label: &str) -> Vec<Line<'static>> {
    let retained = if kept.retain { ", retained" } else { "" };
    let part = match kept.is_whole() {
        true => String::new(),
        false => format!(" (the first {} are kept)", kept.payload.len()),
    };
    let which = match app.back {
        0 => String::new(),
        back => format!(", {back} before the last"),
    };
    let first = format!(
        "QoS {}{retained}, {} bytes{part}, {} ago{which}, as {label}",
        kept.qos,
        kept.len,
        age(app.now.saturating_sub(kept.at)),
    );
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut lines = vec![Line::styled(first, bold)];
    lines.extend(kept.properties.iter().map(|(name, value)| {
        Line::from(vec![
            Span::styled(format!("{}: ", printable(name)), app.colour(Color::Magenta)),
            Span::raw(printable(value)),
        ])
    }));
    lines.push(Line::default());
    lines
}

fn differences(app: &App, earlier: &[String], later: &[String]) -> Vec<Line<'static>> {
    let lines = diff::lines(earlier, later).into_iter();
    let lines = lines.map(|(change, line)| match change {
        Change::Same => Line::from(format!("  {line}")),
        Change::Added => Line::styled(format!("+ {line}"), app.colour(Color::Green)),
        Change::Removed => Line::styled(format!("- {line}"), app.colour(Color::Red)),
    });
    lines.collect()
}

/// Draws the numbers of a topic, and its messages from the newest.
pub(super) fn draw_history(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let Some(history) = app.history().filter(|history| !history.is_empty()) else {
        let block = app.block(Pane::History, "history".to_owned());
        return frame.render_widget(block, area);
    };
    let block = app.block(
        Pane::History,
        format!("history, {} messages", history.len()),
    );
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let field = app.drawn_field();
    let picture = match &field {
        Some(_) if inner.height > PICTURE_LINES + 1 => PICTURE_LINES + 1,
        _ => 0,
    };
    let [picture, list] =
        Layout::vertical([Constraint::Length(picture), Constraint::Min(0)]).areas(inner);
    if let Some(field) = field.filter(|_| picture.height > 0) {
        draw_numbers(app, &field, frame, picture);
    }
    let shown = usize::from(list.height).max(1);
    let start = app.back.saturating_sub(shown - 1);
    let messages = history.iter().rev().enumerate().skip(start).take(shown);
    let lines: Vec<Line<'_>> = messages
        .map(|(back, kept)| {
            let shown = view(&kept.payload, app.form, &app.decoder);
            let text = shown.lines.iter().map(|line| line.trim());
            let text = text.collect::<Vec<_>>().join(" ");
            let text: String = text.chars().take(usize::from(list.width)).collect();
            let mark = if back == app.back { "> " } else { "  " };
            let retained = if kept.retain { "r" } else { " " };
            let age = age(app.now.saturating_sub(kept.at));
            Line::from(format!("{mark}{age:>8} q{}{retained} {text}", kept.qos))
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), list);
}

fn draw_numbers(app: &App, field: &str, frame: &mut Frame<'_>, area: Rect) {
    let Some(history) = app.history() else {
        return;
    };
    let mut values = series::values(&app.decoder, history, field);
    let width = usize::from(area.width).max(1);
    values.drain(..values.len().saturating_sub(width));
    let [title, picture] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    let range = series::range(&values).unwrap_or_default();
    let last = values.last().copied().unwrap_or_default();
    let text = format!(
        "{}: {last}, from {} to {}",
        printable(field),
        range.0,
        range.1
    );
    frame.render_widget(Line::from(text), title);
    let picture_of = Sparkline::default()
        .data(series::heights(&values, HEIGHTS))
        .max(u64::from(HEIGHTS))
        .style(app.colour(Color::Cyan));
    frame.render_widget(picture_of, picture);
}

/// A duration in its largest unit.
fn age(age: Duration) -> String {
    let s = age.as_secs();
    match s {
        0..10 => format!("{:.1} s", age.as_secs_f64()),
        10..120 => format!("{s} s"),
        120..7_200 => format!("{} min", s / 60),
        _ => format!("{} h", s / 3_600),
    }
}

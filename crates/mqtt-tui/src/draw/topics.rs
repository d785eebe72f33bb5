//! The tree.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::rate_text;
use crate::app::{App, Pane};
use crate::rows::Row;
use crate::view::printable;

/// Characters of the last value beside a topic.
const VALUE_MAX: usize = 64;

/// Levels that are set in; deeper ones stand under each other.
const INDENT_MAX: usize = 24;

/// Draws the rows around the selected one, and those only.
pub(super) fn draw(app: &mut App, frame: &mut Frame<'_>, area: Rect) {
    let shown = usize::from(area.height.saturating_sub(2)).max(1);
    app.page = shown;
    let selected = app.selected_row().unwrap_or_default();
    let last_start = app.rows.len().saturating_sub(shown);
    let start = selected.saturating_sub(shown / 2).min(last_start);
    let rows = app.rows.iter().enumerate().skip(start).take(shown);
    let lines: Vec<Line<'_>> = rows
        .map(|(at, row)| line(app, row, at == selected))
        .collect();
    let filter = app.filter.value();
    let title = match filter.is_empty() {
        true => format!(
            "topics {}/{}",
            (selected + 1).min(app.rows.len()),
            app.rows.len()
        ),
        false => format!("topics with {filter:?}, {} lines", app.rows.len()),
    };
    let block = app.block(Pane::Topics, title);
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn line(app: &App, row: &Row, is_selected: bool) -> Line<'static> {
    let Some(node) = app.tree.node(row.id) else {
        return Line::default();
    };
    let mark = match (node.children.is_empty(), node.is_expanded) {
        (true, _) => "  ",
        (false, true) => "▾ ",
        (false, false) => "▸ ",
    };
    let indent = "  ".repeat(row.depth.min(INDENT_MAX));
    let name = match node.name.is_empty() {
        true => "(empty)".to_owned(),
        false => printable(&node.name),
    };
    let mut spans = vec![
        Span::raw(format!("{indent}{mark}")),
        Span::styled(name, Style::new().add_modifier(Modifier::BOLD)),
    ];
    if let Some(last) = node.last() {
        let style = app.colour(if last.retain {
            Color::Yellow
        } else {
            Color::Green
        });
        spans.push(Span::raw(" = "));
        spans.push(Span::styled(value(&last.payload), style));
    }
    let mut numbers = String::new();
    if !node.children.is_empty() {
        let noun = if node.topics == 1 { "topic" } else { "topics" };
        numbers.push_str(&format!("  {} {noun},", node.topics));
    }
    numbers.push_str(&format!(" {}", node.below));
    let rate = node.per_second(app.now);
    if rate >= 0.05 {
        numbers.push_str(&format!(" {}/s", rate_text(rate)));
    }
    spans.push(Span::styled(numbers, app.colour(Color::DarkGray)));
    let line = Line::from(spans);
    match is_selected {
        true => line.style(Style::new().add_modifier(Modifier::REVERSED)),
        false => line,
    }
}

/// The beginning of a payload, on one line.
fn value(payload: &[u8]) -> String {
    let first = payload.get(..VALUE_MAX * 4).unwrap_or(payload);
    let text = match std::str::from_utf8(first) {
        Ok(text) => text,
        // A letter that is cut off at the end is no reason to call it bytes.
        Err(error) if error.error_len().is_none() && first.len() < payload.len() => {
            std::str::from_utf8(first.get(..error.valid_up_to()).unwrap_or_default())
                .unwrap_or_default()
        }
        Err(_) => return format!("<{} bytes>", payload.len()),
    };
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    printable(&one_line).chars().take(VALUE_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_one_line() {
        assert_eq!(value(b"{\n  \"a\": 1\n}"), "{ \"a\": 1 }");
        assert_eq!(value(&[0xff, 1]), "<2 bytes>");
        assert_eq!(value("ü".repeat(500).as_bytes()).chars().count(), VALUE_MAX);
        assert_eq!(
            value(format!("a{}", "ü".repeat(500)).as_bytes())
                .chars()
                .count(),
            VALUE_MAX
        );
    }
}

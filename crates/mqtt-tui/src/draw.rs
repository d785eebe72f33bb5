//! The picture of the state.

mod overlay;
mod payload;
mod topics;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph};

use crate::app::{App, Mode, Pane};

/// Below this width only the part that has the focus is shown.
const WIDTH_OF_TWO: u16 = 60;

/// Lines of the packet trace.
const TRACE_LINES: u16 = 8;

/// Lines for the history of a topic.
const HISTORY_LINES: u16 = 12;

impl App {
    /// Draws everything.
    pub fn draw(&mut self, frame: &mut Frame<'_>) {
        self.refresh();
        let trace_lines = if self.is_trace_shown { TRACE_LINES } else { 0 };
        let areas = Layout::vertical([
            Constraint::Min(3),
            Constraint::Length(trace_lines),
            Constraint::Length(1),
        ]);
        let [top, trace, status] = areas.areas(frame.area());
        if top.width < WIDTH_OF_TWO {
            match self.focus {
                Pane::Topics | Pane::Trace => topics::draw(self, frame, top),
                Pane::Payload | Pane::History => self.draw_topic(frame, top),
            }
        } else {
            let [left, right] =
                Layout::horizontal([Constraint::Percentage(45), Constraint::Percentage(55)])
                    .areas(top);
            topics::draw(self, frame, left);
            self.draw_topic(frame, right);
        }
        if self.is_trace_shown {
            self.draw_trace(frame, trace);
        }
        self.draw_status(frame, status);
        overlay::draw(self, frame);
    }

    fn draw_topic(&self, frame: &mut Frame<'_>, area: Rect) {
        let history = HISTORY_LINES.min(area.height / 2);
        let [payload, history] =
            Layout::vertical([Constraint::Min(3), Constraint::Length(history)]).areas(area);
        payload::draw(self, frame, payload);
        payload::draw_history(self, frame, history);
    }

    fn draw_trace(&self, frame: &mut Frame<'_>, area: Rect) {
        let shown = usize::from(area.height.saturating_sub(2));
        let end = self.trace.len().saturating_sub(self.trace_scroll);
        let start = end.saturating_sub(shown);
        let lines: Vec<Line<'_>> = self
            .trace
            .range(start..end)
            .map(|line| Line::from(line.as_str()))
            .collect();
        let title = match self.trace_scroll {
            0 => "packets".to_owned(),
            below => format!("packets, {below} more below"),
        };
        let block = self.block(Pane::Trace, title);
        frame.render_widget(Paragraph::new(lines).block(block), area);
    }

    fn draw_status(&self, frame: &mut Frame<'_>, area: Rect) {
        let text = match (&self.mode, &self.notice) {
            (Mode::Filter, _) => format!("filter: {}_", self.filter.value()),
            (Mode::Search, _) => format!("search: {}_", self.search.value()),
            (_, Some(notice)) => notice.clone(),
            _ => self.status(),
        };
        let style = match self.mode {
            Mode::Filter | Mode::Search => Style::new().add_modifier(Modifier::BOLD),
            _ => Style::new().add_modifier(Modifier::REVERSED),
        };
        let line = Line::from(Span::styled(crate::view::printable(&text), style));
        frame.render_widget(Paragraph::new(line).style(style), area);
    }

    fn status(&self) -> String {
        let rate = self.rate.per_second(self.now);
        let mut text = format!(
            "{} | {} topics, {} messages, {} /s",
            self.connection,
            self.tree.topics(),
            self.messages,
            rate_text(rate)
        );
        if self.is_paused {
            text.push_str(&format!(" | paused, {} missed", self.missed));
        }
        if self.dropped > 0 {
            text.push_str(&format!(" | {} dropped", self.dropped));
        }
        if self.tree.left_out() > 0 {
            text.push_str(&format!(
                " | {} of topics without room",
                self.tree.left_out()
            ));
        }
        text.push_str(" | ? help");
        text
    }

    /// A frame with a title, heavier when keys act on what is in it.
    fn block(&self, pane: Pane, title: String) -> Block<'static> {
        let style = match self.focus == pane {
            true => self.colour(Color::Cyan).add_modifier(Modifier::BOLD),
            false => Style::new(),
        };
        Block::bordered().border_style(style).title(title)
    }

    /// This colour, unless there are none.
    fn colour(&self, colour: Color) -> Style {
        match self.has_colour {
            true => Style::new().fg(colour),
            false => Style::new(),
        }
    }
}

/// Per second, with a digit behind the point while it is small.
fn rate_text(rate: f64) -> String {
    match rate {
        ..0.05 => "0".to_owned(),
        ..99.95 => format!("{rate:.1}"),
        _ => format!("{rate:.0}"),
    }
}

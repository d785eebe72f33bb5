//! What keys do.

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler as _;

use crate::app::{Action, App, Mode, Pane};
use crate::form::PublishForm;

/// Each key and what it does, for the screen that explains them.
pub(crate) const HELP: [(&str, &str); 22] = [
    (
        "arrows, h j k l",
        "move; right opens a level, left closes it",
    ),
    (
        "PgUp PgDn Home End",
        "move by pages, to the first, to the last",
    ),
    (
        "Tab",
        "next part of the screen: topics, payload, history, trace",
    ),
    ("Enter, Space", "open or close a level"),
    ("E, C", "open or close all levels"),
    (
        "f",
        "show only topics with a text in their name; Esc ends it",
    ),
    ("/, n, N", "search a topic, the next one, the one before"),
    (
        "e",
        "show the payload in the next form: text, hex, JSON, CBOR, ...",
    ),
    ("d", "show what differs from the message before"),
    ("[ ]", "look at an earlier or a later message of the topic"),
    ("s", "draw the next number of the payload"),
    ("p", "publish a message"),
    ("P", "publish to the selected topic"),
    (
        "x",
        "clear the retained messages at and below the selected topic",
    ),
    ("t", "show or hide the packets"),
    (
        "z",
        "pause and go on; messages meanwhile are counted, not kept",
    ),
    ("i", "numbers about this program"),
    ("?, F1", "this help"),
    ("Esc", "back; ends filter, notice and earlier messages"),
    ("q, Ctrl-C", "end"),
    (
        "in a form: Tab, Up, Down",
        "another field; Space turns QoS and retain",
    ),
    ("in a form: Enter, Esc", "publish; do not"),
];

impl App {
    /// A key was pressed; what the program has to do for it.
    pub fn key(&mut self, key: KeyEvent) -> Option<Action> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return Some(Action::Quit);
        }
        self.notice = None;
        match std::mem::replace(&mut self.mode, Mode::Normal) {
            Mode::Normal => self.normal(key),
            Mode::Help | Mode::Statistics => None,
            Mode::Filter => {
                self.type_filter(key);
                None
            }
            Mode::Search => {
                self.type_search(key);
                None
            }
            Mode::Publish(form) => self.fill_in(form, key),
            Mode::Clear(topic_names) => match key.code {
                KeyCode::Char('y' | 'Y') => Some(Action::Clear(topic_names)),
                _ => {
                    self.notice("nothing was cleared");
                    None
                }
            },
        }
    }

    fn normal(&mut self, key: KeyEvent) -> Option<Action> {
        match key.code {
            KeyCode::Char('q') => return Some(Action::Quit),
            KeyCode::Char('?') | KeyCode::F(1) => self.mode = Mode::Help,
            KeyCode::Char('i') => self.mode = Mode::Statistics,
            KeyCode::Char('f') => self.mode = Mode::Filter,
            KeyCode::Char('/') => {
                self.search = Input::default();
                self.mode = Mode::Search;
            }
            KeyCode::Char('n') => self.search_again(true),
            KeyCode::Char('N') => self.search_again(false),
            KeyCode::Char('e') => {
                self.form = self.form.next();
                self.payload_scroll = 0;
            }
            KeyCode::Char('d') => self.is_diff = !self.is_diff,
            KeyCode::Char('[') => self.look_back(1),
            KeyCode::Char(']') => self.look_back(-1),
            KeyCode::Char('s') => self.next_field(),
            KeyCode::Char('p') => self.mode = Mode::Publish(Box::new(PublishForm::to(""))),
            KeyCode::Char('P') => {
                let topic_name = self.selected.map(|id| self.tree.topic_name(id));
                let form = PublishForm::to(&topic_name.unwrap_or_default());
                self.mode = Mode::Publish(Box::new(form));
            }
            KeyCode::Char('x') => match self.retained_below() {
                topic_names if topic_names.is_empty() => self.notice("no retained message here"),
                topic_names => self.mode = Mode::Clear(topic_names),
            },
            KeyCode::Char('t') => {
                self.is_trace_shown = !self.is_trace_shown;
                if !self.is_trace_shown && self.focus == Pane::Trace {
                    self.focus = Pane::Topics;
                }
            }
            KeyCode::Char('z') => {
                self.is_paused = !self.is_paused;
                self.missed = 0;
            }
            KeyCode::Char('E') => self.set_all_expanded(true),
            KeyCode::Char('C') => self.set_all_expanded(false),
            KeyCode::Tab => self.focus = self.next_pane(true),
            KeyCode::BackTab => self.focus = self.next_pane(false),
            KeyCode::Esc => {
                self.filter = Input::default();
                self.make_stale();
                self.back = 0;
            }
            _ => self.in_pane(key.code),
        }
        None
    }

    /// Keys that act on one part of the screen.
    fn in_pane(&mut self, code: KeyCode) {
        let page = isize::try_from(self.page).unwrap_or(1);
        let lines = match code {
            KeyCode::Up | KeyCode::Char('k') => -1,
            KeyCode::Down | KeyCode::Char('j') => 1,
            KeyCode::PageUp => -page,
            KeyCode::PageDown => page,
            KeyCode::Home => isize::MIN,
            KeyCode::End => isize::MAX,
            _ => return self.in_tree(code),
        };
        match self.focus {
            Pane::Topics => self.move_by(lines),
            Pane::Payload => {
                let at = isize::try_from(self.payload_scroll).unwrap_or_default();
                let at = at.saturating_add(lines).max(0);
                self.payload_scroll = u16::try_from(at).unwrap_or(u16::MAX);
            }
            // The newest is on top.
            Pane::History => self.look_back(lines),
            Pane::Trace => {
                let longest = self.trace.len().saturating_sub(1);
                let at = self
                    .trace_scroll
                    .saturating_add_signed(lines.saturating_neg());
                self.trace_scroll = at.min(longest);
            }
        }
    }

    fn in_tree(&mut self, code: KeyCode) {
        if self.focus != Pane::Topics {
            return;
        }
        match code {
            KeyCode::Right | KeyCode::Char('l') => self.open(),
            KeyCode::Left | KeyCode::Char('h') => self.close(),
            KeyCode::Enter | KeyCode::Char(' ') => {
                let Some(id) = self.selected else { return };
                let is_expanded = self.tree.node(id).is_some_and(|node| node.is_expanded);
                self.tree.set_expanded(id, !is_expanded);
                self.make_stale();
            }
            _ => {}
        }
    }

    fn next_pane(&self, forward: bool) -> Pane {
        let mut panes = vec![Pane::Topics, Pane::Payload, Pane::History];
        if self.is_trace_shown {
            panes.push(Pane::Trace);
        }
        let at = panes
            .iter()
            .position(|pane| *pane == self.focus)
            .unwrap_or_default();
        let step = if forward { 1 } else { panes.len() - 1 };
        panes
            .get((at + step) % panes.len())
            .copied()
            .unwrap_or(Pane::Topics)
    }

    fn look_back(&mut self, messages: isize) {
        let last = self
            .history()
            .map_or(0, |history| history.len().saturating_sub(1));
        self.back = self.back.saturating_add_signed(messages).min(last);
        self.payload_scroll = 0;
    }

    fn next_field(&mut self) {
        let Some((kept, _)) = self.looked_at() else {
            return;
        };
        let fields = crate::series::fields(&self.decoder, &kept.payload);
        let drawn = self.drawn_field();
        let at = fields
            .iter()
            .position(|field| Some(field) == drawn.as_ref());
        let next = at.and_then(|at| fields.get(at + 1)).or(fields.first());
        match next {
            Some(next) => self.field = Some(next.clone()),
            None => self.notice("no number in this payload"),
        }
    }

    fn type_filter(&mut self, key: KeyEvent) {
        match key.code {
            KeyCode::Enter => {}
            KeyCode::Esc => self.filter = Input::default(),
            _ => {
                self.filter.handle_event(&Event::Key(key));
                self.mode = Mode::Filter;
            }
        }
        self.make_stale();
        self.refresh();
        if self.selected_row().is_none() {
            self.selected = self.rows.first().map(|row| row.id);
        }
    }

    fn type_search(&mut self, key: KeyEvent) {
        match key.code {
            KeyCode::Enter => self.search_again(true),
            KeyCode::Esc => {}
            _ => {
                self.search.handle_event(&Event::Key(key));
                self.mode = Mode::Search;
            }
        }
    }

    fn search_again(&mut self, forward: bool) {
        if !self.find(forward) {
            let text = self.search.value().to_owned();
            self.notice(match text.is_empty() {
                true => "search for something first, with /".to_owned(),
                false => format!("no topic has {text:?} in its name"),
            });
        }
    }

    fn fill_in(&mut self, mut form: Box<PublishForm>, key: KeyEvent) -> Option<Action> {
        match key.code {
            KeyCode::Esc => {
                self.notice("nothing was published");
                return None;
            }
            KeyCode::Enter => return Some(Action::Publish(form.outgoing())),
            KeyCode::Tab | KeyCode::Down => form.go(true),
            KeyCode::BackTab | KeyCode::Up => form.go(false),
            KeyCode::Char(' ') | KeyCode::Left | KeyCode::Right if form.text().is_none() => {
                form.turn();
            }
            _ => {
                if let Some(text) = form.text() {
                    text.handle_event(&Event::Key(key));
                }
            }
        }
        self.mode = Mode::Publish(form);
        None
    }
}

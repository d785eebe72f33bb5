//! What is shown and how keys change it; nothing here reads, writes or waits.

use std::collections::VecDeque;
use std::time::Duration;

use crate::form::PublishForm;
use crate::message::{Kept, Received};
use crate::redraws::Redraws;
use crate::rows::{Row, rows};
use crate::tree::{Limits, NodeId, Tree};
use crate::view::{Form, LIMITS};
use crate::{rate::Rate, series};

use mqtt_payload::Decoder;
use tui_input::Input;

/// Lines of the packet trace that are kept.
const TRACE_MAX: usize = 2_000;

/// The state of the screen.
#[derive(Debug)]
pub struct App {
    pub(crate) tree: Tree,
    pub(crate) rows: Vec<Row>,
    /// Whether the rows are those of an earlier tree, filter, or choice of open nodes.
    are_rows_stale: bool,
    pub(crate) selected: Option<NodeId>,
    pub(crate) focus: Pane,
    pub(crate) mode: Mode,
    pub(crate) filter: Input,
    pub(crate) search: Input,
    pub(crate) form: Form,
    /// What [`Form::Auto`] and the picture of numbers go by.
    pub(crate) decoder: Decoder,
    pub(crate) is_diff: bool,
    /// Messages back from the newest of the selected topic.
    pub(crate) back: usize,
    pub(crate) payload_scroll: u16,
    /// The number that is drawn, by its name; the first one when it has none of this name.
    pub(crate) field: Option<String>,
    pub(crate) trace: VecDeque<String>,
    pub(crate) is_trace_shown: bool,
    /// Lines of the trace below the last one shown.
    pub(crate) trace_scroll: usize,
    pub(crate) is_paused: bool,
    /// Messages that came while it was paused; they are not kept.
    pub(crate) missed: u64,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) rate: Rate,
    pub(crate) connection: String,
    pub(crate) notice: Option<String>,
    pub(crate) dropped: u64,
    pub(crate) redraws: Redraws,
    pub(crate) has_colour: bool,
    /// Rows of the tree that fit on the screen, as of the last time it was drawn.
    pub(crate) page: usize,
    pub(crate) now: Duration,
}

/// A part of the screen that keys act on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pane {
    Topics,
    Payload,
    History,
    Trace,
}

/// What keys mean at present.
#[derive(Debug)]
pub(crate) enum Mode {
    Normal,
    /// They are typed into the filter.
    Filter,
    /// They are typed into what is searched for.
    Search,
    /// They are typed into a message.
    Publish(Box<PublishForm>),
    /// The keys are explained.
    Help,
    /// Numbers about this program.
    Statistics,
    /// Whether to clear the retained messages of these topics.
    Clear(Vec<String>),
}

/// What the program has to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// End.
    Quit,
    /// Publish a message.
    Publish(Outgoing),
    /// Publish an empty retained message to each of these Topic Names.
    Clear(Vec<String>),
}

/// A message to publish.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outgoing {
    /// The Topic Name, as it was typed.
    pub topic_name: String,
    /// The payload.
    pub payload: String,
    /// 0 to 2.
    pub qos: u8,
    /// Whether the broker is to keep it.
    pub retain: bool,
}

impl App {
    /// An empty screen. `connection` says where to, and as whom.
    pub fn new(connection: impl Into<String>, limits: Limits) -> Self {
        Self {
            tree: Tree::new(limits),
            rows: Vec::new(),
            are_rows_stale: false,
            selected: None,
            focus: Pane::Topics,
            mode: Mode::Normal,
            filter: Input::default(),
            search: Input::default(),
            form: Form::default(),
            decoder: Decoder::auto().limits(LIMITS),
            is_diff: false,
            back: 0,
            payload_scroll: 0,
            field: None,
            trace: VecDeque::new(),
            is_trace_shown: false,
            trace_scroll: 0,
            is_paused: false,
            missed: 0,
            messages: 0,
            bytes: 0,
            rate: Rate::default(),
            connection: connection.into(),
            notice: None,
            dropped: 0,
            redraws: Redraws::default(),
            has_colour: true,
            page: 1,
            now: Duration::ZERO,
        }
    }

    /// Draws without colours; bold and reversed text remain.
    #[must_use]
    pub fn without_colour(mut self) -> Self {
        self.has_colour = false;
        self
    }

    /// Shows payloads as this decodes them, unless a key says otherwise; by what they look like when not set.
    #[must_use]
    pub fn decoder(mut self, decoder: Decoder) -> Self {
        self.decoder = decoder.limits(LIMITS);
        self
    }

    /// A message came.
    pub fn receive(&mut self, message: &Received) {
        self.messages += 1;
        self.bytes += u64::try_from(message.payload.len()).unwrap_or(u64::MAX);
        self.rate.note(message.at);
        if self.is_paused {
            self.missed += 1;
            return;
        }
        let is_new = self.tree.receive(message);
        // A filter may match what had no message before.
        self.are_rows_stale |= is_new || !self.filter.value().is_empty();
        // Who looks at an earlier message goes on looking at it.
        if self.back > 0 && self.is_selected(&message.topic_name) {
            let kept = self.history().map_or(0, VecDeque::len);
            self.back = (self.back + 1).min(kept.saturating_sub(1));
        }
    }

    /// A packet went one way or the other, in one line.
    pub fn trace(&mut self, line: impl Into<String>) {
        if self.trace.len() >= TRACE_MAX {
            self.trace.pop_front();
        }
        self.trace.push_back(line.into());
        if self.trace_scroll > 0 {
            self.trace_scroll = (self.trace_scroll + 1).min(self.trace.len());
        }
    }

    /// Something to be told in the last line, until the next key.
    pub fn notice(&mut self, text: impl Into<String>) {
        self.notice = Some(text.into());
    }

    /// How the connection is.
    pub fn connection(&mut self, text: impl Into<String>) {
        self.connection = text.into();
    }

    /// How many messages were dropped on the way here, in all.
    pub fn dropped(&mut self, count: u64) {
        self.dropped = count;
    }

    /// The time since the start of the program, before the next key or picture.
    pub fn at(&mut self, now: Duration) {
        self.now = now;
    }

    /// What the last picture cost, from the first row to the last byte written.
    pub fn drawn_in(&mut self, time: Duration) {
        self.redraws.note(time);
    }

    /// The longest time of 99 in 100 of the last pictures.
    pub fn redraw_p99(&self) -> Duration {
        self.redraws.quantile(99)
    }

    /// Makes the rows those of the tree as it is.
    pub(crate) fn refresh(&mut self) {
        if std::mem::take(&mut self.are_rows_stale) {
            self.rows = rows(&self.tree, self.filter.value());
        }
        if self.selected.is_none() {
            self.selected = self.rows.first().map(|row| row.id);
        }
    }

    pub(crate) fn make_stale(&mut self) {
        self.are_rows_stale = true;
    }

    /// The messages of the selected topic, the oldest first.
    pub(crate) fn history(&self) -> Option<&VecDeque<Kept>> {
        Some(&self.tree.node(self.selected?)?.history)
    }

    /// The message that is looked at, and the one before it.
    pub(crate) fn looked_at(&self) -> Option<(&Kept, Option<&Kept>)> {
        let history = self.history()?;
        let at = history.len().checked_sub(self.back + 1)?;
        let earlier = at.checked_sub(1).and_then(|at| history.get(at));
        Some((history.get(at)?, earlier))
    }

    /// The name of the number that is drawn.
    pub(crate) fn drawn_field(&self) -> Option<String> {
        let (kept, _) = self.looked_at()?;
        let fields = series::fields(&self.decoder, &kept.payload);
        let chosen = fields
            .iter()
            .find(|field| Some(*field) == self.field.as_ref());
        chosen.or(fields.first()).cloned()
    }

    /// The line of the selected node; none when it is hidden.
    pub(crate) fn selected_row(&self) -> Option<usize> {
        let selected = self.selected?;
        self.rows.iter().position(|row| row.id == selected)
    }

    /// Selects a node, and looks at its newest message.
    pub(crate) fn select(&mut self, id: NodeId) {
        if self.selected != Some(id) {
            self.selected = Some(id);
            self.back = 0;
            self.payload_scroll = 0;
        }
    }

    /// Selects the row so many lines away, or the last one in that direction.
    pub(crate) fn move_by(&mut self, lines: isize) {
        self.refresh();
        let at = self.selected_row().unwrap_or_default();
        let last = self.rows.len().saturating_sub(1);
        if let Some(row) = self.rows.get(at.saturating_add_signed(lines).min(last)) {
            self.select(row.id);
        }
    }

    /// Opens the selected node, or goes to the first one in it.
    pub(crate) fn open(&mut self) {
        let Some(id) = self.selected else { return };
        let node = self.tree.node(id);
        let first = node.and_then(|node| node.children.values().next().copied());
        let is_expanded = node.is_some_and(|node| node.is_expanded);
        match first {
            Some(first) if is_expanded => self.select(first),
            Some(_) => self.tree.set_expanded(id, true),
            None => {}
        }
        self.are_rows_stale = true;
    }

    /// Closes the selected node, or goes to the one above it.
    pub(crate) fn close(&mut self) {
        let Some(id) = self.selected else { return };
        if self.tree.node(id).is_some_and(|node| node.is_expanded) {
            self.tree.set_expanded(id, false);
        } else if let Some(parent) = self.tree.parent(id) {
            self.select(parent);
        }
        self.are_rows_stale = true;
    }

    /// Opens or closes every node.
    pub(crate) fn set_all_expanded(&mut self, is_expanded: bool) {
        self.tree.set_all_expanded(is_expanded);
        self.are_rows_stale = true;
        self.refresh();
        // What is hidden now is represented by the one above it.
        while self.selected_row().is_none() {
            match self.selected.and_then(|id| self.tree.parent(id)) {
                Some(parent) => self.select(parent),
                None => break,
            }
        }
    }

    /// Goes to the next topic with the searched text in its name; whether there is one.
    pub(crate) fn find(&mut self, forward: bool) -> bool {
        let text = self.search.value().to_owned();
        if text.is_empty() {
            return false;
        }
        let has_it = self.tree.topics_with(&text);
        let is_topic = |id: &NodeId| {
            has_it.get(id.index()).copied().unwrap_or_default()
                && self.tree.node(*id).is_some_and(|node| node.here > 0)
        };
        let all = self.tree.in_order();
        let found: Vec<usize> = (0..all.len())
            .filter(|at| all.get(*at).is_some_and(is_topic))
            .filter(|at| all.get(*at).is_some_and(|id| self.has_in_name(*id, &text)))
            .collect();
        let here = all.iter().position(|id| Some(*id) == self.selected);
        let next = match forward {
            true => found
                .iter()
                .find(|at| here.is_none_or(|here| **at > here))
                .or(found.first()),
            false => found
                .iter()
                .rev()
                .find(|at| here.is_none_or(|here| **at < here))
                .or(found.last()),
        };
        let Some(id) = next.and_then(|at| all.get(*at).copied()) else {
            return false;
        };
        let mut above = self.tree.parent(id);
        while let Some(parent) = above {
            self.tree.set_expanded(parent, true);
            above = self.tree.parent(parent);
        }
        self.are_rows_stale = true;
        self.select(id);
        true
    }

    fn has_in_name(&self, id: NodeId, text: &str) -> bool {
        let name = self.tree.topic_name(id).to_lowercase();
        name.contains(&text.to_lowercase())
    }

    fn is_selected(&self, topic_name: &str) -> bool {
        self.selected
            .is_some_and(|id| self.tree.topic_name(id) == topic_name)
    }

    /// The topics at and below the selected node whose last message was a retained one.
    pub(crate) fn retained_below(&self) -> Vec<String> {
        let mut open: Vec<NodeId> = self.selected.into_iter().collect();
        let mut found = Vec::new();
        while let Some(id) = open.pop() {
            let Some(node) = self.tree.node(id) else {
                continue;
            };
            if node.last().is_some_and(|last| last.retain && last.len > 0) {
                found.push(self.tree.topic_name(id));
            }
            open.extend(node.children.values().rev());
        }
        found
    }
}

//! What one client receives, and whether all of it came.

use std::collections::HashMap;

use super::header::Stamp;
use super::tally::Counts;
use super::track::{Arrival, Track};

/// A client that subscribes.
#[derive(Debug)]
pub(crate) struct Receiver {
    /// What it subscribes to.
    pub(crate) topic_filters: Vec<String>,
    /// Whether it gets whole streams: a member of a shared group does not.
    is_whole: bool,
    tracks: Vec<(u64, Track)>,
    /// Where in `tracks` a stream is.
    places: HashMap<u64, usize>,
    /// The one of the last message.
    last: usize,
}

/// What a receiver has to know of the run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// The run whose messages count, where publishers are in it too: they begin at 0. Else all count, from where they
    /// are.
    pub(crate) own: Option<u32>,
    /// Streams there is room for yet, in this thread.
    pub(crate) tracks_left: usize,
}

impl Receiver {
    pub(crate) fn new(topic_filters: Vec<String>) -> Self {
        let is_whole = !topic_filters
            .iter()
            .any(|filter| filter.starts_with("$share/"));
        Self {
            topic_filters,
            is_whole,
            tracks: Vec::new(),
            places: HashMap::new(),
            last: 0,
        }
    }

    /// Takes note of a message with this header. When it was due, if that is known and counts.
    pub(crate) fn note(
        &mut self,
        stamp: Option<Stamp>,
        run: &mut Run,
        counts: &mut Counts,
    ) -> Option<u64> {
        let Some(Stamp { place, due_ns }) = stamp else {
            counts.foreign += 1;
            return None;
        };
        if let Some((stream, number)) = place {
            if run.own.is_some_and(|own| stream >> 32 != u64::from(own)) {
                counts.foreign += 1;
                return None;
            }
            if self.is_whole {
                self.check(stream, number, run, counts);
            }
        }
        due_ns
    }

    fn check(&mut self, stream: u64, number: u64, run: &mut Run, counts: &mut Counts) {
        let place = match self.tracks.get(self.last) {
            Some((known, _)) if *known == stream => Some(self.last),
            _ => self.place(stream, number, run),
        };
        let Some((_, track)) = place.and_then(|place| self.tracks.get_mut(place)) else {
            counts.untracked += 1;
            return;
        };
        self.last = place.unwrap_or(0);
        match track.note(number) {
            Arrival::New { skipped } => {
                counts.skipped = counts.skipped.saturating_add(skipped);
            }
            Arrival::Late => {
                counts.skipped = counts.skipped.saturating_sub(1);
                counts.late += 1;
            }
            Arrival::Repeated => counts.repeated += 1,
            Arrival::Old => counts.old += 1,
        }
    }

    /// Where the stream is, a new one at the end.
    fn place(&mut self, stream: u64, number: u64, run: &mut Run) -> Option<usize> {
        if let Some(place) = self.places.get(&stream) {
            return Some(*place);
        }
        run.tracks_left = run.tracks_left.checked_sub(1)?;
        let first = if run.own.is_some() { 0 } else { number };
        self.places.insert(stream, self.tracks.len());
        self.tracks.push((stream, Track::from(first)));
        Some(self.tracks.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(stream: u64, number: u64) -> Option<Stamp> {
        Some(Stamp {
            place: Some((stream, number)),
            due_ns: Some(5),
        })
    }

    #[test]
    fn streams_are_told_apart_and_other_runs_left_out() {
        let mut receiver = Receiver::new(vec!["t".to_owned()]);
        let mut counts = Counts::default();
        let mut run = Run {
            own: Some(1),
            tracks_left: 2,
        };
        let own = 1 << 32;
        for (stream, number, due) in [
            (own, 0, Some(5)),
            (own + 1, 1, Some(5)),
            (own, 0, Some(5)),
            (own, 1, Some(5)),
            (own + 1, 0, Some(5)),
            (2 << 32, 0, None),
            (own + 2, 0, Some(5)),
        ] {
            assert_eq!(
                receiver.note(stamp(stream, number), &mut run, &mut counts),
                due
            );
        }
        assert_eq!(receiver.note(None, &mut run, &mut counts), None);
        assert_eq!((counts.foreign, counts.repeated, counts.late), (2, 1, 1));
        assert_eq!((counts.skipped, counts.untracked), (0, 1));
    }

    #[test]
    fn a_stream_of_another_process_counts_from_where_it_is() {
        let mut run = Run {
            own: None,
            tracks_left: 1,
        };
        let mut counts = Counts::default();
        let mut receiver = Receiver::new(vec!["t".to_owned()]);
        for number in [100, 101, 104] {
            receiver.note(stamp(1, number), &mut run, &mut counts);
        }
        assert_eq!(counts.skipped, 2);
        let mut member = Receiver::new(vec!["$share/g/t".to_owned()]);
        for number in [0, 9] {
            member.note(stamp(1, number), &mut run, &mut counts);
        }
        assert_eq!(counts.skipped, 2);
    }
}

//! Medians, as a table.

use crate::client::{Direction, Library, Taken};
use std::collections::BTreeMap;
use std::fmt;

/// A row of the table.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Case {
    pub(crate) direction: Direction,
    pub(crate) payload: usize,
    pub(crate) qos: u8,
}

/// What one run of a client came to.
#[derive(Clone, Copy, Debug)]
struct Figures {
    cpu_us: f64,
    per_second: f64,
}

/// All runs so far.
#[derive(Debug, Default)]
pub(crate) struct Summary(BTreeMap<Case, BTreeMap<Library, Vec<Figures>>>);

impl Summary {
    pub(crate) fn add(&mut self, case: Case, library: Library, messages: u64, taken: Taken) {
        // Far below the numbers at which this loses anything.
        let messages = messages as f64;
        let runs = self.0.entry(case).or_default().entry(library).or_default();
        runs.push(Figures {
            cpu_us: taken.cpu.as_secs_f64() * 1e6 / messages,
            per_second: messages / taken.wall.as_secs_f64(),
        });
    }

    /// One case, for those who wait.
    pub(crate) fn lines_of(&self, case: Case) -> String {
        let mut line = case.to_string();
        for (library, runs) in self.0.get(&case).into_iter().flatten() {
            let Figures { cpu_us, per_second } = median(runs);
            line += &format!("; {library} {cpu_us:.3} us, {:.0}k/s", per_second / 1000.0);
        }
        line
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = match self.direction {
            Direction::Publish => "publish",
            Direction::Receive => "receive",
        };
        write!(f, "{direction}, {} B, QoS {}", self.payload, self.qos)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.0.values().next();
        let libraries: Vec<_> = first.into_iter().flat_map(BTreeMap::keys).collect();
        write!(f, "| CPU us per message (thousands per second) |")?;
        for library in &libraries {
            write!(f, " {library} |")?;
        }
        writeln!(f, " rumqttc / ours | ours / socket |")?;
        writeln!(f, "|---|{}", "--:|".repeat(libraries.len() + 2))?;
        for (case, by_library) in &self.0 {
            write!(f, "| {case} |")?;
            for library in &libraries {
                let runs = by_library.get(library).map_or(&[][..], Vec::as_slice);
                let Figures { cpu_us, per_second } = median(runs);
                write!(f, " {cpu_us:.2} ({:.0}) |", per_second / 1000.0)?;
            }
            let cpu = |library| by_library.get(&library).map(|runs| median(runs).cpu_us);
            for (above, below) in [
                (Library::Rumqttc, Library::Ours),
                (Library::Ours, Library::Floor),
            ] {
                match (cpu(above), cpu(below)) {
                    (Some(above), Some(below)) => write!(f, " {:.2} |", above / below)?,
                    _ => write!(f, " - |")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// The median of each figure by itself.
fn median(runs: &[Figures]) -> Figures {
    let middle = |figure: fn(&Figures) -> f64| {
        let mut figures: Vec<_> = runs.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
    };
    Figures {
        cpu_us: middle(|figures| figures.cpu_us),
        per_second: middle(|figures| figures.per_second),
    }
}

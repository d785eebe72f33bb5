//! Medians of the runs, as a table and as JSON.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use mqtt_bench::{Allowed, Growth, Measurement, growths};
use serde_json::{Value, json};

use super::contender::RELAY;
use crate::report::say;

/// All runs.
pub(crate) struct Summary {
    contenders: Vec<String>,
    runs: usize,
    measured: Duration,
    scenarios: Vec<ScenarioRuns>,
}

struct ScenarioRuns {
    name: &'static str,
    /// Figure names and units, in the order they came first.
    figures: Vec<(&'static str, String)>,
    /// Values of the runs by contender and figure.
    values: BTreeMap<(usize, &'static str), Vec<f64>>,
    /// Contender and what went wrong.
    errors: Vec<(usize, String)>,
}

impl Summary {
    /// No runs yet of these contenders; the first is what others are compared with.
    pub(crate) fn new(contenders: Vec<String>, runs: usize, measured: Duration) -> Self {
        Self {
            contenders,
            runs,
            measured,
            scenarios: Vec::new(),
        }
    }

    /// Adds one run of a contender.
    pub(crate) fn add(
        &mut self,
        scenario: &'static str,
        contender: usize,
        result: Result<Measurement, String>,
    ) {
        if self
            .scenarios
            .last()
            .is_none_or(|last| last.name != scenario)
        {
            self.scenarios.push(ScenarioRuns::new(scenario));
        }
        let Some(runs) = self.scenarios.last_mut() else {
            return;
        };
        match result {
            Err(error) => runs.errors.push((contender, error)),
            Ok(measurement) => runs.take(contender, &measurement),
        }
    }

    /// Whether any run gave figures.
    pub(crate) fn has_figures(&self) -> bool {
        self.scenarios
            .iter()
            .any(|scenario| !scenario.values.is_empty())
    }

    /// Prints a table per scenario: medians, and in brackets how many times the first's.
    pub(crate) fn print(&self) {
        let seconds = self.measured.as_secs_f64();
        say(&format!(
            "\nmedians of {} runs of {seconds} s; (x) relative to the first",
            self.runs
        ));
        for scenario in &self.scenarios {
            say("");
            for line in scenario.table(&self.contenders) {
                say(&line);
            }
        }
        let growths: Vec<String> = growths()
            .iter()
            .filter_map(|growth| self.growth(growth))
            .collect();
        if !growths.is_empty() {
            say("\ngrowth of the CPU time per delivered message");
        }
        for line in &growths {
            say(line);
        }
    }

    /// How many times as much a message costs in the larger scenario, if both were measured, and
    /// what is asked for.
    fn growth(&self, growth: &Growth) -> Option<String> {
        let find = |name| self.scenarios.iter().find(|runs| runs.name == name);
        let (small, large) = (find(growth.small)?, find(growth.large)?);
        let mut line = format!("  {:<30}", growth.what);
        let mut relay = None;
        for (index, name) in self.contenders.iter().enumerate() {
            let figure = "cpu_us_per_delivery";
            if let (Some(small), Some(large)) =
                (small.median(index, figure), large.median(index, figure))
            {
                line.push_str(&format!("  {name} x{:.2}", large / small));
                if name == RELAY {
                    relay = Some(large / small);
                }
            }
        }
        let allowed = match (growth.allowed, relay) {
            (Allowed::Times(times), _) => format!("x{times:.2}"),
            (Allowed::TimesTheRelay(times), Some(relay)) => format!("x{:.2}", times * relay),
            (Allowed::TimesTheRelay(times), None) => format!("{times:.1} times the relay's"),
        };
        line.push_str(&format!("  allowed {allowed}"));
        Some(line)
    }

    /// Writes all runs and medians.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn write_json(&self, path: &Path) -> Result<(), String> {
        let text = format!("{:#}\n", self.json());
        std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn json(&self) -> Value {
        let scenarios: Vec<Value> = self
            .scenarios
            .iter()
            .map(|scenario| scenario.json(&self.contenders))
            .collect();
        json!({
            "runs": self.runs,
            "measured_s": self.measured.as_secs_f64(),
            "cpus": std::thread::available_parallelism().map_or(0, usize::from),
            "system": format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
            "scenarios": scenarios,
        })
    }
}

impl ScenarioRuns {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            figures: Vec::new(),
            values: BTreeMap::new(),
            errors: Vec::new(),
        }
    }

    fn take(&mut self, contender: usize, measurement: &Measurement) {
        for figure in &measurement.figures {
            if !self.figures.iter().any(|(name, _)| *name == figure.name) {
                self.figures.push((figure.name, figure.unit.to_string()));
            }
            self.values
                .entry((contender, figure.name))
                .or_default()
                .push(figure.value);
        }
    }

    fn median(&self, contender: usize, figure: &'static str) -> Option<f64> {
        median(self.values.get(&(contender, figure))?)
    }

    fn table(&self, contenders: &[String]) -> Vec<String> {
        let mut head = format!("{:<28}", self.name);
        for name in contenders {
            head.push_str(&format!("{name:>20}"));
        }
        let mut lines = vec![head.trim_end().to_owned()];
        for (figure, unit) in &self.figures {
            let first = self.median(0, figure);
            let mut line = format!("  {:<26}", format!("{figure} {}", unit_note(figure, unit)));
            for contender in 0..contenders.len() {
                line.push_str(&format!(
                    "{:>20}",
                    cell(contender, self.median(contender, figure), first)
                ));
            }
            lines.push(line.trim_end().to_owned());
        }
        for (contender, error) in &self.errors {
            let name = contenders.get(*contender).map_or("", String::as_str);
            lines.push(format!("  {name} failed: {error}"));
        }
        lines
    }

    fn json(&self, contenders: &[String]) -> Value {
        let of_contender = |(index, name): (usize, &String)| {
            let figures: serde_json::Map<String, Value> = self
                .figures
                .iter()
                .filter_map(|(figure, unit)| {
                    let values = self.values.get(&(index, *figure))?;
                    let entry = json!({ "unit": unit, "median": median(values), "values": values });
                    Some(((*figure).to_owned(), entry))
                })
                .collect();
            let errors: Vec<&String> = self
                .errors
                .iter()
                .filter(|(of, _)| *of == index)
                .map(|(_, text)| text)
                .collect();
            json!({ "name": name, "figures": figures, "errors": errors })
        };
        let contenders: Vec<Value> = contenders.iter().enumerate().map(of_contender).collect();
        json!({ "name": self.name, "contenders": contenders })
    }
}

/// The unit, unless the figure's name ends in it.
fn unit_note(figure: &str, unit: &str) -> String {
    let said = figure.contains("_us") || figure.ends_with("_per_s") || figure.contains("bytes");
    if said || figure.contains(unit) {
        String::new()
    } else {
        format!("[{unit}]")
    }
}

fn cell(contender: usize, value: Option<f64>, first: Option<f64>) -> String {
    match (value, first) {
        (None, _) => "-".to_owned(),
        (Some(value), Some(first)) if contender > 0 && first > 0.0 => {
            format!("{} (x{:.2})", short(value), value / first)
        }
        (Some(value), _) => short(value),
    }
}

/// Three digits or so: 0.134, 41.7, 1234, 95.1k, 4.34M.
pub(crate) fn short(value: f64) -> String {
    match value {
        v if v >= 1e9 => format!("{:.2}G", v / 1e9),
        v if v >= 1e6 => format!("{:.2}M", v / 1e6),
        v if v >= 1e4 => format!("{:.1}k", v / 1e3),
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v if v >= 1.0 => format!("{v:.2}"),
        0.0 => "0".to_owned(),
        v => format!("{v:.3}"),
    }
}

/// The value in the middle, or the mean of the two.
fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get((sorted.len() - 1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use mqtt_bench::{Figure, Unit};

    use super::*;

    fn measurement(cpu_us: f64) -> Measurement {
        let figure = Figure {
            name: "cpu_us_per_delivery",
            unit: Unit::Microseconds,
            value: cpu_us,
        };
        Measurement {
            scenario: "pair10-q0",
            figures: vec![figure],
        }
    }

    fn summary() -> Summary {
        let names = vec!["mqtt".to_owned(), "mosquitto".to_owned()];
        let mut summary = Summary::new(names, 3, Duration::from_secs(3));
        for (ours, theirs) in [(2.0, 9.0), (1.0, 10.0), (4.0, 11.0)] {
            summary.add("pair10-q0", 0, Ok(measurement(ours)));
            summary.add("pair10-q0", 1, Ok(measurement(theirs)));
        }
        summary.add("pair10-q0", 1, Err("it broke".to_owned()));
        summary
    }

    #[test]
    fn the_table_shows_medians_ratios_and_errors() {
        let summary = summary();
        let lines = summary.scenarios[0].table(&summary.contenders);
        assert_eq!(lines.len(), 3);
        assert!(
            lines[0].ends_with("mqtt           mosquitto"),
            "{}",
            lines[0]
        );
        assert!(
            lines[1].contains(" 2.00 ") && lines[1].ends_with("10.0 (x5.00)"),
            "{}",
            lines[1]
        );
        assert_eq!(lines[2], "  mosquitto failed: it broke");
    }

    #[test]
    fn growth_needs_both_scenarios() {
        let mut summary = Summary::new(vec!["mqtt".to_owned()], 1, Duration::from_secs(1));
        let growth = Growth {
            what: "more",
            small: "one",
            large: "two",
            allowed: Allowed::TimesTheRelay(1.3),
        };
        summary.add("one", 0, Ok(measurement(2.0)));
        assert_eq!(summary.growth(&growth), None);
        summary.add("two", 0, Ok(measurement(3.0)));
        let line = summary.growth(&growth).unwrap();
        assert!(
            line.ends_with("  mqtt x1.50  allowed 1.3 times the relay's"),
            "{line}"
        );
    }

    #[test]
    fn json_has_every_value() {
        let json = summary().json();
        let ours = &json["scenarios"][0]["contenders"][0]["figures"]["cpu_us_per_delivery"];
        assert_eq!(ours["median"], 2.0);
        assert_eq!(ours["values"], json!([2.0, 1.0, 4.0]));
        assert_eq!(
            json["scenarios"][0]["contenders"][1]["errors"][0],
            "it broke"
        );
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[3.0, 1.0]), Some(2.0));
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
    }

    #[test]
    fn numbers_are_short() {
        let shown = [0.0, 0.1342, 1.5, 41.72, 123.4, 9105.0, 95_100.0, 4.34e6].map(short);
        assert_eq!(
            shown,
            [
                "0", "0.134", "1.50", "41.7", "123", "9105", "95.1k", "4.34M"
            ]
        );
    }
}

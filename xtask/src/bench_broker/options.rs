//! The arguments of `cargo xtask bench broker`.

use std::path::PathBuf;
use std::time::Duration;

use mqtt_bench::{Scenario, Transport, find, growths, scenarios};

/// Stands for all scenarios that are compared with a smaller one.
const GROWTH: &str = "growth";

/// What to measure, and how often.
#[derive(Debug, clap::Parser)]
#[command(
    name = "cargo xtask bench broker",
    about = "Measures our broker under load, beside others",
    no_binary_name = true
)]
pub(crate) struct Options {
    /// Scenarios by name, with commas between; `growth` for those that show how the cost of a
    /// message grows; all if absent
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    scenario: Vec<String>,
    /// Runs of each scenario with each broker; medians are shown
    #[arg(long, default_value_t = 3, value_parser = positive)]
    pub(crate) runs: usize,
    /// Length of the measured part of a run; fractions are fine
    #[arg(long, default_value_t = 3.0, value_parser = seconds)]
    seconds: f64,
    /// Others to compare with, with commas between
    #[arg(long, value_delimiter = ',')]
    pub(crate) vs: Vec<Peer>,
    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// One more argument for our broker; may be repeated
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub(crate) broker_arg: Vec<String>,
    /// Measure this `mqtt` program, and build nothing
    #[arg(long, value_name = "PATH")]
    pub(crate) broker_bin: Option<PathBuf>,
    /// Our broker under this name with more arguments, or with environment variables written
    /// `KEY:VALUE`; may be repeated, and then only the variants are measured
    #[arg(long, value_name = "NAME=WORDS", value_parser = Variant::parse)]
    variant: Vec<Variant>,
    /// Our broker with so many lanes, the one beside the other, such as `1,2`
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "NUMBERS",
        conflicts_with = "variant"
    )]
    lanes: Vec<u16>,
    /// Measure our broker with its limits as they are by default, too
    #[arg(long, conflicts_with_all = ["variant", "lanes"])]
    defaults: bool,
    /// Measure our broker with each of these values of `durability`, with commas between
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["variant", "defaults"])]
    durability: Vec<Durability>,
    /// Measure only the others
    #[arg(long, requires = "vs", conflicts_with_all = ["variant", "lanes", "broker_bin"])]
    pub(crate) without_ours: bool,
    /// Measure our broker, and the relay where it is measured, over each of these, with commas between; the relay and
    /// Mosquitto speak no WebSocket here
    #[arg(long, value_delimiter = ',', default_value = "tcp")]
    transport: Vec<Over>,
    /// Be the relay until standard input ends
    #[arg(long, hide = true)]
    pub(crate) serve_relay: bool,
    /// As the relay, speak TLS with the certificate of this folder
    #[arg(long, hide = true)]
    pub(crate) relay_certificates: Option<PathBuf>,
}

/// What MQTT goes over.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum Over {
    /// TCP alone
    Tcp,
    /// TLS
    Tls,
    /// WebSocket
    Ws,
}

/// Another broker.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Peer {
    /// Mosquitto, with its limits lifted
    Mosquitto,
    /// The same, with its state in a file that it writes now and then and does not sync.
    MosquittoPersistent,
    /// The copying relay: the floor
    Relay,
}

/// What our broker promises.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum Durability {
    /// Acknowledged is synced.
    Fsync,
    /// Acknowledged is with the operating system.
    Os,
    /// Nothing is kept.
    Memory,
}

/// Our broker, started in a certain way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Variant {
    /// How the result calls it.
    pub(crate) name: String,
    /// Arguments for it alone.
    pub(crate) arguments: Vec<String>,
    /// Environment variables for it alone.
    pub(crate) environment: Vec<(String, String)>,
}

impl Options {
    /// The scenarios to run.
    ///
    /// # Errors
    /// A name is not known.
    pub(crate) fn scenarios(&self) -> Result<Vec<Scenario>, String> {
        if self.scenario.is_empty() {
            return Ok(scenarios().to_vec());
        }
        let mut chosen: Vec<Scenario> = Vec::new();
        for name in self.scenario.iter().flat_map(|name| meant_by(name)) {
            let scenario = find(name).ok_or_else(|| unknown(name))?;
            if !chosen.contains(&scenario) {
                chosen.push(scenario);
            }
        }
        Ok(chosen)
    }

    /// Our broker as named by `--variant` or `--lanes`, or with its limits lifted.
    pub(crate) fn variants(&self) -> Vec<Variant> {
        if !self.variant.is_empty() {
            return self.variant.clone();
        }
        if !self.lanes.is_empty() {
            let with = |lanes: &u16| Variant {
                name: format!("lanes {lanes}"),
                arguments: vec!["--lanes".to_owned(), lanes.to_string()],
                environment: lifted(),
            };
            return self.lanes.iter().map(with).collect();
        }
        let plain = |name: &str, environment| Variant {
            name: name.to_owned(),
            arguments: Vec::new(),
            environment,
        };
        if !self.durability.is_empty() {
            let named = self.durability.iter().map(|durability| {
                let word = match durability {
                    Durability::Fsync => "fsync",
                    Durability::Os => "os",
                    Durability::Memory => "memory",
                };
                let mut environment = lifted();
                environment.push(("MQTT_DURABILITY".to_owned(), word.to_owned()));
                plain(&format!("mqtt {word}"), environment)
            });
            return named.collect();
        }
        let mut variants = vec![plain("mqtt", lifted())];
        if self.defaults {
            variants.push(plain("mqtt defaults", Vec::new()));
        }
        variants
    }

    /// What brokers are spoken to over.
    pub(crate) fn transports(&self) -> impl Iterator<Item = Transport> {
        self.transport.iter().map(|over| match over {
            Over::Tcp => Transport::Tcp,
            Over::Tls => Transport::Tls,
            Over::Ws => Transport::Ws,
        })
    }

    /// How long to measure.
    pub(crate) fn measured(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

impl Variant {
    fn parse(text: &str) -> Result<Self, String> {
        let (name, words) = text.split_once('=').ok_or("write NAME=WORDS")?;
        if name.is_empty() {
            return Err("the name is empty".to_owned());
        }
        let (mut arguments, mut environment) = (Vec::new(), Vec::new());
        for word in words.split_ascii_whitespace() {
            match word.split_once(':') {
                Some((key, value)) if is_variable(key) => {
                    environment.push((key.to_owned(), value.to_owned()));
                }
                _ => arguments.push(word.to_owned()),
            }
        }
        Ok(Self {
            name: name.to_owned(),
            arguments,
            environment,
        })
    }
}

/// Settings that bound what is queued and in flight, at what they can be set to.
fn lifted() -> Vec<(String, String)> {
    let settings = [
        ("MQTT_MQTT__MAX_INFLIGHT", "65535"),
        ("MQTT_MQTT__RECEIVE_MAXIMUM", "65535"),
        ("MQTT_MQTT__MAX_MQUEUE_LEN", "1000000000"),
        ("MQTT_MQTT__MAX_MQUEUE_BYTES", "1024GB"),
        ("MQTT_MQTT__MAX_TOTAL_MQUEUE_BYTES", "1024GB"),
    ];
    settings
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .to_vec()
}

fn is_variable(key: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    key.bytes().all(is_part) && key.starts_with(|first: char| first.is_ascii_uppercase())
}

fn positive(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|runs| (1..=100).contains(runs))
        .ok_or("1 to 100".to_owned())
}

fn seconds(text: &str) -> Result<f64, String> {
    let in_range = |seconds: &f64| (0.1..=600.0).contains(seconds);
    text.parse()
        .ok()
        .filter(in_range)
        .ok_or("0.1 to 600".to_owned())
}

/// The names of scenarios that a word stands for.
fn meant_by(word: &str) -> Vec<&str> {
    match word {
        GROWTH => growths()
            .iter()
            .flat_map(|growth| [growth.small, growth.large])
            .collect(),
        name => vec![name],
    }
}

fn unknown(name: &str) -> String {
    let names: Vec<&str> = scenarios().iter().map(|scenario| scenario.name).collect();
    format!(
        "no scenario `{name}`; there are {GROWTH}, {}",
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn parse(words: &[&str]) -> Result<Options, clap::Error> {
        Options::try_parse_from(words)
    }

    #[test]
    fn scenarios_are_found_by_name_and_default_to_all() {
        let some = parse(&["--scenario", "pair10-q1,fanout100"])
            .unwrap()
            .scenarios()
            .unwrap();
        let names: Vec<&str> = some.iter().map(|scenario| scenario.name).collect();
        assert_eq!(names, ["pair10-q1", "fanout100"]);
        assert_eq!(
            parse(&[]).unwrap().scenarios().unwrap().len(),
            scenarios().len()
        );
        let unknown = parse(&["--scenario", "nothing"])
            .unwrap()
            .scenarios()
            .unwrap_err();
        assert!(unknown.contains("pair10-q0"), "{unknown}");
    }

    #[test]
    fn growth_stands_for_each_scenario_once() {
        let words = ["--scenario", "growth,fanout100"];
        let chosen = parse(&words).unwrap().scenarios().unwrap();
        let names: Vec<&str> = chosen.iter().map(|scenario| scenario.name).collect();
        assert_eq!(
            names,
            [
                "conns50",
                "conns200",
                "fanout100",
                "fanout1000",
                "others2k",
                "others200k"
            ]
        );
    }

    #[test]
    fn a_variant_has_arguments_and_environment() {
        let variant = Variant::parse("pinned=--runtime pinned MQTT_CORES:2 --listen [::1]:0");
        let variant = variant.unwrap();
        assert_eq!(variant.name, "pinned");
        assert_eq!(
            variant.arguments,
            ["--runtime", "pinned", "--listen", "[::1]:0"]
        );
        assert_eq!(
            variant.environment,
            [("MQTT_CORES".to_owned(), "2".to_owned())]
        );
        assert!(Variant::parse("=x").is_err());
        assert!(Variant::parse("name").is_err());
    }

    #[test]
    fn variants_replace_the_plain_broker() {
        let names = |words: &[&str]| -> Vec<String> {
            parse(words)
                .unwrap()
                .variants()
                .into_iter()
                .map(|variant| variant.name)
                .collect()
        };
        assert_eq!(names(&[]), ["mqtt"]);
        assert_eq!(names(&["--defaults"]), ["mqtt", "mqtt defaults"]);
        assert_eq!(
            names(&["--variant", "a=", "--variant", "b=--x 1"]),
            ["a", "b"]
        );
        assert_eq!(names(&["--lanes", "1,2"]), ["lanes 1", "lanes 2"]);
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        for words in [
            ["--runs", "0"],
            ["--runs", "101"],
            ["--seconds", "0"],
            ["--seconds", "NaN"],
        ] {
            assert!(parse(&words).is_err(), "{words:?}");
        }
    }
}

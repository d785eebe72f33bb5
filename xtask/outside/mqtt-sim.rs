//! Lets a fleet that is shipped say something.

use mqtt_sim::{Fleet, Scenario, What, shipped};

fn main() {
    let first = shipped().first().expect("there are some");
    let scenario = Scenario::parse(first.text).expect("a scenario");
    let mut fleet = Fleet::new(&scenario, 7, 0).expect("a fleet");
    let steps = std::iter::from_fn(|| fleet.next_step());
    let mut said = steps.filter(|step| matches!(step.what, What::Publish(_)));
    assert!(said.next().is_some());
}

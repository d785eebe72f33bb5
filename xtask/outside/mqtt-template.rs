//! Fills a template in.

use mqtt_template::{Moment, Random, Template};

fn main() {
    let template = Template::parse("{{i}} of {{client_id}}").expect("a template");
    let moment = Moment {
        message: 7,
        client_id: "pump",
        ..Moment::default()
    };
    let text = template.to_bytes(&moment, &mut Random::seeded(1));
    assert_eq!(text, b"7 of pump");
}

//! Says how retained messages would be asked for.

use mqtt_probe::RetainedSettings;

fn main() {
    let settings = RetainedSettings::default();
    assert!(settings.quiet < settings.patience);
}

//! Scenarios that come with this crate.

/// A scenario that comes with this crate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shipped {
    /// Its name.
    pub name: &'static str,
    /// Its text, to be read or to begin one's own with.
    pub text: &'static str,
}

/// All of them.
pub const fn shipped() -> &'static [Shipped] {
    &[
        Shipped {
            name: "vehicles",
            text: include_str!("../scenarios/vehicles.toml"),
        },
        Shipped {
            name: "smart-home",
            text: include_str!("../scenarios/smart-home.toml"),
        },
        Shipped {
            name: "weather",
            text: include_str!("../scenarios/weather.toml"),
        },
        Shipped {
            name: "factory",
            text: include_str!("../scenarios/factory.toml"),
        },
    ]
}

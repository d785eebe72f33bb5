//! What a terminal is given, and what is given to a pipe.

use std::{
    env,
    io::{self, IsTerminal},
};

use mqtt_dissect::Style;

/// Whether stdout takes colours: a terminal does, unless `NO_COLOR` is set to anything.
pub(crate) fn style_of_stdout() -> Style {
    let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    match io::stdout().is_terminal() && !no_color {
        true => Style::Coloured,
        false => Style::Plain,
    }
}

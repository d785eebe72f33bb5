//! The terminal as a screen and a keyboard, and as it was before.

use std::{io, thread};

use mqtt_tui::{
    App,
    ratatui::{
        DefaultTerminal,
        crossterm::event::{Event, KeyEvent, read},
    },
};
use tokio::sync::mpsc::{self, Receiver};

/// Keys that wait; whoever presses more waits for the screen.
const KEYS_MAX: usize = 64;

/// The terminal while it is a screen. Dropping it gives it back.
pub(super) struct Screen(DefaultTerminal);

impl Screen {
    /// Takes the terminal; a panic gives it back before it is told.
    pub(super) fn open() -> io::Result<Self> {
        mqtt_tui::ratatui::try_init().map(Self)
    }

    pub(super) fn draw(&mut self, app: &mut App) -> io::Result<()> {
        self.0.draw(|frame| app.draw(frame)).map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // It is gone if it cannot be given back.
        let _ = mqtt_tui::ratatui::try_restore();
    }
}

/// What comes from the keyboard.
pub(super) enum Input {
    /// A key.
    Key(KeyEvent),
    /// The window has another size.
    Resized,
    /// It cannot be read.
    Failed(io::Error),
}

/// What comes from the keyboard, read by a thread of its own that ends with the process.
pub(super) fn input() -> Receiver<Input> {
    let (sender, receiver) = mpsc::channel(KEYS_MAX);
    thread::spawn(move || {
        loop {
            let input = match read() {
                Ok(Event::Key(key)) => Input::Key(key),
                Ok(Event::Resize(..)) => Input::Resized,
                Ok(_) => continue,
                Err(error) => {
                    // Nobody may be waiting any more.
                    let _ = sender.blocking_send(Input::Failed(error));
                    return;
                }
            };
            if sender.blocking_send(input).is_err() {
                return;
            }
        }
    });
    receiver
}

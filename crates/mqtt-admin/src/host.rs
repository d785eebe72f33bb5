//! What only the program around the broker can do.

/// The program that runs the broker: its log.
pub trait Host: Send + Sync + 'static {
    /// How much is logged now: the name of a level, or a filter.
    fn log_level(&self) -> String;

    /// Logs so much from now on, until the configuration is read again.
    ///
    /// # Errors
    /// What is wrong with `level`, as one line.
    fn set_log_level(&self, level: &str) -> Result<(), String>;
}

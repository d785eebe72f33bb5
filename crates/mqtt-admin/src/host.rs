//! What only the program around the broker can do.

use mqtt_broker::Config;

/// The program that runs the broker: where its configuration comes from, and its log.
pub trait Host: Send + Sync + 'static {
    /// The configuration as a broker started now would have it.
    ///
    /// # Errors
    /// What is wrong with it, as one line.
    fn load(&self) -> Result<Config, String>;

    /// The same with `text` in place of the file, which is called `origin` in messages.
    ///
    /// # Errors
    /// What is wrong with it, as one line.
    fn read(&self, text: &str, origin: &str) -> Result<Config, String>;

    /// The broker has taken over what [`load`](Self::load) gave: the rest of it is for the program.
    fn taken_over(&self, config: &Config);

    /// Lines of the log that were left out, by output, since the program was started; none by default.
    fn log_lines_lost(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// How much is logged now: the name of a level, or a filter.
    fn log_level(&self) -> String;

    /// Logs so much from now on, until the configuration is read again.
    ///
    /// # Errors
    /// What is wrong with `level`, as one line.
    fn set_log_level(&self, level: &str) -> Result<(), String>;
}

//! `Moment`: what a template is filled in with.

/// What a template is filled in with, besides what is random.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Moment<'a> {
    /// `{{i}}`, `%s`: the message's number.
    pub message: u64,
    /// `{{client}}`, `%i`: the client's number.
    pub client: u64,
    /// `{{ts}}` and its like: the time. Unit: nanoseconds since 1970, UTC.
    pub unix_ns: u64,
    /// `{{client_id}}`, `%c`.
    pub client_id: &'a str,
    /// `{{username}}`, `%u`.
    pub username: &'a str,
    /// `{{hostname}}`, `%h`.
    pub hostname: &'a str,
    /// `{{topic}}`: the Topic Name the message goes to.
    pub topic_name: &'a str,
}

impl Moment<'_> {
    /// The same at this machine's time of now.
    #[must_use]
    pub fn now(self) -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let since = since.unwrap_or_default().as_nanos();
        Self {
            unix_ns: u64::try_from(since).unwrap_or(u64::MAX),
            ..self
        }
    }
}

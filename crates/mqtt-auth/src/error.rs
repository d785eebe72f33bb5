//! Why an exchange ends.

/// Why an exchange ends. It holds nothing secret.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The other end's data is not what the method has at this point.
    #[error("the other end's authentication data is malformed: {problem}")]
    Malformed {
        /// What is wrong with it.
        problem: Box<str>,
    },
    /// The server asks for more or less work than is acceptable, at the client. Feature `scram`.
    #[cfg(feature = "scram")]
    #[error(
        "the server asks for {iterations} iterations, acceptable are {} to {}",
        crate::ITERATIONS_MIN,
        crate::ITERATIONS_MAX
    )]
    Iterations {
        /// What it asks for; [`u64::MAX`] for anything larger.
        iterations: u64,
    },
    /// The client does not know the password, or there is no such user; at the server.
    #[error("user name or password wrong")]
    Refused,
    /// The server has not proven that it knows the user, at the client.
    #[error("the server did not prove that it knows this user: it may be another one")]
    ServerUnproven,
    /// A user name that cannot be sent.
    #[error("the user name is empty or has a character that cannot be sent")]
    Username,
    /// A text that is no stored key.
    #[error(
        "not a stored key of the form SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>"
    )]
    Stored,
    /// A step that is not due.
    #[error("this step of the exchange is not due")]
    OutOfTurn,
    /// The system gives no random numbers.
    #[error("the system has no random numbers")]
    Random,
}

//! `ClientAuth`: what a client says in an exchange of AUTH packets.

use crate::AuthError;

/// What a client says in an exchange of AUTH packets, by one Authentication Method. Spec: v5 §4.12.
///
/// A call may compute for some milliseconds, and must not wait for anything else.
pub trait ClientAuth: Send {
    /// The Authentication Method, as the server knows it.
    fn method(&self) -> &str;

    /// Begins an exchange, and forgets one that has not ended: the Authentication Data of CONNECT, or of the AUTH that
    /// begins a re-authentication. When it is empty none is sent.
    ///
    /// # Errors
    /// There is nothing to begin with.
    fn first(&mut self) -> Result<Vec<u8>, AuthError>;

    /// The answer to the Authentication Data of the server's AUTH 0x18; empty when it sent none.
    ///
    /// # Errors
    /// The data is not what the method says, or cannot be answered: the exchange is over.
    fn next(&mut self, server_data: &[u8]) -> Result<Vec<u8>, AuthError>;

    /// The server is satisfied: checks the Authentication Data of its CONNACK or AUTH 0x00.
    ///
    /// # Errors
    /// The server has not proven what the method has it prove: the connection should be ended.
    fn finish(&mut self, server_data: Option<&[u8]>) -> Result<(), AuthError>;
}

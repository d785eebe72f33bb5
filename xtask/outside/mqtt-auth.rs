//! A method of one's own: the client says a word, the server says it back.

use mqtt_auth::{AuthError, ClientAuth};

struct Word(Vec<u8>);

impl ClientAuth for Word {
    fn method(&self) -> &str {
        "WORD"
    }

    fn first(&mut self) -> Result<Vec<u8>, AuthError> {
        Ok(self.0.clone())
    }

    fn next(&mut self, _server_data: &[u8]) -> Result<Vec<u8>, AuthError> {
        Err(AuthError::OutOfTurn)
    }

    fn finish(&mut self, server_data: Option<&[u8]>) -> Result<(), AuthError> {
        match server_data == Some(self.0.as_slice()) {
            true => Ok(()),
            false => Err(AuthError::ServerUnproven),
        }
    }
}

fn main() -> Result<(), AuthError> {
    let mut client = Word(b"friend".to_vec());
    let word = client.first()?;
    assert_eq!(client.finish(None), Err(AuthError::ServerUnproven));
    client.finish(Some(&word))
}

//! `ScramSha256Server`: the server's side.

use super::{METHOD, StoredScram, grammar, stored};
use crate::AuthError;
use ring::hmac;
use rsasl::callback::{Context, Request, SessionCallback, SessionData};
use rsasl::mechanisms::scram::properties::ScramStoredPassword;
use rsasl::mechname::Mechname;
use rsasl::prelude::{SASLConfig, SASLServer, Session, SessionError, Validation};
use rsasl::validate::{Validate, ValidationError};
use std::fmt;
use zeroize::Zeroizing;

/// SCRAM-SHA-256 as the server: makes exchanges.
///
/// Keep one as long as the process runs: users that are not there get salts which do not change with the exchange.
pub struct ScramSha256Server {
    decoys: hmac::Key,
}

impl ScramSha256Server {
    /// One with a secret of its own for salts of users that are not there.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new() -> Result<Self, AuthError> {
        let mut secret = Zeroizing::new([0; 32]);
        stored::fill(secret.as_mut())?;
        Ok(Self {
            decoys: hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref()),
        })
    }

    /// Reads a client's first message, from CONNECT or from the AUTH that begins a re-authentication.
    ///
    /// # Errors
    /// It is none, or asks for what is not offered.
    pub fn begin(&self, client_data: &[u8]) -> Result<ScramExchange, AuthError> {
        let username = grammar::username(client_data)?;
        let decoy = StoredScram::decoy(&self.decoys, &username)?;
        Ok(ScramExchange {
            username,
            stage: Stage::AwaitsUser {
                client_first: client_data.to_vec(),
                decoy,
            },
        })
    }
}

impl fmt::Debug for ScramSha256Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramSha256Server")
    }
}

/// One exchange, as the server.
pub struct ScramExchange {
    username: String,
    stage: Stage,
}

/// What has to come next.
enum Stage {
    /// What is stored of the user.
    AwaitsUser {
        client_first: Vec<u8>,
        decoy: StoredScram,
    },
    /// The client's proof.
    AwaitsProof(Session<Proven>),
    /// Nothing.
    Over,
}

/// Set once the client has proven that it knows the password.
struct Proven;

impl Validation for Proven {
    type Value = ();
}

impl ScramExchange {
    /// Who the client says it is, which it has proven after [`ScramExchange::finish`] only.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The challenge, for AUTH 0x18. Without anything stored the exchange goes on as if there were, and fails.
    ///
    /// # Errors
    /// The client's first message is faulty after all, or there was a challenge already.
    pub fn challenge(&mut self, stored: Option<&StoredScram>) -> Result<Vec<u8>, AuthError> {
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        let Stage::AwaitsUser {
            client_first,
            decoy,
        } = stage
        else {
            return Err(AuthError::OutOfTurn);
        };
        let stored = stored.cloned().unwrap_or(decoy);
        let mut session = session(stored).ok_or(AuthError::OutOfTurn)?;
        let mut data = Vec::new();
        session
            .step(Some(&client_first), &mut data)
            .map_err(explain)?;
        self.stage = Stage::AwaitsProof(session);
        Ok(data)
    }

    /// Checks the client's proof; gives the server's, for CONNACK or the AUTH that ends a re-authentication.
    ///
    /// # Errors
    /// [`AuthError::Refused`] when the client does not know the password or there is no such user; the client's message
    /// is faulty; or it was not due. The exchange is over.
    pub fn finish(&mut self, client_data: &[u8]) -> Result<Vec<u8>, AuthError> {
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        let Stage::AwaitsProof(mut session) = stage else {
            return Err(AuthError::OutOfTurn);
        };
        grammar::check_attributes(client_data)?;
        let mut data = Vec::new();
        session
            .step(Some(client_data), &mut data)
            .map_err(explain)?;
        // The library has written either the proof or an error.
        match session.validation() {
            Some(()) => Ok(data),
            None => Err(AuthError::Refused),
        }
    }
}

impl fmt::Debug for ScramExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramExchange")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

struct Callback(StoredScram);

impl SessionCallback for Callback {
    fn callback(
        &self,
        _: &SessionData,
        _: &Context<'_>,
        request: &mut Request<'_>,
    ) -> Result<(), SessionError> {
        let stored = &self.0;
        request.satisfy::<ScramStoredPassword<'static>>(&ScramStoredPassword::new(
            stored.iterations(),
            stored.salt(),
            stored.stored_key(),
            stored.server_key(),
        ))?;
        Ok(())
    }

    fn validate(
        &self,
        _: &SessionData,
        _: &Context<'_>,
        validate: &mut Validate<'_>,
    ) -> Result<(), ValidationError> {
        // Called for a proof that is right; that nobody acts as another was checked at the beginning.
        validate.finalize::<Proven>(());
        Ok(())
    }
}

/// A session of the library; the method is built in.
fn session(stored: StoredScram) -> Option<Session<Proven>> {
    let config = SASLConfig::builder()
        .with_defaults()
        .with_callback(Callback(stored))
        .ok()?;
    let method = Mechname::parse(METHOD.as_bytes()).ok()?;
    SASLServer::<Proven>::new(config)
        .start_suggested(method)
        .ok()
}

fn explain(error: SessionError) -> AuthError {
    grammar::malformed(&error.to_string())
}

//! `ScramSha256Client`: the client's side.

use super::prepare::prepared;
use super::stored::salted_password;
use super::{DIGEST_LEN, ITERATIONS_MAX, ITERATIONS_MIN, METHOD, grammar};
use crate::{AuthError, ClientAuth};
use rsasl::callback::{Context, Request, SessionCallback, SessionData};
use rsasl::mechanisms::scram::properties::{Iterations, Salt, SaltedPassword};
use rsasl::mechname::Mechname;
use rsasl::prelude::{SASLClient, SASLConfig, Session, SessionError};
use rsasl::property::AuthId;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// SCRAM-SHA-256 as the client.
///
/// What the password was worked into is kept as long as the server asks for the same work, so that only the first
/// exchange costs it.
pub struct ScramSha256Client {
    secrets: Arc<Secrets>,
    stage: Stage,
}

/// Whose turn it is.
enum Stage {
    /// Nothing is under way.
    Idle,
    /// The server has to send its challenge.
    AwaitsChallenge(Session),
    /// The server has to send its proof.
    AwaitsProof(Session),
}

/// What the library asks for.
struct Secrets {
    username: Zeroizing<String>,
    password: Zeroizing<String>,
    worked: Mutex<Option<Worked>>,
}

/// What the password was worked into.
struct Worked {
    salt: Vec<u8>,
    iterations: u32,
    salted: Zeroizing<[u8; DIGEST_LEN]>,
}

impl ScramSha256Client {
    /// A client that knows this password.
    pub fn new(username: &str, password: &str) -> Self {
        Self {
            secrets: Arc::new(Secrets {
                username: prepared(username),
                password: prepared(password),
                worked: Mutex::new(None),
            }),
            stage: Stage::Idle,
        }
    }

    fn session(&self) -> Result<Session, AuthError> {
        let config = SASLConfig::builder()
            .with_defaults()
            .with_callback(Callback(Arc::clone(&self.secrets)));
        let started = config.ok().and_then(|config| {
            let method = Mechname::parse(METHOD.as_bytes()).ok()?;
            SASLClient::new(config).start_suggested(&[method]).ok()
        });
        // The method is built in.
        started.ok_or(AuthError::OutOfTurn)
    }
}

impl ClientAuth for ScramSha256Client {
    fn method(&self) -> &str {
        METHOD
    }

    fn first(&mut self) -> Result<Vec<u8>, AuthError> {
        self.stage = Stage::Idle;
        let username = &self.secrets.username;
        if username.is_empty() || username.contains('\0') {
            return Err(AuthError::Username);
        }
        let mut session = self.session()?;
        let mut data = Vec::new();
        session.step(None, &mut data).map_err(explain)?;
        self.stage = Stage::AwaitsChallenge(session);
        Ok(data)
    }

    fn next(&mut self, server_data: &[u8]) -> Result<Vec<u8>, AuthError> {
        let stage = std::mem::replace(&mut self.stage, Stage::Idle);
        let Stage::AwaitsChallenge(mut session) = stage else {
            return Err(AuthError::OutOfTurn);
        };
        let iterations = grammar::iterations(server_data)?;
        if !(u64::from(ITERATIONS_MIN)..=u64::from(ITERATIONS_MAX)).contains(&iterations) {
            return Err(AuthError::Iterations { iterations });
        }
        let mut data = Vec::new();
        session
            .step(Some(server_data), &mut data)
            .map_err(explain)?;
        self.stage = Stage::AwaitsProof(session);
        Ok(data)
    }

    fn finish(&mut self, server_data: Option<&[u8]>) -> Result<(), AuthError> {
        let stage = std::mem::replace(&mut self.stage, Stage::Idle);
        let Stage::AwaitsProof(mut session) = stage else {
            return Err(AuthError::ServerUnproven);
        };
        let server_data = server_data.ok_or(AuthError::ServerUnproven)?;
        grammar::check_attributes(server_data)?;
        match session.step(Some(server_data), &mut Vec::new()) {
            Ok(state) if !state.is_running() => Ok(()),
            Ok(_) | Err(_) => Err(AuthError::ServerUnproven),
        }
    }
}

impl fmt::Debug for ScramSha256Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramSha256Client")
    }
}

struct Callback(Arc<Secrets>);

impl SessionCallback for Callback {
    fn callback(
        &self,
        _: &SessionData,
        context: &Context<'_>,
        request: &mut Request<'_>,
    ) -> Result<(), SessionError> {
        if request.is::<AuthId>() {
            request.satisfy::<AuthId>(&self.0.username)?;
        } else if request.is::<SaltedPassword>()
            && let (Some(salt), Some(iterations)) =
                (context.get_ref::<Salt>(), context.get_ref::<Iterations>())
            && let Some(iterations) = NonZeroU32::new(*iterations)
        {
            let salted = self.0.salted(salt, iterations);
            request.satisfy::<SaltedPassword>(salted.as_ref())?;
        }
        Ok(())
    }
}

impl Secrets {
    fn salted(&self, salt: &[u8], iterations: NonZeroU32) -> Zeroizing<[u8; DIGEST_LEN]> {
        let mut worked = self.worked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(worked) = &*worked
            && worked.salt == salt
            && worked.iterations == iterations.get()
        {
            return worked.salted.clone();
        }
        let salted = salted_password(&self.password, salt, iterations);
        *worked = Some(Worked {
            salt: salt.to_vec(),
            iterations: iterations.get(),
            salted: salted.clone(),
        });
        salted
    }
}

fn explain(error: SessionError) -> AuthError {
    grammar::malformed(&error.to_string())
}

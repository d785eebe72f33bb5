//! Authenticates a client at a server that keeps no password.

use mqtt_auth::{AuthError, ClientAuth, ScramSha256Client, ScramSha256Server, StoredScram};

fn main() -> Result<(), AuthError> {
    let stored = StoredScram::new("pencil")?;
    let mut client = ScramSha256Client::new("alice", "pencil");
    let mut exchange = ScramSha256Server::new()?.begin(&client.first()?)?;
    let proof = client.next(&exchange.challenge(Some(&stored))?)?;
    client.finish(Some(&exchange.finish(&proof)?))
}

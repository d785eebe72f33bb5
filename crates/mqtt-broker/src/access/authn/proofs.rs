//! Passwords that were right a moment ago, so that a client that comes back need not be checked again.
//!
//! What is kept is a keyed digest, with a key that never leaves this process and ends with it:
//! `docs/decisions/0013-password-proofs.md`.

use mqtt_access::StoredPassword;
use parking_lot::Mutex;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Bytes of a key and of a digest.
const DIGEST_LEN: usize = 32;

/// Time between two searches for proofs that are too old, when there is no room.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// One user's proof, by user.
pub(in crate::access) struct Proofs {
    key: hmac::Key,
    state: Mutex<State>,
}

struct State {
    proofs: HashMap<UserKey, Proof>,
    ttl: Duration,
    len_max: usize,
    swept: Option<Instant>,
}

/// Stands for a user of an authenticator.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
struct UserKey([u8; 16]);

struct Proof {
    digest: Zeroizing<[u8; DIGEST_LEN]>,
    /// Clients connected as this user.
    clients: u32,
    /// When it is too old, without clients.
    until: Instant,
}

/// Whose password.
#[derive(Clone, Copy, Debug)]
pub(in crate::access) struct Claim<'a> {
    pub(in crate::access) authenticator: &'a str,
    pub(in crate::access) user: &'a str,
}

impl Proofs {
    /// Without randomness there is no key, and nothing is kept.
    pub(in crate::access) fn new(ttl: Duration, len_max: usize) -> Self {
        let mut key = Zeroizing::new([0; DIGEST_LEN]);
        let has_key = SystemRandom::new().fill(key.as_mut_slice()).is_ok();
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()),
            state: Mutex::new(State {
                proofs: HashMap::new(),
                ttl,
                len_max: if has_key { len_max } else { 0 },
                swept: None,
            }),
        }
    }

    /// Other bounds from now on.
    pub(in crate::access) fn bound(&self, ttl: Duration, len_max: usize) {
        let mut state = self.state.lock();
        // Without a key there is no room, and it stays so.
        if state.len_max > 0 {
            state.len_max = len_max;
        }
        state.ttl = ttl;
        state.proofs.clear();
    }

    /// How many there are.
    pub(in crate::access) fn len(&self) -> usize {
        self.state.lock().proofs.len()
    }

    /// Whether this password was right for what is stored, not long ago.
    pub(in crate::access) fn holds(
        &self,
        claim: Claim<'_>,
        password: &[u8],
        stored: &StoredPassword,
        now: Instant,
    ) -> bool {
        let state = self.state.lock();
        let Some(proof) = state.proofs.get(&self.user_key(claim)) else {
            return false;
        };
        if proof.clients == 0 && proof.until <= now {
            return false;
        }
        let kept = proof.digest.clone();
        drop(state);
        let found = self.digest(claim, password, stored);
        // In constant time.
        subtle::ConstantTimeEq::ct_eq(found.as_slice(), kept.as_slice()).into()
    }

    /// This password is right for what is stored.
    pub(in crate::access) fn keep(
        &self,
        claim: Claim<'_>,
        password: &[u8],
        stored: &StoredPassword,
        now: Instant,
    ) {
        let digest = self.digest(claim, password, stored);
        let key = self.user_key(claim);
        let mut state = self.state.lock();
        let until = now + state.ttl;
        if let Some(proof) = state.proofs.get_mut(&key) {
            proof.digest = digest;
            proof.until = until;
            return;
        }
        if state.proofs.len() >= state.len_max && !state.make_room(now) {
            return;
        }
        let proof = Proof {
            digest,
            clients: 0,
            until,
        };
        state.proofs.insert(key, proof);
    }

    /// A client is connected as this user.
    pub(in crate::access) fn connected(&self, claim: Claim<'_>) {
        if let Some(proof) = self.state.lock().proofs.get_mut(&self.user_key(claim)) {
            proof.clients = proof.clients.saturating_add(1);
        }
    }

    /// A client of this user is gone.
    pub(in crate::access) fn disconnected(&self, claim: Claim<'_>, now: Instant) {
        let mut state = self.state.lock();
        let until = now + state.ttl;
        if let Some(proof) = state.proofs.get_mut(&self.user_key(claim)) {
            proof.clients = proof.clients.saturating_sub(1);
            proof.until = until;
        }
    }

    /// A number that changes with what is stored, and tells nothing of it; never 0.
    pub(in crate::access) fn stamp(&self, stored: &StoredPassword) -> u64 {
        let mut text = Zeroizing::new(String::new());
        // Writing to a `String` cannot fail.
        let _ = write!(text, "stamp {stored}");
        let tag = hmac::sign(&self.key, text.as_bytes());
        let bytes = tag.as_ref().iter().take(8);
        bytes.fold(0, |number, byte| number << 8 | u64::from(*byte)) | 1
    }

    fn user_key(&self, claim: Claim<'_>) -> UserKey {
        let fields = [claim.authenticator.as_bytes(), claim.user.as_bytes()];
        let tag = self.digest_of(b"user", &fields);
        let mut key = [0; 16];
        for (to, from) in key.iter_mut().zip(tag.iter()) {
            *to = *from;
        }
        UserKey(key)
    }

    fn digest(
        &self,
        claim: Claim<'_>,
        password: &[u8],
        stored: &StoredPassword,
    ) -> Zeroizing<[u8; DIGEST_LEN]> {
        let mut text = Zeroizing::new(String::new());
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{stored}");
        let (authenticator, user) = (claim.authenticator.as_bytes(), claim.user.as_bytes());
        self.digest_of(b"proof", &[authenticator, user, text.as_bytes(), password])
    }

    /// Stands for these fields, in this process.
    pub(in crate::access) fn digest_of(
        &self,
        purpose: &[u8],
        fields: &[&[u8]],
    ) -> Zeroizing<[u8; DIGEST_LEN]> {
        let mut context = hmac::Context::with_key(&self.key);
        add(&mut context, purpose);
        fields.iter().for_each(|field| add(&mut context, field));
        let tag = context.sign();
        let mut digest = Zeroizing::new([0; DIGEST_LEN]);
        for (to, from) in digest.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        digest
    }
}

impl State {
    /// Whether there is room for one more, after those too old are gone.
    fn make_room(&mut self, now: Instant) -> bool {
        if self.swept.is_none_or(|swept| now >= swept + SWEEP_EVERY) {
            self.swept = Some(now);
            self.proofs
                .retain(|_, proof| proof.clients > 0 || proof.until > now);
        }
        self.proofs.len() < self.len_max
    }
}

/// A field of what is digested: with its length, so that two fields cannot be taken for two others.
fn add(context: &mut hmac::Context, field: &[u8]) {
    context.update(&field.len().to_le_bytes());
    context.update(field);
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt_access::HashForm;

    const TTL: Duration = Duration::from_secs(60);
    const BOB: Claim<'_> = Claim {
        authenticator: "file",
        user: "bob",
    };

    fn stored() -> StoredPassword {
        StoredPassword::hashed(b"secret", HashForm::Pbkdf2Sha512).unwrap()
    }

    #[test]
    fn a_proof_is_of_one_user_one_password_and_one_hash() {
        let (proofs, now) = (Proofs::new(TTL, 10), Instant::now());
        let (stored, other) = (stored(), stored());
        proofs.keep(BOB, b"secret", &stored, now);
        assert!(proofs.holds(BOB, b"secret", &stored, now));
        assert!(!proofs.holds(BOB, b"secreT", &stored, now));
        assert!(!proofs.holds(BOB, b"secret", &other, now));
        let alice = Claim {
            user: "alice",
            ..BOB
        };
        assert!(!proofs.holds(alice, b"secret", &stored, now));
        let elsewhere = Claim {
            authenticator: "filebo",
            user: "b",
        };
        assert!(!proofs.holds(elsewhere, b"secret", &stored, now));
        let again = Proofs::new(TTL, 10);
        again.keep(BOB, b"secret", &stored, now);
        assert_ne!(again.stamp(&stored), proofs.stamp(&stored));
        assert_ne!(proofs.stamp(&other), proofs.stamp(&stored));
    }

    #[test]
    fn it_lives_as_long_as_a_client_and_some_time_after() {
        let (proofs, start) = (Proofs::new(TTL, 10), Instant::now());
        let stored = stored();
        proofs.keep(BOB, b"secret", &stored, start);
        assert!(!proofs.holds(BOB, b"secret", &stored, start + TTL));
        proofs.connected(BOB);
        let later = start + 100 * TTL;
        assert!(proofs.holds(BOB, b"secret", &stored, later));
        proofs.disconnected(BOB, later);
        assert!(proofs.holds(BOB, b"secret", &stored, later));
        assert!(!proofs.holds(BOB, b"secret", &stored, later + TTL));
    }

    #[test]
    fn there_are_only_so_many() {
        let (proofs, start) = (Proofs::new(TTL, 1), Instant::now());
        let (stored, alice) = (
            stored(),
            Claim {
                user: "alice",
                ..BOB
            },
        );
        proofs.keep(BOB, b"secret", &stored, start);
        proofs.keep(alice, b"secret", &stored, start);
        assert_eq!(proofs.len(), 1);
        assert!(!proofs.holds(alice, b"secret", &stored, start));
        proofs.keep(alice, b"secret", &stored, start + TTL);
        assert!(proofs.holds(alice, b"secret", &stored, start + TTL));
        assert_eq!(proofs.len(), 1);
        let none = Proofs::new(TTL, 0);
        none.keep(BOB, b"secret", &stored, start);
        assert!(!none.holds(BOB, b"secret", &stored, start));
    }
}

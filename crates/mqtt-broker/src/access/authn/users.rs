//! Users with passwords: of a file, or of the built-in database.

use super::{Asked, Claim, Desk, UserStore, Verdict, count};
use crate::access::Identity;
use crate::authenticate::{ConnectRequest, Grant};
use crate::config::UserId;
use mqtt_access::StoredPassword;
use std::sync::Arc;
use std::time::Instant;

/// Where users are kept.
pub(in crate::access) enum Users {
    /// In a password file, as it was when it was read.
    File(mqtt_access::Users),
    /// In the built-in database.
    Store(UserStore),
}

/// One authenticator that knows users and their passwords.
pub(in crate::access) struct UserTable {
    pub(in crate::access) name: Arc<str>,
    pub(in crate::access) user_id: UserId,
    pub(in crate::access) users: Users,
}

/// A user that is there.
struct Found {
    stored: StoredPassword,
    superuser: bool,
}

impl UserTable {
    /// What is known without checking a password; none when one has to be checked.
    pub(in crate::access) fn ask_now(
        &self,
        desk: &Desk,
        request: &ConnectRequest<'_>,
    ) -> Option<Verdict> {
        let Some(user) = self.user(request) else {
            return Some(Verdict::Ignore);
        };
        let Some(found) = self.find(user) else {
            return Some(Verdict::Ignore);
        };
        let Some(password) = request.password else {
            return Some(Verdict::Deny("no password"));
        };
        let claim = self.claim(user);
        let holds = desk
            .proofs
            .holds(claim, password, &found.stored, Instant::now());
        if !holds {
            return None;
        }
        count(&desk.counters.proven);
        Some(Verdict::Allow(self.grant(desk, user, &found)))
    }

    /// Whether there is such a user.
    pub(in crate::access) fn knows(&self, request: &ConnectRequest<'_>) -> bool {
        self.user(request)
            .is_some_and(|user| self.find(user).is_some())
    }

    /// Checks the password of a user that was there a moment ago.
    pub(in crate::access) async fn ask(&self, desk: &Arc<Desk>, asked: &Asked) -> Verdict {
        let request = asked.request();
        let found = self
            .user(&request)
            .and_then(|user| Some((user, self.find(user)?)));
        let (Some((user, found)), Some(password)) = (found, &asked.password) else {
            return Verdict::Ignore;
        };
        let checked = {
            let (desk, name) = (Arc::clone(desk), Arc::clone(&self.name));
            let (user, stored) = (Box::<str>::from(user), found.stored.clone());
            let password = Arc::clone(password);
            move || desk.check(&name, &user, &stored, &password)
        };
        match desk.checks.run(checked) {
            Err(_) => Verdict::Busy,
            Ok(answer) => match answer.await {
                Ok(true) => Verdict::Allow(self.grant(desk, user, &found)),
                Ok(false) => Verdict::Deny("wrong password"),
                Err(_) => Verdict::Deny("the password could not be checked"),
            },
        }
    }

    /// What is checked, for the time it takes, when nobody knows the user.
    pub(in crate::access) fn decoy(&self, request: &ConnectRequest<'_>) -> Option<StoredPassword> {
        let user = self.user(request)?;
        match &self.users {
            Users::File(users) => Some(users.decoy(user).clone()),
            Users::Store(store) => store.some(user),
        }
    }

    /// Whether who proved this identity would be let in with it still.
    pub(in crate::access) fn is_valid(&self, desk: &Desk, identity: &Identity) -> bool {
        self.find(&identity.user)
            .is_some_and(|found| desk.proofs.stamp(&found.stored) == identity.stamp)
    }

    fn user<'a>(&self, request: &ConnectRequest<'a>) -> Option<&'a str> {
        match self.user_id {
            UserId::Username => request.username,
            UserId::ClientId => Some(request.client_id).filter(|id| !id.is_empty()),
        }
    }

    fn find(&self, user: &str) -> Option<Found> {
        match &self.users {
            Users::File(users) => users.find(user).map(|stored| Found {
                stored: stored.clone(),
                superuser: false,
            }),
            Users::Store(store) => store
                .find(user)
                .map(|(stored, superuser)| Found { stored, superuser }),
        }
    }

    fn claim<'a>(&'a self, user: &'a str) -> Claim<'a> {
        Claim {
            authenticator: &self.name,
            user,
        }
    }

    fn grant(&self, desk: &Desk, user: &str, found: &Found) -> Box<Grant> {
        Box::new(Grant {
            superuser: found.superuser,
            identity: Some(Arc::new(Identity {
                authenticator: Arc::clone(&self.name),
                user: user.into(),
                stamp: desk.proofs.stamp(&found.stored),
                expires_at_s: None,
            })),
            ..Grant::default()
        })
    }
}

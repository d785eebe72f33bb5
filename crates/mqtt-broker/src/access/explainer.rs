//! What a configuration decides about a client, and by what: for people who ask, without a broker.

use super::admission::{Admission, AdmissionGround};
use super::authn::{Asked, Desk, Policy};
use super::guard::USERS_FILE;
use super::{Authorizer, ClientInfo, Explanation, Ground, UserStore};
use crate::authenticate::{ConnectRequest, Grant};
use crate::config::{CertificateField, Config, ConfigError, Listener};
use crate::handler::take_grant;
use mqtt_access::{Action, Subject};
use mqtt_codec::ProtocolVersion;
use mqtt_io::PeerCertificate;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// Answers what a broker with a configuration would decide. It reads the same files, asks the same services, and
/// changes nothing.
pub struct Explainer {
    config: Config,
    desk: Arc<Desk>,
    policy: Policy,
    authorizer: Authorizer,
}

/// Who wants what, as far as that is known.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AccessQuestion<'a> {
    /// The Client Identifier.
    pub client_id: &'a str,
    /// The User Name of CONNECT.
    pub username: Option<&'a str>,
    /// The password of CONNECT. With a User Name and without it, it is taken for the right one.
    pub password: Option<&'a [u8]>,
    /// The version it speaks; services may be told.
    pub version: ProtocolVersion,
    /// Where it comes from. Rules that name addresses are about somebody else without it.
    pub address: Option<IpAddr>,
    /// The listener it comes through, `tcp:default` for example. Without it all authenticators are asked, and rules
    /// that name listeners are about somebody else.
    pub listener: Option<&'a str>,
    /// The certificate it shows.
    pub certificate: Option<&'a PeerCertificate>,
    /// What is known of it besides what authentication finds.
    pub attributes: BTreeMap<Box<str>, Box<str>>,
    /// What it wants, topics as it would write them.
    pub action: Action<'a>,
}

impl<'a> AccessQuestion<'a> {
    /// Somebody of whom nothing else is known.
    #[must_use]
    pub fn new(client_id: &'a str, action: Action<'a>) -> Self {
        Self {
            client_id,
            username: None,
            password: None,
            version: ProtocolVersion::V5, // version: no rule asks for it
            address: None,
            listener: None,
            certificate: None,
            attributes: BTreeMap::new(),
            action,
        }
    }
}

/// What is decided, and by what.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AccessAnswer {
    /// Whether the client comes in and may do it.
    pub is_allowed: bool,
    /// Whether it comes in.
    pub admission: Admission,
    /// Whether it may do it, if it comes in.
    pub right: Explanation,
    /// The client as rules see it.
    pub client: ClientInfo,
}

impl fmt::Debug for Explainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explainer").finish_non_exhaustive()
    }
}

impl Explainer {
    /// Reads what the configuration names. The built-in users are those in `node.data_dir` now.
    ///
    /// # Errors
    /// A file cannot be read, or a line of one is wrong.
    pub fn from_config(config: Config) -> Result<Self, ConfigError> {
        let store = match &config.node.data_dir {
            Some(data_dir) => UserStore::open(&data_dir.join(USERS_FILE)),
            None => Ok(UserStore::in_memory()),
        };
        let store = store.map_err(|error| ConfigError::Authenticator {
            name: "built_in_database".to_owned(),
            cause: error.to_string(),
        })?;
        Ok(Self {
            desk: Arc::new(Desk::new(&config.authentication_settings)),
            policy: Policy::of(&config, &store.copy(), None)?,
            authorizer: Authorizer::from_config(&config)?,
            config,
        })
    }

    /// Whether there is a listener of this name.
    #[must_use]
    pub fn has_listener(&self, name: &str) -> bool {
        self.config.listeners.contains_key(name)
    }

    /// What is decided.
    pub async fn ask(&self, question: &AccessQuestion<'_>) -> AccessAnswer {
        let address = question.address.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        let listener = question.listener.unwrap_or_default();
        let mut client = ClientInfo {
            client_id: question.client_id.into(),
            username: question.username.map(Into::into),
            peer: SocketAddr::new(address, 0),
            version: question.version,
            listener: listener.into(),
            superuser: false,
            attributes: None,
            rules: None,
            identity: None,
            certificate: question.certificate.cloned().map(Arc::new),
        };
        let (admission, grant) = match self.takes_names(&mut client) {
            true => self.admission(&client, question.password).await,
            false => {
                let ground = AdmissionGround::NoCertificateName;
                (Admission::without_asking(ground), Grant::default())
            }
        };
        take_grant(&mut client, grant);
        let mut known = client.attributes.as_deref().cloned().unwrap_or_default();
        known.extend(question.attributes.clone());
        client.attributes = (!known.is_empty()).then(|| Arc::new(known));
        let right = self.right(question, &client).await;
        AccessAnswer {
            is_allowed: admission.ground.is_in() && right.is_allowed,
            admission,
            right,
            client,
        }
    }

    /// Puts the names over what the client says that its listener takes from certificates; false where there is none.
    fn takes_names(&self, client: &mut ClientInfo) -> bool {
        let mqtt = &self.config.mqtt;
        let listener = self.config.listeners.get(&*client.listener);
        if listener.is_none() && client.certificate.is_none() {
            return true;
        }
        let field = |own: fn(&Listener) -> Option<CertificateField>, of_all| {
            listener.and_then(own).unwrap_or(of_all)
        };
        let username = field(|one| one.peer_cert_as_username, mqtt.peer_cert_as_username);
        let client_id = field(|one| one.peer_cert_as_clientid, mqtt.peer_cert_as_clientid);
        let certificate = client.certificate.as_deref();
        let name = |field: CertificateField| match field {
            CertificateField::Disabled => Some(None),
            field => field.of(certificate?).map(Some),
        };
        let (Some(username), Some(client_id)) = (name(username), name(client_id)) else {
            return false;
        };
        if username.is_some() {
            client.username = username;
        }
        client.client_id = client_id.unwrap_or_else(|| client.client_id.clone());
        true
    }

    async fn admission(&self, client: &ClientInfo, password: Option<&[u8]>) -> (Admission, Grant) {
        let chain = self.policy.at(&client.listener);
        if chain.is_empty() {
            let anonymous = chain.is_anonymous;
            let grant = Grant {
                anonymous,
                ..Grant::default()
            };
            return (
                Admission::without_asking(AdmissionGround::NobodyAsked),
                grant,
            );
        }
        let (client_id, version, peer) = (&*client.client_id, client.version, client.peer);
        let request = ConnectRequest {
            username: client.username.as_deref(),
            password,
            certificate: client.certificate.as_deref(),
            ..ConnectRequest::new(client_id, version, peer, &client.listener)
        };
        let asked = Asked::of(&request);
        let patience = self.policy.patience;
        let heard = chain.ask_each(&self.desk, &asked, patience).await;
        Admission::of(heard, &request, chain.allow_anonymous)
    }

    async fn right(&self, question: &AccessQuestion<'_>, client: &ClientInfo) -> Explanation {
        if client.superuser {
            return Explanation::new(true, Ground::Superuser);
        }
        let subject = Subject {
            address: question.address,
            listener: question.listener,
            ..client.subject()
        };
        let own = client.rules.as_deref();
        let action = &question.action;
        self.authorizer.explain(&subject, own, action).await
    }
}

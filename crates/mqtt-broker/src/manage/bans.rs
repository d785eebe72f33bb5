//! Bans: put, taken away, listed, and kept in a file.

use super::Manager;
use crate::core::bans::{Ban, Banned, Bans, BansFull};
use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file in the data directory.
const FILE: &str = "banned.json";

/// Why a ban is not put or taken away.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BanError {
    /// There are as many as there may be.
    #[error(transparent)]
    Full(#[from] BansFull),
    /// It is in force, and will not survive a restart.
    #[error("in force until the broker is restarted, as it cannot be written to {}: {source}", path.display())]
    NotKept {
        /// The file.
        path: PathBuf,
        /// What the operating system answered.
        source: io::Error,
    },
}

impl Manager {
    /// The bans in force, by whom they are about.
    pub fn bans(&self) -> Vec<Ban> {
        self.core.bans.list(self.clock.now_ms())
    }

    /// Lets somebody in no more, and ends the connections it has; how many these were. A v5 client that connects is
    /// told 0x8A. Kept in the data directory, if there is one.
    ///
    /// # Errors
    /// [`BanError`].
    pub fn ban(&self, ban: Ban) -> Result<usize, BanError> {
        let who = ban.who.clone();
        self.core.bans.put(ban, self.clock.now_ms())?;
        let ended = self.end_banned(&who);
        self.keep_bans()?;
        Ok(ended)
    }

    /// Takes a ban away; `false` when there is none.
    ///
    /// # Errors
    /// [`BanError::NotKept`]: it is gone until the broker is restarted.
    pub fn unban(&self, who: &Banned) -> Result<bool, BanError> {
        let is_gone = self.core.bans.remove(who);
        if is_gone {
            self.keep_bans()?;
        }
        Ok(is_gone)
    }

    fn end_banned(&self, who: &Banned) -> usize {
        let (mut after, mut ended) = (None, 0);
        loop {
            let page = self.clients(after.as_ref(), super::PAGE_MAX);
            for client in page.items.iter().filter(|client| client.is_connected) {
                let info = client.client.as_deref();
                let is_meant = match who {
                    Banned::ClientId(client_id) => client.client_id == *client_id,
                    Banned::Username(username) => {
                        info.is_some_and(|info| info.username.as_ref() == Some(username))
                    }
                    Banned::Network(network) => info.is_some_and(|info| {
                        let address = info.peer.ip().to_canonical();
                        network.contains(&address)
                    }),
                };
                ended += usize::from(is_meant && self.kick(&client.client_id));
            }
            after = page.next;
            if after.is_none() {
                return ended;
            }
        }
    }

    fn keep_bans(&self) -> Result<(), BanError> {
        let Some(data_dir) = self.reloader.data_dir() else {
            return Ok(());
        };
        let path = data_dir.join(FILE);
        let bans = self.bans();
        let kept = bans.iter().filter(|ban| !ban.is_automatic);
        let text = kept
            .map(|ban| format!("{}\n", written(ban)))
            .collect::<String>();
        write(&path, &text).map_err(|source| BanError::NotKept { path, source })
    }
}

/// Puts the bans that were kept; what cannot be read is told in the log, and the others are put.
pub(crate) fn load(bans: &Bans, data_dir: &Path, now_ms: u64) {
    let path = data_dir.join(FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => {
            tracing::error!(path = %path.display(), %error, "the bans cannot be read");
            return;
        }
    };
    for (number, line) in (1..).zip(text.lines()) {
        let put = read(line).map(|ban| bans.put(ban, now_ms));
        if !matches!(put, Some(Ok(()))) {
            tracing::error!(path = %path.display(), line = number, "a ban is left out");
        }
    }
}

/// One takes the place of the other at once or not at all.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(new, path)
}

fn written(ban: &Ban) -> Value {
    let (kind, who) = match &ban.who {
        Banned::ClientId(client_id) => ("client_id", client_id.to_string()),
        Banned::Username(username) => ("username", username.to_string()),
        Banned::Network(network) => ("network", network.to_string()),
    };
    json!({ "kind": kind, "who": who, "reason": ban.reason, "at_ms": ban.at_ms, "until_ms": ban.until_ms })
}

fn read(line: &str) -> Option<Ban> {
    let ban: Value = serde_json::from_str(line).ok()?;
    let text = |key: &str| ban.get(key)?.as_str();
    let who = match (text("kind")?, text("who")?) {
        ("client_id", client_id) => Banned::ClientId(client_id.into()),
        ("username", username) => Banned::Username(username.into()),
        ("network", network) => Banned::Network(network.parse().ok()?),
        _ => return None,
    };
    Some(Ban {
        reason: text("reason")?.into(),
        until_ms: ban.get("until_ms")?.as_u64(),
        ..Ban::new(who, ban.get("at_ms")?.as_u64()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::flapping::FlappingSettings;

    #[test]
    fn bans_survive_a_restart_and_a_bad_line_takes_no_other_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let until = |who: Banned, until_ms| Ban {
            reason: "spam \"x\"".into(),
            until_ms,
            ..Ban::new(who, 5)
        };
        let kept = [
            until(Banned::ClientId("c".into()), Some(1_000)),
            until(Banned::Username("ü".into()), None),
            until(Banned::Network("10.0.0.0/8".parse().unwrap()), None),
        ];
        let mut text = "garbage\n{\"kind\":\"planet\",\"who\":\"x\"}\n".to_owned();
        text.extend(kept.iter().map(|ban| format!("{}\n", written(ban))));
        write(&dir.path().join(FILE), &text).unwrap();
        let bans = Bans::new(FlappingSettings::OFF);
        load(&bans, dir.path(), 10);
        assert_eq!(bans.list(10), kept);
        assert_eq!(bans.list(1_000).len(), 2, "what is over is gone");
    }
}

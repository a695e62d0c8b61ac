//! Which versions a server speaks.

use std::net::SocketAddr;

use tokio::time::Instant;

use super::legacy::ask;
use super::shake::Shaken;
use super::version::Version;

/// Which versions a server speaks, as far as it told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Versions([Option<bool>; Version::TLS.len()]);

impl Versions {
    /// Whether the server speaks `version`; `None` if that is not known.
    pub fn get(&self, version: Version) -> Option<bool> {
        let at = Version::TLS.iter().position(|one| *one == version)?;
        self.0.get(at).copied().flatten()
    }

    /// Notes whether the server speaks `version`; SSL 3.0 is not noted.
    pub fn set(&mut self, version: Version, speaks: bool) {
        for (one, known) in Version::TLS.iter().zip(&mut self.0) {
            if *one == version {
                *known = Some(speaks);
            }
        }
    }

    /// The versions that it does speak, the latest first.
    pub fn spoken(&self) -> impl Iterator<Item = Version> {
        Version::TLS.into_iter().filter(|version| self.get(*version) == Some(true))
    }
}

/// Asks the server at `address` for the versions about which `known` says nothing, each over a
/// connection of its own, one after the other, until `until`.
///
/// It speaks a version if it answers a hello that goes up to it with a hello of that version; it
/// does not if it answers with another or says that there is none in common.
/// What hangs up or says nothing has not told.
pub async fn versions(
    address: SocketAddr,
    server_name: Option<&str>,
    mut known: Versions,
    until: Instant,
) -> Versions {
    for (at, version) in Version::TLS.into_iter().enumerate() {
        let now = Instant::now();
        if now >= until {
            break;
        }
        if known.get(version).is_some() {
            continue;
        }
        // Who doesn't answer one may still answer the others.
        let left = u32::try_from(Version::TLS.len() - at).unwrap_or(1);
        let share = now + until.saturating_duration_since(now) / left;
        let Shaken::Facts(facts) = ask(address, server_name, version, share).await else {
            continue;
        };
        match (facts.version, facts.alert) {
            (Some(chosen), _) => {
                known.set(version, false);
                known.set(chosen, true);
            }
            (None, Some(alert)) if alert.refuses_version() => known.set(version, false),
            _ => {}
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_told_is_not_known() {
        let mut versions = Versions::default();
        versions.set(Version::Tls12, true);
        versions.set(Version::Tls10, false);
        versions.set(Version::Ssl30, true);
        let known = Version::TLS.map(|version| versions.get(version));
        assert_eq!(known, [None, Some(true), None, Some(false)]);
        assert_eq!(versions.get(Version::Ssl30), None);
        assert!(versions.spoken().eq([Version::Tls12]));
    }
}

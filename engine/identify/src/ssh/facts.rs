//! What an SSH server told.

use super::fault::Fault;
use super::host_key::HostKey;
use super::identification::Identification;
use super::kex_init::KexInit;
use super::weak::Weakness;

/// What an SSH server told, as far as it told it.
///
/// What is not here is not known: [`SshFacts::stopped`], [`AuthMethods::Unknown`] and
/// [`SshFacts::host_keys_unknown`] say why.
/// Nothing has been escaped, and nothing has been proved: the server's signatures are not looked
/// at, so whoever sits between may have told all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SshFacts {
    /// Version, software and comments (RFC 4253 §4.2).
    pub identification: Option<Identification>,
    /// The algorithms that it offers (RFC 4253 §7.1).
    pub offer: Option<KexInit>,
    /// Its host keys, at most one a type, at most [`super::HOST_KEYS_MAX`], in the order of its
    /// offer.
    pub host_keys: Vec<HostKey>,
    /// Types of host key that it offers and whose keys it did not tell.
    pub host_keys_unknown: Vec<UnknownKey>,
    /// How users may prove who they are.
    pub auth_methods: AuthMethods,
    /// What is weak in all that, the protocol's version first.
    pub weaknesses: Vec<Weakness>,
    /// Whether sessions can be cut at their beginning (CVE-2023-48795, see
    /// [`super::weak::terrapin`]); `None` without an offer.
    pub terrapin: Option<bool>,
    /// Why there is no offer, or no identification either.
    pub stopped: Option<Fault>,
}

impl SshFacts {
    pub(super) const fn new() -> Self {
        Self {
            identification: None,
            offer: None,
            host_keys: Vec::new(),
            host_keys_unknown: Vec::new(),
            auth_methods: AuthMethods::Unknown(Fault::NotAsked),
            weaknesses: Vec::new(),
            terrapin: None,
            stopped: None,
        }
    }
}

/// A host key that was not told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownKey {
    /// The algorithm that was asked for.
    pub algorithm: String,
    /// Why it was not told.
    pub why: Fault,
}

/// How users may prove who they are (RFC 4252 §5).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthMethods {
    /// The methods that the server lets the user `root` go on with, in its order; `none` alone if
    /// it let in who proved nothing.
    Told(Vec<String>),
    /// It could not be told, which says nothing about any method.
    Unknown(Fault),
}

impl AuthMethods {
    /// Whether `method` is among them; `None` if that could not be told.
    pub fn allows(&self, method: &str) -> Option<bool> {
        self.told().map(|methods| methods.iter().any(|told| told == method))
    }

    /// The methods; `None` if they could not be told.
    pub fn told(&self) -> Option<&[String]> {
        match self {
            Self::Told(methods) => Some(methods),
            Self::Unknown(_) => None,
        }
    }
}

//! Audits SSH servers: what they offer, their host keys, how users may come in, and what is weak
//! about it.
//!
//! A server tells its algorithms and its host keys before anything is encrypted, so a few octets
//! each are enough.
//! How users may come in is told only in a session; for that alone the least of a client is here,
//! on the primitives of `ring`: it offers no password and no key, proves nothing, checks no
//! signature and keeps no secret.
//!
//! To read: [`facts`], what comes of it; [`weak`], what is called weak and by whom; then the
//! parsers, in the order in which a server speaks: [`identification`], [`packet`], [`kex_init`],
//! [`kex_reply`], [`host_key`], [`userauth`].

/// AES in counter mode.
mod aes;
/// Asks how users may come in.
mod auth;
/// One algorithm of each kind.
mod choice;
/// Packets with keys.
mod cipher;
/// One connection.
mod conversation;
/// One key exchange.
mod exchange;
/// What an SSH server told.
pub mod facts;
/// Why something could not be told.
pub mod fault;
/// Groups that have a number.
mod groups;
/// A server's public key.
pub mod host_key;
/// The line with which a server says who it is.
pub mod identification;
/// What a server offers.
pub mod kex_init;
/// What a server answers in a key exchange.
pub mod kex_reply;
/// Arithmetic modulo a prime.
mod modulus;
/// Packets before there are keys.
pub mod packet;
/// What a server says about users.
pub mod userauth;
/// What is weak, and who says so.
pub mod weak;
/// Data types of the protocol.
mod wire;

pub use facts::{AuthMethods, SshFacts, UnknownKey};
pub use fault::Fault;
pub use host_key::HostKey;
pub use identification::Identification;
pub use kex_init::{Directed, KexInit};
pub use weak::{Kind, Severity, Weakness};

use std::net::SocketAddr;

use tokio::time::Instant;

use choice::Choice;
use conversation::{Budget, CLIENT_LINE, Conversation};
use exchange::{Before, Exchange, Secret};
use userauth::Answer;

/// Most host keys that a server is asked for, a connection each but for the first.
pub const HOST_KEYS_MAX: usize = 6;

/// Asks the server at `addr`, until then at most, and reads at most `octets_max` octets of it over
/// all connections.
///
/// Makes at most [`HOST_KEYS_MAX`] connections, one after the other.
/// The first one goes on to ask how the user `root` may come in; the server may log that as one
/// failed attempt and counts the others as connections that ended before any: an OpenSSH of 9.8 or
/// later turns away an address that does so several times within seconds (`PerSourcePenalties`).
///
/// Never fails: what could not be told is missing, with the reason.
pub async fn audit(addr: SocketAddr, until: Instant, octets_max: usize) -> SshFacts {
    let mut budget = Budget { until, octets: octets_max };
    let mut facts = SshFacts::new();
    match Box::pin(first(addr, &mut budget, &mut facts)).await {
        Ok(algorithms) => {
            for algorithm in algorithms.into_iter().skip(1) {
                let key = Box::pin(other_key(addr, &mut budget, &algorithm)).await;
                keep(&mut facts, algorithm, key);
            }
        }
        Err(fault) => facts.stopped = Some(fault),
    }
    judge(&mut facts);
    facts
}

/// The first conversation: who is there, what it offers, its first host key, its methods.
///
/// Returns the host keys' algorithms that the server is to be asked for, this one included.
async fn first(
    addr: SocketAddr,
    budget: &mut Budget,
    facts: &mut SshFacts,
) -> Result<Vec<String>, Fault> {
    let mut conversation = Conversation::open(addr, budget).await?;
    let identification = conversation.identification().await?;
    let speaks_2 = identification.speaks_2();
    let line = identification.line.clone();
    facts.identification = Some(identification);
    if !speaks_2 {
        return Err(Fault::Version1);
    }
    let server_init = conversation.receive().await?;
    let offer = kex_init::parse(&server_init)?;
    let algorithms = host_key_algorithms(&offer.host_key);
    let greeting = Greeting { line, server_init, offer };
    facts.offer = Some(greeting.offer.clone());
    let Some(algorithm) = algorithms.first() else {
        facts.auth_methods = AuthMethods::Unknown(Fault::NoCommon(Kind::HostKey));
        return Ok(algorithms);
    };
    let told = exchange_keys(&mut conversation, &greeting, algorithm).await;
    let (key, session) = match told {
        Ok(Told { key, session }) => (key, session),
        Err(fault) => (Err(fault.clone()), Err(fault)),
    };
    keep(facts, algorithm.clone(), key);
    let answer = match session {
        Ok((secret, suites)) => auth::methods(&mut conversation, &secret, suites).await,
        Err(fault) => Err(fault),
    };
    facts.auth_methods = match answer {
        Ok(Answer::MayContinue(methods)) => AuthMethods::Told(methods),
        Ok(Answer::LetIn) => AuthMethods::Told(vec!["none".to_owned()]),
        Ok(Answer::Pending) => AuthMethods::Unknown(Fault::NotAsked),
        Err(fault) => AuthMethods::Unknown(fault),
    };
    Ok(algorithms)
}

/// What a server has said before a key exchange.
struct Greeting {
    line: Vec<u8>,
    server_init: Vec<u8>,
    offer: KexInit,
}

/// What a key exchange told.
struct Told {
    key: Result<HostKey, Fault>,
    /// What a session can be made of, unless something is not spoken here.
    session: Result<(Secret, [choice::Suite; 2]), Fault>,
}

async fn other_key(
    addr: SocketAddr,
    budget: &mut Budget,
    algorithm: &str,
) -> Result<HostKey, Fault> {
    let mut conversation = Conversation::open(addr, budget).await?;
    let line = conversation.identification().await?.line;
    let server_init = conversation.receive().await?;
    let offer = kex_init::parse(&server_init)?;
    exchange_keys(&mut conversation, &Greeting { line, server_init, offer }, algorithm).await?.key
}

/// Exchanges keys so far that the server tells its host key.
async fn exchange_keys(
    conversation: &mut Conversation<'_>,
    greeting: &Greeting,
    algorithm: &str,
) -> Result<Told, Fault> {
    let choice = Choice::new(&greeting.offer, algorithm)?;
    let mut cookie = [0; 16];
    getrandom::fill(&mut cookie).map_err(|_| Fault::Random)?;
    let client_init = choice.message(cookie);
    conversation.send(&client_init).await?;
    let (mut exchange, message) = Exchange::begin(choice.method)?;
    conversation.send(&message).await?;
    if exchange.awaits_group() {
        let message = exchange.take_group(&conversation.receive().await?)?;
        conversation.send(&message).await?;
    }
    let payload = conversation.receive().await?;
    let reply = kex_reply::parse(&payload, exchange.reply_number())?;
    let key = host_key::parse(reply.host_key);
    let before = Before {
        client_line: CLIENT_LINE.as_bytes(),
        server_line: &greeting.line,
        client_init: &client_init,
        server_init: &greeting.server_init,
    };
    // Worth computing only if a session can come of it.
    let session = choice
        .suites
        .and_then(|suites| exchange.finish(&before, &reply).map(|secret| (secret, suites)));
    Ok(Told { key, session })
}

/// The first algorithm of each type of key, in the server's order; certificates
/// (OpenSSH's PROTOCOL.certkeys, RFC 6187) vouch for keys that are offered beside them.
fn host_key_algorithms(offered: &[String]) -> Vec<String> {
    let mut types = Vec::new();
    let mut algorithms = Vec::new();
    for name in offered {
        let kind = match name.as_str() {
            "rsa-sha2-256" | "rsa-sha2-512" | "ssh-rsa" => "ssh-rsa",
            other if other.contains("-cert-v0") || other.starts_with("x509v3-") => continue,
            other => other,
        };
        if !types.contains(&kind) && types.len() < HOST_KEYS_MAX {
            types.push(kind);
            algorithms.push(name.clone());
        }
    }
    algorithms
}

fn keep(facts: &mut SshFacts, algorithm: String, key: Result<HostKey, Fault>) {
    match key {
        Ok(key) if facts.host_keys.contains(&key) => {}
        Ok(key) => facts.host_keys.push(key),
        Err(why) => facts.host_keys_unknown.push(UnknownKey { algorithm, why }),
    }
}

fn judge(facts: &mut SshFacts) {
    facts.weaknesses.extend(facts.identification.as_ref().and_then(weak::version));
    if let Some(offer) = &facts.offer {
        facts.weaknesses.extend(weak::algorithms(offer));
        facts.terrapin = Some(weak::terrapin(offer));
    }
    facts.weaknesses.extend(facts.host_keys.iter().filter_map(weak::host_key));
    if facts.auth_methods.allows("none") == Some(true) {
        facts.weaknesses.push(weak::let_in());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_of_key_is_asked_for_once() {
        let offered = [
            "ssh-ed25519-cert-v01@openssh.com",
            "x509v3-ssh-rsa",
            "rsa-sha2-512",
            "rsa-sha2-256",
            "ssh-rsa",
            "ssh-ed25519",
            "ssh-ed25519",
            "a",
            "b",
            "c",
            "d",
            "e",
        ];
        let offered: Vec<String> = offered.map(str::to_owned).to_vec();
        let algorithms = host_key_algorithms(&offered);
        assert_eq!(algorithms, ["rsa-sha2-512", "ssh-ed25519", "a", "b", "c", "d"]);
    }

    #[test]
    fn what_could_not_be_told_is_neither_on_nor_off() {
        let unknown = AuthMethods::Unknown(Fault::Time);
        assert_eq!((unknown.allows("password"), unknown.told()), (None, None));
        let told = AuthMethods::Told(vec!["publickey".to_owned()]);
        assert_eq!(told.allows("password"), Some(false));
        assert_eq!(told.allows("publickey"), Some(true));
    }
}

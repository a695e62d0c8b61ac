//! Asks how users may prove who they are, in a session that is encrypted and proves nothing.

use super::choice::Suite;
use super::cipher::{Channel, Way};
use super::conversation::Conversation;
use super::exchange::Secret;
use super::fault::Fault;
use super::userauth::{Answer, EXT_INFO, SERVICE_ACCEPT, none_request, parse, service_request};

/// `SSH_MSG_NEWKEYS` (RFC 4250 §4.1.2).
const NEWKEYS: u8 = 21;
/// Who is asked about.
const USER: &str = "root";

/// The methods for the user `root`, asked for once with the method `none`; no password, no key is
/// ever offered.
pub(super) async fn methods(
    conversation: &mut Conversation<'_>,
    secret: &Secret,
    suites: [Suite; 2],
) -> Result<Answer, Fault> {
    conversation.send(&[NEWKEYS]).await?;
    match conversation.receive().await?.first() {
        Some(&NEWKEYS) => {}
        Some(number) => return Err(Fault::OutOfTurn(*number)),
        None => return Err(Fault::Malformed("NEWKEYS")),
    }
    let [sent, received] = conversation.packets();
    let [to_server, to_client] = suites;
    let channel = |way, (cipher, mac): Suite, sequence| {
        Channel::new(secret, way, cipher, mac, sequence).ok_or(Fault::NotAsked)
    };
    let to_server = channel(Way::ToServer, to_server, sent)?;
    let to_client = channel(Way::ToClient, to_client, received)?;
    conversation.use_keys([to_server, to_client]);
    conversation.send(&service_request()).await?;
    loop {
        match conversation.receive().await?.first() {
            Some(&SERVICE_ACCEPT) => break,
            Some(&EXT_INFO) => {}
            Some(number) => return Err(Fault::OutOfTurn(*number)),
            None => return Err(Fault::Malformed("SERVICE_ACCEPT")),
        }
    }
    conversation.send(&none_request(USER)).await?;
    loop {
        match parse(&conversation.receive().await?)? {
            Answer::Pending => {}
            answer => return Ok(answer),
        }
    }
}

//! What a server says about how users may prove who they are (RFC 4252).

use super::fault::{Fault, TEXT_LEN_MAX};
use super::wire::{Reader, put_string, text};

pub(super) const DISCONNECT: u8 = 1;
pub(super) const IGNORE: u8 = 2;
pub(super) const UNIMPLEMENTED: u8 = 3;
pub(super) const DEBUG: u8 = 4;
const SERVICE_REQUEST: u8 = 5;
pub(super) const SERVICE_ACCEPT: u8 = 6;
/// RFC 8308 §2.3.
pub(super) const EXT_INFO: u8 = 7;
const REQUEST: u8 = 50;
const FAILURE: u8 = 51;
const SUCCESS: u8 = 52;
const BANNER: u8 = 53;

/// A server's answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// Refused; these methods may go on, in the server's order (RFC 4252 §5.1).
    MayContinue(Vec<String>),
    /// Let in, without any proof.
    LetIn,
    /// Text for people, or something else that answers nothing: the answer is yet to come.
    Pending,
}

/// Asks for the service that asks for proofs (RFC 4253 §10).
pub(super) fn service_request() -> Vec<u8> {
    let mut payload = vec![SERVICE_REQUEST];
    put_string(&mut payload, b"ssh-userauth");
    payload
}

/// The request that offers no proof, to be told which are asked for (RFC 4252 §5.2).
pub(super) fn none_request(user: &str) -> Vec<u8> {
    let mut payload = vec![REQUEST];
    for part in [user, "ssh-connection", "none"] {
        put_string(&mut payload, part.as_bytes());
    }
    payload
}

/// Reads what comes after such a request.
///
/// # Errors
/// [`Fault::OutOfTurn`] if it is another message, [`Fault::Malformed`] if it is cut short.
pub fn parse(payload: &[u8]) -> Result<Answer, Fault> {
    let mut reader = Reader::new(payload);
    match reader.octet() {
        Some(FAILURE) => {
            // Behind it: whether a part of several proofs has been given, which none has.
            let names = reader.names().filter(|_| reader.octet().is_some());
            names.map(Answer::MayContinue).ok_or(Fault::Malformed("the list of methods"))
        }
        Some(SUCCESS) => Ok(Answer::LetIn),
        Some(BANNER | EXT_INFO) => Ok(Answer::Pending),
        Some(number) => Err(Fault::OutOfTurn(number)),
        None => Err(Fault::Malformed("the list of methods")),
    }
}

/// Reads `SSH_MSG_DISCONNECT`, cut short or not.
pub(super) fn disconnected(payload: &[u8]) -> Fault {
    let mut reader = Reader::new(payload.get(1..).unwrap_or_default());
    let code = reader.uint32().unwrap_or(0);
    Fault::Disconnected { code, text: text(reader.string().unwrap_or_default(), TEXT_LEN_MAX) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let mut payload = vec![FAILURE];
        put_string(&mut payload, b"publickey,password");
        assert_eq!(parse(&payload), Err(Fault::Malformed("the list of methods")), "no boolean");
        payload.push(0);
        let methods = ["publickey", "password"].map(str::to_owned).to_vec();
        assert_eq!(parse(&payload), Ok(Answer::MayContinue(methods)));
        assert_eq!(parse(&[FAILURE, 0, 0, 0, 0, 0]), Ok(Answer::MayContinue(Vec::new())));
        assert_eq!(parse(&[SUCCESS]), Ok(Answer::LetIn));
        assert_eq!(parse(&[BANNER]), Ok(Answer::Pending));
        assert_eq!(parse(&[30]), Err(Fault::OutOfTurn(30)));
        assert_eq!(parse(&[]), Err(Fault::Malformed("the list of methods")));
    }

    #[test]
    fn a_farewell_is_kept_in_part() {
        let mut payload = vec![DISCONNECT, 0, 0, 0, 2];
        put_string(&mut payload, "x".repeat(1000).as_bytes());
        let text = "x".repeat(TEXT_LEN_MAX);
        assert_eq!(disconnected(&payload), Fault::Disconnected { code: 2, text });
        let nothing = Fault::Disconnected { code: 0, text: String::new() };
        assert_eq!(disconnected(&[]), nothing);
    }

    proptest! {
        #[test]
        fn any_octets(data in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = parse(&data);
            let _ = disconnected(&data);
        }
    }
}

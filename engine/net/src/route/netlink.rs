//! Questions to the kernel's routing tables, netlink(7).

use std::io;

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// The kernel could not be asked, or its answer not be read.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// The answer is not netlink as we know it.
    #[error("the kernel's answer about {about} can't be read: {detail}")]
    Decode {
        /// What was asked about.
        about: &'static str,
        /// Where decoding failed.
        detail: String,
    },
    /// The kernel refused the question.
    #[error("the kernel refused to tell about {about}")]
    Refused {
        /// What was asked about.
        about: &'static str,
        /// Its reason.
        #[source]
        source: io::Error,
    },
    /// The socket failed.
    #[error("netlink socket failed")]
    Socket(#[source] io::Error),
}

/// A socket to `NETLINK_ROUTE`; one question at a time.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    /// Opens it; needs no privilege.
    pub(crate) fn open() -> Result<Self, NetlinkError> {
        let mut socket = Socket::new(NETLINK_ROUTE).map_err(NetlinkError::Socket)?;
        socket.bind_auto().map_err(NetlinkError::Socket)?;
        socket.connect(&SocketAddr::new(0, 0)).map_err(NetlinkError::Socket)?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Every object of the kind that `question` names.
    pub(crate) fn dump(
        &mut self,
        about: &'static str,
        question: RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, NetlinkError> {
        self.ask(about, question, NLM_F_REQUEST | NLM_F_DUMP)
    }

    /// The one answer to `question`.
    pub(crate) fn get(
        &mut self,
        about: &'static str,
        question: RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, NetlinkError> {
        self.ask(about, question, NLM_F_REQUEST)
    }

    fn ask(
        &mut self,
        about: &'static str,
        question: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<Vec<RouteNetlinkMessage>, NetlinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(question));
        message.finalize();
        let mut octets = vec![0; message.buffer_len()];
        message.serialize(&mut octets);
        self.socket.send(&octets, 0).map_err(NetlinkError::Socket)?;
        let mut answers = Vec::new();
        loop {
            let (octets, _) = self.socket.recv_from_full().map_err(NetlinkError::Socket)?;
            if read(about, &octets, (self.sequence, flags), &mut answers)? {
                return Ok(answers);
            }
        }
    }
}

/// Adds the messages of one datagram that answer the question of number `sequence` to
/// `answers`; whether that was the last.
pub(super) fn read(
    about: &'static str,
    octets: &[u8],
    (sequence, flags): (u32, u16),
    answers: &mut Vec<RouteNetlinkMessage>,
) -> Result<bool, NetlinkError> {
    let decode = |detail: String| NetlinkError::Decode { about, detail };
    let mut rest = octets;
    while !rest.is_empty() {
        let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
            .map_err(|e| decode(e.to_string()))?;
        let len = usize::try_from(message.header.length).unwrap_or(usize::MAX);
        rest = rest.get(len.next_multiple_of(4).max(16)..).unwrap_or_default();
        if message.header.sequence_number != sequence {
            continue;
        }
        match message.payload {
            NetlinkPayload::Done(_) => return Ok(true),
            NetlinkPayload::Error(error) => {
                let source = error.to_io();
                return match error.code {
                    None => Ok(true),
                    Some(_) => Err(NetlinkError::Refused { about, source }),
                };
            }
            NetlinkPayload::InnerMessage(inner) => answers.push(inner),
            _ => {}
        }
    }
    Ok(flags & NLM_F_DUMP == 0)
}

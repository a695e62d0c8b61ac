//! Conversations with servers of loopback that say what they are told to.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use portolan_core::Endpoint;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::*;

/// Answers each datagram with what `answer` makes of it; `None` is silence.
struct Server {
    addr: SocketAddr,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn start(answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> Self {
        Self::start_with(answer, false).await
    }

    /// Where `roams`, answers come from a fresh port.
    async fn start_with(
        answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static,
        roams: bool,
    ) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = socket.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            let mut buffer = [0; 2_048];
            while let Ok((len, from)) = socket.recv_from(&mut buffer).await {
                noted.lock().unwrap().push(buffer[..len].to_vec());
                let Some(reply) = answer(&buffer[..len]) else { continue };
                if roams {
                    let fresh = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
                    fresh.send_to(&reply, from).await.unwrap();
                } else {
                    socket.send_to(&reply, from).await.unwrap();
                }
            }
        });
        Self { addr, heard, task }
    }

    fn target(&self) -> Target {
        Target::new(Endpoint::udp(self.addr.ip(), self.addr.port()))
    }

    async fn identify(&self) -> Identified {
        identify_udp(&self.target(), &Options::default(), Database::embedded()).await
    }

    fn heard(&self) -> usize {
        self.heard.lock().unwrap().len()
    }
}

fn memcached(request: &[u8]) -> Option<Vec<u8>> {
    request.ends_with(b"version\r\n").then(|| [&request[..8], b"VERSION 1.6.18\r\n"].concat())
}

#[tokio::test]
async fn a_service_on_an_unusual_port_is_found_and_asked_no_more() {
    let server = Server::start(memcached).await;
    let told = server.identify().await;
    let service = told.service.unwrap();
    assert_eq!((service.name.as_str(), told.endpoint.port), ("memcached", server.addr.port()));
    assert!(told.banner.unwrap().ends_with(b"VERSION 1.6.18\r\n"));
    assert!(server.heard() < udp_anywhere().len(), "{}", server.heard());
}

#[tokio::test]
async fn what_the_scan_was_answered_is_enough() {
    let server = Server::start(|_| None).await;
    let mut target = server.target();
    target.reply = Some(b"\0\x01\0\0\0\x01\0\0VERSION 1.6.18\r\n".to_vec());
    let told = identify_udp(&target, &Options::default(), Database::embedded()).await;
    assert_eq!(told.service.unwrap().name, "memcached");
    assert_eq!(told.banner, target.reply);
    assert_eq!(server.heard(), 0);
}

#[tokio::test]
async fn an_answer_from_a_fresh_port_is_heard() {
    let answer = |request: &[u8]| {
        request.starts_with(b"\0\x01").then(|| b"\0\x05\0\x01File not found\0".to_vec())
    };
    let server = Server::start_with(answer, true).await;
    assert_eq!(server.identify().await.service.unwrap().name, "tftp");
}

#[tokio::test]
async fn an_unknown_answer_with_our_cookie_names_the_protocol() {
    // What no signature knows, but with the transaction id.
    let answer = |request: &[u8]| {
        let asked = request.len() == 12 && request[..4] == [0; 4];
        asked.then(|| [&[9, 9, 9, 9], &request[4..], &[9; 12]].concat())
    };
    let server = Server::start(answer).await;
    assert_eq!(server.identify().await.service.unwrap().name, "murmur");
}

#[tokio::test]
async fn an_echo_is_an_echo() {
    let server = Server::start(|request| Some(request.to_vec())).await;
    assert_eq!(server.identify().await.service.unwrap().name, "echo");
}

#[tokio::test]
async fn a_challenge_is_answered() {
    let answer = |request: &[u8]| {
        let query = b"\xff\xff\xff\xffTSource Engine Query\0".as_slice();
        if request == query {
            return Some(b"\xff\xff\xff\xffA\x01\x02\x03\x04".to_vec());
        }
        (request == [query, &[1, 2, 3, 4]].concat()).then(|| {
            b"\xff\xff\xff\xffI\x11name\0map\0folder\0Team Fortress\0\
                \xb8\x01\0\x18\0dl\0\x011.0.0.1\0"
                .to_vec()
        })
    };
    let server = Server::start(answer).await;
    let service = server.identify().await.service.unwrap();
    assert_eq!(service.name, "source-query");
    assert_eq!(service.version.as_deref(), Some("1.0.0.1"));
}

#[tokio::test]
async fn what_tells_more_is_asked_too() {
    let answer = |request: &[u8]| match request {
        [0o043, ..] if request.len() == 48 => {
            let mut reply = vec![0; 48];
            reply[..4].copy_from_slice(&[0o044, 2, 6, 0xe9]);
            reply[24..32].copy_from_slice(&request[40..]);
            Some(reply)
        }
        [0x16, 2, a, b, ..] => {
            let head = [0x16, 0x82, *a, *b, 0, 0, 0, 0, 0, 0, 0, 0];
            Some([&head[..], b"version=\"ntpd ntpsec-1.2.2\""].concat())
        }
        _ => None,
    };
    let server = Server::start(answer).await;
    let service = server.identify().await.service.unwrap();
    assert_eq!((service.name.as_str(), service.version.as_deref()), ("ntp", Some("1.2.2")));
}

#[tokio::test]
async fn who_refuses_is_asked_no_more() {
    // Bound to no port any more: the kernel refuses.
    let port =
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port();
    let target = Target::new(Endpoint::udp(Ipv4Addr::LOCALHOST.into(), port));
    let told = identify_udp(&target, &Options::default(), Database::embedded()).await;
    assert_eq!((told.service, told.banner), (None, None));
}

#[tokio::test]
async fn noise_ends_with_the_budget() {
    let server = Server::start(|_| Some(vec![0xee; 1_400])).await;
    let options = Options { endpoint_octets_max: 4_096, ..Options::default() };
    let told = identify_udp(&server.target(), &options, Database::embedded()).await;
    assert_eq!(told.service, None);
    assert_eq!(told.banner.unwrap(), vec![0xee; 1_400]);
    assert!(server.heard() < 10, "{}", server.heard());
}

#[tokio::test]
async fn who_is_silent_has_heard_everything() {
    let server = Server::start(|_| None).await;
    let told = server.identify().await;
    assert_eq!((told.service, told.banner), (None, None));
    assert_eq!(server.heard(), udp_anywhere().len());
}

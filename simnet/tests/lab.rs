//! The lab itself: what it promises to the tests that stand on it.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use portolan_simnet::lab::{
    FAR_MAC, FAR_V4, Lab, NEAR_MAC, RelayOptions, UdpEcho, Verdict, listen_tcp,
};
use portolan_simnet::{lab_root_test, lab_test};

const PATIENCE: Duration = Duration::from_secs(10);

fn connect(addr: &str, port: u16) -> std::io::Result<TcpStream> {
    let addr: IpAddr = addr.parse().map_err(std::io::Error::other)?;
    TcpStream::connect_timeout(&SocketAddr::new(addr, port), PATIENCE)
}

#[test]
fn the_far_side_answers_at_every_address() {
    lab_test!(the_far_side_answers_at_every_address, {
        let lab = Lab::builder().build().unwrap();
        let _listeners = lab.far(|| listen_tcp([8_001, 8_002])).unwrap();
        for addr in ["10.77.0.2", "10.78.1.1", "10.79.255.254", "10.77.200.9", "fd00:77::2"] {
            connect(addr, 8_001).unwrap();
        }
        connect("fd00:78::abcd", 8_002).unwrap();
        let refused = connect("10.78.1.1", 8_003).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn services_speak_from_the_address_that_was_asked() {
    lab_test!(services_speak_from_the_address_that_was_asked, {
        let lab = Lab::builder().build().unwrap();
        for (own, far) in [("10.77.0.1", "10.78.3.4"), ("fd00:77::1", "fd00:78::34")] {
            let far = SocketAddr::new(far.parse().unwrap(), 5_353);
            let _echo = lab.far(|| UdpEcho::start(far)).unwrap();
            let socket = UdpSocket::bind((own.parse::<IpAddr>().unwrap(), 0)).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket.send_to(b"hello", far).unwrap();
            let mut buffer = [0; 16];
            let (len, from) = socket.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..len], from), (&b"hello"[..], far));
        }
    });
}

#[test]
fn hosts_can_be_silent_or_refuse() {
    lab_test!(hosts_can_be_silent_or_refuse, {
        let lab = Lab::builder()
            .silent("10.78.9.0/24".parse().unwrap())
            .rejected("10.78.8.0/24".parse().unwrap())
            .rejected("fd00:78::8:0/112".parse().unwrap())
            .build()
            .unwrap();
        let _listeners = lab.far(|| listen_tcp([8_001])).unwrap();
        connect("10.78.7.1", 8_001).unwrap();
        for addr in ["10.78.8.1", "fd00:78::8:1"] {
            let error = connect(addr, 8_001).unwrap_err();
            let kind = error.kind();
            let rejected = matches!(kind, ErrorKind::HostUnreachable | ErrorKind::PermissionDenied);
            assert!(rejected, "{addr}: {error}");
        }
        let silent = SocketAddr::new("10.78.9.1".parse().unwrap(), 8_001);
        let error = TcpStream::connect_timeout(&silent, Duration::from_millis(200)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn the_capture_sees_every_frame_that_arrives() {
    lab_test!(the_capture_sees_every_frame_that_arrives, {
        let lab = Lab::builder().build().unwrap();
        let socket = UdpSocket::bind("10.77.0.1:0").unwrap();
        let capture = lab.capture().unwrap();
        for i in 0..1_000_u32 {
            socket.send_to(&i.to_be_bytes(), "10.78.0.5:9").unwrap();
        }
        let captured = capture.stop().unwrap();
        assert_eq!(captured.lost, 0);
        let seen: Vec<u32> = captured
            .frames
            .iter()
            .filter(|frame| frame[..6] == FAR_MAC && frame[6..12] == NEAR_MAC)
            .filter(|frame| frame[12..14] == [8, 0] && frame[23] == 17)
            .map(|frame| u32::from_be_bytes(frame[42..46].try_into().unwrap()))
            .collect();
        assert_eq!(seen, (0..1_000).collect::<Vec<_>>());
    });
}

#[test]
fn the_relay_loses_what_it_was_told_to_lose() {
    lab_test!(the_relay_loses_what_it_was_told_to_lose, {
        let lab = Lab::builder().relay(RelayOptions::lossy(0.1, 42)).build().unwrap();
        let far: SocketAddr = "10.78.0.5:7007".parse().unwrap();
        let socket = UdpSocket::bind("10.77.0.1:0").unwrap();
        let capture = lab.capture().unwrap();
        for i in 0..5_000_u32 {
            socket.send_to(&i.to_be_bytes(), far).unwrap();
        }
        // TCP gets through all the same, and its handshake comes after the datagrams.
        let listeners = lab.far(|| listen_tcp([8_001])).unwrap();
        let mut stream = connect("10.78.0.5", 8_001).unwrap();
        let (mut accepted, _) = listeners[0].accept().unwrap();
        stream.write_all(&vec![7; 100_000]).unwrap();
        drop(stream);
        let mut received = Vec::new();
        accepted.read_to_end(&mut received).unwrap();
        assert_eq!(received.len(), 100_000);
        let captured = capture.stop().unwrap();
        let arrived = captured.frames.iter().filter(|f| f[12..14] == [8, 0] && f[23] == 17).count();
        assert!((4_350..=4_650).contains(&arrived), "{arrived} of 5000, seed 42");
    });
}

#[test]
fn the_relay_delays_both_ways() {
    lab_test!(the_relay_delays_both_ways, {
        let delay = Duration::from_millis(20);
        let options = RelayOptions::lossy(0.0, 1).delayed(delay);
        let lab = Lab::builder().relay(options).build().unwrap();
        let _listeners = lab.far(|| listen_tcp([8_001])).unwrap();
        let started = std::time::Instant::now();
        connect("10.78.0.5", 8_001).unwrap();
        assert!(started.elapsed() >= delay * 2);
        connect("fd00:78::5", 8_001).unwrap();
    });
}

#[test]
fn an_xdp_verdict_decides_before_the_stack() {
    lab_root_test!(an_xdp_verdict_decides_before_the_stack, {
        let lab = Lab::builder().build().unwrap();
        let _listeners = lab.far(|| listen_tcp([8_080])).unwrap();
        let connect =
            |port| TcpStream::connect_timeout(&(FAR_V4, port).into(), Duration::from_millis(300));
        lab.far_verdict(Verdict::Pass).unwrap();
        connect(8_080).unwrap();
        lab.far_verdict(Verdict::Drop).unwrap();
        assert_eq!(connect(8_080).unwrap_err().kind(), ErrorKind::TimedOut);
    });
}

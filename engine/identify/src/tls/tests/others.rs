//! Servers with which no session comes about.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{facts, later, listen, shaken, soon};
use crate::tls::flight::tests::{message, record};
use crate::tls::server_hello::tests::hello_of;
use crate::tls::{
    Alert, HANDSHAKE_LEN_MAX, Shaken, Version, Versions, legacy, legacy_over, versions,
};

/// Reads what a client says first.
async fn read_hello(stream: &mut TcpStream) {
    let mut buffer = [0; 2_048];
    let len = stream.read(&mut buffer).await.unwrap();
    assert!(buffer[..len].starts_with(&[22, 3, 1]), "{:x?}", &buffer[..len]);
}

/// Waits until the client hangs up.
async fn wait_for_end(stream: &mut TcpStream) {
    let mut buffer = [0; 2_048];
    while stream.read(&mut buffer).await.is_ok_and(|len| len > 0) {}
}

#[tokio::test]
async fn plain_text_is_handed_on() {
    let address = listen(|mut stream| async move {
        stream.write_all(b"220 mail.example ready\r\n").await.unwrap();
        wait_for_end(&mut stream).await;
    })
    .await;
    for told in [shaken(address, later()).await, legacy(address, None, later()).await] {
        assert!(matches!(&told, Shaken::Other(said) if said.starts_with(b"220 mail.example")));
    }

    let address = listen(|mut stream| async move {
        read_hello(&mut stream).await;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n").await.unwrap();
        stream.flush().await.unwrap();
        tokio::task::yield_now().await;
        stream.write_all(b"Server: x\r\n\r\n").await.unwrap();
    })
    .await;
    for told in [shaken(address, later()).await, legacy(address, None, later()).await] {
        let Shaken::Other(said) = told else { panic!("{told:?}") };
        assert_eq!(said, b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n");
    }
}

#[tokio::test]
async fn a_word_is_enough_to_know_that_it_is_not_tls() {
    let address = listen(|mut stream| async move {
        read_hello(&mut stream).await;
        stream.write_all(b"?").await.unwrap();
        wait_for_end(&mut stream).await;
    })
    .await;
    let told = shaken(address, later()).await;
    assert!(matches!(&told, Shaken::Other(said) if said == b"?"), "{told:?}");
}

#[tokio::test]
async fn silence_is_silence_and_hanging_up_is_not() {
    let address = listen(|mut stream| async move { wait_for_end(&mut stream).await }).await;
    assert!(matches!(shaken(address, soon()).await, Shaken::Silent));
    assert!(matches!(legacy(address, None, soon()).await, Shaken::Silent));
    let asked = versions(address, None, Versions::default(), soon()).await;
    assert_eq!(asked, Versions::default(), "who says nothing has not said no");

    let address = listen(|mut stream| async move { read_hello(&mut stream).await }).await;
    assert!(matches!(shaken(address, later()).await, Shaken::Closed));
    assert!(matches!(legacy(address, None, later()).await, Shaken::Closed));
    let asked = versions(address, None, Versions::default(), later()).await;
    assert_eq!(asked, Versions::default());

    // Nobody listens where somebody did.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert!(matches!(legacy(address, None, later()).await, Shaken::Closed));
}

#[tokio::test]
async fn a_refusal_is_known_by_its_alert() {
    let address = listen(|mut stream| async move {
        read_hello(&mut stream).await;
        stream.write_all(&record(21, &[2, 40])).await.unwrap();
        wait_for_end(&mut stream).await;
    })
    .await;
    for told in [shaken(address, later()).await, legacy(address, None, later()).await] {
        let told = facts(told);
        assert_eq!((told.alert, told.version), (Some(Alert(40)), None));
    }
    let asked = versions(address, None, Versions::default(), later()).await;
    assert!(Version::TLS.into_iter().all(|version| asked.get(version) == Some(false)));
}

#[tokio::test]
async fn an_old_flight_is_read_although_no_session_comes_of_it() {
    let key = rcgen::generate_simple_self_signed(["old.example".to_owned()]).unwrap();
    let flight = [
        message(2, &hello_of(0x0301, 0x002f, &[(0xff01, &[0])])),
        message(11, &message(0, &message(0, key.cert.der())[1..])[1..]),
        message(14, &[]),
    ];
    let address = listen(move |mut stream| {
        let flight = flight.clone();
        async move {
            read_hello(&mut stream).await;
            for part in flight {
                stream.write_all(&record(22, &part)).await.unwrap();
                tokio::task::yield_now().await;
            }
            wait_for_end(&mut stream).await;
        }
    })
    .await;
    for told in [shaken(address, later()).await, legacy(address, None, later()).await] {
        let told = facts(told);
        assert_eq!(told.version, Some(Version::Tls10));
        assert_eq!(told.certificate().unwrap().names, ["old.example"]);
    }
}

#[tokio::test]
async fn endless_handshakes_end() {
    // A certificate message of 16 MiB after a hello, and warnings before one.
    let hello = record(22, &message(2, &hello_of(0x0303, 0xc02f, &[(23, &[])])));
    let certificate = [hello, record(22, &[11, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])].concat();
    for (first, then) in [
        (certificate, record(22, &[0; 1_000])),
        (Vec::new(), record(21, &[1, 112])),
        (Vec::new(), record(22, &message(0, &[]))),
        (Vec::new(), record(22, &[])),
    ] {
        let address = listen(move |mut stream| {
            let (first, then) = (first.clone(), then.clone());
            async move {
                read_hello(&mut stream).await;
                let mut written = stream.write_all(&first).await;
                while written.is_ok() {
                    written = stream.write_all(&then).await;
                }
            }
        })
        .await;
        let told = [shaken(address, later()).await, legacy(address, None, later()).await];
        for told in told {
            match told {
                Shaken::Facts(_) => {}
                Shaken::Other(said) => assert!(said.len() <= HANDSHAKE_LEN_MAX),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn endless_other_things_end() {
    let address =
        listen(|mut stream| async move { while stream.write_all(&[b'x'; 1_000]).await.is_ok() {} })
            .await;
    let stream = TcpStream::connect(address).await.unwrap();
    let own = legacy_over(stream, None, Version::Tls12, later()).await;
    for told in [shaken(address, later()).await, own] {
        let Shaken::Other(said) = told else { panic!("{told:?}") };
        assert_eq!(said.len(), HANDSHAKE_LEN_MAX);
    }
}

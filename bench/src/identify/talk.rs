//! What simulated servers say: enough of each protocol for whoever asks who they are.

use super::persona::Persona;

/// What comes of what was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// More has to be heard first.
    Wait,
    /// This is said.
    Say(Vec<u8>),
    /// This is said last.
    Last(Vec<u8>),
}

/// What `persona` says to who has just connected; nothing where it waits to be asked.
pub(crate) fn greeting(persona: &Persona) -> Vec<u8> {
    match persona.service {
        "ssh" | "ftp" | "smtp" => persona.words.into(),
        // Protocol 10: MySQL internals, "Protocol::HandshakeV10".
        "mysql" => {
            let mut body = vec![10];
            body.extend(persona.words.as_bytes());
            body.extend(b"\0\x2a\0\0\0abcdefgh\0\xff\xf7\x21\x02\0\xff\x81\x15");
            body.extend(b"\0\0\0\0\0\0\0\0\0\0abcdefghijkl\0mysql_native_password\0");
            let mut packet = u32::try_from(body.len()).unwrap_or(0).to_le_bytes().to_vec();
            packet.extend(body);
            packet
        }
        _ => Vec::new(),
    }
}

/// What `persona` says to `heard`, which is everything since its last answer.
pub(crate) fn answer(persona: &Persona, heard: &[u8]) -> Answer {
    match persona.service {
        "http" => http(persona, heard),
        "ssh" => ssh(heard),
        "ftp" => lines(heard, "530 Please login with USER and PASS.\r\n", "221 Goodbye.\r\n"),
        "smtp" if heard.starts_with(b"EHLO") => Answer::Say(
            b"250-mx.example.net\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 8BITMIME\r\n".into(),
        ),
        "smtp" => lines(heard, "502 5.5.2 Error: command not recognized\r\n", "221 2.0.0 Bye\r\n"),
        "mysql" => Answer::Last(b"\x15\0\0\x01\xff\x84\x04#08S01Bad handshake".into()),
        "redis" => redis(persona, heard),
        "postgresql" => postgresql(heard),
        "mongodb" => mongodb(persona, heard),
        _ => memcached(persona, heard),
    }
}

fn http(persona: &Persona, heard: &[u8]) -> Answer {
    let Persona { words, title, .. } = persona;
    let server = if words.is_empty() { String::new() } else { format!("Server: {words}\r\n") };
    let page = |status: &str, title: &str| {
        let body = format!(
            "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
             <body><h1>{title}</h1>{}</body></html>\n",
            "<p>Lorem ipsum dolor sit amet</p>".repeat(16)
        );
        format!(
            "HTTP/1.1 {status}\r\n{server}Date: Tue, 02 Jan 2024 10:00:00 GMT\r\n\
             Content-Type: text/html\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    };
    if !heard.first().is_some_and(u8::is_ascii_uppercase) {
        return Answer::Last(page("400 Bad Request", "400 Bad Request"));
    }
    if !heard.ends_with(b"\r\n\r\n") {
        return Answer::Wait;
    }
    let said = if heard.starts_with(b"GET / ") || heard.starts_with(b"HEAD / ") {
        page("200 OK", title)
    } else {
        page("404 Not Found", "404 Not Found")
    };
    let close = heard.windows(5).any(|window| window.eq_ignore_ascii_case(b"close"));
    if close { Answer::Last(said) } else { Answer::Say(said) }
}

/// Key exchange, RFC 4253 §7.1, after the other side's identification.
fn ssh(heard: &[u8]) -> Answer {
    const LISTS: [&str; 10] = [
        "curve25519-sha256,ecdh-sha2-nistp256,diffie-hellman-group14-sha256",
        "rsa-sha2-512,rsa-sha2-256,ssh-ed25519",
        "chacha20-poly1305@openssh.com,aes128-ctr,aes256-gcm@openssh.com",
        "chacha20-poly1305@openssh.com,aes128-ctr,aes256-gcm@openssh.com",
        "umac-64-etm@openssh.com,hmac-sha2-256",
        "umac-64-etm@openssh.com,hmac-sha2-256",
        "none,zlib@openssh.com",
        "none,zlib@openssh.com",
        "",
        "",
    ];
    if !heard.starts_with(b"SSH-") {
        return Answer::Last(b"Invalid SSH identification string.\r\n".into());
    }
    if !heard.contains(&b'\n') {
        return Answer::Wait;
    }
    let mut payload = vec![20];
    payload.extend([7; 16]);
    for list in LISTS {
        payload.extend(u32::try_from(list.len()).unwrap_or(0).to_be_bytes());
        payload.extend(list.as_bytes());
    }
    payload.extend([0; 5]);
    // Four octets of length, one of padding's; whole blocks of eight.
    let padding = 4 + (8 - (5 + payload.len() + 4) % 8) % 8;
    let len = u32::try_from(1 + payload.len() + padding).unwrap_or(0);
    let mut packet = len.to_be_bytes().to_vec();
    packet.push(u8::try_from(padding).unwrap_or(4));
    packet.extend(payload);
    packet.extend(vec![0; padding]);
    Answer::Say(packet)
}

fn lines(heard: &[u8], refusal: &str, farewell: &str) -> Answer {
    if !heard.ends_with(b"\n") {
        Answer::Wait
    } else if heard.get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"QUIT")) {
        Answer::Last(farewell.into())
    } else {
        Answer::Say(refusal.into())
    }
}

fn redis(persona: &Persona, heard: &[u8]) -> Answer {
    let has = |word: &[u8]| heard.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    if has(b"GET / ") {
        Answer::Last(b"-ERR wrong number of arguments for 'get' command\r\n".into())
    } else if has(b"INFO") {
        let info = format!(
            "# Server\r\nredis_version:{}\r\nredis_git_sha1:00000000\r\nredis_mode:standalone\r\n\
             os:Linux 6.1.0-18-amd64 x86_64\r\narch_bits:64\r\ntcp_port:6379\r\n",
            persona.words
        );
        Answer::Say(format!("${}\r\n{info}\r\n", info.len()).into_bytes())
    } else if has(b"PING") {
        Answer::Say(b"+PONG\r\n".into())
    } else if heard.ends_with(b"\n") {
        Answer::Say(b"-ERR unknown command 'x', with args beginning with: \r\n".into())
    } else {
        Answer::Wait
    }
}

/// `PostgreSQL`, "Message Formats": a start of an unknown protocol is told what is known.
fn postgresql(heard: &[u8]) -> Answer {
    let word = |at: usize| {
        let four = heard.get(at..).and_then(|rest| rest.first_chunk::<4>());
        four.map(|four| u32::from_be_bytes(*four))
    };
    let (Some(len), Some(code)) = (word(0), word(4)) else { return Answer::Wait };
    if !(8..=10_000).contains(&len) {
        return Answer::Last(Vec::new());
    }
    let (state, text) = match code {
        80_877_103 | 80_877_104 => return Answer::Say(b"N".into()),
        0x0003_0000 => ("28000", "no PostgreSQL user name specified in startup packet".to_owned()),
        code => (
            "0A000",
            format!(
                "unsupported frontend protocol {}.{}: server supports 3.0 to 3.0",
                code >> 16,
                code & 0xffff
            ),
        ),
    };
    let fields = format!(
        "SFATAL\0VFATAL\0C{state}\0M{text}\0Fpostmaster.c\0L2195\0RProcessStartupPacket\0\0"
    );
    let mut said = vec![b'E'];
    said.extend(u32::try_from(4 + fields.len()).unwrap_or(0).to_be_bytes());
    said.extend(fields.as_bytes());
    Answer::Last(said)
}

/// `MongoDB`, "Wire Protocol": a reply of the kind that was asked in, with everything in it.
fn mongodb(persona: &Persona, heard: &[u8]) -> Answer {
    const REPLY: u32 = 1;
    const QUERY: u32 = 2_004;
    const MESSAGE: u32 = 2_013;
    let word = |at: usize| {
        let four = heard.get(at..).and_then(|rest| rest.first_chunk::<4>());
        four.map(|four| u32::from_le_bytes(*four))
    };
    let (Some(request), Some(code)) = (word(4), word(12)) else { return Answer::Wait };
    let mut fields = b"\x08ismaster\0\x01\x10maxWireVersion\0\x11\0\0\0\x02version\0".to_vec();
    fields.extend(u32::try_from(persona.words.len() + 1).unwrap_or(0).to_le_bytes());
    fields.extend(persona.words.as_bytes());
    fields.extend(b"\0\x02gitVersion\0\x05\0\0\0abcd\0\x01ok\0\0\0\0\0\0\0\xf0\x3f\0");
    let (code, before): (u32, &[u8]) = match code {
        QUERY => (REPLY, &[8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]),
        MESSAGE => (MESSAGE, &[0; 5]),
        _ => return Answer::Last(Vec::new()),
    };
    let document = u32::try_from(4 + fields.len()).unwrap_or(0);
    let whole = 16 + u32::try_from(before.len()).unwrap_or(0) + document;
    let mut said = Vec::new();
    said.extend([whole, 1, request, code].iter().flat_map(|word| word.to_le_bytes()));
    said.extend(before);
    said.extend(document.to_le_bytes());
    said.extend(fields);
    Answer::Say(said)
}

fn memcached(persona: &Persona, heard: &[u8]) -> Answer {
    if !heard.ends_with(b"\n") {
        Answer::Wait
    } else if heard.starts_with(b"version") {
        Answer::Say(format!("VERSION {}\r\n", persona.words).into_bytes())
    } else if heard.starts_with(b"stats") {
        let version = persona.words;
        Answer::Say(
            format!("STAT pid 1\r\nSTAT uptime 9\r\nSTAT version {version}\r\nEND\r\n")
                .into_bytes(),
        )
    } else {
        Answer::Say(b"ERROR\r\n".into())
    }
}

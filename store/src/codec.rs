//! How a record lies in a value: layout version, checksum, then postcard.
//!
//! The checksum covers the key too: a sound value under a wrong key is found out.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::StoreError;
use crate::tree::MAX_VALUE_LEN;

/// The version of every record's layout, but where a record says otherwise.
pub(crate) const RECORD_VERSION: u8 = 1;
const HEAD_LEN: usize = 5;

/// The value that holds `record` under `key`.
pub(crate) fn seal<T: Serialize>(key: &[u8], record: &T) -> Result<Vec<u8>, StoreError> {
    seal_as(RECORD_VERSION, key, record)
}

/// The same for a record of another layout.
pub(crate) fn seal_as<T: Serialize>(
    version: u8,
    key: &[u8],
    record: &T,
) -> Result<Vec<u8>, StoreError> {
    let body = postcard::to_stdvec(record)
        .map_err(|e| StoreError::corrupt(format!("a record can't be written: {e}")))?;
    let len = body.len() + HEAD_LEN;
    if len > MAX_VALUE_LEN {
        return Err(StoreError::TooLarge { what: "a record", len });
    }
    Ok(envelope(version, key, &body))
}

/// `body` with the head that belongs to it under `key`.
pub(crate) fn envelope(version: u8, key: &[u8], body: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(body.len() + HEAD_LEN);
    value.push(version);
    value.extend_from_slice(&checksum(version, key, body).to_le_bytes());
    value.extend_from_slice(body);
    value
}

/// The record in `value` under `key`.
pub(crate) fn unseal<T: DeserializeOwned>(key: &[u8], value: &[u8]) -> Result<T, StoreError> {
    let (_, body) = opened(key, value, &[RECORD_VERSION])?;
    decode(key, body)
}

/// The version and the body of `value` under `key`; the version is one of `known`.
pub(crate) fn opened<'a>(
    key: &[u8],
    value: &'a [u8],
    known: &[u8],
) -> Result<(u8, &'a [u8]), StoreError> {
    let (head, body) =
        value.split_at_checked(HEAD_LEN).ok_or_else(|| bad(key, "a value too short"))?;
    let [version, crc @ ..] = head else {
        return Err(bad(key, "a value too short"));
    };
    if !known.contains(version) {
        return Err(bad(key, "a record of another version"));
    }
    if crc != checksum(*version, key, body).to_le_bytes() {
        return Err(bad(key, "a wrong checksum"));
    }
    Ok((*version, body))
}

/// What all of `body` under `key` says.
pub(crate) fn decode<T: DeserializeOwned>(key: &[u8], body: &[u8]) -> Result<T, StoreError> {
    let (record, rest) =
        postcard::take_from_bytes(body).map_err(|_| bad(key, "a record that makes no sense"))?;
    if rest.is_empty() { Ok(record) } else { Err(bad(key, "a record with a tail")) }
}

fn bad(key: &[u8], what: &str) -> StoreError {
    StoreError::corrupt(format!("{what} under key {}", hex(key)))
}

fn checksum(version: u8, key: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(&[version]);
    hasher.update(body);
    hasher.finalize()
}

/// The key as people can quote it.
pub(crate) fn hex(key: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(key.len() * 2);
    for byte in key.iter().take(64) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_bit_anywhere_is_found_out() {
        let value = seal(b"key", &(7_u32, "text".to_owned())).unwrap();
        assert_eq!(unseal::<(u32, String)>(b"key", &value).unwrap(), (7, "text".to_owned()));
        assert!(unseal::<(u32, String)>(b"kez", &value).is_err());
        for bit in 0..value.len() * 8 {
            let mut bad = value.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(unseal::<(u32, String)>(b"key", &bad).is_err(), "bit {bit}");
        }
        assert!(unseal::<u32>(b"key", &[]).is_err());
    }
}

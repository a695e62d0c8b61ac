//! What services say, to the signatures and decoders.

use portolan_fingerprints::{Database, Kind};

/// Characters that one field of a service may have: templates and a few groups of 128 octets.
const FIELD_LEN_MAX: usize = 1_024;

/// `kind ‖ octets`: whatever is said, the same comes of it twice, and what comes of it is short
/// and printable.
///
/// # Panics
/// Where that does not hold.
pub fn octets(data: &[u8]) {
    let Some((kind, said)) = data.split_first() else { return };
    let kind = Kind::ALL.get(usize::from(*kind) % Kind::ALL.len()).copied();
    let Some(kind) = kind else { return };
    check(Database::embedded(), kind, said);
}

fn check(database: &Database, kind: Kind, said: &[u8]) {
    let found = database.identify(None, kind, said);
    assert_eq!(found, database.identify(None, kind, said), "the same octets, another service");
    let Some(found) = found else { return };
    let fields = [&found.product, &found.version, &found.extra, &found.os, &found.device];
    for field in fields.into_iter().flatten().chain(&found.cpe) {
        assert!(field.chars().count() <= FIELD_LEN_MAX, "{field}");
        assert!(!field.chars().any(char::is_control), "{field:?}");
    }
}

/// A whole reply, to the decoders: as [`octets`], and each beginning of it is read without a panic.
///
/// # Panics
/// Where that does not hold.
pub fn decode(data: &[u8]) {
    let database = Database::embedded();
    check(database, Kind::Banner, data);
    // Where a decoder would step beyond the end, somewhere in the first octets is the place.
    for len in 0..data.len().min(64) {
        let _ = database.identify(None, Kind::Banner, data.get(..len).unwrap_or_default());
    }
}

//! Lists of records that have become wider since version 1 of their layout.
//!
//! Version 2 is version 1 and, behind it, what that has no place for, by the index of the record
//! it belongs to. It is written only where there is some: what an earlier program could read, it
//! can still read.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{RECORD_VERSION, decode, opened, seal, seal_as};
use crate::error::StoreError;

/// The layout with more in it.
const WITH_MORE: u8 = 2;

/// A record whose bytes are those of version 1, and which may hold more.
pub(crate) trait Wide: Serialize + DeserializeOwned {
    /// What more there is.
    type More: Serialize + DeserializeOwned;
    /// What more it holds, if anything.
    fn more(&self) -> Option<&Self::More>;
    /// Takes more in; false where there is nothing it could belong to.
    fn widen(&mut self, more: Self::More) -> bool;
}

/// The value that holds `records` under `key`.
pub(crate) fn seal_list<T: Wide>(key: &[u8], records: &[T]) -> Result<Vec<u8>, StoreError> {
    let more = (0_u32..).zip(records).filter_map(|(index, rec)| Some((index, rec.more()?)));
    let more: Vec<(u32, &T::More)> = more.collect();
    if more.is_empty() { seal(key, &records) } else { seal_as(WITH_MORE, key, &(records, more)) }
}

/// The records in `value` under `key`.
pub(crate) fn unseal_list<T: Wide>(key: &[u8], value: &[u8]) -> Result<Vec<T>, StoreError> {
    let (version, body) = opened(key, value, &[RECORD_VERSION, WITH_MORE])?;
    if version == RECORD_VERSION {
        return decode(key, body);
    }
    let (mut records, more): (Vec<T>, Vec<(u32, T::More)>) = decode(key, body)?;
    for (index, more) in more {
        let place = usize::try_from(index).ok().and_then(|index| records.get_mut(index));
        if !place.is_some_and(|record| record.widen(more)) {
            return Err(StoreError::corrupt("a record has more to it than it can have"));
        }
    }
    Ok(records)
}

/// A field that is there in text alone: in bytes it takes no place.
pub(crate) mod text_only {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<T: Serialize, S: Serializer>(
        field: &T,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { field.serialize(s) } else { s.serialize_unit() }
    }

    pub(crate) fn deserialize<'de, T, D>(d: D) -> Result<T, D::Error>
    where
        T: Deserialize<'de> + Default,
        D: Deserializer<'de>,
    {
        if d.is_human_readable() { T::deserialize(d) } else { Ok(T::default()) }
    }
}

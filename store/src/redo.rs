//! Changes of any number become visible together.
//!
//! A few go in one batch. Many are first written aside; one small batch then decides that they
//! are to be made, and they are moved to their places, by the next opening if need be.

use crate::error::StoreError;
use crate::inner::{Inner, Writer, intent_key};
use crate::key::{self, Key};
use crate::record::{Blob, IntentRec, RedoRec};
use crate::tree::{BATCH_BYTES, BATCH_OPS, Op};

/// Makes all of `ops` visible at once; durable when it returns. The caller is the writer.
pub(crate) fn change(inner: &Inner, ops: Vec<Op>) -> Result<(), StoreError> {
    let bytes: usize = ops.iter().map(|(k, v)| k.len() + v.as_ref().map_or(0, Vec::len)).sum();
    if ops.len() <= BATCH_OPS && bytes <= BATCH_BYTES {
        return inner.publish(|| {
            let mut writer = Writer::new(inner);
            for (key, value) in ops {
                writer.put_value(key, value);
            }
            writer.flush()
        });
    }
    discard(inner)?;
    let mut writer = Writer::new(inner);
    for (n, (key, value)) in (0_u32..).zip(ops) {
        let rec = RedoRec { key: Blob(key), value: value.map(Blob) };
        writer.put(place(n), &rec)?;
        writer.part()?;
    }
    writer.flush()?;
    inner.publish(|| {
        let mut writer = Writer::new(inner);
        writer.put(intent_key(), &IntentRec::Redo)?;
        writer.flush()?;
        replay(inner)
    })
}

/// Moves what was decided to its places.
pub(crate) fn replay(inner: &Inner) -> Result<(), StoreError> {
    let prefix = Key::new(key::REDO);
    let mut writer = Writer::new(inner);
    for pair in inner.range::<RedoRec>(&prefix.clone().done(), &prefix.end()) {
        let rec = pair?.1;
        writer.put_value(rec.key.0, rec.value.map(|value| value.0));
        writer.part()?;
    }
    writer.flush()?;
    let mut writer = Writer::new(inner);
    writer.delete(intent_key());
    writer.flush()?;
    discard(inner)
}

/// Throws away what was written aside and not decided, or is done.
pub(crate) fn discard(inner: &Inner) -> Result<(), StoreError> {
    let prefix = Key::new(key::REDO);
    let mut writer = Writer::new(inner);
    for bytes in inner.keys(&prefix.clone().done(), &prefix.end()) {
        writer.delete(bytes?);
        writer.part()?;
    }
    writer.flush()
}

fn place(n: u32) -> Vec<u8> {
    Key::new(key::REDO).u32(n).done()
}

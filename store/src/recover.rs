//! What happens at every opening: the layout is checked, and what was cut short is completed or
//! taken back.

use crate::commit;
use crate::error::StoreError;
use crate::inner::{Inner, SCHEMA_VERSION, Writer, intent_key, schema_key};
use crate::prune;
use crate::record::IntentRec;
use crate::redo;
use crate::report::ScanId;

/// Makes the store whole. Nobody else uses it yet.
pub(crate) fn recover(inner: &Inner) -> Result<(), StoreError> {
    check_version(inner)?;
    inner.load_sites()?;
    let intent = inner.intent()?;
    let idle = intent.is_none();
    match intent {
        None => {}
        Some(IntentRec::Apply(id)) => {
            tracing::info!(id, "completing the commit of a scan");
            commit::reapply(inner, ScanId::new(id))?;
        }
        Some(IntentRec::Prune(keep)) => {
            tracing::info!(keep, "completing a pruning");
            prune::carry_out(inner, keep)?;
        }
        Some(IntentRec::Redo) => redo::replay(inner)?,
        Some(IntentRec::Import) => {
            tracing::info!("taking back an import that was cut short");
            wipe(inner)?;
            inner.load_sites()?;
        }
    }
    if idle {
        redo::discard(inner)?;
    }
    commit::remove_staged(inner)?;
    inner.sync()
}

/// The version lies outside the records' envelope, so that every version can read it.
fn check_version(inner: &Inner) -> Result<(), StoreError> {
    if let Some(value) = inner.kv.get(&schema_key())? {
        let found = <[u8; 4]>::try_from(value.as_slice())
            .map(u32::from_be_bytes)
            .map_err(|_| StoreError::corrupt("the layout's version makes no sense"))?;
        if found == SCHEMA_VERSION {
            return Ok(());
        }
        return Err(StoreError::WrongVersion { found, known: SCHEMA_VERSION });
    }
    if inner.keys(&[0], &[0xff]).next().is_some() {
        return Err(StoreError::corrupt("there are records, but no layout version"));
    }
    let mut writer = Writer::new(inner);
    writer.put_value(schema_key(), Some(SCHEMA_VERSION.to_be_bytes().to_vec()));
    writer.flush()?;
    inner.sync()
}

/// Removes everything but the layout's version; the intent last.
pub(crate) fn wipe(inner: &Inner) -> Result<(), StoreError> {
    let mut writer = Writer::new(inner);
    for bytes in inner.keys(&[0], &[0xff]) {
        let bytes = bytes?;
        if bytes != schema_key() && bytes != intent_key() {
            writer.delete(bytes);
            writer.part()?;
        }
    }
    writer.flush()?;
    let mut writer = Writer::new(inner);
    writer.delete(intent_key());
    writer.flush()
}

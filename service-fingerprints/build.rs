//! Packs the files of `data/signatures/` into one that is read at once: reading some 5,000
//! signatures as TOML takes longer than all else that identifying one banner needs.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use serde::de::IgnoredAny;

#[path = "src/raw.rs"]
mod raw;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("data/signatures");
    println!("cargo::rerun-if-changed={}", folder.display());
    println!("cargo::rerun-if-changed=src/raw.rs");
    let mut paths = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut files = Vec::new();
    for path in &paths {
        let read = toml::from_str(&fs::read_to_string(path)?);
        let file: raw::File<IgnoredAny> =
            read.map_err(|error| format!("{}: {error}", path.display()))?;
        if file.signature.iter().any(|raw| raw.examples.is_empty()) {
            return Err(format!("{}: a signature has no example", path.display()).into());
        }
        files.push(file);
    }
    let raw = files.iter().flat_map(|file| &file.signature);
    let packed: Vec<raw::Packed<'_>> = raw.map(raw::Raw::packed).collect();
    let out = Path::new(&env::var("OUT_DIR")?).join("signatures.bin");
    fs::write(out, postcard::to_allocvec(&packed)?)?;
    Ok(())
}

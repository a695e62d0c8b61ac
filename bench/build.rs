//! Compiles the responder's XDP program, where the feature `bpf` asks for it.

use std::path::PathBuf;
use std::process::Command;

const SOURCE: &str = "bpf/responder.bpf.c";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rerun-if-env-changed=CLANG");
    if std::env::var_os("CARGO_FEATURE_BPF").is_none() {
        return Ok(());
    }
    let clang = std::env::var("CLANG").unwrap_or_else(|_| "clang".to_owned());
    let out = PathBuf::from(std::env::var("OUT_DIR")?).join("responder.bpf.o");
    let status = Command::new(&clang)
        .args(["-O2", "-g", "-Wall", "-Werror", "-target", "bpf", "-mcpu=v3", "-c", SOURCE, "-o"])
        .arg(&out)
        .status()
        .map_err(|error| format!("{clang}: {error}; the feature bpf needs clang"))?;
    if status.success() { Ok(()) } else { Err(format!("{clang}: {status}").into()) }
}

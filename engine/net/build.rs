//! Compiles the programs for the kernel, where the feature `bpf` asks for it.
//!
//! Out of clang's object files come the instructions and the places that name a map, so that
//! nothing has to read ELF when a scan begins.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The programs, and their maps by their names in the source, in the order in which `link/` hands
/// them over.
const PROGRAMS: [(&str, &[&str]); 2] = [
    ("generator", &["task", "ranges", "ports", "answered", "neighbors"]),
    ("answers", &["scan", "heard"]),
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=bpf");
    println!("cargo::rerun-if-env-changed=CLANG");
    if env::var_os("CARGO_FEATURE_BPF").is_none() {
        return Ok(());
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("no OUT_DIR")?);
    for (program, maps) in PROGRAMS {
        let object = out.join(program).with_extension("o");
        compile(&format!("bpf/{program}.bpf.c"), &object)?;
        let elf = Elf(fs::read(object)?);
        let (instructions, names) =
            elf.program("xdp").ok_or("clang's object file is not understood")?;
        let mut places = Vec::new();
        for (at, name) in names {
            let slot = maps.iter().position(|m| *m == name).ok_or("a map without a slot")?;
            places.push(format!("({}, {slot})", at / 8));
        }
        fs::write(out.join(format!("{program}.bin")), instructions)?;
        fs::write(out.join(format!("{program}_places.rs")), format!("&[{}]", places.join(", ")))?;
    }
    Ok(())
}

fn compile(source: &str, object: &Path) -> Result<(), Box<dyn Error>> {
    let clang = env::var("CLANG").unwrap_or_else(|_| "clang".to_owned());
    let mut command = Command::new(&clang);
    command.args(["-O2", "-target", "bpf", "-Wall", "-Wextra", "-Werror", "-c", source, "-o"]);
    let status = command.arg(object).status().map_err(|error| {
        format!("the feature `bpf` needs clang; {clang} could not be run: {error}")
    })?;
    if status.success() { Ok(()) } else { Err(format!("{clang} failed with {status}").into()) }
}

/// Which symbol is named at which offset.
type Places = Vec<(u64, String)>;

/// A 64-bit little-endian object file; the offsets are those of the ELF specification.
struct Elf(Vec<u8>);

impl Elf {
    /// The instructions of `section`, and which symbol is named at which offset in it.
    fn program(&self, section: &str) -> Option<(&[u8], Places)> {
        let headers: Vec<u64> = (0..self.number(60, 2)?)
            .map(|index| Some(self.number(40, 8)? + index * self.number(58, 2)?))
            .collect::<Option<_>>()?;
        let section_at = |index: u64| headers.get(usize::try_from(index).ok()?).copied();
        let names = self.section(section_at(self.number(62, 2)?)?)?;
        let named = |name: &str| {
            headers.iter().copied().find(|header| {
                let offset = self.number(*header, 4);
                offset.and_then(|offset| text(names, offset)).as_deref() == Some(name)
            })
        };
        let instructions = self.section(named(section)?)?;
        let relocations_at = named(&format!(".rel{section}"))?;
        let relocations = self.section(relocations_at)?;
        let symbols_at = section_at(self.number(relocations_at + 40, 4)?)?;
        let symbols = self.section(symbols_at)?;
        let texts = self.section(section_at(self.number(symbols_at + 40, 4)?)?)?;
        let mut places = Vec::new();
        for entry in relocations.chunks_exact(16) {
            let (at, info) = (number(entry, 0, 8)?, number(entry, 8, 8)?);
            // R_BPF_64_64: the address of a symbol, in an instruction of two words.
            if info & 0xffff_ffff != 1 {
                return None;
            }
            let name = text(texts, number(symbols, (info >> 32) * 24, 4)?)?;
            places.push((at, name));
        }
        Some((instructions, places))
    }

    /// The octets of the section whose header is at `header`.
    fn section(&self, header: u64) -> Option<&[u8]> {
        let start = usize::try_from(self.number(header + 24, 8)?).ok()?;
        let len = usize::try_from(self.number(header + 32, 8)?).ok()?;
        self.0.get(start..start.checked_add(len)?)
    }

    fn number(&self, at: u64, len: usize) -> Option<u64> {
        number(&self.0, at, len)
    }
}

fn number(octets: &[u8], at: u64, len: usize) -> Option<u64> {
    let at = usize::try_from(at).ok()?;
    let octets = octets.get(at..at.checked_add(len)?)?;
    Some(octets.iter().rev().fold(0, |sum, octet| sum << 8 | u64::from(*octet)))
}

fn text(octets: &[u8], at: u64) -> Option<String> {
    let rest = octets.get(usize::try_from(at).ok()?..)?;
    let end = rest.iter().position(|octet| *octet == 0)?;
    Some(String::from_utf8_lossy(rest.get(..end)?).into_owned())
}

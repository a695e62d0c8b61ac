//! How many banners a second the signatures know, and how long the dearest take.

use std::fs;
use std::hint::black_box;

use criterion::{Criterion, Throughput};
use portolan_fingerprints::{Database, Example, Kind, Signature};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let database = Database::embedded();
    // What real servers say, and as much that nobody knows.
    let signatures = signatures();
    let known: Vec<(Kind, Vec<u8>)> = signatures
        .iter()
        .flat_map(|signature| signature.examples().iter().map(|e| (signature.kind(), e.octets())))
        .collect();
    let unknown = known.iter().map(|(kind, said)| (*kind, said.iter().rev().copied().collect()));
    let banners: Vec<(Kind, Vec<u8>)> = known.iter().cloned().chain(unknown).collect();
    let mut group = criterion.benchmark_group("identify");
    group.throughput(Throughput::Elements(u64::try_from(banners.len()).unwrap_or(0)));
    group.bench_function("banners", |bencher| {
        bencher.iter(|| {
            for (kind, said) in &banners {
                black_box(database.identify(None, *kind, black_box(said)));
            }
        });
    });
    // The dearest banners: what has all that is looked for, and what is made to be searched long.
    group.throughput(Throughput::Elements(1));
    for kind in Kind::ALL {
        for (name, said) in hostile(&signatures, kind) {
            group.bench_function(format!("{} {name}", kind.name()), |bencher| {
                bencher.iter(|| black_box(database.identify(None, kind, black_box(&said))));
            });
        }
    }
    group.finish();
    criterion.final_summary();
}

/// The signatures with their examples.
fn signatures() -> Vec<Signature> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../service-fingerprints/data/signatures");
    let paths = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let toml = paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    let texts = toml.filter_map(|path| fs::read_to_string(path).ok());
    texts.filter_map(|text| Signature::read("", &text).ok()).flatten().collect()
}

/// Octets of a hostile banner: more than is looked at.
const HOSTILE_LEN: usize = 20 << 10;

/// Banners of `kind` that are dear to look at, by name.
fn hostile(signatures: &[Signature], kind: Kind) -> Vec<(&'static str, Vec<u8>)> {
    let of_kind = || signatures.iter().filter(|signature| signature.kind() == kind);
    let literals: Vec<u8> = of_kind()
        .flat_map(Signature::has)
        .flat_map(|has| [has.as_bytes(), b" "].concat())
        .collect();
    let examples: Vec<u8> =
        of_kind().flat_map(|s| s.examples().iter().flat_map(Example::octets)).collect();
    let greeting = [b"220 ".as_slice(), &literals].concat();
    let shapes: [(&str, &[u8]); 6] = [
        ("literals", &literals),
        ("greeting", &greeting),
        ("examples", &examples),
        ("one octet", b"a"),
        ("words", b"220 ftp smtp server ready "),
        ("lines", b"\r\n"),
    ];
    let long = |octets: &[u8]| octets.iter().copied().cycle().take(HOSTILE_LEN).collect();
    shapes.into_iter().map(|(name, octets)| (name, long(octets))).collect()
}

//! How many banners a second the signatures know.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use portolan_fingerprints::{Database, Kind};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let database = Database::embedded();
    // What real servers say, and as much that nobody knows.
    let examples = database.signatures().iter();
    let known: Vec<(Kind, Vec<u8>)> = examples
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
    // The dearest banner: every example of a kind, one after the other, and the most that is read.
    for kind in Kind::ALL {
        let of_kind = known.iter().filter(|(k, _)| *k == kind).map(|(_, said)| said.as_slice());
        let all: Vec<u8> = of_kind.flatten().copied().cycle().take(64 << 10).collect();
        group.throughput(Throughput::Elements(1));
        group.bench_function(kind.name(), |bencher| {
            bencher.iter(|| black_box(database.identify(None, kind, black_box(&all))));
        });
    }
    group.finish();
    criterion.final_summary();
}

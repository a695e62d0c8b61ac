//! Replays seeds, corpora and their near neighbours through every target, on stable.

use std::fs;
use std::path::{Path, PathBuf};

use portolan_core::seed::Seed;
use portolan_fuzz::TARGETS;

/// Damaged copies of each input.
const VARIANTS: u32 = 40;

#[test]
fn every_target_survives_its_corpus() {
    let mut total = 0;
    for (name, target) in TARGETS {
        let inputs = inputs(name);
        assert!(!inputs.is_empty(), "{name} has no seeds");
        for path in inputs {
            let data = fs::read(&path).unwrap();
            run(&path.display().to_string(), *target, &data);
            total += 1;
        }
    }
    assert!(total >= TARGETS.len());
}

#[test]
fn every_target_survives_damaged_seeds() {
    let seed: u64 = std::env::var("PORTOLAN_SEED").map_or(1, |text| text.parse().unwrap());
    let mut random = Seed(seed);
    for (name, target) in TARGETS {
        for path in inputs(name) {
            let data = fs::read(&path).unwrap();
            for variant in 0..VARIANTS {
                let damaged = damage(&data, &mut random);
                let case = format!("PORTOLAN_SEED={seed}: {} variant {variant}", path.display());
                run(&case, *target, &damaged);
            }
        }
        target(&[]);
    }
}

#[test]
fn every_target_has_its_libfuzzer_wrapper() {
    for (name, _) in TARGETS {
        let wrapper = root().join("libfuzzer/targets").join(format!("{name}.rs"));
        assert!(wrapper.is_file(), "{} is missing", wrapper.display());
    }
}

/// Runs the target; its panic goes on under the name of the case.
fn run(case: &str, target: fn(&[u8]), data: &[u8]) {
    let outcome = std::panic::catch_unwind(|| target(data));
    assert!(outcome.is_ok(), "{case} panicked, see above; the input: {data:x?}");
}

/// Cuts, flips or repeats a few octets.
fn damage(data: &[u8], random: &mut Seed) -> Vec<u8> {
    let mut data = data.to_vec();
    for _ in 0..=random.next() % 4 {
        let at = below(data.len(), random);
        let [octet, ..] = random.next().to_be_bytes();
        match random.next() % 4 {
            0 => data.truncate(at),
            1 => data.insert(at, octet),
            2 => {
                if let Some(there) = data.get_mut(at) {
                    *there ^= octet;
                }
            }
            _ => {
                let again = data.split_off(at);
                data.extend_from_slice(&again);
                data.extend(again);
            }
        }
        data.truncate(1 << 16);
    }
    data
}

fn below(len: usize, random: &mut Seed) -> usize {
    let len = u64::try_from(len).unwrap_or(u64::MAX - 1);
    usize::try_from(random.next() % (len + 1)).unwrap_or(0)
}

fn inputs(target: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = ["seeds", "corpus"]
        .iter()
        .filter_map(|folder| fs::read_dir(root().join(folder).join(target)).ok())
        .flat_map(|entries| entries.filter_map(Result::ok))
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

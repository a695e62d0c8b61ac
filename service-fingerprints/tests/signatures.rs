//! Every signature against its own examples, and against everybody else's.

#![expect(clippy::unwrap_used, reason = "what is missing here fails the test")]

use std::path::Path;

use portolan_fingerprints::{Database, Signature};

fn name(signature: &Signature) -> String {
    let product = signature.product().unwrap_or("no product");
    format!("{} {} ({product})", signature.kind().name(), signature.name())
}

/// The files of `data/signatures/`, by name and content.
fn files() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/data/signatures");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let toml = paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    toml.map(|path| (name(&path), std::fs::read_to_string(&path).unwrap())).collect()
}

fn signatures() -> Vec<Signature> {
    files().iter().flat_map(|(file, text)| Signature::read(file, text).unwrap()).collect()
}

#[test]
fn every_file_is_read_and_every_pattern_compiles() {
    let mut problems = Vec::new();
    for (file, text) in files() {
        match Signature::read(&file, &text) {
            Err(error) => {
                problems.push(format!("{error}: {:?}", std::error::Error::source(&error)));
            }
            Ok(signatures) => {
                for signature in signatures {
                    if let Err(problem) = signature.check() {
                        problems.push(format!("{file}: {}: {problem}", name(&signature)));
                    }
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_signature_is_built_in() {
    assert_eq!(Database::embedded().signatures().len(), signatures().len());
}

#[test]
fn every_example_is_known_for_what_it_is_and_for_nothing_else() {
    let database = Database::embedded();
    let mut problems = Vec::new();
    for signature in &signatures() {
        for example in signature.examples() {
            let octets = example.octets();
            let shown = example.data.escape_default().to_string();
            let found = database.identify(None, signature.kind(), &octets);
            let Some(found) = found else {
                problems.push(format!("{}: not known: {shown}", name(signature)));
                continue;
            };
            let templated = signature.product().is_some_and(|product| product.contains('{'));
            let same = if templated {
                example.product.is_some() && found.product == example.product
            } else {
                found.product.as_deref() == signature.product()
            };
            if !same || found.name != signature.name() {
                let taken = format!("{} {:?}", found.name, found.product);
                problems.push(format!("{}: taken for {taken}: {shown}", name(signature)));
                continue;
            }
            let wanted = [
                (&example.version, &found.version, "version"),
                (&example.extra, &found.extra, "extra"),
                (&example.os, &found.os, "os"),
                (&example.device, &found.device, "device"),
            ];
            for (wanted, found, field) in wanted {
                // A version that comes out must be said in the example; the rest may be.
                if (wanted.is_some() || field == "version") && wanted != found {
                    let words = format!("{field} {found:?}, expected {wanted:?}");
                    problems.push(format!("{}: {words}: {shown}", name(signature)));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
}

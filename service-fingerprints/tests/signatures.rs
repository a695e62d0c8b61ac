//! Every signature against its own examples, and against everybody else's.

use std::collections::BTreeSet;

use portolan_fingerprints::{Database, Signature};

fn name(signature: &Signature) -> String {
    let product = signature.product().unwrap_or("no product");
    format!("{} {} ({product})", signature.kind().name(), signature.name())
}

#[test]
fn every_file_is_read_and_every_pattern_compiles() {
    let mut problems = Vec::new();
    for (file, text) in Database::files() {
        match Signature::read(file, text) {
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
fn every_file_is_built_in() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/data/signatures");
    let there: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    let built_in: BTreeSet<String> =
        Database::files().iter().map(|(file, _)| (*file).to_owned()).collect();
    assert_eq!(there, built_in);
}

#[test]
fn every_example_is_known_for_what_it_is_and_for_nothing_else() {
    let database = Database::embedded();
    let mut problems = Vec::new();
    for signature in database.signatures() {
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

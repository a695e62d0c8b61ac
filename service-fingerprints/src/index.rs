//! The signatures of one kind, ready to be searched.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind};

use crate::signature::Signature;

/// The signatures of one kind, by what must occur where they match.
#[derive(Debug)]
pub(crate) struct Index {
    /// Finds every literal in one pass; `None` without literals.
    literals: Option<AhoCorasick>,
    /// Which signatures each literal belongs to.
    of_literal: Vec<Vec<u32>>,
    /// Signatures without one, by the first octet that they may match.
    of_first: Vec<Vec<u32>>,
    /// Signatures without one that may match nothing at all.
    of_nothing: Vec<u32>,
}

impl Index {
    /// An index of those of `signatures` whose places are in `of_kind`.
    pub(crate) fn new(signatures: &[Signature], of_kind: &[u32]) -> Self {
        let mut by_literal: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        let mut of_first = vec![Vec::new(); 256];
        let mut of_nothing = Vec::new();
        for place in of_kind {
            let Some(signature) = at(signatures, *place) else { continue };
            for has in signature.has() {
                by_literal.entry(has.to_ascii_lowercase()).or_default().push(*place);
            }
            if !signature.has().is_empty() {
                continue;
            }
            let head = signature.pattern().head();
            for (octet, of_octet) in (0..=u8::MAX).zip(&mut of_first) {
                if head.admits_first(Some(octet)) {
                    of_octet.push(*place);
                }
            }
            if head.admits_first(None) {
                of_nothing.push(*place);
            }
        }
        let mut builder = AhoCorasickBuilder::new();
        builder.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::ContiguousNFA));
        let literals = builder.build(by_literal.keys()).ok().filter(|_| !by_literal.is_empty());
        Self { literals, of_literal: by_literal.into_values().collect(), of_first, of_nothing }
    }

    /// Places of the signatures that `octets` may match, the surest first.
    pub(crate) fn candidates(&self, signatures: &[Signature], octets: &[u8]) -> Vec<u32> {
        let others = octets
            .first()
            .map_or(Some(&self.of_nothing), |first| self.of_first.get(usize::from(*first)));
        let mut candidates: Vec<u32> = Vec::with_capacity(64);
        let admitted =
            |place: &u32| at(signatures, *place).is_some_and(|s| s.pattern().head().admits(octets));
        candidates.extend(others.into_iter().flatten().filter(|place| admitted(place)));
        if let Some(literals) = &self.literals {
            let mut seen = vec![0_u64; self.of_literal.len().div_ceil(64)];
            for hit in literals.find_overlapping_iter(octets) {
                let literal = hit.pattern().as_usize();
                let Some(word) = seen.get_mut(literal / 64) else { continue };
                let bit = 1 << (literal % 64);
                if *word & bit != 0 {
                    continue;
                }
                *word |= bit;
                let of_literal = self.of_literal.get(literal).into_iter().flatten();
                candidates.extend(of_literal.filter(|place| admitted(place)));
            }
        }
        candidates.sort_unstable();
        candidates.dedup();
        candidates
    }
}

fn at(signatures: &[Signature], place: u32) -> Option<&Signature> {
    signatures.get(usize::try_from(place).ok()?)
}

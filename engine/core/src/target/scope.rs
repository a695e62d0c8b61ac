//! What may be touched at all.

use std::net::IpAddr;

use super::addr_set::AddrSet;

/// The addresses that a plan may hold: everything allowed less everything excluded.
///
/// A plan is built from targets and a scope, and holds their intersection: there is no other way
/// to get one, so no later stage can send to an address outside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    allow: Option<AddrSet>,
    exclude: AddrSet,
}

impl Scope {
    /// No bounds.
    pub const fn unbounded() -> Self {
        Self { allow: None, exclude: AddrSet::new() }
    }

    /// Only `allow`.
    pub const fn only(allow: AddrSet) -> Self {
        Self { allow: Some(allow), exclude: AddrSet::new() }
    }

    /// The same scope less `exclude`.
    #[must_use]
    pub fn without(mut self, exclude: &AddrSet) -> Self {
        self.exclude = self.exclude.union(exclude);
        self
    }

    /// Whether `addr` may be touched.
    pub fn permits(&self, addr: IpAddr) -> bool {
        self.allow.as_ref().is_none_or(|allow| allow.contains(addr)) && !self.exclude.contains(addr)
    }

    /// Whether `addr` is excluded, which says more than that it is not allowed.
    pub fn excludes(&self, addr: IpAddr) -> bool {
        self.exclude.contains(addr)
    }

    /// What of `addrs` may be touched.
    #[must_use]
    pub fn bound(&self, addrs: &AddrSet) -> AddrSet {
        let allowed = self.allow.as_ref().map_or_else(|| addrs.clone(), |a| addrs.intersection(a));
        allowed.difference(&self.exclude)
    }

    /// What of `addrs` the allow-list leaves out, excluded or not.
    #[must_use]
    pub fn outside(&self, addrs: &AddrSet) -> AddrSet {
        self.allow.as_ref().map_or_else(AddrSet::new, |a| addrs.difference(a))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::TargetSpec;

    fn set(text: &str) -> AddrSet {
        text.parse::<TargetSpec>().unwrap().addrs().clone()
    }

    #[test]
    fn exclusion_wins_over_permission() {
        let scope = Scope::only(set("10.0.0.0/8")).without(&set("10.0.0.128/25"));
        assert_eq!(scope.bound(&set("10.0.0.0/24 192.0.2.1")), set("10.0.0.0/25"));
        assert_eq!(scope.outside(&set("10.0.0.0/24 192.0.2.1")), set("192.0.2.1"));
        let excluded = "10.0.0.200".parse().unwrap();
        assert!(!scope.permits(excluded) && scope.excludes(excluded));
        assert!(!scope.excludes("192.0.2.1".parse().unwrap()));
    }
}

//! What a scan is given so that it knows what it loses and harms nobody: canaries, pairs, and a
//! limit on each host and each subnet.

use std::sync::Arc;

use portolan_core::Timestamp;
use portolan_core::estimate::PairCounts;
use portolan_core::group_gate::{GroupLimits, GroupShare};
use portolan_core::pacer::RatePps;
use portolan_core::pairs::Pairs;
use portolan_core::plan::ScanPlan;
use portolan_core::receive::Receiver;
use portolan_core::transmit::Transmitter;

use crate::auto_rate::AutoRate;
use crate::options::ScanOptions;
use crate::prepare::Ways;

/// A limit on each subnet that is too low to be shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{links} interfaces lead into one subnet, too many for so low a limit on each subnet; raise \
     the limit, or choose an interface"
)]
pub struct SubnetSplit {
    /// How many.
    pub links: u32,
}

/// What both halves of a scan share for that.
pub(crate) struct Truth {
    /// What finds the rate, if it is to be found.
    pub(crate) auto: Option<AutoRate>,
    /// The sample that is asked twice.
    pairs: Option<Arc<Pairs>>,
    limits: GroupLimits,
    keeps_back: bool,
    keeps_replies: bool,
}

impl Truth {
    /// For a scan of `plan` that begins at `now`; `exact` is whether each endpoint has a bit
    /// that was clear when it began: what a resumed scan has heard before is not known by pass.
    ///
    /// # Errors
    /// [`SubnetSplit`], where senders that know nothing of each other can't share a limit.
    pub(crate) fn new(
        options: &ScanOptions,
        plan: &ScanPlan,
        ways: &Ways,
        exact: bool,
        now: Timestamp,
    ) -> Result<Self, SubnetSplit> {
        let pairs = Pairs::new(plan.len(), plan.config().passes).filter(|_| exact).map(Arc::new);
        let most = options.limits();
        let share = GroupShare::new(most).filter(|_| options.auto_rate);
        let (limits, links) = (share.map_or(most, |share| share.probes), ways.links_to_a_subnet());
        let limits = limits.of_each(links).ok_or(SubnetSplit { links })?;
        Ok(Self {
            auto: auto_rate(options, plan, ways, now),
            pairs,
            keeps_back: options.keep_back,
            keeps_replies: options.keep_replies,
            limits,
        })
    }

    /// What the sample answered.
    pub(crate) fn pair_counts(&self) -> PairCounts {
        self.pairs.as_ref().map(|pairs| pairs.counts()).unwrap_or_default()
    }

    /// Probes to canaries so far.
    pub(crate) fn canary_probes(&self) -> u64 {
        self.auto.as_ref().map_or(0, |auto| auto.canaries().sent())
    }

    /// The receiving half that knows of it.
    pub(crate) fn listener(&self, mut half: Receiver) -> Receiver {
        if self.keeps_back {
            half = half.keep_back();
        }
        if self.keeps_replies {
            half = half.keep_replies();
        }
        if let Some(auto) = &self.auto {
            half = half.canaries(Arc::clone(auto.canaries()));
        }
        if let Some(pairs) = &self.pairs {
            half = half.pairs(Arc::clone(pairs));
        }
        half
    }

    /// The sending half of `link` that knows of it and has `share` of the rate, 0 to 1.
    pub(crate) fn sender(
        &self,
        mut half: Transmitter,
        share: f64,
        link: usize,
        now: Timestamp,
    ) -> Transmitter {
        if let Some(pairs) = &self.pairs {
            half = half.pairs(Arc::clone(pairs));
        }
        half = half.limited(self.limits);
        if let Some(auto) = &self.auto {
            half = half.auto(auto.sender(share, link), now);
        }
        half
    }
}

fn auto_rate(
    options: &ScanOptions,
    plan: &ScanPlan,
    ways: &Ways,
    now: Timestamp,
) -> Option<AutoRate> {
    let most = RatePps::new(options.rate_pps).filter(|_| options.auto_rate)?;
    let mut interfaces: Vec<String> =
        ways.links.iter().map(|spec| spec.interface.name.clone()).collect();
    interfaces.sort_unstable();
    interfaces.dedup();
    Some(AutoRate::new(plan, most, options.limits(), interfaces, now))
}

//! What a scan is given so that it knows what it loses and harms nobody: canaries, pairs, and a
//! limit on each host.

use std::sync::Arc;

use portolan_core::Timestamp;
use portolan_core::estimate::PairCounts;
use portolan_core::host_gate::HostShare;
use portolan_core::pacer::RatePps;
use portolan_core::pairs::Pairs;
use portolan_core::plan::ScanPlan;
use portolan_core::receive::Receiver;
use portolan_core::transmit::Transmitter;

use crate::auto_rate::AutoRate;
use crate::options::ScanOptions;
use crate::prepare::Ways;

/// What both halves of a scan share for that.
pub(crate) struct Truth {
    /// What finds the rate, if it is to be found.
    pub(crate) auto: Option<AutoRate>,
    /// The sample that is asked twice.
    pairs: Option<Arc<Pairs>>,
    max_host: Option<RatePps>,
    keeps_back: bool,
}

impl Truth {
    /// For a scan of `plan` that begins at `now`; `exact` is whether each endpoint has a bit
    /// that was clear when it began: what a resumed scan has heard before is not known by pass.
    pub(crate) fn new(
        options: &ScanOptions,
        plan: &ScanPlan,
        ways: &Ways,
        exact: bool,
        now: Timestamp,
    ) -> Self {
        let pairs = Pairs::new(plan.len(), plan.config().passes).filter(|_| exact).map(Arc::new);
        let most = options.max_host_pps.and_then(RatePps::new);
        let share = most.and_then(HostShare::new).filter(|_| options.auto_rate);
        Self {
            auto: auto_rate(options, plan, ways, now),
            pairs,
            keeps_back: options.keep_back,
            max_host: share.map(|share| share.probes).or(most),
        }
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
        if let Some(most) = self.max_host {
            half = half.per_host(most);
        }
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
    let max_host = options.max_host_pps.and_then(RatePps::new);
    let mut interfaces: Vec<String> =
        ways.links.iter().map(|spec| spec.interface.name.clone()).collect();
    interfaces.sort_unstable();
    interfaces.dedup();
    Some(AutoRate::new(plan, most, max_host, interfaces, now))
}

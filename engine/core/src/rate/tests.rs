use super::*;
use crate::seed::Seed;

/// A path with a round trip of 5 ms that loses some packets always and, beyond a limit, all that
/// are too many; in steps of a millisecond.
struct Path {
    canaries: Canaries,
    controller: RateController,
    seed: Seed,
    now: Timestamp,
    limit: f64,
    loss: f64,
    tokens: f64,
    sent: f64,
    through: f64,
    credit: f64,
    homeward: std::collections::VecDeque<(Timestamp, u64, u8)>,
}

impl Path {
    fn new(limit: f64, loss: f64, hosts: u64) -> Self {
        let canaries = Canaries::new(8, crate::canary::CANARY_GAP);
        for index in 0..hosts {
            canaries.offer(index, index, 0);
        }
        let most = RatePps::new(5_000_000).unwrap();
        Self {
            canaries,
            controller: RateController::new(most, Timestamp::ZERO),
            seed: Seed(5),
            now: Timestamp::ZERO,
            limit,
            loss,
            tokens: 0.0,
            sent: 0.0,
            through: 0.0,
            credit: 0.0,
            homeward: std::collections::VecDeque::new(),
        }
    }

    fn chance(&mut self, part: f64) -> bool {
        as_f64(self.seed.next() >> 11) / as_f64(1 << 53) < part
    }

    /// Runs for `millis`, telling `watch` of the rate each millisecond.
    fn run(&mut self, millis: u64, mut watch: impl FnMut(u64, f64)) {
        for milli in 0..millis {
            let pps = f64::from(self.controller.rate().get());
            let packets = pps / 1_000.0;
            self.tokens = (self.tokens + self.limit / 1_000.0).min(self.limit / 1_000.0);
            let passed = packets.min(self.tokens);
            self.tokens -= passed;
            (self.sent, self.through) = (self.sent + packets, self.through + passed);
            let lost = 1.0 - (1.0 - self.loss) * passed / packets;
            self.credit += packets * (2_000.0 / pps).clamp(0.01, 0.125);
            while self.credit >= 1.0 {
                self.credit -= 1.0;
                if let Some((index, pass)) = self.canaries.next(0, self.now)
                    && !self.chance(lost)
                {
                    self.homeward.push_back((self.now + Duration::from_millis(5), index, pass));
                }
            }
            self.now = self.now + Duration::from_millis(1);
            while let Some((at, index, pass)) = self.homeward.front().copied()
                && at <= self.now
            {
                self.homeward.pop_front();
                self.canaries.hear(index, pass, at);
            }
            if milli % 20 == 0 {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "test")]
                let local = LocalCounts { sent: self.sent as u64, dropped: 0 };
                self.controller.tick(self.now, &self.canaries, local);
            }
            watch(milli, f64::from(self.controller.rate().get()));
        }
    }

    /// The mean rate of a run, and the part of the packets that did not come through.
    fn mean(&mut self, millis: u64) -> (f64, f64) {
        let (sent, through) = (self.sent, self.through);
        self.run(millis, |_, _| {});
        let (sent, through) = (self.sent - sent, self.through - through);
        (sent / (as_f64(millis) / 1_000.0), 1.0 - through / sent)
    }
}

#[test]
fn it_settles_below_the_limit_and_follows_it() {
    let mut path = Path::new(200_000.0, 0.0, 64);
    path.run(5_000, |_, _| {});
    let (rate, lost) = path.mean(20_000);
    assert!((150_000.0..200_000.0).contains(&rate), "{rate}");
    assert!(lost < EXCESS_LOSS_MAX, "{lost}");
    path.limit = 100_000.0;
    let mut below_since = None;
    path.run(3_000, |milli, rate| {
        below_since = if rate <= 100_000.0 { below_since.or(Some(milli)) } else { None };
    });
    let followed = below_since.unwrap();
    assert!(followed < 1_000, "followed after {followed} ms");
    let (rate, lost) = path.mean(20_000);
    assert!((75_000.0..100_000.0).contains(&rate), "{rate}");
    assert!(lost < EXCESS_LOSS_MAX * 1.5, "{lost}");
    path.limit = 200_000.0;
    path.run(20_000, |_, _| {});
    let (rate, _) = path.mean(10_000);
    assert!(rate > 150_000.0, "recovered to {rate}");
}

#[test]
fn the_path_s_own_loss_is_no_reason_to_be_slow() {
    for loss in [0.005, 0.04, 0.2] {
        let mut path = Path::new(200_000.0, loss, 64);
        path.run(10_000, |_, _| {});
        let (rate, _) = path.mean(20_000);
        assert!((140_000.0..200_000.0).contains(&rate), "loss {loss}: {rate}");
    }
}

#[test]
fn loss_that_begins_and_has_nothing_to_do_with_the_rate_is_found_out() {
    let mut path = Path::new(200_000.0, 0.0, 64);
    path.run(10_000, |_, _| {});
    path.loss = 0.05;
    path.run(20_000, |_, _| {});
    let (rate, _) = path.mean(20_000);
    assert!(rate > 140_000.0, "{rate}");
}

#[test]
fn who_knows_nothing_of_loss_stays_slow() {
    let mut path = Path::new(200_000.0, 0.0, 0);
    path.run(10_000, |_, _| {});
    let (rate, _) = path.mean(1_000);
    assert!((9_000.0..10_001.0).contains(&rate), "{rate}");
    for index in 0..64 {
        path.canaries.offer(index, index, 0);
    }
    path.run(10_000, |_, _| {});
    let (rate, _) = path.mean(10_000);
    assert!(rate > 140_000.0, "{rate}");
}

#[test]
fn few_canaries_and_narrow_paths_serve_too() {
    let mut few = Path::new(200_000.0, 0.0, 2);
    few.run(20_000, |_, _| {});
    let (rate, lost) = few.mean(30_000);
    assert!((130_000.0..205_000.0).contains(&rate), "{rate}");
    assert!(lost < 0.01, "{lost}");
    let mut narrow = Path::new(1_000.0, 0.0, 64);
    narrow.run(10_000, |_, _| {});
    let (rate, lost) = narrow.mean(30_000);
    assert!((600.0..1_000.0).contains(&rate), "{rate}");
    assert!(lost < 0.01, "{lost}");
}

#[test]
fn what_this_host_drops_slows_it() {
    let mut path = Path::new(1e9, 0.0, 64);
    path.run(6_000, |_, _| {});
    let before = f64::from(path.controller.rate().get());
    assert!(before > 1_000_000.0, "{before}");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "test")]
    let local = LocalCounts { sent: path.sent as u64 + 100_000, dropped: 1_000 };
    let after = path.controller.tick(path.now, &path.canaries, local);
    assert!(f64::from(after.get()) < before * 0.91, "{before} and then {after}");
}

use super::path::{Path, Shape, Stretch};
use super::*;

/// Runs of each test: as many seeds from `PORTOLAN_SEED` on.
const RUNS: u64 = 6;

fn seeds() -> impl Iterator<Item = u64> {
    let first = std::env::var("PORTOLAN_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    first..first + RUNS
}

/// Buckets of 1 ms' worth and less or more, round trips from a cable's to a continent's.
fn shapes() -> impl Iterator<Item = Shape> {
    let rtts = [100, 5_000, 100_000].map(Duration::from_micros);
    let of = move |bucket| rtts.map(|rtt| Shape { bucket, rtt, ..Shape::default() });
    [50.0, 200.0, 1_000.0].into_iter().flat_map(of)
}

fn mean(part: &[Stretch], of: impl Fn(&Stretch) -> f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    let len = part.len() as f64;
    part.iter().map(of).sum::<f64>() / len
}

/// After how many tenths of a second `is_so` held first; the length if never.
fn first(part: &[Stretch], is_so: impl Fn(f64) -> bool) -> usize {
    part.iter().position(|s| is_so(s.rate)).unwrap_or(part.len())
}

#[test]
fn it_settles_below_the_limit_follows_it_down_and_up() {
    let mut lost = Vec::new();
    for (shape, seed) in shapes().flat_map(|shape| seeds().map(move |seed| (shape, seed))) {
        let case = format!("PORTOLAN_SEED={seed}: {shape:?}");
        let mut path = Path::new(shape, seed);
        let whole = path.watch(13_000);
        let settled = first(&whole, |rate| rate > 150_000.0);
        assert!(settled <= 25, "{case}: settled after {settled} tenths of a second");
        let after = &whole[30..];
        assert!(
            after.iter().all(|s| (150_000.0..220_000.0).contains(&s.rate)),
            "{case}: {after:?}"
        );
        let rate = mean(after, |s| s.rate);
        assert!((180_000.0..200_000.0).contains(&rate), "{case}: {rate}");
        lost.push((shape.rtt, mean(after, |s| s.lost)));

        path.shape.limit = 100_000.0;
        let half = path.watch(12_000);
        let followed = first(&half, |rate| rate < 103_000.0);
        assert!(followed <= 10, "{case}: followed after {followed} tenths of a second");
        let lowest = half.iter().map(|s| s.rate).fold(f64::INFINITY, f64::min);
        assert!(lowest > 75_000.0, "{case}: fell to {lowest}");
        let after = &half[20..];
        assert!(after.iter().all(|s| s.rate < 115_000.0), "{case}: {after:?}");
        let rate = mean(after, |s| s.rate);
        assert!((90_000.0..100_000.0).contains(&rate), "{case}: {rate}");

        path.shape.limit = 200_000.0;
        let again = path.watch(12_000);
        let recovered = first(&again, |rate| rate > 150_000.0);
        assert!(recovered <= 80, "{case}: recovered after {recovered} tenths of a second");
        let rate = mean(&again[80..], |s| s.rate);
        assert!((160_000.0..200_000.0).contains(&rate), "{case}: {rate}");
    }
    for (rtt, most) in [(100, 1.0), (5_000, 1.0), (100_000, 2.5)] {
        let of = lost.iter().filter(|(of, _)| of.as_micros() == rtt).map(|(_, lost)| lost);
        let (sum, runs) = of.fold((0.0, 0.0), |(sum, runs), lost| (sum + lost, runs + 1.0));
        let lost = sum / runs;
        assert!(lost < EXCESS_LOSS_MAX * most, "{rtt} us: {lost}");
    }
}

#[test]
fn a_host_that_is_busy_now_and_then_is_no_limit() {
    for seed in seeds() {
        let shape = Shape { stalls: 1.0, bucket: 1_000.0, ..Shape::default() };
        let mut path = Path::new(shape, seed);
        path.run(3_000);
        let rate = path.run(20_000).rate;
        assert!((170_000.0..200_000.0).contains(&rate), "PORTOLAN_SEED={seed}: {rate}");
    }
}

/// The mean rate that is found, over all seeds, where `loss` is always lost or begins in mid-scan.
fn rate_with(loss: f64, before: f64) -> f64 {
    let mut rates = Vec::new();
    for seed in seeds() {
        let mut path = Path::new(Shape { loss: before, ..Shape::default() }, seed);
        path.run(10_000);
        path.shape.loss = loss;
        path.run(20_000);
        rates.push(path.run(20_000));
    }
    mean(&rates, |s| s.rate)
}

#[test]
fn the_path_s_own_loss_is_no_reason_to_be_slow() {
    for loss in [0.005, 0.02, 0.04, 0.2] {
        let rate = rate_with(loss, loss);
        assert!((140_000.0..205_000.0).contains(&rate), "{loss}: {rate}");
    }
}

#[test]
fn loss_that_begins_and_has_nothing_to_do_with_the_rate_is_found_out() {
    for loss in [0.005, 0.02, 0.05, 0.3] {
        let rate = rate_with(loss, 0.0);
        assert!((100_000.0..220_000.0).contains(&rate), "{loss}: {rate}");
    }
}

#[test]
fn a_path_that_is_gone_for_a_second_is_found_again() {
    for seed in seeds() {
        let mut path = Path::new(Shape::default(), seed);
        path.run(10_000);
        path.shape.loss = 1.0;
        path.run(1_000);
        path.shape.loss = 0.0;
        path.run(15_000);
        let Stretch { rate, lost } = path.run(10_000);
        assert!((150_000.0..205_000.0).contains(&rate), "PORTOLAN_SEED={seed}: {rate}");
        assert!(lost < 0.01, "PORTOLAN_SEED={seed}: {lost}");
    }
}

#[test]
fn who_knows_nothing_of_loss_stays_slow() {
    let mut path = Path::new(Shape { hosts: 0, ..Shape::default() }, 5);
    path.run(10_000);
    let rate = path.run(1_000).rate;
    assert!((9_000.0..10_001.0).contains(&rate), "{rate}");
    for index in 0..64 {
        path.canaries.offer(index, index, 0);
    }
    path.run(10_000);
    let rate = path.run(10_000).rate;
    assert!(rate > 140_000.0, "{rate}");
}

#[test]
fn few_canaries_and_narrow_paths_serve_too() {
    for seed in seeds() {
        let mut few = Path::new(Shape { hosts: 2, ..Shape::default() }, seed);
        few.run(20_000);
        let Stretch { rate, lost } = few.run(30_000);
        assert!((130_000.0..205_000.0).contains(&rate), "PORTOLAN_SEED={seed}: {rate}");
        assert!(lost < 0.02, "PORTOLAN_SEED={seed}: {lost}");
        let mut narrow =
            Path::new(Shape { limit: 1_000.0, bucket: 50.0, ..Shape::default() }, seed);
        narrow.run(10_000);
        let Stretch { rate, lost } = narrow.run(30_000);
        assert!((600.0..1_020.0).contains(&rate), "PORTOLAN_SEED={seed}: {rate}");
        assert!(lost < 0.02, "PORTOLAN_SEED={seed}: {lost}");
    }
}

#[test]
fn what_this_host_drops_slows_it() {
    let mut path = Path::new(Shape { limit: 1e9, ..Shape::default() }, 5);
    path.run(6_000);
    let before = path.rate();
    assert!(before > 1_000_000.0, "{before}");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "test")]
    let local = LocalCounts { sent: path.sent as u64 + 100_000, dropped: 1_000 };
    let after = path.controller.tick(path.now, &path.canaries, local);
    assert!(f64::from(after.get()) < before * 0.91, "{before} and then {after}");
}

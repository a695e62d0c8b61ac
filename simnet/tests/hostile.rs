//! A million forged and malformed frames at the receiving half; `portolan-bench hostile` throws
//! as many as one likes.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use portolan_core::link::Encapsulation;
use portolan_simnet::network::{Harm, Siege, seed_from_env};

fn besiege(encapsulation: Encapsulation) {
    let seed = seed_from_env(100);
    let mut siege = Siege::new(seed, encapsulation).unwrap();
    siege.throw(500_000);
    let tally = siege.tally();
    assert_eq!(tally.false_results, 0, "PORTOLAN_SEED={seed}: {:?}", tally.first_false);
    for ((harm, thrown), accepted) in Harm::ALL.iter().zip(tally.thrown).zip(tally.accepted) {
        assert!(thrown > 60_000, "{harm:?}: {thrown}");
        // Of what carries a true proof, much must still be believed: else nothing was tested.
        let carries = matches!(harm, Harm::Cut | Harm::Flipped | Harm::Garnished);
        assert_eq!(accepted > 1_000, carries, "{harm:?}: {accepted} of {thrown}");
    }
    assert!(tally.told > 3_000, "{tally:?}");
}

#[test]
fn no_hostile_frame_makes_a_result_on_ethernet() {
    besiege(Encapsulation::Ethernet);
}

#[test]
fn no_hostile_frame_makes_a_result_without_link_headers() {
    besiege(Encapsulation::Ip);
}

//! Throttling: guessing is slow, and the owner is never shut out.

use std::time::Duration;

use accounts::throttle::{Attempt, Network, Paces, Throttle};
use jiff::Timestamp;
use proptest::prelude::*;

const ADA: [u8; 32] = [1; 32];

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).expect("in range")
}

fn network(number: u32) -> Network {
    Network::of(std::net::Ipv4Addr::from_bits(number).into())
}

fn attempt(login: [u8; 32], network: Network) -> Attempt {
    Attempt {
        login,
        network,
        known_device: None,
    }
}

fn throttle() -> Throttle {
    Throttle::new(Paces::default(), 10_000)
}

/// How many of the attempts, made one after the other as fast as they are let through, fit into a day.
fn attempts_in_a_day(mut next: impl FnMut(u32) -> Attempt) -> u32 {
    let mut throttle = throttle();
    let (mut now, mut made) = (0_u64, 0);
    while now < 86_400 {
        match throttle.begin(&next(made), at(i64::try_from(now).expect("a day"))) {
            Ok(()) => made += 1,
            Err(refused) => now += refused.retry_after.as_secs(),
        }
    }
    made
}

#[test]
fn guessing_one_account_from_one_network_soon_takes_long() {
    let made = attempts_in_a_day(|_| attempt(ADA, network(7)));
    assert!(made < 200, "{made}");
}

#[test]
fn guessing_one_account_from_many_networks_takes_as_long() {
    let made = attempts_in_a_day(|number| attempt(ADA, network(number)));
    assert!(made < 250, "{made}");
}

#[test]
fn one_password_on_many_accounts_from_one_network_takes_long() {
    let made = attempts_in_a_day(|number| {
        let mut login = [0; 32];
        login[..4].copy_from_slice(&number.to_be_bytes());
        attempt(login, network(7))
    });
    assert!(made < 3000, "{made}");
}

#[test]
fn a_few_mistakes_cost_nothing_and_a_success_forgets_them() {
    let mut throttle = throttle();
    let ada = attempt(ADA, network(7));
    for _ in 0..10 {
        for _ in 0..5 {
            assert_eq!(throttle.begin(&ada, at(0)), Ok(()));
        }
        throttle.succeeded(&ada, at(0));
    }
}

#[test]
fn attempts_at_once_do_not_slip_through_together() {
    let mut throttle = throttle();
    let through = (0..1000)
        .filter(|_| throttle.begin(&attempt(ADA, network(7)), at(0)).is_ok())
        .count();
    assert_eq!(through, 5);
}

#[test]
fn waiting_as_told_always_helps() {
    let mut throttle = throttle();
    let ada = attempt(ADA, network(7));
    let mut now = 0;
    for _ in 0..50 {
        if let Err(refused) = throttle.begin(&ada, at(now)) {
            assert!(refused.retry_after <= Duration::from_mins(15));
            now += i64::try_from(refused.retry_after.as_secs()).expect("short");
            assert_eq!(throttle.begin(&ada, at(now)), Ok(()));
        }
    }
}

#[test]
fn an_undecided_attempt_is_taken_back() {
    let mut throttle = throttle();
    let ada = attempt(ADA, network(7));
    for _ in 0..100 {
        assert_eq!(throttle.begin(&ada, at(0)), Ok(()));
        throttle.undecided(&ada);
    }
}

#[test]
fn a_host_cannot_hide_in_its_own_ipv6_network() {
    let of = |text: &str| Network::of(text.parse().expect("an address"));
    assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
    assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
}

#[test]
fn memory_is_bounded_and_recent_counts_survive() {
    let mut throttle = Throttle::new(Paces::default(), 1000);
    for number in 0..100_000 {
        let mut login = [0; 32];
        login[..4].copy_from_slice(&u32::to_be_bytes(number));
        let _ = throttle.begin(
            &attempt(login, network(number)),
            at(i64::from(number) / 100),
        );
    }
    assert!(format!("{throttle:?}").matches("failures").count() <= 1000);
}

proptest! {
    /// Whoever attacks from other networks, as often and from as many places as they like, does not make the owner
    /// wait who comes from a network they signed in from before.
    #[test]
    fn an_attacker_elsewhere_never_shuts_out_the_owner(
        attacks in prop::collection::vec((1_u32..40, 0_i64..5), 0..400),
    ) {
        let mut throttle = throttle();
        let owner = attempt(ADA, network(0));
        prop_assert_eq!(throttle.begin(&owner, at(0)), Ok(()));
        throttle.succeeded(&owner, at(0));
        let mut now = 0;
        for (place, pause) in attacks {
            now += pause;
            let _ = throttle.begin(&attempt(ADA, network(place)), at(now));
        }
        prop_assert_eq!(throttle.begin(&owner, at(now)), Ok(()));
    }

    /// Not even whoever shares the owner's network does, when the owner comes with a known device.
    #[test]
    fn an_attacker_in_the_same_network_never_shuts_out_a_known_device(
        attacks in prop::collection::vec((0_u32..3, 0_u8..4, 0_i64..5), 0..400),
    ) {
        let mut throttle = throttle();
        let owner = Attempt { known_device: Some([9; 16]), ..attempt(ADA, network(0)) };
        let mut now = 0;
        for (place, login, pause) in attacks {
            now += pause;
            let _ = throttle.begin(&attempt([login; 32], network(place)), at(now));
        }
        prop_assert_eq!(throttle.begin(&owner, at(now)), Ok(()));
    }
}

//! The cache against an issuer whose answers are written down, in a time that is moved by hand.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard},
};

use token::{Algorithm, SigningKey};

use super::*;

/// An issuer whose answers are written down beforehand; the last one stays. Each takes a while.
#[derive(Clone)]
struct Script(Arc<Mutex<Played>>);

struct Played {
    answers: VecDeque<Result<KeySet, KeySetError>>,
    takes: Duration,
    calls: u64,
}

impl Script {
    fn new(answers: impl IntoIterator<Item = Result<KeySet, KeySetError>>) -> Self {
        Self(Arc::new(Mutex::new(Played {
            answers: answers.into_iter().collect(),
            takes: Duration::from_millis(10),
            calls: 0,
        })))
    }

    fn played(&self) -> MutexGuard<'_, Played> {
        self.0.lock().unwrap()
    }

    fn calls(&self) -> u64 {
        self.played().calls
    }

    fn now_answers(&self, answer: Result<KeySet, KeySetError>) {
        self.played().answers = VecDeque::from([answer]);
    }
}

impl Fetch for Script {
    async fn fetch(&self) -> Result<KeySet, KeySetError> {
        let (answer, takes) = {
            let mut played = self.played();
            played.calls += 1;
            let answer = match played.answers.len() {
                1 => played.answers[0].clone(),
                _ => played.answers.pop_front().expect("an answer"),
            };
            (answer, played.takes)
        };
        tokio::time::sleep(takes).await;
        answer
    }
}

fn key() -> KeySet {
    let key = SigningKey::generate(Algorithm::Es256).expect("system random source");
    KeySet::new([key.verifying_key()])
}

fn both(one: &KeySet, other: &KeySet) -> KeySet {
    one.keys().iter().chain(other.keys()).cloned().collect()
}

const DOWN: Result<KeySet, KeySetError> = Err(KeySetError::Http(HttpError::Unreachable));
const LIFETIME: Duration = Duration::from_mins(5);

fn cache(script: &Script) -> KeyCache {
    KeyCache::following(
        script.clone(),
        LIFETIME,
        Clock::system(),
        &Handle::current(),
    )
}

/// Waits until a set was fetched that is newer than now.
async fn fetched(cache: &KeyCache) {
    let mut waiting = cache.waiting().expect("not fixed");
    waiting.next().await.expect("up");
}

fn kids(keys: &KeySet) -> Vec<Option<&str>> {
    keys.keys().iter().map(token::VerifyingKey::kid).collect()
}

#[tokio::test(start_paused = true)]
async fn reading_the_keys_never_waits_for_a_fetch() {
    let script = Script::new([Ok(key())]);
    script.played().takes = Duration::from_hours(1);
    let cache = cache(&script);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(cache.keys().keys().is_empty());
    assert_eq!(script.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn everybody_who_waits_shares_one_fetch() {
    let script = Script::new([Ok(key())]);
    let cache = Arc::new(cache(&script));
    let waiting = (0..100).map(|_| {
        let cache = cache.clone();
        tokio::spawn(async move { cache.waiting().expect("not fixed").next().await })
    });
    for waiter in waiting.collect::<Vec<_>>() {
        assert!(waiter.await.expect("no panic").is_ok());
    }
    assert_eq!(script.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_seen_by_whoever_meets_it_just_after_a_fetch() {
    let (old, new) = (key(), key());
    let script = Script::new([Ok(old.clone())]);
    let cache = cache(&script);
    assert_eq!(cache.waiting().expect("not fixed").next().await, Ok(true));
    script.now_answers(Ok(both(&old, &new)));
    let began = tokio::time::Instant::now();
    assert_eq!(cache.waiting().expect("not fixed").next().await, Ok(true));
    assert_eq!(kids(&cache.keys()), kids(&both(&old, &new)));
    assert!(
        began.elapsed() <= PAUSE + Duration::from_millis(10),
        "not a blind window"
    );
}

#[tokio::test(start_paused = true)]
async fn a_key_that_appears_while_a_fetch_is_under_way_is_not_refused() {
    let (old, new) = (key(), key());
    let script = Script::new([Ok(old.clone())]);
    script.played().takes = Duration::from_secs(2);
    let cache = cache(&script);
    tokio::time::sleep(Duration::from_secs(1)).await;
    // The answer of the fetch under way is decided; the key is published only now.
    script.now_answers(Ok(both(&old, &new)));
    let mut waiting = cache.waiting().expect("not fixed");
    assert_eq!(
        waiting.next().await,
        Ok(false),
        "that fetch began too early to know"
    );
    assert_eq!(waiting.next().await, Ok(true));
    assert_eq!(kids(&cache.keys()), kids(&both(&old, &new)));
}

#[tokio::test(start_paused = true)]
async fn made_up_key_names_do_not_become_a_storm_of_fetches() {
    let script = Script::new([Ok(key())]);
    let cache = cache(&script);
    let until = tokio::time::Instant::now() + Duration::from_mins(1);
    while tokio::time::Instant::now() < until {
        let _ = cache.waiting().expect("not fixed").next().await;
    }
    assert!(script.calls() <= 61, "{}", script.calls());
}

#[tokio::test(start_paused = true)]
async fn keys_are_renewed_before_their_lifetime_ends() {
    let script = Script::new([Ok(key())]);
    let cache = cache(&script);
    tokio::time::sleep(Duration::from_secs(299)).await;
    assert_eq!(script.calls(), 2);
    tokio::time::sleep(LIFETIME * 10).await;
    assert!((12..=14).contains(&script.calls()), "{}", script.calls());
    drop(cache);
}

#[tokio::test(start_paused = true)]
async fn a_failed_fetch_keeps_the_last_good_keys() {
    let good = key();
    let script = Script::new([Ok(good.clone()), DOWN]);
    let cache = cache(&script);
    assert_eq!(cache.waiting().expect("not fixed").next().await, Ok(true));
    let version = cache.version();
    tokio::time::sleep(LIFETIME * 10).await;
    assert_eq!(kids(&cache.keys()), kids(&good));
    assert_eq!(cache.version(), version);
    let progress = cache.progress().expect("not fixed");
    assert_eq!(progress.failure, DOWN.err());
    assert!(progress.failures > 10);
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_gone_from_the_set_are_dropped() {
    let (leaked, new) = (key(), key());
    let script = Script::new([Ok(both(&leaked, &new)), Ok(new.clone())]);
    let cache = cache(&script);
    fetched(&cache).await;
    let version = cache.version();
    fetched(&cache).await;
    assert_eq!(kids(&cache.keys()), kids(&new));
    assert_ne!(
        cache.version(),
        version,
        "what was verified before is looked at again"
    );
}

#[tokio::test(start_paused = true)]
async fn keys_that_came_between_the_look_and_the_wait_are_not_waited_for() {
    let script = Script::new([Ok(key())]);
    let cache = cache(&script);
    let mut waiting = cache.waiting().expect("not fixed");
    tokio::time::sleep(Duration::from_millis(20)).await;
    let began = tokio::time::Instant::now();
    assert!(waiting.next().await.is_ok());
    assert_eq!(began.elapsed(), Duration::ZERO);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(script.calls(), 1, "nobody needs another fetch");
}

#[tokio::test(start_paused = true)]
async fn a_lifetime_without_end_is_none() {
    let script = Script::new([Ok(key())]);
    let cache = KeyCache::following(
        script.clone(),
        Duration::MAX,
        Clock::system(),
        &Handle::current(),
    );
    tokio::time::sleep(Duration::from_hours(24)).await;
    assert_eq!(script.calls(), 2);
    drop(cache);
}

#[tokio::test(start_paused = true)]
async fn the_same_keys_again_change_nothing() {
    let script = Script::new([Ok(key())]);
    let cache = cache(&script);
    fetched(&cache).await;
    let (version, keys) = (cache.version(), cache.keys());
    fetched(&cache).await;
    assert_eq!(cache.version(), version);
    assert!(Arc::ptr_eq(&keys, &cache.keys()));
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_down_at_the_start_is_found_when_it_comes() {
    let script = Script::new([DOWN]);
    let cache = cache(&script);
    assert_eq!(
        cache.waiting().expect("not fixed").next().await,
        Err(HttpError::Unreachable.into())
    );
    tokio::time::sleep(Duration::from_hours(1)).await;
    let calls = script.calls();
    assert!(calls < 150, "{calls} in an hour when nobody asks");
    script.now_answers(Ok(key()));
    tokio::time::sleep(LONGEST_PAUSE + PAUSE).await;
    assert_eq!(cache.keys().keys().len(), 1, "although nobody asked");
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_gives_up_disturbs_nobody() {
    let script = Script::new([Ok(key())]);
    let cache = Arc::new(cache(&script));
    for _ in 0..3 {
        let mut waiting = cache.waiting().expect("not fixed");
        tokio::select! {
            biased;
            () = tokio::task::yield_now() => {}
            _ = waiting.next() => panic!("it takes longer"),
        }
    }
    assert_eq!(cache.waiting().expect("not fixed").next().await.err(), None);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_fetch_is_a_failure_like_any_other() {
    struct Panics(Script);
    impl Fetch for Panics {
        async fn fetch(&self) -> Result<KeySet, KeySetError> {
            let answer = self.0.fetch().await;
            assert!(self.0.calls() != 1, "the first one");
            answer
        }
    }
    let script = Script::new([Ok(key())]);
    let cache = KeyCache::following(
        Panics(script),
        LIFETIME,
        Clock::system(),
        &Handle::current(),
    );
    assert_eq!(
        cache.waiting().expect("not fixed").next().await,
        Err(KeySetError::Stopped)
    );
    assert_eq!(cache.waiting().expect("not fixed").next().await, Ok(true));
}

#[tokio::test(start_paused = true)]
async fn moving_the_clock_makes_keys_old() {
    let script = Script::new([Ok(key())]);
    let clock = Clock::system();
    let cache = KeyCache::following(script.clone(), LIFETIME, clock.clone(), &Handle::current());
    fetched(&cache).await;
    clock.advance(LIFETIME);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(script.calls(), 2);
}

#[test]
fn when_the_runtime_ends_nobody_waits_for_ever() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("threads");
    let script = Script::new([Ok(key())]);
    script.played().takes = Duration::from_hours(1);
    let cache = KeyCache::following(script, LIFETIME, Clock::system(), runtime.handle());
    let mut waiting = cache.waiting().expect("not fixed");
    runtime.shutdown_background();
    let other = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("none to start");
    assert_eq!(other.block_on(waiting.next()), Err(KeySetError::Stopped));
}

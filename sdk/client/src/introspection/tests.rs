//! What counts as an answer, and what happens without one.

use proptest::prelude::*;

use super::*;

const SUB: &str = "550e8400-e29b-41d4-a716-446655440000";

fn v2(body: &str) -> Option<Word> {
    read_v2(body.as_bytes(), SUB)
}

#[test]
fn an_answer_that_does_not_name_the_account_and_its_generation_is_not_active() {
    let good =
        format!(r#"{{"schema_version":"2","active":true,"user_id":"{SUB}","auth_generation":3}}"#);
    assert_eq!(v2(&good), Some(Word::Active(Some(3))));
    for bad in [
        r#"{"active":true}"#.to_owned(),
        good.replace("0000\"", "0001\""),
        good.replace(":3", ":0"),
        good.replace(":3", ":-1"),
        good.replace(":3", ":1.5"),
        good.replace(":3", ":null"),
        good.replace("\"2\"", "\"3\""),
        good.replace("\"2\"", "2"),
        good.replace("true", "\"true\""),
        good.replace("true", "1"),
        good.replace("true,", "true,\"active\":true,"),
        format!("[{good}]"),
        String::new(),
    ] {
        assert_eq!(v2(&bad), None, "{bad}");
    }
}

#[test]
fn an_inactive_answer_needs_no_more_than_that_word() {
    assert_eq!(
        v2(r#"{"schema_version":"2","active":false}"#),
        Some(Word::Inactive)
    );
    assert_eq!(v2(r#"{"active":false}"#), Some(Word::Inactive));
    assert_eq!(v2(r#"{"schema_version":"3","active":false}"#), None);
    assert_eq!(v2(r#"{"schema_version":"2"}"#), None);
}

#[test]
fn the_word_false_in_quotes_is_no_answer() {
    assert_eq!(read_v1(br#"{"active":"false"}"#), None);
    assert_eq!(read_v1(br#"{"active":false}"#), Some(Word::Inactive));
    assert_eq!(
        read_v1(br#"{"active":true,"more":1}"#),
        Some(Word::Active(None))
    );
    assert_eq!(read_v1(br#"{"active":1}"#), None);
    assert_eq!(read_v1(b"{}"), None);
}

#[test]
fn the_breaker_opens_after_failures_in_a_row_and_lets_one_through_later() {
    let pause = Duration::from_secs(5);
    let at = Duration::from_secs;
    let mut breaker = Breaker::default();
    for _ in 0..2 {
        breaker.failed(Outcome::Unreachable, at(1), 3, pause);
        assert_eq!(breaker.refuses(at(1), pause), None);
    }
    breaker.failed(Outcome::Untrustworthy, at(1), 3, pause);
    assert_eq!(
        breaker.refuses(at(2), pause),
        Some(Outcome::Untrustworthy),
        "what failed last is told"
    );
    assert_eq!(breaker.refuses(at(6), pause), None, "one goes through");
    assert_eq!(
        breaker.refuses(at(6), pause),
        Some(Outcome::Untrustworthy),
        "and one only"
    );
}

#[tokio::test]
async fn a_panic_while_asking_leaves_nobody_waiting() {
    let clock = Clock::system();
    let calls = AtomicU64::new(0);
    let way = Way {
        http: Http::new("test", crate::Timeouts::default(), None, &clock, false).expect("no TLS"),
        // Nobody listens there.
        url: "http://127.0.0.1:1/".parse().expect("an address"),
        version: IntrospectionVersion::V2,
        at_once: 1,
        breaker_failures: 5,
        breaker_pause: Duration::from_secs(5),
        clock,
        stamp: Box::new(move || {
            assert!(calls.fetch_add(1, Ordering::SeqCst) > 0, "the first time");
            7
        }),
    };
    let introspector = Introspector::new(way, Handle::current());
    let question = || Question {
        jti: "one".into(),
        sub: SUB.into(),
    };
    for (stamp, sent) in [(0, 0), (7, 1)] {
        let reply = introspector.ask(question()).await;
        assert_eq!(reply.outcome, Outcome::Unreachable);
        assert_eq!((reply.stamp, introspector.questions()), (stamp, sent));
    }
    assert!(locked(&introspector.0.waiting).is_empty());
}

proptest! {
    #[test]
    fn any_body_is_read_or_refused_without_a_panic(body: Vec<u8>, active: bool, rest in "[a-z\":,{}0-9]{0,40}") {
        let _ = (read_v1(&body), read_v2(&body, SUB));
        let text = format!("{{\"active\":{active},{rest}}}");
        let _ = (read_v1(text.as_bytes()), read_v2(text.as_bytes(), SUB));
    }
}

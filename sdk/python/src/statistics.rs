//! How a client is, in numbers, by the names that metrics use.

use std::time::Duration;

use pyo3::{prelude::*, types::PyDict};
use vestibule_client::Statistics;

/// All numbers as `float`; yes is 1 and no is 0.
pub(crate) fn to_dict<'py>(
    py: Python<'py>,
    statistics: &Statistics,
) -> PyResult<Bound<'py, PyDict>> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "counters of this size are never reached"
    )]
    let count = |number: u64| Some(number as f64);
    let size = |number: usize| count(number.try_into().unwrap_or(u64::MAX));
    let seconds = |duration: Option<Duration>| duration.map(|duration| duration.as_secs_f64());
    let yes = |yes: bool| Some(f64::from(u8::from(yes)));
    let dict = PyDict::new(py);
    for (name, value) in [
        ("keys_loaded", size(statistics.keys)),
        ("key_set_age_seconds", seconds(statistics.key_set_age)),
        ("key_set_fetches", count(statistics.key_fetches)),
        (
            "key_set_fetch_failures",
            count(statistics.key_fetch_failures),
        ),
        ("identities", size(statistics.identities)),
        ("identity_hits", count(statistics.identity_hits)),
        ("identity_misses", count(statistics.identity_misses)),
        ("verifications", count(statistics.verifications)),
        ("introspections", count(statistics.introspections)),
        (
            "introspection_failures",
            count(statistics.introspection_failures),
        ),
        ("feed_current", statistics.feed_is_current.and_then(yes)),
        ("credential_refused", yes(statistics.credential_is_refused)),
        ("staleness_seconds", seconds(statistics.staleness)),
        ("revocations_kept", size(statistics.revocations_kept)),
    ] {
        if let Some(value) = value {
            dict.set_item(name, value)?;
        }
    }
    Ok(dict)
}

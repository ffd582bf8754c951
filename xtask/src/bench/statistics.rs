//! Medians and spreads.

/// Values of several rounds.
#[derive(Clone, Debug, Default)]
pub(super) struct Spread(Vec<f64>);

impl Spread {
    pub(super) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The quotients of two series, round by round: what two neighbours in time had in common cancels out.
    pub(super) fn ratio(ours: &Self, peer: &Self) -> Self {
        Self(ours.0.iter().zip(&peer.0).map(|(a, b)| a / b).collect())
    }

    /// The differences of two series, round by round.
    pub(super) fn difference(ours: &Self, peer: &Self) -> Self {
        ours.0.iter().zip(&peer.0).map(|(a, b)| a - b).collect()
    }

    /// Every `step`th value, from the one at `first` on.
    pub(super) fn every(&self, step: usize, first: usize) -> Self {
        Self(self.0.iter().skip(first).step_by(step).copied().collect())
    }

    /// The value below which a part (0 to 1) lies; not a number when there are none.
    pub(super) fn quantile(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index of a short list"
        )]
        let index = ((sorted.len().saturating_sub(1)) as f64 * part).round() as usize;
        sorted.get(index).copied().unwrap_or(f64::NAN)
    }

    pub(super) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// `median (least–greatest)`.
    pub(super) fn show(&self, digits: usize) -> String {
        let (least, greatest) = (self.quantile(0.0), self.quantile(1.0));
        format!(
            "{:.digits$} ({least:.digits$}–{greatest:.digits$})",
            self.median()
        )
    }
}

impl FromIterator<f64> for Spread {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_shows_its_median_and_its_ends() {
        let spread: Spread = [3.0, 1.0, 2.0].into_iter().collect();
        assert_eq!(spread.show(1), "2.0 (1.0–3.0)");
        assert_eq!(Spread::ratio(&spread, &spread).show(0), "1 (1–1)");
    }
}

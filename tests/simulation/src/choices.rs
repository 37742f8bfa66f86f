//! The numbers that decide a run. They come from a seed and are recorded, so that a run can be
//! repeated with some of them replaced: the shrinker does that.

/// The source of all numbers that a run draws. Zero always stands for the plain case: no fault, the
/// shortest wait, the first of several.
#[derive(Debug)]
pub struct Choices {
    random: fastrand::Rng,
    /// The numbers to draw instead of random ones; after its end, zeros.
    script: Option<Vec<u32>>,
    drawn: Vec<u32>,
}

impl Choices {
    /// Draws random numbers.
    pub fn of_seed(seed: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), script: None, drawn: Vec::new() }
    }

    /// Draws these numbers, then zeros.
    pub fn of_script(script: Vec<u32>) -> Self {
        Self { random: fastrand::Rng::with_seed(0), script: Some(script), drawn: Vec::new() }
    }

    /// Draws a number below `bound`.
    pub fn below(&mut self, bound: u32) -> u32 {
        let next = match &self.script {
            Some(script) => {
                script.get(self.drawn.len()).map_or(0, |next| (*next).min(bound.saturating_sub(1)))
            }
            None => self.random.u32(0..bound.max(1)),
        };
        self.drawn.push(next);
        next
    }

    /// Returns true in so many of 1000 cases.
    pub fn chance(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.below(1000) >= 1000_u32.saturating_sub(per_mille)
    }

    /// Draws one of several.
    pub fn one_of<T: Copy>(&mut self, several: &[T]) -> T {
        several[self.below(several.len() as u32) as usize]
    }

    /// Draws a wait in ms: a short one more often than a long one.
    pub fn wait(&mut self, waits: &[u64]) -> u64 {
        let most = waits.len() as u32;
        let (first, second) = (self.below(most), self.below(most));
        waits[first.min(second) as usize]
    }

    /// Returns what was drawn.
    pub fn drawn(&self) -> &[u32] {
        &self.drawn
    }
}

//! A small generator of numbers. Its own, so that no version of a crate can change what a seed number means.

/// The splitmix64 generator, by Steele, Lea and Flood (2014).
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    /// The dice of row `row` of a stream. Rows next to each other have nothing in common.
    pub(super) fn new(stream: u64, row: u64) -> Self {
        let mut dice = Self(stream.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ row.rotate_left(32));
        Self(dice.roll() ^ row)
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `end - 1`; 0 if `end` is 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        // The bias is below one in a billion for anything a seed asks for.
        self.roll() % end.max(1)
    }

    /// From `first` to `last`, both included.
    pub(super) fn between(&mut self, first: u32, last: u32) -> u32 {
        let span = u64::from(last.saturating_sub(first)) + 1;
        first + u32::try_from(self.below(span)).unwrap_or_default()
    }

    /// A number of things or bytes, both ends included.
    pub(super) fn size(&mut self, first: usize, last: usize) -> usize {
        let span = last.saturating_sub(first) as u64 + 1;
        first + usize::try_from(self.below(span)).unwrap_or_default()
    }

    /// A whole number for a property, both ends included.
    pub(super) fn integer(&mut self, first: u32, last: u32) -> i64 {
        self.between(first, last).into()
    }

    /// A number with a few decimals: `first` to `last`, divided by `unit`.
    pub(super) fn decimal(&mut self, first: i32, last: i32, unit: i32) -> f64 {
        // Divided last, so that it has no more digits than the unit gives it.
        f64::from(first.saturating_add_unsigned(self.between(0, last.abs_diff(first)))) / f64::from(unit)
    }

    /// True once in `times`.
    pub(super) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub(super) fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.size(0, items.len() - 1)]
    }

    pub(super) fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend_from_slice(&self.roll().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_never_change() {
        // The published first outputs of splitmix64 for the state 0.
        let mut dice = Dice(0);
        assert_eq!([dice.roll(), dice.roll()], [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
        assert_eq!(Dice::new(1, 2).bytes(5), Dice::new(1, 2).bytes(9)[..5]);
    }

    #[test]
    fn bounds_hold() {
        let mut dice = Dice::new(0, 0);
        for _ in 0..1000 {
            assert!((3..=5).contains(&dice.between(3, 5)));
            assert!((0..=1).contains(&dice.size(0, 1)));
            assert!((-0.2..=0.1).contains(&dice.decimal(-20, 10, 100)));
            assert_eq!(dice.below(0), 0);
        }
    }
}

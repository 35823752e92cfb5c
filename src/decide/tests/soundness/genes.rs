//! Numbers that things are made of: each choice takes the next number, and where none is left, the first way of all.
//!
//! So a random thing is a list of numbers, and shrinking the list makes the thing simpler, whatever it is.

use proptest::prelude::*;

pub struct Genes<'a> {
    rest: std::slice::Iter<'a, u16>,
}

impl<'a> Genes<'a> {
    pub fn of(numbers: &'a [u16]) -> Self {
        Self { rest: numbers.iter() }
    }

    /// One of so many ways; 0 is the simplest.
    pub fn pick(&mut self, ways: usize) -> usize {
        usize::from(self.rest.next().copied().unwrap_or(0)) % ways.max(1)
    }

    pub fn choose<'b, T>(&mut self, among: &'b [T]) -> &'b T {
        &among[self.pick(among.len())]
    }

    /// True once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.pick(times) + 1 == times
    }

    /// Some of these, in order.
    pub fn some_of<T: Clone>(&mut self, among: &[T], one_in: usize) -> Vec<T> {
        among.iter().filter(|_| self.once_in(one_in)).cloned().collect()
    }
}

pub fn genes(most: usize) -> impl Strategy<Value = Vec<u16>> + Clone {
    prop::collection::vec(any::<u16>(), most / 3..=most)
}

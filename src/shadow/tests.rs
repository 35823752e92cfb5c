//! Without a candidate, and with too many differences to tell.

use std::time::{Duration, Instant};

use super::told::Differences;
use super::*;

#[test]
fn without_a_candidate_there_is_no_place_and_nothing_waits() {
    let shadow = Shadow::off();
    assert!(shadow.place(&TenantId::parse("acme").unwrap()).is_none());
    assert!(shadow.candidate().is_none());
    assert_eq!(shadow.queued(), 0);
}

#[test]
fn so_many_differences_a_second_are_told_and_the_others_counted() {
    let mut differences = Differences::at_most(2);
    let start = Instant::now();
    let told = |differences: &mut Differences, after: u64| differences.may_tell(start + Duration::from_millis(after));
    assert_eq!([0, 1, 2, 999].map(|after| told(&mut differences, after)), [true, true, false, false]);
    assert_eq!(differences.take_untold(), 2);
    assert_eq!([1000, 1500, 1999].map(|after| told(&mut differences, after)), [true, true, false]);
    assert!(!Differences::at_most(0).may_tell(start), "none at all");
}

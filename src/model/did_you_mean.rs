//! The known name that a mistyped one was meant to be.
//!
//! In: a name that nothing has, and the names that there are. Out: the nearest of them, if one is near enough to be
//! worth a suggestion; or the words ` (did you mean ...)` for the end of a message. Bounded: a long name costs no more
//! than a short one, and of many names only the first are looked at.

/// The nearest of the known names: at most one edit in three letters away, the first in order among equals.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = letters(name)?;
    let mut best: Option<(usize, &'a str)> = None;
    for candidate in known.into_iter().take(MOST_NAMES) {
        if candidate == name {
            continue;
        }
        let Some(letters) = letters(candidate) else { continue };
        let shorter = wanted.len().min(letters.len());
        // A name that differs only in the case of its letters is always meant.
        let is_same = candidate.to_lowercase() == name.to_lowercase();
        let most = if is_same { wanted.len() } else { (shorter / 3).clamp(1, MOST_EDITS) };
        if wanted.len().abs_diff(letters.len()) > most {
            continue;
        }
        let edits = if is_same { 0 } else { distance(&wanted, &letters) };
        // One edit of a single letter would turn any such name into any other.
        let is_near = edits <= most && edits < shorter;
        if is_near && best.is_none_or(|(least, first)| (edits, candidate) < (least, first)) {
            best = Some((edits, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The end of a message about a name that nothing has: ` (did you mean ...)`, or nothing.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |meant| format!(" (did you mean `{meant}`?)"))
}

fn letters(name: &str) -> Option<Vec<char>> {
    let letters: Vec<char> = name.chars().take(MOST_LETTERS + 1).collect();
    (!letters.is_empty() && letters.len() <= MOST_LETTERS).then_some(letters)
}

/// How many letters to put in, leave out, replace, or swap with their neighbour make one name the other.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, letter) in left.iter().enumerate() {
        let mut current = Vec::with_capacity(above.len());
        current.push(row + 1);
        for (column, other) in right.iter().enumerate() {
            let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX - 1);
            let replaced = cell(&above, column) + usize::from(letter != other);
            let mut least = replaced.min(cell(&above, column + 1) + 1).min(cell(&current, column) + 1);
            let is_swapped = row > 0
                && column > 0
                && left.get(row - 1) == Some(other)
                && right.get(column - 1) == Some(letter)
                && letter != other;
            if is_swapped {
                least = least.min(cell(&before, column - 1) + 1);
            }
            current.push(least);
        }
        before = std::mem::replace(&mut above, current);
    }
    above.last().copied().unwrap_or_default()
}

/// The most letters that a suggestion may be away.
const MOST_EDITS: usize = 3;
/// Longer names get no suggestion.
const MOST_LETTERS: usize = 128;
/// More names are not looked at.
const MOST_NAMES: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_the_name_that_was_meant() {
        let known = ["acme", "globex", "initech"];
        for (typed, meant) in
            [("acmee", "acme"), ("acm", "acme"), ("amce", "acme"), ("ACME", "acme"), ("globx", "globex")]
        {
            assert_eq!(nearest(typed, known), Some(meant), "{typed}");
        }
        assert_eq!(did_you_mean("acmee", known), " (did you mean `acme`?)");
    }

    #[test]
    fn a_name_that_is_far_from_all_gets_no_suggestion() {
        assert_eq!(nearest("umbrella", ["acme", "globex"]), None);
        assert_eq!(nearest("a", ["b", "c"]), None);
        assert_eq!(nearest("", ["a"]), None);
        assert_eq!(nearest("acme", ["acme"]), None);
        assert_eq!(did_you_mean("umbrella", ["acme"]), "");
    }

    #[test]
    fn the_nearest_wins_and_among_equals_the_first_in_order() {
        assert_eq!(nearest("viewer", ["reviewer", "viewers", "view"]), Some("viewers"));
        assert_eq!(nearest("editor", ["editors", "editor2"]), Some("editor2"));
        assert_eq!(nearest("Straße", ["strasse", "straße"]), Some("straße"));
    }

    #[test]
    fn long_names_and_many_names_cost_little() {
        let long = "x".repeat(1_000_000);
        assert_eq!(nearest(&long, ["x"]), None);
        assert_eq!(nearest("x1", [long.as_str()]), None);
    }
}

//! Members that the schema does not declare: named with what may have been meant, or left out and told.

use serde_json::{Map, Value};

use super::has_escape;
use crate::schema::{DataType, DataTypes};

/// Why an undeclared member is refused.
pub(super) fn message(name: &str, types: &DataTypes) -> String {
    let near = types.keys().filter_map(|known| Some((distance(name, known)?, known))).min();
    match near {
        Some((_, known)) => format!("is not declared by the schema (did you mean `{known}`?)"),
        None => "is not declared by the schema: leave it out, or ask with `\"unknown\": \"drop\"`".to_owned(),
    }
}

/// Takes what the schema does not declare out of a record, at every depth, and adds its paths to `dropped`.
pub(in crate::decide) fn drop_members(
    given: &mut Map<String, Value>,
    types: &DataTypes,
    path: &str,
    dropped: &mut Vec<String>,
) {
    given.retain(|name, value| {
        let path = format!("{path}.{name}");
        let Some((kind, _)) = types.get(name) else {
            dropped.push(path);
            return false;
        };
        drop_within(value, kind, &path, dropped);
        true
    });
}

fn drop_within(given: &mut Value, kind: &DataType, path: &str, dropped: &mut Vec<String>) {
    match (kind, given) {
        (DataType::Record(types), Value::Object(members)) if !has_escape(members) => {
            drop_members(members, types, path, dropped);
        }
        (DataType::Set(element), Value::Array(elements)) => {
            for (index, given) in elements.iter_mut().enumerate() {
                drop_within(given, element, &format!("{path}[{index}]"), dropped);
            }
        }
        _ => {}
    }
}

/// How many letters are other, if it is so few that one was meant for the other.
fn distance(one: &str, other: &str) -> Option<usize> {
    if one.len() > LONGEST_NAME || other.len() > LONGEST_NAME {
        return None;
    }
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut above: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut diagonal = row;
        let mut left = row + 1;
        let mut line = vec![left];
        for (known, up) in other.iter().zip(above.iter().skip(1)) {
            left = (diagonal + usize::from(letter != known)).min(left + 1).min(up + 1);
            diagonal = *up;
            line.push(left);
        }
        above = line;
    }
    let most = one.len().min(other.len()) / 3;
    above.last().copied().filter(|letters| *letters <= most)
}

const LONGEST_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_is_near_and_another_is_not() {
        assert_eq!(distance("tokens_requestd", "tokens_requested"), Some(1));
        assert_eq!(distance("user_agent", "usr-agent"), Some(2));
        assert_eq!(distance("agent", "agent"), Some(0));
        for (one, other) in [("ip", "id"), ("weather", "time"), ("", "ip"), ("per_page", "path")] {
            assert_eq!(distance(one, other), None, "{one} {other}");
        }
    }
}

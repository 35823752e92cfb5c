//! What conditions do with attributes, and so what these are.
//!
//! In: the body of a condition in Cedar's JSON. Out: a list of uses, each a way of attributes from the principal, the
//! resource or the context, with what it must be.

use serde_json::Value;

use super::guess::{Guess, Member, extension, type_of};

/// Where a way of attributes begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Root {
    Principal,
    Resource,
    Context,
}

/// One use.
#[derive(Clone, Debug)]
pub(super) struct Use {
    pub root: Root,
    /// Empty for the entity itself.
    pub way: Vec<String>,
    pub what: What,
}

/// What a use says.
#[derive(Clone, Debug)]
pub(super) enum What {
    Is(Guess),
    /// It was asked whether it is there.
    MayLack,
    /// It has tags.
    HasTags,
}

/// The uses of an expression, and the entity literals in it.
#[derive(Debug, Default)]
pub(super) struct Uses {
    pub uses: Vec<Use>,
    pub literals: Vec<Value>,
}

impl Uses {
    /// Looks at an expression of which something is expected; what it is taken for.
    pub fn look(&mut self, expression: &Value, expected: Guess) -> Guess {
        if let Some((root, way)) = way_of(expression) {
            if !way.is_empty() {
                self.uses.push(Use { root, way, what: What::Is(expected.clone()) });
            }
            return expected;
        }
        let Some((operator, operands)) = expression.as_object().and_then(|members| members.iter().next()) else {
            return Guess::Unknown;
        };
        let (left, right) = (operands.get("left"), operands.get("right"));
        let argument = operands.get("arg");
        match operator.as_str() {
            "Value" => {
                self.literals.extend(operands.get("__entity").cloned());
                Guess::of_data(operands)
            }
            "Set" => {
                let mut element = Guess::Unknown;
                for item in operands.as_array().into_iter().flatten() {
                    element.merge(self.look(item, Guess::Unknown));
                }
                Guess::Set(Box::new(element))
            }
            "Record" => {
                let members = operands.as_object().into_iter().flatten();
                let member = |(name, value): (&String, &Value)| {
                    (name.clone(), Member { guess: self.look(value, Guess::Unknown), ..Member::default() })
                };
                Guess::Record(members.map(member).collect())
            }
            "&&" | "||" => self.both(left, right, &Guess::Bool),
            "!" => self.one(argument, Guess::Bool),
            "neg" => self.one(argument, Guess::Long),
            "+" | "-" | "*" => self.both(left, right, &Guess::Long),
            "==" | "!=" => {
                self.alike(left, right, Guess::Unknown);
                Guess::Bool
            }
            "<" | "<=" | ">" | ">=" => {
                self.alike(left, right, Guess::Long);
                Guess::Bool
            }
            "in" => {
                let target = right.map(|right| self.look(right, Guess::Unknown)).unwrap_or_default();
                let target = if let Guess::Set(element) = target { *element } else { target };
                self.one(left, target);
                Guess::Bool
            }
            "is" => {
                let named = operands.get("entity_type").and_then(Value::as_str);
                self.one(left, named.map_or(Guess::Unknown, |name| Guess::Entity(name.to_owned())));
                self.one(operands.get("in"), Guess::Unknown);
                Guess::Bool
            }
            "like" => {
                self.one(left, Guess::Text);
                Guess::Bool
            }
            "has" => {
                self.note_asked(left, operands.get("attr"));
                Guess::Bool
            }
            "." => {
                self.one(left, Guess::Unknown);
                Guess::Unknown
            }
            "contains" => {
                let element = right.map(|right| self.look(right, Guess::Unknown)).unwrap_or_default();
                self.one(left, Guess::Set(Box::new(element)));
                Guess::Bool
            }
            "containsAll" | "containsAny" => {
                self.alike(left, right, Guess::Set(Box::default()));
                Guess::Bool
            }
            "isEmpty" => {
                self.one(argument, Guess::Set(Box::default()));
                Guess::Bool
            }
            "hasTag" | "getTag" => {
                if let Some((root, way)) = left.and_then(way_of).filter(|(_, way)| way.is_empty()) {
                    self.uses.push(Use { root, way, what: What::HasTags });
                }
                self.one(right, Guess::Text);
                if operator == "hasTag" { Guess::Bool } else { Guess::Set(Box::new(Guess::Text)) }
            }
            "if-then-else" => {
                self.one(operands.get("if"), Guess::Bool);
                self.alike(operands.get("then"), operands.get("else"), expected)
            }
            function => self.call(function, operands),
        }
    }

    /// A function or a method of an extension: its operands are a list.
    fn call(&mut self, function: &str, operands: &Value) -> Guess {
        let (of, result) = match function {
            "isIpv4" | "isIpv6" | "isLoopback" | "isMulticast" | "isInRange" => (Some("ipaddr"), Guess::Bool),
            "lessThan" | "lessThanOrEqual" | "greaterThan" | "greaterThanOrEqual" => (Some("decimal"), Guess::Bool),
            "toDate" => (Some("datetime"), Guess::Extension("datetime")),
            "toTime" | "durationSince" => (Some("datetime"), Guess::Extension("duration")),
            "offset" => (None, Guess::Extension("datetime")),
            "toMilliseconds" | "toSeconds" | "toMinutes" | "toHours" | "toDays" => (Some("duration"), Guess::Long),
            constructor => (None, extension(constructor).map_or(Guess::Unknown, Guess::Extension)),
        };
        for (place, operand) in operands.as_array().into_iter().flatten().enumerate() {
            let expected = match (function, place) {
                ("offset", 0) => Guess::Extension("datetime"),
                ("offset", _) => Guess::Extension("duration"),
                _ => of.map_or(Guess::Text, Guess::Extension),
            };
            self.look(operand, expected);
        }
        result
    }

    fn one(&mut self, operand: Option<&Value>, expected: Guess) -> Guess {
        let result = expected.clone();
        operand.map(|operand| self.look(operand, expected));
        result
    }

    fn both(&mut self, left: Option<&Value>, right: Option<&Value>, expected: &Guess) -> Guess {
        self.one(left, expected.clone());
        self.one(right, expected.clone())
    }

    /// Two operands of one type, which the one that is known tells of the other.
    fn alike(&mut self, left: Option<&Value>, right: Option<&Value>, usual: Guess) -> Guess {
        let is_way = |operand: Option<&Value>| operand.is_none_or(|operand| way_of(operand).is_some());
        let (first, second) = if is_way(left) { (right, left) } else { (left, right) };
        let mut known = if is_way(first) { Guess::Unknown } else { self.one_known(first) };
        known.merge(usual);
        if is_way(first) {
            self.one(first, known.clone());
        }
        self.one(second, known)
    }

    fn one_known(&mut self, operand: Option<&Value>) -> Guess {
        operand.map(|operand| self.look(operand, Guess::Unknown)).unwrap_or_default()
    }

    fn note_asked(&mut self, left: Option<&Value>, attribute: Option<&Value>) {
        if let (Some((root, mut way)), Some(name)) = (left.and_then(way_of), attribute.and_then(Value::as_str)) {
            way.push(name.to_owned());
            self.uses.push(Use { root, way, what: What::MayLack });
        } else {
            self.one(left, Guess::Unknown);
        }
    }
}

/// `principal.manager.level` as its beginning and its attributes.
fn way_of(expression: &Value) -> Option<(Root, Vec<String>)> {
    if let Some(variable) = expression.get("Var").and_then(Value::as_str) {
        let root = match variable {
            "principal" => Root::Principal,
            "resource" => Root::Resource,
            "context" => Root::Context,
            _ => return None,
        };
        return Some((root, Vec::new()));
    }
    let step = expression.get(".")?;
    let (root, mut way) = way_of(step.get("left")?)?;
    way.push(step.get("attr")?.as_str()?.to_owned());
    Some((root, way))
}

/// The types of entity literals.
pub(super) fn literal_types(literals: &[Value]) -> impl Iterator<Item = String> {
    literals.iter().filter_map(type_of)
}

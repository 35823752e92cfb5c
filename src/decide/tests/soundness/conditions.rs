//! Random conditions that strict validation accepts: what they look into, they first ask for.

use super::genes::Genes;
use super::shape::{Attribute, IDS, Kind, Shape};

/// Who may ask what about what: a condition is written for one of these.
#[derive(Clone, Copy)]
pub struct Environment {
    pub principal: usize,
    pub action: usize,
    pub resource: usize,
}

pub struct Conditions<'a, 'g> {
    pub shape: &'a Shape,
    pub environment: Environment,
    pub genes: &'a mut Genes<'g>,
    /// Whether the context was looked at: then only for this action.
    pub uses_context: bool,
}

/// An expression that is an entity of a type, and what has to hold before it may be looked at.
#[derive(Clone)]
struct Path {
    text: String,
    kind: usize,
    guards: Vec<String>,
}

impl Path {
    fn guarded(&self, more: Vec<String>, atom: &str) -> String {
        let mut parts = self.guards.clone();
        parts.extend(more);
        parts.push(atom.to_owned());
        parts.join(" && ")
    }
}

impl Conditions<'_, '_> {
    /// A condition; deeper ones are joined of several.
    pub fn condition(&mut self, depth: usize) -> String {
        let way = if depth == 0 { self.genes.pick(3) } else { self.genes.pick(7) };
        let mut inner = || self.condition(depth - 1);
        match way {
            3 => format!("({} && {})", inner(), inner()),
            4 => format!("({} || {})", inner(), inner()),
            5 => format!("!({})", inner()),
            6 => format!("(if {} then {} else {})", inner(), inner(), inner()),
            2 => self.about_the_context().unwrap_or_else(|| self.about_a_path()),
            _ => self.about_a_path(),
        }
    }

    /// Something of an attribute of the context itself.
    fn about_the_context(&mut self) -> Option<String> {
        let context = &self.shape.actions[self.environment.action].context;
        let attribute = context.get(self.genes.pick(context.len()))?;
        let has = format!("context has {}", attribute.name);
        let mut atoms = self.atoms_of(&format!("context.{}", attribute.name), attribute.kind);
        if attribute.is_optional {
            atoms.iter_mut().for_each(|atom| *atom = format!("{has} && {atom}"));
        }
        atoms.push(has);
        self.uses_context = true;
        Some(format!("({})", self.genes.choose(&atoms)))
    }

    fn about_a_path(&mut self) -> String {
        let steps = self.genes.pick(5);
        let path = self.path(steps);
        let atoms = self.atoms(&path);
        format!("({})", self.genes.choose(&atoms))
    }

    /// From a variable, a literal or a choice, so many attributes or tags on.
    fn path(&mut self, steps: usize) -> Path {
        let mut path = self.root();
        for _ in 0..steps {
            let ways = self.steps(&path);
            if ways.is_empty() {
                break;
            }
            path = self.genes.choose(&ways).clone();
        }
        path
    }

    fn root(&mut self) -> Path {
        let Environment { principal, resource, .. } = self.environment;
        let plain = |text: &str, kind: usize| Path { text: text.to_owned(), kind, guards: Vec::new() };
        match self.genes.pick(10) {
            0 | 1 => plain("resource", resource),
            2 => plain("principal", principal),
            3..6 => self.of_context().unwrap_or_else(|| plain("resource", resource)),
            6 | 7 => {
                let kind = self.genes.pick(self.shape.types.len());
                plain(&self.literal(kind), kind)
            }
            8 => {
                let (one, other) = (self.literal(resource), self.literal(resource));
                plain(&format!("(if resource == {one} then {other} else resource)"), resource)
            }
            _ => {
                let other = self.literal(principal);
                plain(&format!("{{it: resource, other: {other}}}.it"), resource)
            }
        }
    }

    fn of_context(&mut self) -> Option<Path> {
        let context = &self.shape.actions[self.environment.action].context;
        let ways: Vec<Path> = context.iter().flat_map(|attribute| step("context", &[], attribute)).collect();
        let found = ways.get(self.genes.pick(ways.len()))?.clone();
        self.uses_context = true;
        Some(found)
    }

    fn steps(&self, path: &Path) -> Vec<Path> {
        let kind = &self.shape.types[path.kind];
        let mut ways: Vec<Path> =
            kind.attributes.iter().flat_map(|attribute| step(&path.text, &path.guards, attribute)).collect();
        if let Some(Kind::Entity(of)) = kind.tags {
            let mut guards = path.guards.clone();
            guards.push(format!("{}.hasTag(\"s\")", path.text));
            ways.push(Path { text: format!("{}.getTag(\"s\")", path.text), kind: of, guards });
        }
        ways
    }

    /// All that can be said of an entity.
    fn atoms(&mut self, path: &Path) -> Vec<String> {
        let text = &path.text;
        let found = &self.shape.types[path.kind];
        let mut atoms = Vec::new();
        for attribute in &found.attributes {
            let (name, value) = (attribute.name, format!("{text}.{}", attribute.name));
            let has = if attribute.is_optional { vec![format!("{text} has {name}")] } else { Vec::new() };
            for atom in self.atoms_of(&value, attribute.kind) {
                atoms.push(path.guarded(has.clone(), &atom));
            }
            atoms.push(path.guarded(Vec::new(), &format!("{text} has {name}")));
            if let Kind::Entity(of) = attribute.kind {
                let below = &self.shape.types[of].attributes;
                if !below.is_empty() {
                    let below = self.genes.choose(below).name;
                    atoms.push(path.guarded(Vec::new(), &format!("{text} has {name}.{below}")));
                }
            }
        }
        match found.tags {
            Some(Kind::Long) => {
                atoms.push(path.guarded(vec![format!("{text}.hasTag(\"s\")")], &format!("{text}.getTag(\"s\") > 1")));
            }
            Some(Kind::Entities(of)) => {
                let member = self.literal(of);
                let contains = format!("{text}.getTag(\"s\").contains({member})");
                atoms.push(path.guarded(vec![format!("{text}.hasTag(\"s\")")], &contains));
            }
            Some(Kind::Words) => {
                let contains = format!("{text}.getTag(\"unit\").contains(\"x\")");
                atoms.push(path.guarded(vec![format!("{text}.hasTag(\"unit\")")], &contains));
            }
            Some(_) => atoms.push(path.guarded(Vec::new(), &format!("{text}.hasTag(\"t\")"))),
            None => {}
        }
        for above in self.shape.above(path.kind) {
            let (one, other) = (self.literal(above), self.literal(above));
            atoms.push(path.guarded(Vec::new(), &format!("{text} in {one}")));
            atoms.push(path.guarded(Vec::new(), &format!("{text} in [{one}, {other}]")));
            let name = &self.shape.types[path.kind].name;
            atoms.push(path.guarded(Vec::new(), &format!("{text} is {name} in {one}")));
        }
        atoms.push(self.compared(path));
        atoms.push(self.within(path));
        atoms
    }

    /// What can be said of a value: some of it fails.
    fn atoms_of(&mut self, value: &str, kind: Kind) -> Vec<String> {
        match kind {
            Kind::Long => vec![
                format!("{value} > {}", self.genes.pick(4)),
                format!("{value} + 9223372036854775806 > 0"),
                format!("{value} * 2 == 4"),
            ],
            Kind::Text => vec![format!("{value} == \"x\""), format!("{value} like \"*@a\"")],
            Kind::Bool => vec![value.to_owned()],
            Kind::Entities(of) => vec![
                format!("{value}.contains({})", self.literal(of)),
                format!("{value}.containsAny([{}, {}])", self.literal(of), self.literal(of)),
            ],
            Kind::Record(_) => vec![format!("{value}.n > 1"), format!("{value} has deep")],
            Kind::Address => vec![format!("{value}.isInRange(ip(\"10.0.0.0/8\"))"), format!("{value}.isLoopback()")],
            Kind::Price => vec![format!("{value}.lessThan(decimal(\"1.5\"))")],
            Kind::Words => vec![format!("{value}.contains(\"x\")")],
            Kind::Entity(of) => vec![format!("{value} == {}", self.literal(of))],
        }
    }

    /// One entity is another.
    fn compared(&mut self, path: &Path) -> String {
        let steps = self.genes.pick(3);
        let other = self.path(steps);
        if other.kind == path.kind {
            return path.guarded(other.guards.clone(), &format!("{} == {}", path.text, other.text));
        }
        path.guarded(Vec::new(), &format!("{} == {}", path.text, self.literal(path.kind)))
    }

    /// One entity is in another, or in one of an attribute's.
    fn within(&mut self, path: &Path) -> String {
        let above = self.shape.above(path.kind);
        let steps = self.genes.pick(3);
        let other = self.path(steps);
        if above.contains(&other.kind) && self.genes.once_in(2) {
            return path.guarded(other.guards.clone(), &format!("{} in {}", path.text, other.text));
        }
        let attributes = &self.shape.types[other.kind].attributes;
        let mut sets =
            attributes.iter().filter(|found| matches!(found.kind, Kind::Entities(of) if above.contains(&of)));
        if let Some(set) = sets.next_back() {
            let mut guards = other.guards.clone();
            guards.push(format!("{} has {}", other.text, set.name));
            return path.guarded(guards, &format!("{} in {}.{}", path.text, other.text, set.name));
        }
        path.guarded(Vec::new(), &format!("{} == {}", path.text, self.literal(path.kind)))
    }

    pub fn literal(&mut self, kind: usize) -> String {
        self.shape.uid(kind, self.genes.pick(IDS.len()))
    }
}

/// The entities that an attribute leads to.
fn step(text: &str, guards: &[String], attribute: &Attribute) -> Vec<Path> {
    let name = attribute.name;
    let mut guards = guards.to_vec();
    let path = |of, text, guards| Path { text, kind: of, guards };
    match attribute.kind {
        Kind::Entity(of) => {
            if attribute.is_optional {
                guards.push(format!("{text} has {name}"));
            }
            vec![path(of, format!("{text}.{name}"), guards)]
        }
        Kind::Record(of) => {
            let mut at_once = guards.clone();
            at_once.push(format!("{text} has {name}.deep"));
            guards.push(format!("{text} has {name} && {text}.{name} has deep"));
            let deep = format!("{text}.{name}.deep");
            vec![path(of, deep.clone(), guards), path(of, deep, at_once)]
        }
        _ => Vec::new(),
    }
}

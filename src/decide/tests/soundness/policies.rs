//! Random policies of every form of scope, templates with one slot and with both, and links of both forms.

use cedar_policy::{Policy, PolicyId, PolicySet, SlotId, Template, ValidationMode, Validator};
use serde_json::{Value, json};

use super::conditions::{Conditions, Environment};
use super::genes::Genes;
use super::shape::{IDS, Shape};
use crate::compile::collaborator_id;
use crate::model::EntityRef;

/// A policy or a template as a file has it.
#[derive(Clone)]
pub struct Written {
    pub text: String,
    /// Its `@id`, if it has one.
    pub id: Option<String>,
    pub file: &'static str,
    pub environment: Environment,
    /// The types that its slots are filled with.
    pub slots: (Option<usize>, Option<usize>),
}

/// A link as a line of the bundle has it.
#[derive(Clone)]
pub struct Linked {
    pub template: String,
    pub id: String,
    pub principal: Option<(usize, usize)>,
    pub resource: Option<(usize, usize)>,
}

/// Where policies stand; the last is the bundle's.
pub const FILES: [&str; 4] = ["a.cedar", "sub/b.cedar", "platform.cedar", ROLES];
pub const ROLES: &str = "compiled/roles.cedar";

pub fn environment(shape: &Shape, genes: &mut Genes<'_>) -> Environment {
    let action = *genes.choose(&shape.asked());
    let asked = &shape.actions[action];
    Environment { action, principal: *genes.choose(&asked.principals), resource: *genes.choose(&asked.resources) }
}

/// One side of a scope.
struct Side {
    text: String,
    /// Whether it leaves no other type.
    fixes_type: bool,
    /// What a slot of it is filled with.
    slot: Option<usize>,
}

fn side(shape: &Shape, genes: &mut Genes<'_>, name: &str, kind: usize, slotted: bool) -> Side {
    let own = &shape.types[kind].name;
    let above = shape.above(kind);
    let mut around = vec![kind];
    around.extend(above);
    let target = *genes.choose(&around);
    let entity = if slotted { format!("?{name}") } else { shape.uid(target, genes.pick(IDS.len())) };
    let slot = |of: usize| slotted.then_some(of);
    // Without a slot, the first two ways name no entity.
    match if slotted { 2 + genes.pick(3) } else { genes.pick(5) } {
        0 => Side { text: name.to_owned(), fixes_type: false, slot: None },
        1 => Side { text: format!("{name} is {own}"), fixes_type: true, slot: None },
        2 => Side { text: format!("{name} in {entity}"), fixes_type: false, slot: slot(target) },
        3 => Side { text: format!("{name} is {own} in {entity}"), fixes_type: true, slot: slot(target) },
        _ => {
            let itself = if slotted { entity } else { shape.uid(kind, genes.pick(IDS.len())) };
            Side { text: format!("{name} == {itself}"), fixes_type: true, slot: slot(kind) }
        }
    }
}

/// The action's part of a scope, and whether it leaves no other action.
fn action_side(shape: &Shape, genes: &mut Genes<'_>, action: usize) -> (String, bool) {
    let own = &shape.actions[action].uid;
    let other = &shape.actions[genes.pick(shape.actions.len())].uid;
    let groups = shape.groups_of(action);
    let group = groups.get(genes.pick(groups.len())).map(|group| &shape.actions[*group].uid);
    match (genes.pick(7), group) {
        (0, _) => ("action".into(), false),
        (1 | 2, _) => (format!("action == {own}"), true),
        (3, _) => (format!("action in [{own}]"), false),
        (4 | 5, Some(group)) => (format!("action in {group}"), false),
        (6, Some(group)) => (format!("action in [{other}, {group}]"), false),
        _ => (format!("action in [{other}, {own}]"), false),
    }
}

impl Written {
    pub fn of(shape: &Shape, numbers: &[u16], index: usize, is_template: bool) -> Self {
        let mut genes = Genes::of(numbers);
        let genes = &mut genes;
        let environment = environment(shape, genes);
        let slotted = match (is_template, genes.pick(4)) {
            (false, _) => (false, false),
            (true, 2) => (true, false),
            (true, 3) => (false, true),
            _ => (true, true),
        };
        let principal = side(shape, genes, "principal", environment.principal, slotted.0);
        let (action, fixes_action) = action_side(shape, genes, environment.action);
        let resource = side(shape, genes, "resource", environment.resource, slotted.1);
        let effect = if genes.once_in(3) { "forbid" } else { "permit" };
        let mut text = format!("{effect} ({}, {action}, {})", principal.text, resource.text);
        for _ in 0..genes.pick(4).min(2) {
            let mut conditions = Conditions { shape, environment, genes, uses_context: false };
            let condition = conditions.condition(2);
            let uses_context = conditions.uses_context;
            let mut guards = Vec::new();
            if uses_context && !fixes_action {
                guards.push(format!("action == {}", shape.actions[environment.action].uid));
            }
            if !principal.fixes_type {
                guards.push(format!("principal is {}", shape.types[environment.principal].name));
            }
            if !resource.fixes_type {
                guards.push(format!("resource is {}", shape.types[environment.resource].name));
            }
            guards.push(condition);
            let when = if genes.once_in(4) { "unless" } else { "when" };
            text.push_str(&format!("\n  {when} {{ {} }}", guards.join(" && ")));
        }
        text.push(';');
        let (id, file) = match (is_template, genes.pick(5)) {
            (true, 0..3) => {
                let role = format!("role/{}/r{index}", shape.types[environment.resource].name);
                (Some(role), ROLES)
            }
            (_, way) => {
                let id = (way != 4).then(|| format!("{}/{index} \u{e9}", if is_template { "t" } else { "p" }));
                (id, *genes.choose(&FILES[..3]))
            }
        };
        Self { text, id, file, environment, slots: (principal.slot, resource.slot) }
    }

    pub fn with_id(&self) -> String {
        self.id.as_ref().map_or_else(String::new, |id| format!("@id(\"{id}\") ")) + &self.text + "\n"
    }

    pub fn is_template(&self) -> bool {
        self.slots.0.is_some() || self.slots.1.is_some()
    }

    /// Whether strict validation accepts it, whatever the engine says.
    pub fn is_valid(&self, validator: &Validator) -> bool {
        let mut set = PolicySet::new();
        if self.is_template() {
            set.add_template(Template::parse(None, &self.text).unwrap()).unwrap();
        } else {
            set.add(Policy::parse(None, &self.text).unwrap_or_else(|error| panic!("{}: {error:?}", self.text)))
                .unwrap();
        }
        validator.validate(&set, ValidationMode::Strict).validation_passed()
    }
}

impl Linked {
    pub fn of(shape: &Shape, numbers: &[u16], index: usize, templates: &[(String, Written)]) -> Option<Self> {
        let mut genes = Genes::of(numbers);
        let (template, written) = templates.get(genes.pick(templates.len()))?;
        let mut fill = |kind: Option<usize>| kind.map(|kind| (kind, genes.pick(IDS.len())));
        let (principal, resource) = (fill(written.slots.0), fill(written.slots.1));
        let id = if genes.once_in(4) {
            format!("link/{index}")
        } else {
            // Where a slot is not filled, its part of the id is any: still an id of its own.
            let entity = |slot: Option<(usize, usize)>, kind: usize| {
                let (kind, number) = slot.unwrap_or((kind, index % IDS.len()));
                EntityRef::new(shape.types[kind].name.as_str(), shape.id(kind, number))
            };
            let role = template.rsplit('/').next().unwrap_or_default();
            let resource = entity(resource, written.environment.resource);
            collaborator_id(&resource, role, &entity(principal, written.environment.principal))
        };
        Some(Self { template: template.clone(), id, principal, resource })
    }

    pub fn line(&self, shape: &Shape) -> Value {
        let mut args = json!({});
        for (slot, filled) in [("?principal", self.principal), ("?resource", self.resource)] {
            if let Some((kind, number)) = filled {
                args[slot] = shape.uid(kind, number).into();
            }
        }
        json!({"template_id": self.template, "link_id": self.id, "args": args})
    }

    /// Links it as Cedar does.
    pub fn link(&self, shape: &Shape, set: &mut PolicySet) {
        let slots = [(SlotId::principal(), self.principal), (SlotId::resource(), self.resource)];
        let values = slots
            .into_iter()
            .filter_map(|(slot, filled)| filled.map(|(kind, number)| (slot, shape.entity_uid(kind, number))))
            .collect();
        set.link(PolicyId::new(&self.template), PolicyId::new(&self.id), values).unwrap();
    }
}

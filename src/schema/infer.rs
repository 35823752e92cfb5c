//! A schema that some policies and entities would fit, to begin one of one's own with.
//!
//! In: policies, templates and entities in Cedar's JSON. Out: a schema text and what in it is a guess. Plain cases come out
//! valid; where policies say too little (who may ask at all, what an attribute is), the widest plain answer is taken, and
//! noted.

mod conditions;
mod guess;

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::SchemaFragment;
use serde_json::{Map, Value, json};

use super::Identity;
use crate::vocabulary::{self, ACTION, EXTERNAL_SUBJECT, OWN_TYPES, TENANT, USER, VIRTUAL_ACCOUNT};
use conditions::{Root, Use, Uses, What, literal_types};
use guess::{Guess, Member, Members, id_of, record, type_of};

/// A schema to begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// In Cedar's schema language, with the guesses as comments.
    pub text: String,
    pub guesses: Vec<String>,
}

/// Proposes a schema.
///
/// # Errors
/// When what was found cannot be put into one, as of names that no schema may have.
pub fn infer_schema(policies: &[Value], entities: &[Value], identity: Identity) -> Result<Proposal, String> {
    let mut found = Found { identity, ..Found::default() };
    entities.iter().for_each(|entity| found.entity(entity));
    let policies: Vec<Policy> = policies.iter().map(|policy| found.policy(policy)).collect();
    found.apply(&policies);
    found.propose()
}

/// An action by its type and id: `Acme::Action`, `view`.
type ActionName = (String, String);

#[derive(Default)]
struct Found {
    identity: Identity,
    types: BTreeMap<String, EntityGuess>,
    actions: BTreeMap<ActionName, ActionGuess>,
    notes: Vec<String>,
}

#[derive(Default)]
struct EntityGuess {
    attributes: Members,
    parents: BTreeSet<String>,
    tags: Option<Guess>,
    /// How many entities of this type there are.
    count: usize,
}

#[derive(Default)]
struct ActionGuess {
    principals: BTreeSet<String>,
    resources: BTreeSet<String>,
    groups: BTreeSet<ActionName>,
    context: Members,
    /// Requests are about it; else it is a group of others.
    is_asked: bool,
}

/// The entity types and the actions of a namespace, as Cedar's JSON schema has them.
type Declarations = (Map<String, Value>, Map<String, Value>);

/// What one policy is about.
struct Policy {
    principals: Option<BTreeSet<String>>,
    resources: Option<BTreeSet<String>>,
    /// None for all of them.
    actions: Option<Vec<ActionName>>,
    uses: Vec<Use>,
}

impl Found {
    fn entity(&mut self, entity: &Value) {
        let Some((name, id)) = entity.get("uid").and_then(|uid| Some((type_of(uid)?, id_of(uid)?))) else { return };
        let parents = || entity.get("parents").and_then(Value::as_array).into_iter().flatten();
        if is_action(&name) {
            let groups: Vec<ActionName> = parents().filter_map(|uid| Some((type_of(uid)?, id_of(uid)?))).collect();
            for group in &groups {
                self.actions.entry(group.clone()).or_default();
            }
            self.actions.entry((name, id)).or_default().groups.extend(groups);
            return;
        }
        let parents: Vec<String> = parents().filter_map(type_of).collect();
        for parent in &parents {
            self.types.entry(parent.clone()).or_default();
        }
        let found = self.types.entry(name).or_default();
        found.count += 1;
        found.parents.extend(parents);
        for (name, value) in entity.get("attrs").and_then(Value::as_object).into_iter().flatten() {
            let member = found.attributes.entry(name.clone()).or_default();
            member.guess.merge(Guess::of_data(value));
            member.seen += 1;
        }
        for value in entity.get("tags").and_then(Value::as_object).into_iter().flat_map(Map::values) {
            found.tags.get_or_insert_default().merge(Guess::of_data(value));
        }
    }

    /// What a policy is about; its entities and actions are noted.
    fn policy(&mut self, policy: &Value) -> Policy {
        let mut uses = Uses::default();
        for condition in policy.get("conditions").and_then(Value::as_array).into_iter().flatten() {
            condition.get("body").map(|body| uses.look(body, Guess::Bool));
        }
        for name in literal_types(&uses.literals).filter(|name| !is_action(name)) {
            self.types.entry(name).or_default();
        }
        let scope = |name: &str| policy.get(name).cloned().unwrap_or_default();
        Policy {
            principals: self.side(&scope("principal")),
            resources: self.side(&scope("resource")),
            actions: self.asked(&scope("action")),
            uses: uses.uses,
        }
    }

    /// The types that one side of a scope leaves, or none where it says nothing of types.
    fn side(&mut self, scope: &Value) -> Option<BTreeSet<String>> {
        let named = scope.get("entity").and_then(type_of);
        match scope.get("op").and_then(Value::as_str)? {
            "==" => {
                let name = named?;
                self.types.entry(name.clone()).or_default();
                Some([name].into())
            }
            "is" => {
                let name = scope.get("entity_type")?.as_str()?.to_owned();
                let group = scope.get("in").and_then(|group| type_of(group.get("entity")?));
                let found = self.types.entry(name.clone()).or_default();
                found.parents.extend(group.iter().filter(|group| **group != name).cloned());
                if let Some(group) = group {
                    self.types.entry(group).or_default();
                }
                Some([name].into())
            }
            "in" => {
                let group = named?;
                self.types.entry(group.clone()).or_default();
                let mut inside = self.types_in(&group);
                // It is in itself, but what is meant is what it holds.
                inside.remove(&group);
                (!inside.is_empty()).then_some(inside)
            }
            _ => None,
        }
    }

    /// The types that may be in another, and that one.
    fn types_in(&self, group: &str) -> BTreeSet<String> {
        let mut inside = BTreeSet::from([group.to_owned()]);
        loop {
            let is_in = |found: &EntityGuess| found.parents.iter().any(|parent| inside.contains(parent));
            let more: Vec<_> =
                self.types.iter().filter(|(_, found)| is_in(found)).map(|(name, _)| name.clone()).collect();
            let before = inside.len();
            inside.extend(more);
            if inside.len() == before {
                return inside;
            }
        }
    }

    /// The actions of a scope, each noted.
    fn asked(&mut self, scope: &Value) -> Option<Vec<ActionName>> {
        let operator = scope.get("op").and_then(Value::as_str)?;
        if operator == "All" {
            return None;
        }
        let many = scope.get("entities").and_then(Value::as_array).into_iter().flatten();
        let named = many.chain(scope.get("entity")).filter_map(|uid| Some((type_of(uid)?, id_of(uid)?)));
        let named: Vec<ActionName> = named.collect();
        let mut all = Vec::new();
        for name in named {
            self.actions.entry(name.clone()).or_default().is_asked |= operator == "==";
            let members = self.actions.iter().filter(|(_, action)| action.groups.contains(&name));
            let members: Vec<ActionName> = members.map(|(member, _)| member.clone()).collect();
            if members.is_empty() {
                self.actions.entry(name.clone()).or_default().is_asked = true;
            }
            all.extend(members);
            all.push(name);
        }
        Some(all)
    }

    /// Spreads what all policies say over types and actions.
    fn apply(&mut self, policies: &[Policy]) {
        let groups: BTreeSet<ActionName> = self.actions.values().flat_map(|action| action.groups.clone()).collect();
        for (name, action) in &mut self.actions {
            action.is_asked |= !groups.contains(name);
        }
        let principals = self.usual(policies.iter().filter_map(|policy| policy.principals.as_ref()), Root::Principal);
        let resources = self.usual(policies.iter().filter_map(|policy| policy.resources.as_ref()), Root::Resource);
        for policy in policies {
            for name in policy.actions.iter().flatten() {
                let action = self.actions.entry(name.clone()).or_default();
                action.principals.extend(policy.principals.clone().unwrap_or_default());
                action.resources.extend(policy.resources.clone().unwrap_or_default());
            }
        }
        for ((_, id), action) in &mut self.actions {
            for (side, usual, what) in
                [(&mut action.principals, &principals, "principals"), (&mut action.resources, &resources, "resources")]
            {
                if side.is_empty() && action.is_asked {
                    side.extend(usual.iter().cloned());
                    self.notes.push(format!("action `{id}` is taken to apply to all {what}: no policy says to which"));
                }
            }
        }
        for policy in policies {
            let (of_principal, of_resource) =
                (policy.principals.as_ref().unwrap_or(&principals), policy.resources.as_ref().unwrap_or(&resources));
            for used in &policy.uses {
                match used.root {
                    Root::Principal => of_principal.iter().for_each(|name| self.note_use(name, &used.way, &used.what)),
                    Root::Resource => of_resource.iter().for_each(|name| self.note_use(name, &used.way, &used.what)),
                    Root::Context => self.note_context(policy, used),
                }
            }
        }
    }

    /// Who asks, or what is asked about, where a policy does not say.
    fn usual<'a>(&mut self, named: impl Iterator<Item = &'a BTreeSet<String>>, root: Root) -> BTreeSet<String> {
        let named: BTreeSet<String> = named.flatten().cloned().collect();
        if !named.is_empty() {
            return named;
        }
        let own = |name: &&str| self.identity == Identity::LeftOut || !OWN_TYPES.contains(name);
        let (usual, what): (Vec<&str>, _) = match root {
            Root::Principal if self.identity == Identity::Included => {
                (vec![USER, VIRTUAL_ACCOUNT, EXTERNAL_SUBJECT], "asks")
            }
            Root::Principal => (vec![USER], "asks"),
            _ => {
                let known: Vec<&str> =
                    self.types.keys().map(String::as_str).filter(own).filter(|name| *name != USER).collect();
                (if known.is_empty() { vec!["Resource"] } else { known }, "is asked about")
            }
        };
        let usual: BTreeSet<String> = usual.into_iter().map(str::to_owned).collect();
        let named: Vec<_> = usual.iter().map(|name| format!("`{name}`")).collect();
        self.notes.push(format!("{} {what}: no policy says of which type that is", named.join(", ")));
        for name in &usual {
            self.types.entry(name.clone()).or_default();
        }
        usual
    }

    fn note_use(&mut self, name: &str, way: &[String], what: &What) {
        let mut work = vec![(name.to_owned(), way.to_vec())];
        // Each step goes one attribute on.
        while let Some((name, way)) = work.pop() {
            let found = self.types.entry(name).or_default();
            match (way.is_empty(), what) {
                (true, What::HasTags) => found.tags.get_or_insert_default().merge(Guess::Set(Box::new(Guess::Text))),
                (true, _) => {}
                (false, _) => work.extend(note(&mut found.attributes, &way, what)),
            }
        }
    }

    fn note_context(&mut self, policy: &Policy, used: &Use) {
        if used.way.is_empty() {
            return;
        }
        let all: Vec<ActionName> = self.actions.keys().cloned().collect();
        let mut beyond = Vec::new();
        for name in policy.actions.as_ref().unwrap_or(&all) {
            if let Some(action) = self.actions.get_mut(name) {
                beyond.extend(note(&mut action.context, &used.way, &used.what));
            }
        }
        beyond.into_iter().for_each(|(name, way)| self.note_use(&name, &way, &used.what));
    }

    fn propose(mut self) -> Result<Proposal, String> {
        let mut spaces: BTreeMap<String, Declarations> = BTreeMap::new();
        let is_own = |name: &str| self.identity == Identity::Included && OWN_TYPES.contains(&name);
        for (name, found) in self.types.iter().filter(|(name, _)| !is_own(name)) {
            let mut parents = found.parents.clone();
            if self.identity == Identity::Included {
                parents.insert(TENANT.to_owned());
            }
            let mut attributes = found.attributes.clone();
            for (attribute, member) in &mut attributes {
                if member.seen < found.count {
                    member.is_optional = true;
                    self.notes.push(format!("`{name}.{attribute}` is optional: some entity goes without"));
                }
            }
            let mut declared = json!({"memberOfTypes": parents, "shape": record(&attributes, name, &mut self.notes)});
            if let (Some(tags), Some(declared)) = (&found.tags, declared.as_object_mut()) {
                declared.insert("tags".to_owned(), tags.to_json(&format!("{name} tags"), &mut self.notes));
            }
            let (space, base) = name.rsplit_once("::").unwrap_or(("", name));
            spaces.entry(space.to_owned()).or_default().0.insert(base.to_owned(), declared);
        }
        for ((kind, id), action) in &self.actions {
            if self.identity == Identity::Included && kind == ACTION && is_of_identity(id) {
                continue;
            }
            let groups: Vec<_> = action.groups.iter().map(|(kind, id)| json!({"type": kind, "id": id})).collect();
            let mut declared = json!({"memberOf": groups});
            if let Some(declared) = declared.as_object_mut().filter(|_| action.is_asked) {
                let context = record(&action.context, &format!("context of {id}"), &mut self.notes);
                declared.insert(
                    "appliesTo".to_owned(),
                    json!({"principalTypes": action.principals, "resourceTypes": action.resources, "context": context}),
                );
            }
            let space = kind.rsplit_once("::").map_or("", |(space, _)| space);
            spaces.entry(space.to_owned()).or_default().1.insert(id.clone(), declared);
        }
        let spaces: Map<String, Value> = spaces
            .into_iter()
            .map(|(space, (types, actions))| (space, json!({"entityTypes": types, "actions": actions})))
            .collect();
        let text = SchemaFragment::from_json_value(Value::Object(spaces))
            .map_err(|error| error.to_string())
            .and_then(|fragment| fragment.to_cedarschema().map_err(|error| error.to_string()))?;
        let is_plain = |name: &String| !BUILT_IN.iter().any(|own| name.rsplit("::").next() == Some(own));
        let mentions = || self.actions.keys().any(|(_, id)| id.contains(QUALIFIED));
        let text = if self.types.keys().all(is_plain) && !mentions() { text.replace(QUALIFIED, "") } else { text };
        self.notes.sort();
        self.notes.dedup();
        let notes: String = self.notes.iter().map(|note| format!("// guessed: {}\n", note.escape_debug())).collect();
        let text = format!("// Proposed by `cedargate schema infer`: read it before it is yours.\n{notes}\n{text}");
        Ok(Proposal { text, guesses: self.notes })
    }
}

/// Notes a use of a way of attributes; what of the way is another entity's.
fn note(members: &mut Members, way: &[String], what: &What) -> Option<(String, Vec<String>)> {
    let (name, rest) = way.split_first()?;
    let is_new = !members.contains_key(name);
    let member: &mut Member = members.entry(name.clone()).or_default();
    if rest.is_empty() {
        match what {
            What::Is(guess) => member.guess.merge(guess.clone()),
            What::MayLack => member.is_optional = true,
            What::HasTags => {}
        }
        return None;
    }
    if is_new || member.guess == Guess::Unknown {
        member.guess = Guess::Record(Members::new());
    }
    match &mut member.guess {
        Guess::Record(members) => note(members, rest, what),
        Guess::Entity(name) => Some((name.clone(), rest.to_vec())),
        _ => None,
    }
}

/// How Cedar writes its own types, which no type of the tree hides.
const QUALIFIED: &str = "__cedar::";
const BUILT_IN: [&str; 7] = ["Bool", "Long", "String", "datetime", "decimal", "duration", "ipaddr"];

fn is_action(name: &str) -> bool {
    name.rsplit("::").next() == Some(ACTION)
}

/// Whether an action is the identity part's own.
fn is_of_identity(id: &str) -> bool {
    id == vocabulary::ASSUME
        || vocabulary::ADMINISTRATION.contains(&id)
        || [vocabulary::COLLABORATOR_MANAGEMENT, vocabulary::RESOURCE_MANAGEMENT, "administer"].contains(&id)
}

#[cfg(test)]
mod tests;

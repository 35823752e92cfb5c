//! One Cedar file in, its policies and templates out: with their ids and places, validated, and how far each looks.

use std::sync::Arc;

use cedar_policy::{PolicyId, Validator};
use cedar_policy_core::ast::{self, PolicyID};
use cedar_policy_core::parser::Loc;
use miette::Diagnostic;

use super::PolicySource;
use super::cost;
use super::depth::{self, Depth};
use super::known::known_file;
use super::link_shard::OddLink;
use super::links_file::{is_links_file, read_links};
use super::parse::{Naming, Parsed, key_offset, parse};
use super::premise::Premise;
use crate::cedar_text::on_deep_stack;
use crate::model::{Fault, Faults, Lines};
use crate::schema::LoadedSchema;
use crate::snapshot::Origin;
use crate::snapshot::index::ActionSet;
use crate::tree::SourceFile;

/// The policies of one file.
#[derive(Debug)]
pub struct PolicyFile {
    pub origin: Origin,
    pub policies: Vec<WrittenPolicy>,
    pub templates: Vec<WrittenTemplate>,
    /// Links of templates, which may stand in other files.
    pub(super) links: Vec<OddLink>,
    /// Worth an author's look.
    pub warnings: Vec<Fault>,
}

/// A policy of a file.
#[derive(Clone, Debug)]
pub struct WrittenPolicy {
    pub policy: ast::Policy,
    pub source: PolicySource,
    pub column: usize,
    /// Whether its id was written, or is its position.
    pub has_id: bool,
    pub depth: Depth,
    pub premise: Premise,
}

/// A template of a file.
#[derive(Clone, Debug)]
pub struct WrittenTemplate {
    pub template: Arc<ast::Template>,
    pub source: PolicySource,
    pub column: usize,
    pub has_id: bool,
    pub depth: Depth,
    pub premise: Premise,
    /// What its links are about.
    pub actions: ActionSet,
    /// The digest of its file: with the schema's, all that its links' validity depends on.
    pub file_digest: Arc<str>,
}

impl WrittenPolicy {
    pub fn id(&self) -> PolicyId {
        PolicyId::new(self.policy.id())
    }
}

impl WrittenTemplate {
    pub fn id(&self) -> PolicyId {
        PolicyId::new(self.template.id())
    }
}

impl PolicyFile {
    /// Reads a file of policies that decide: an invariant, which only speaks of them, is not to be one.
    pub(crate) fn read_live(file: &SourceFile, origin: Origin, schema: &LoadedSchema) -> (Self, Faults) {
        let known = known_file(schema, file, &origin, || Self::read_live_anew(file, origin.clone(), schema));
        let (read, faults) = &*known;
        (read.called(origin), Faults(faults.0.iter().map(|fault| called(fault, &file.name)).collect()))
    }

    /// The same content as a file of another name.
    fn called(&self, origin: Origin) -> Self {
        let source = |source: &PolicySource| PolicySource { file: origin.file.clone(), ..source.clone() };
        let policy = |one: &WrittenPolicy| WrittenPolicy { source: source(&one.source), ..one.clone() };
        let template = |one: &WrittenTemplate| WrittenTemplate { source: source(&one.source), ..one.clone() };
        Self {
            policies: self.policies.iter().map(policy).collect(),
            templates: self.templates.iter().map(template).collect(),
            links: self.links.clone(),
            warnings: self.warnings.iter().map(|warning| called(warning, &origin.file)).collect(),
            origin,
        }
    }

    fn read_live_anew(file: &SourceFile, origin: Origin, schema: &LoadedSchema) -> (Self, Faults) {
        let (read, mut faults) = Self::read(file, origin, Some(schema));
        for written in &read.policies {
            if written.policy.annotations().any(|(key, _)| INVARIANT.contains(&key.as_ref())) {
                let message = "says what must hold of policies and is none itself: move it to `invariants/`".to_owned();
                let (line, column) = (written.source.line, written.column);
                faults.push(Fault { file: file.name.clone(), line, column, message });
            }
        }
        (read, faults)
    }

    /// Reads a file; without a schema, only whether it parses.
    pub(crate) fn read(file: &SourceFile, origin: Origin, schema: Option<&LoadedSchema>) -> (Self, Faults) {
        let mut faults = Faults::default();
        let mut read =
            Self { origin, policies: Vec::new(), templates: Vec::new(), links: Vec::new(), warnings: Vec::new() };
        if is_links_file(file) {
            read.links = read_links(file, &mut faults);
            return (read, faults);
        }
        let Parsed { set, naming } = match parse(file) {
            Ok(parsed) => parsed,
            Err(found) => return (read, found),
        };
        let lines = Lines::of(&file.text);
        let file_digest: Arc<str> = read.origin.digest.as_str().into();
        let core: &ast::PolicySet = set.as_ref();
        let position = |id: &PolicyID, loc: Option<&Loc>| {
            lines.position(loc.map_or_else(|| key_offset(&file.text, id.as_ref()), Loc::start))
        };
        read.links = own_links(core, |id| position(id, None).0);
        for policy in core.static_policies() {
            let (line, column) = position(policy.id(), policy.loc());
            let annotated = annotation(policy.annotations());
            if let Some(id) = identify(file, (policy.id(), naming), annotated, (line, column), &mut faults) {
                let policy = policy.new_id(id);
                let condition = policy.non_scope_constraints();
                let (depth, premise) = (Depth::of(condition), Premise::of(condition));
                let (source, has_id) = (place(file, line), annotated.is_some());
                read.policies.push(WrittenPolicy { policy, source, column, has_id, depth, premise });
            }
        }
        for template in core.templates() {
            let (line, column) = position(template.id(), template.loc());
            let annotated = annotation(template.annotations());
            if let Some(id) = identify(file, (template.id(), naming), annotated, (line, column), &mut faults) {
                let template = Arc::new(template.new_id(id));
                let condition = template.non_scope_constraints();
                let (depth, premise) = (Depth::of(condition), Premise::of(condition));
                let (source, has_id) = (place(file, line), annotated.is_some());
                let about = |schema: &LoadedSchema| ActionSet::of(template.action_constraint(), &schema.actions);
                let actions = schema.map_or(ActionSet::Every, about);
                let file_digest = Arc::clone(&file_digest);
                read.templates.push(WrittenTemplate {
                    template,
                    source,
                    column,
                    has_id,
                    depth,
                    premise,
                    actions,
                    file_digest,
                });
            }
        }
        if let Some(schema) = schema {
            read.validate(file, &schema.validator, &mut faults);
        }
        (read, faults)
    }

    /// Strict validation of every policy and template against the schema.
    fn validate(&mut self, file: &SourceFile, validator: &Validator, faults: &mut Faults) {
        let mut set = ast::PolicySet::new();
        let costly = |template: &ast::Template| cost::is_too_costly(template, validator.as_ref());
        let policies = self.policies.iter().map(|written| (written.policy.template(), &written.source, written.column));
        let templates = self.templates.iter().map(|written| (&*written.template, &written.source, written.column));
        let too_costly = on_deep_stack(|| {
            let found = policies.chain(templates).filter(|(template, ..)| costly(template));
            found.map(|(_, source, column)| (source.line, column)).collect::<Vec<_>>()
        });
        for (line, column) in &too_costly {
            let message = "its `if`s in each other would take too long to validate: make the nesting less deep";
            faults.push(Fault { file: file.name.clone(), line: *line, column: *column, message: message.to_owned() });
        }
        if !too_costly.is_empty() {
            return;
        }
        for written in &self.policies {
            // Two of one id are a fault of their own, told with both places.
            let _ = set.add(written.policy.clone());
        }
        for written in &self.templates {
            let _ = set.add_template(written.template.as_ref().clone());
        }
        let verdict = depth::validate(validator, &set);
        for error in &verdict.errors {
            faults.push(self.placed(file, error.policy_id().as_ref(), error));
        }
        let mut warnings: Vec<_> =
            verdict.warnings.iter().map(|warning| self.placed(file, warning.policy_id().as_ref(), warning)).collect();
        warnings.sort();
        warnings.dedup();
        self.warnings = warnings;
        for written in &mut self.policies {
            written.depth.level = verdict.levels.get(written.policy.id()).copied().unwrap_or(written.depth.level);
        }
        for written in &mut self.templates {
            written.depth.level = verdict.levels.get(written.template.id()).copied().unwrap_or(written.depth.level);
        }
    }

    fn placed(&self, file: &SourceFile, id: &PolicyID, diagnostic: &dyn Diagnostic) -> Fault {
        let message = crate::tree::one_line(diagnostic);
        if let Some(offset) = crate::tree::first_label(diagnostic) {
            return file.fault_at(offset, message);
        }
        let policies = self.policies.iter().map(|written| (written.policy.id(), &written.source));
        let templates = self.templates.iter().map(|written| (written.template.id(), &written.source));
        let line = policies.chain(templates).find(|(other, _)| *other == id).map_or(1, |(_, source)| source.line);
        Fault { file: file.name.clone(), line, column: 1, message }
    }
}

/// The policies of a text that is not live, and its templates, validated as those that decide are.
pub fn read_policies(file: &SourceFile, schema: &LoadedSchema) -> (Vec<WrittenPolicy>, Vec<WrittenTemplate>, Faults) {
    let (read, faults) = PolicyFile::read(file, Origin::of_file(file), Some(schema));
    (read.policies, read.templates, faults)
}

fn annotation<'a>(mut all: impl Iterator<Item = (&'a ast::AnyId, &'a ast::Annotation)>) -> Option<&'a str> {
    all.find(|(name, _)| name.as_ref() == "id").map(|(_, annotation)| annotation.as_ref())
}

fn called(fault: &Fault, file: &str) -> Fault {
    Fault { file: file.to_owned(), ..fault.clone() }
}

fn place(file: &SourceFile, line: usize) -> PolicySource {
    PolicySource { file: file.name.clone(), line, role: None, subject: None }
}

fn identify(
    file: &SourceFile,
    (position, naming): (&PolicyID, Naming),
    annotated: Option<&str>,
    (line, column): (usize, usize),
    faults: &mut Faults,
) -> Option<PolicyID> {
    let position: &str = position.as_ref();
    let unnamed = || match naming {
        // INVARIANT: Cedar's parser names the policies of a text `policy0`, `policy1`, … in order.
        Naming::Places => format!("{}#{}", file.relative, position.strip_prefix("policy").unwrap_or(position)),
        Naming::Keys => position.to_owned(),
    };
    let id = annotated.map_or_else(unnamed, str::to_owned);
    if id.is_empty() {
        let message = "`@id` may not be empty".to_owned();
        faults.push(Fault { file: file.name.clone(), line, column, message });
        return None;
    }
    Some(PolicyID::from_string(id))
}

/// The links that a JSON policy set holds itself. Of a template with an `@id`, a link names that.
fn own_links(set: &ast::PolicySet, line: impl Fn(&PolicyID) -> usize) -> Vec<OddLink> {
    let links = set.policies().filter(|policy| !policy.is_static());
    let uid = |policy: &ast::Policy, slot: &ast::SlotId| policy.env().get(slot).map(ToString::to_string);
    let link = |policy: &ast::Policy| OddLink {
        line: line(policy.template().id()),
        template_id: annotation(policy.template().annotations())
            .map_or_else(|| AsRef::<str>::as_ref(policy.template().id()).to_owned(), str::to_owned),
        link_id: AsRef::<str>::as_ref(policy.id()).to_owned(),
        principal: uid(policy, &ast::SlotId::principal()),
        resource: uid(policy, &ast::SlotId::resource()),
    };
    let mut links: Vec<_> = links.map(link).collect();
    links.sort_by(|left, right| left.link_id.cmp(&right.link_id));
    links
}

/// The annotations of invariants.
const INVARIANT: [&str; 2] = ["never", "always"];

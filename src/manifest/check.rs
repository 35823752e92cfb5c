//! All manifests of a tenant in, its directory out.
//!
//! Two passes: first everything is declared, then every reference is looked up, so that the order of files and
//! documents never matters.

use std::collections::{BTreeSet, HashMap};

use super::Place;
use super::raw::read_documents;
use super::roles::DefaultRoles;
use crate::model::{
    DeclaredPlaces, DirectoryState, EntityRef, Fault, Faults, IdentityProvider, PlacesBuilder, Speaker, TenantId,
    speaker_of_addresses,
};
use crate::schema::LoadedSchema;
use crate::tree::SourceFile;

/// A directory that holds together, and what its author may want to look at.
#[derive(Debug)]
pub struct Checked {
    pub state: DirectoryState,
    pub warnings: Vec<Fault>,
    /// Parents that no manifest declares; an entities file may.
    pub open_parents: Vec<OpenParent>,
    /// Resources whose `collaborators` are written out, the tenant too: these are all that they have.
    pub written_out: BTreeSet<EntityRef>,
    /// Where everything is declared.
    pub places: DeclaredPlaces,
}

/// A parent that is not declared here, and the fault that it is when it is not declared elsewhere either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenParent {
    pub parent: EntityRef,
    pub fault: Fault,
}

/// What both passes share.
pub(super) struct Pass<'a> {
    pub tenant: &'a TenantId,
    pub schema: &'a LoadedSchema,
    pub state: DirectoryState,
    pub faults: Faults,
    pub warnings: Vec<Fault>,
    pub open_parents: Vec<OpenParent>,
    pub written_out: BTreeSet<EntityRef>,
    /// Where each thing was declared, to name both places when it stands twice.
    pub declared: HashMap<(&'static str, String), Place>,
    pub places: PlacesBuilder,
}

impl Pass<'_> {
    /// Notes where an entity is declared.
    pub(super) fn place_entity(&mut self, entity: &EntityRef, place: &Place) {
        self.places.add(&entity.to_string(), &place.file, place.line);
    }

    /// No token finds a user by address where several providers would.
    fn warn_of_addresses(&mut self) {
        let speaker = speaker_of_addresses(self.state.identity_providers.values());
        let (Some(warning), Speaker::TooMany(names)) = (speaker.warning(), &speaker) else { return };
        // The last of them is what was added to the others, if they are in order.
        let place = names.last().and_then(|name| self.declared.get(&("identity provider", name.to_string())));
        let Some(told) = place.map(|place| place.fault(warning)) else { return };
        let providers = &self.state.identity_providers;
        let is_written =
            names.iter().all(|name| providers.get(*name).is_some_and(IdentityProvider::is_told_to_speak_addresses));
        // Whoever writes it at two means something that cannot be.
        if is_written {
            self.faults.push(told);
        } else {
            self.warnings.push(told);
        }
    }

    /// Notes a declaration; a second one of the same thing is a fault.
    pub(super) fn declare(&mut self, what: &'static str, name: &str, place: &Place) -> bool {
        match self.declared.insert((what, name.to_owned()), place.clone()) {
            None => true,
            Some(first) => {
                self.faults.push(place.fault(format!("{what} `{name}` is already declared at {first}")));
                false
            }
        }
    }
}

/// The faults of manifests that cannot be read, whatever they refer to.
pub fn syntax_faults(files: &[SourceFile]) -> Faults {
    read_documents(files).1
}

/// Reads and checks a tenant's manifests.
///
/// # Errors
/// Every fault of every file.
pub fn check_manifests(
    tenant: &TenantId,
    files: &[SourceFile],
    schema: &LoadedSchema,
    default_roles: &DefaultRoles,
) -> Result<Checked, Faults> {
    let (documents, faults) = read_documents(files);
    let state = DirectoryState { roles: default_roles.clone(), ..DirectoryState::default() };
    let mut pass = Pass {
        tenant,
        schema,
        state,
        faults,
        warnings: Vec::new(),
        open_parents: Vec::new(),
        written_out: BTreeSet::new(),
        declared: HashMap::new(),
        places: PlacesBuilder::default(),
    };
    for document in &documents {
        pass.declare_document(document);
    }
    for document in &documents {
        pass.refer_document(document);
    }
    pass.warn_of_addresses();
    let Pass { state, faults, warnings, open_parents, written_out, places, .. } = pass;
    let places = places.finish();
    faults.or(Checked { state, warnings, open_parents, written_out, places })
}

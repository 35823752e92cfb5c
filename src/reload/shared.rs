//! What all tenants share: the schema, the default roles and the platform's policies. While they have faults, the last
//! good ones go on, and changes of tenants beside them.

use std::sync::Arc;
use std::time::Duration;

use super::queue::{Item, Looked, Urgency, Waiting};
use super::workers::Next;
use super::{GoodShared, Reloader};
use crate::assemble::assemble_shared;
use crate::model::Faults;
use crate::tree::{Stamps, read_shared, shared_stamps};

impl Reloader {
    /// Reads what all tenants share, where it changed; all of them are loaded again then.
    pub(super) fn load_shared(&self, waiting: Waiting) -> Next {
        let dirs = &self.layout.dirs;
        let look = shared_stamps(dirs);
        let before = self.loads.known().shared.look.clone();
        if before.as_ref() == Some(&look) {
            return Next::Done;
        }
        if before.is_some()
            && let Some((rest, still)) = waiting.stillness(Looked::Shared(look.clone()), self.debounce)
        {
            let still = Some(still);
            return Next::Again(rest, Waiting { urgency: Urgency::Changed, still, ..Waiting::default() });
        }
        let mut tree = read_shared(dirs);
        if shared_stamps(dirs) != look && waiting.attempts < MOST_ATTEMPTS {
            let attempts = waiting.attempts + 1;
            return Next::Again(A_MOMENT, Waiting { urgency: Urgency::Changed, attempts, ..Waiting::default() });
        }
        self.loads.known().shared.warnings = std::mem::take(&mut tree.warnings);
        let assembled = assemble_shared(&tree, self.layout.identity);
        let read = assembled.map(|shared| {
            self.note_rules(&shared);
            GoodShared { shared, platform: std::mem::take(&mut tree.platform), serial: 0 }
        });
        self.note_read(look, read);
        Next::Done
    }

    fn note_read(&self, look: Stamps, read: Result<GoodShared, Faults>) {
        let mut known = self.loads.known();
        known.shared.look = Some(look);
        let faults = match read {
            Ok(good) => {
                let before = known.shared.good.as_ref();
                let is_same = before.is_some_and(|before| before.is_as(&good)) && known.shared.faults.is_none();
                let serial = before.map_or(1, |before| before.serial + u64::from(!is_same));
                known.shared.good = Some(Arc::new(GoodShared { serial, ..good }));
                known.shared.faults = None;
                None
            }
            Err(faults) => {
                known.shared.faults = Some(faults.clone());
                Some(faults)
            }
        };
        drop(known);
        self.note_shared();
        for (tenant, handle) in &*self.tenants.all() {
            match &faults {
                Some(faults) => {
                    self.fail(tenant, handle, faults.clone());
                }
                None => self.loads.add(Item::Tenant(tenant.clone()), Urgency::Ordinary),
            }
        }
    }
}

impl GoodShared {
    fn is_as(&self, other: &Self) -> bool {
        self.shared.schema.digest == other.shared.schema.digest
            && self.shared.default_roles == other.shared.default_roles
            && self.platform == other.platform
    }
}

const MOST_ATTEMPTS: usize = 20;
/// How long files must hold still that were half written.
const A_MOMENT: Duration = Duration::from_millis(50);

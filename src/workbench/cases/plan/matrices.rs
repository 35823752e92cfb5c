//! A table as questions: one for each action in each of its places.

use cedar_policy::EntityUid;

use super::things::{Shown, action_label};
use super::{Around, Plan};
use crate::decide::Decision;
use crate::schema::ActionFacts;
use crate::workbench::cases::people::Who;
use crate::workbench::cases::question::{Asks, Check, Expected, Group, GroupKind};
use crate::workbench::cases::shape::{At, Placed, ShortOrFull};
use crate::workbench::cases::written::{Allowed, WrittenMatrix};

/// Who, or what, and how the table calls it.
struct Row {
    text: String,
    at: At,
    who: Who,
    uid: EntityUid,
}

struct Column {
    text: String,
    at: At,
    thing: Shown,
}

impl<'a> Plan<'a> {
    pub(super) fn matrix(&mut self, written: &Placed<WrittenMatrix>) -> Option<Group> {
        let matrix = &written.value;
        let around = self.around(matrix.context.as_ref(), &matrix.entities, written.at);
        let mut actions = Vec::new();
        for action in matrix.actions.iter().flatten() {
            actions.push((action.at, self.action(action)?.1));
        }
        let is_complete = matrix.actions.is_none();
        if is_complete {
            actions.extend(self.snapshot.schema.actions.iter().map(|facts| (written.at, facts)));
        }
        let (rows, columns) = (self.rows(matrix)?, self.columns(matrix)?);
        let mut checks = Vec::new();
        for row in &rows {
            let cells = matrix.allow.get(&row.text);
            for column in &columns {
                self.warn_unknown(row, column, &around);
                let applies = |facts: &ActionFacts| {
                    facts.applies_to_principal(row.uid.type_name())
                        && facts.applies_to_resource(column.thing.uid.type_name())
                };
                let here: Vec<_> = actions.iter().map(|(_, facts)| *facts).filter(|facts| applies(facts)).collect();
                let cell = cells.and_then(|cells| cells.value.get(&column.text));
                let allowed = self.allowed(cell, &here)?;
                let at = cell.map_or(row.at, |cell| cell.at);
                for facts in here {
                    let is_allowed = allowed.iter().any(|other| other.number == facts.number);
                    let decision = if is_allowed { Decision::Allow } else { Decision::Deny };
                    let action = action_label(facts);
                    let name = format!("{} {action} {}", row.text, column.text);
                    let (who, thing) = (row.who.clone(), column.thing.query.clone());
                    let question = self.question(row.text.clone(), who, &action, thing, &around);
                    let asks = Asks::One(Box::new(question), Expected::decision(decision));
                    checks.push(Check { name, at, why: matrix.why.clone(), asks });
                }
            }
        }
        let fits = |facts: &ActionFacts| {
            let principals = rows.iter().any(|row| facts.applies_to_principal(row.uid.type_name()));
            principals && columns.iter().any(|column| facts.applies_to_resource(column.thing.uid.type_name()))
        };
        let unfit: Vec<_> = actions.iter().filter(|(_, facts)| !is_complete && !fits(facts)).collect();
        for (at, facts) in &unfit {
            self.fault(*at, format!("`{}` applies to nothing in this table", action_label(facts)));
        }
        if checks.is_empty() && unfit.is_empty() {
            self.fault(written.at, "the table is empty: it needs principals, resources and actions for them");
        }
        Some(Group { kind: GroupKind::Matrix, name: Some(title(matrix)), checks })
    }

    fn rows(&mut self, matrix: &WrittenMatrix) -> Option<Vec<Row>> {
        let rows = matrix.allow.iter().map(|(name, cells)| (name, cells.at));
        let more = matrix.principals.iter().map(|name| (name.value.as_str(), name.at));
        let mut found: Vec<Row> = Vec::new();
        for (text, at) in rows.chain(more).collect::<Vec<_>>() {
            let (_, who) = self.principal(&Placed { value: ShortOrFull::Short(text.to_owned()), at })?;
            let uid = match &who {
                Ok(principal) => principal.uid.clone(),
                Err(refused) => {
                    self.fault(at, format!("`{text}` stands for nobody: {}", refused.message));
                    return None;
                }
            };
            if !found.iter().any(|row| row.text == text) {
                found.push(Row { text: text.to_owned(), at, who, uid });
            }
        }
        Some(found)
    }

    fn columns(&mut self, matrix: &WrittenMatrix) -> Option<Vec<Column>> {
        let cells = matrix.allow.iter().flat_map(|(_, cells)| cells.value.iter());
        let more = matrix.resources.iter().map(|name| (name.value.as_str(), name.at));
        let mut found: Vec<Column> = Vec::new();
        for (text, at) in cells.map(|(name, cell)| (name, cell.at)).chain(more).collect::<Vec<_>>() {
            if found.iter().any(|column| column.text == text) {
                continue;
            }
            let thing = self.resource(&Placed { value: ShortOrFull::Short(text.to_owned()), at })?;
            found.push(Column { text: text.to_owned(), at, thing });
        }
        Some(found)
    }

    /// The actions that a place of the table allows.
    fn allowed(&mut self, cell: Option<&Placed<Allowed>>, here: &[&'a ActionFacts]) -> Option<Vec<&'a ActionFacts>> {
        let Some(cell) = cell else { return Some(Vec::new()) };
        if let [one] = cell.value.0.as_slice()
            && one == ALL
        {
            return Some(here.to_vec());
        }
        let mut allowed = Vec::new();
        for text in &cell.value.0 {
            let (label, facts) = self.action(&Placed { value: text.clone(), at: cell.at })?;
            if !here.iter().any(|other| other.number == facts.number) {
                self.fault(cell.at, format!("`{label}` is not among the table's actions for this place"));
                return None;
            }
            allowed.push(facts);
        }
        Some(allowed)
    }

    fn warn_unknown(&mut self, row: &Row, column: &Column, around: &Around) {
        self.check_known(&row.who, &column.thing, row.at, column.at, around);
    }
}

fn title(matrix: &WrittenMatrix) -> String {
    matrix.name.clone().unwrap_or_else(|| "a table".to_owned())
}

/// Every action of the table that applies.
const ALL: &str = "all";

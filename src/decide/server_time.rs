//! The server's time, in the contexts of questions that bring none: a rule about the hour holds for every gateway.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value};

use super::query::{AccessQuery, find_action};
use crate::schema::DataType;
use crate::snapshot::Snapshot;

/// The context member that holds the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTime(Arc<str>);

impl ServerTime {
    pub fn in_member(name: &str) -> Self {
        Self(name.into())
    }

    /// Puts the time in where the action's context declares the member as `datetime` and the question has none. The
    /// question is then as if it had been asked so: it is recorded with the time, and decided again with the same.
    pub fn put_in(&self, snapshot: &Snapshot, query: &mut AccessQuery, now: DateTime<Utc>) {
        let Ok(action) = find_action(snapshot, &query.action) else { return };
        let is_declared = action.context.get(&*self.0).is_some_and(|(kind, _)| is_time(kind));
        if !is_declared {
            return;
        }
        if query.context.is_none() || query.context.as_ref().is_some_and(Value::is_null) {
            query.context = Some(Value::Object(Map::new()));
        }
        if let Some(Value::Object(members)) = &mut query.context {
            let given = members.entry(self.0.to_string()).or_insert(Value::Null);
            if given.is_null() {
                *given = now.to_rfc3339_opts(SecondsFormat::Millis, true).into();
            }
        }
    }
}

fn is_time(kind: &DataType) -> bool {
    matches!(kind, DataType::Extension(name) if name == "datetime")
}

/// How gateways call it.
pub const DEFAULT_TIME_MEMBER: &str = "time";

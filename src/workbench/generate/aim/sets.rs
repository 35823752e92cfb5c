//! Sets and ranges: puts something in, or takes it out.

use std::net::IpAddr;

use cedar_policy_core::ast::{BinaryOp, Expr};
use proptest::prelude::RngExt;
use serde_json::{Value, json};

use super::{Aim, pick};
use crate::schema::DataType;
use crate::workbench::scene::{as_extension, extension};

impl Aim<'_, '_> {
    /// `set.contains(…)` and its like.
    pub(super) fn containment(&mut self, op: BinaryOp, set: &Expr, sought: &Expr, wanted: bool) {
        let Some(sought_value) = self.value_of(sought) else { return };
        let sought_values = match (op, sought_value) {
            (BinaryOp::Contains, value) => vec![value],
            (_, Value::Array(values)) => values,
            _ => return,
        };
        let Some(place) = self.place_of(set) else {
            return self.be_contained(set, sought, wanted);
        };
        let mut elements = match self.get(&place) {
            Some(Value::Array(elements)) => elements,
            _ => Vec::new(),
        };
        let one = pick(self.rng, &sought_values).cloned();
        match (op, wanted) {
            (BinaryOp::ContainsAny, true) => elements.extend(one),
            (BinaryOp::ContainsAll, false) => elements.retain(|element| Some(element) != one.as_ref()),
            (_, true) => elements.extend(sought_values),
            (_, false) => elements.retain(|element| !sought_values.contains(element)),
        }
        let mut seen = std::collections::HashSet::new();
        elements.retain(|element| seen.insert(element.to_string()));
        self.put(&place, Value::Array(elements));
    }

    /// `["main", "production"].contains(context.branch)`: what is sought is what can be changed.
    fn be_contained(&mut self, set: &Expr, sought: &Expr, wanted: bool) {
        let Some(Value::Array(elements)) = self.value_of(set) else { return };
        if wanted {
            if let Some(one) = pick(self.rng, &elements).cloned() {
                self.assign(sought, &one);
            }
        } else if let Some(place) = self.place_of(sought)
            && let Some(kind) = self.kind_of(&place)
        {
            let other = self.generator.plain(self.rng, &kind);
            self.put(&place, other);
        }
    }

    pub(super) fn emptiness(&mut self, set: &Expr, wanted: bool) {
        let Some(place) = self.place_of(set) else { return };
        if wanted {
            self.put(&place, json!([]));
        } else if let Some(DataType::Set(element)) = self.kind_of(&place) {
            let value = self.generator.value(self.rng, place.name(), &element);
            self.put(&place, json!([value]));
        }
    }

    /// Inside a range of addresses, or just outside of it.
    pub(super) fn in_range(&mut self, address: &Expr, range: &Expr, wanted: bool) {
        let Some(value) = self.value_of(range) else { return };
        let Some((first, last)) = as_extension(&value).and_then(|(_, range)| ends(range)) else { return };
        let chosen = if wanted {
            if self.rng.random_bool(0.5) { first } else { last }
        } else {
            let beside = if self.rng.random_bool(0.5) { before(first) } else { after(last) };
            beside.unwrap_or(if first.is_ipv4() { IpAddr::from([192, 0, 2, 1]) } else { IpAddr::from([0_u16; 8]) })
        };
        self.assign(address, &extension("ip", chosen.to_string()));
    }
}

/// The first and the last address of a range.
fn ends(range: &str) -> Option<(IpAddr, IpAddr)> {
    let (address, length) = range.split_once('/').map_or((range, None), |(address, length)| (address, Some(length)));
    let length: Option<u32> = length.map(str::parse).transpose().ok()?;
    Some(match address.parse().ok()? {
        IpAddr::V4(address) => {
            let hosts = u32::MAX.checked_shr(length.unwrap_or(32)).unwrap_or(0);
            let first = u32::from(address) & !hosts;
            (IpAddr::V4(first.into()), IpAddr::V4((first | hosts).into()))
        }
        IpAddr::V6(address) => {
            let hosts = u128::MAX.checked_shr(length.unwrap_or(128)).unwrap_or(0);
            let first = u128::from(address) & !hosts;
            (IpAddr::V6(first.into()), IpAddr::V6((first | hosts).into()))
        }
    })
}

fn before(address: IpAddr) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(address) => IpAddr::V4(u32::from(address).checked_sub(1)?.into()),
        IpAddr::V6(address) => IpAddr::V6(u128::from(address).checked_sub(1)?.into()),
    })
}

fn after(address: IpAddr) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(address) => IpAddr::V4(u32::from(address).checked_add(1)?.into()),
        IpAddr::V6(address) => IpAddr::V6(u128::from(address).checked_add(1)?.into()),
    })
}

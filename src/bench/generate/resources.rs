//! The resources of a made-up tenant: the sample's own types, in the shape that gateways have them.
//!
//! One in twenty-five is a workspace, one in a hundred an MCP server with fifteen tools; a few are model providers;
//! the others are models, each in a workspace and at a provider.

use serde_json::{Value, json};

use crate::bench::random::Random;
use crate::model::{EntityRef, Resource};

/// What grants are made on.
#[derive(Debug)]
pub(super) struct Resources {
    /// What holds others, hot ones first, as below.
    pub containers: Vec<Resource>,
    pub leaves: Vec<Resource>,
}

/// Exactly this many resources, which are at least five.
pub(super) fn resources(count: usize, random: &mut Random) -> Resources {
    let (workspaces, providers) = ((count / 25).max(1), (count / 500).max(1));
    let (servers, tools) = ((count / 100).max(1), (count * 15 / 100).max(1));
    let models = count.saturating_sub(workspaces + providers + servers + tools);
    let workspaces: Vec<_> = (0..workspaces).map(|number| workspace(number, random)).collect();
    let providers: Vec<_> = (0..providers).map(|number| provider(number, random)).collect();
    let servers: Vec<_> = (0..servers).map(server).collect();
    let in_one_of = |random: &mut Random, holders: &[Resource]| random.pick_hot(holders).map(|it| it.entity.clone());
    let mut leaves = Vec::with_capacity(models + tools);
    for number in 0..models {
        let parents = [in_one_of(random, &workspaces), in_one_of(random, &providers)];
        leaves.push(model(number, parents, random));
    }
    for number in 0..tools {
        let parents = [in_one_of(random, &servers)];
        leaves.push(resource("McpTool", number, parents, [("read_only", json!(random.percent(60)))]));
    }
    let mut containers: Vec<_> = workspaces.into_iter().chain(servers).chain(providers).collect();
    // The first ones are the hot ones: of every type.
    random.shuffle(&mut containers);
    random.shuffle(&mut leaves);
    Resources { containers, leaves }
}

fn workspace(number: usize, random: &mut Random) -> Resource {
    let environment = random.pick(&["production", "staging", "development"]).copied().unwrap_or_default();
    let attributes =
        [("environment", json!(environment)), ("cost_center", json!(format!("cc-{}", random.below(1000))))];
    resource("Workspace", number, [], attributes)
}

fn provider(number: usize, random: &mut Random) -> Resource {
    let attributes = [("vendor", json!(format!("vendor-{number}"))), ("external", json!(random.percent(80)))];
    resource("ModelProvider", number, [], attributes)
}

fn server(number: usize) -> Resource {
    resource("McpServer", number, [], [("transport", json!("streamable-http"))])
}

fn model<const N: usize>(number: usize, parents: [Option<EntityRef>; N], random: &mut Random) -> Resource {
    let tier = random.pick(&["bronze", "bronze", "silver", "gold"]).copied().unwrap_or_default();
    let attributes = [
        ("family", json!(format!("family-{}", random.below(20)))),
        ("tier", json!(tier)),
        ("max_tokens", json!(1024 << random.below(5))),
    ];
    resource("Model", number, parents, attributes)
}

fn resource<const P: usize, const A: usize>(
    entity_type: &str,
    number: usize,
    parents: [Option<EntityRef>; P],
    attributes: [(&str, Value); A],
) -> Resource {
    Resource {
        entity: EntityRef::new(entity_type, format!("{}-{number}", entity_type.to_lowercase())),
        parents: parents.into_iter().flatten().collect(),
        attributes: attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    }
}

//! A hand-written file of template links, in the form that the official command line reads with `--template-linked`: a
//! list of `{"template_id", "link_id", "args": {"?principal": "Type::\"id\"", …}}`.

use serde_json::value::RawValue;

use super::link_shard::OddLink;
use super::parse::json_fault;
use crate::bundle::LinkLine;
use crate::model::{Fault, Faults, Lines};
use crate::tree::SourceFile;
use crate::vocabulary;

/// Whether a file is one of links rather than of policies.
pub(super) fn is_links_file(file: &SourceFile) -> bool {
    let name = file.relative.rsplit('/').next().unwrap_or_default();
    name == "links.json" || name.ends_with(".links.json")
}

/// Reads the links of a file; whether their templates are there is for those who join all files to say.
pub(super) fn read_links(file: &SourceFile, faults: &mut Faults) -> Vec<OddLink> {
    let items: Vec<&RawValue> = match serde_json::from_str(&file.text) {
        Ok(items) => items,
        Err(error) => {
            faults.push(json_fault(file, &error));
            return Vec::new();
        }
    };
    let lines = Lines::of(&file.text);
    let mut links = Vec::new();
    for item in items {
        let offset = (item.get().as_ptr() as usize).saturating_sub(file.text.as_ptr() as usize);
        let (line, column) = lines.position(offset);
        match read_link(item.get(), line) {
            Ok(link) => links.push(link),
            Err(message) => faults.push(Fault { file: file.name.clone(), line, column, message }),
        }
    }
    links
}

fn read_link(text: &str, line: usize) -> Result<OddLink, String> {
    let link: LinkLine<'_> = serde_json::from_str(text)
        .map_err(|error| error.to_string().split(" at line ").next().unwrap_or_default().to_owned())?;
    for uid in [&link.args.principal, &link.args.resource].into_iter().flatten() {
        if vocabulary::read_uid(uid).is_none() {
            return Err(format!("`{uid}` is not an entity: write `Type::\"id\"`"));
        }
    }
    if link.link_id.is_empty() {
        return Err("`link_id` may not be empty".to_owned());
    }
    Ok(OddLink {
        line,
        template_id: link.template_id.into_owned(),
        link_id: link.link_id.into_owned(),
        principal: link.args.principal.map(std::borrow::Cow::into_owned),
        resource: link.args.resource.map(std::borrow::Cow::into_owned),
    })
}

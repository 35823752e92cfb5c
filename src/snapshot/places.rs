//! Where policies stand, as answers tell it: below the tree, whoever asks. Where the tree is on this machine is for the
//! operator, in logs and faults.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// The folders that policies are read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    roots: Vec<PathBuf>,
}

impl Places {
    pub fn below(roots: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { roots: roots.into_iter().collect() }
    }

    /// A file by its folder's own name and its place in it, as `policies/acme/night.cedar`; of one that is elsewhere
    /// only its own name.
    pub fn shown<'a>(&self, file: &'a str) -> Cow<'a, str> {
        let path = Path::new(file);
        let below = self.roots.iter().find_map(|root| Some((root, path.strip_prefix(root).ok()?)));
        match below {
            Some((root, rest)) => {
                let shown = root.file_name().map(Path::new).unwrap_or(Path::new("")).join(rest);
                Cow::Owned(shown.to_string_lossy().into_owned())
            }
            None if path.is_absolute() => {
                path.file_name().map_or(Cow::Borrowed(""), |name| Cow::Owned(name.to_string_lossy().into_owned()))
            }
            None => Cow::Borrowed(file),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_below_the_tree_and_never_by_the_machines_path() {
        let places = Places::below(["/srv/t-1/policies".into(), "/var/lib/cedargate".into(), "../rules".into()]);
        for (file, shown) in [
            ("/srv/t-1/policies/acme/night.cedar", "policies/acme/night.cedar"),
            ("/var/lib/cedargate/acme/collaborators.json", "cedargate/acme/collaborators.json"),
            ("../rules/acme/a.cedar", "rules/acme/a.cedar"),
            ("policies/acme/a.cedar", "policies/acme/a.cedar"),
            ("/srv/t-1/policies-of-others/a.cedar", "a.cedar"),
            ("/etc/secret/a.cedar", "a.cedar"),
        ] {
            assert_eq!(places.shown(file), shown);
        }
        assert_eq!(Places::default().shown("policies/acme/a.cedar"), "policies/acme/a.cedar");
    }
}

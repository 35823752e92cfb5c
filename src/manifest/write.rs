//! Documents out as YAML: what `pull` writes and `apply` reads back as the same.

use serde::Serialize;

/// Why a document cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("a manifest cannot be put into words")]
pub struct WriteError(#[source] serde_saphyr::ser::Error);

/// Several documents as one file.
///
/// # Errors
/// When a document has no form in YAML, which would be a fault of ours.
pub fn write_documents<T: Serialize>(documents: impl IntoIterator<Item = T>) -> Result<String, WriteError> {
    let texts = documents.into_iter().map(|document| serde_saphyr::to_string(&document).map_err(WriteError));
    let texts = texts.collect::<Result<Vec<_>, _>>()?;
    let ended = texts.into_iter().map(|text| if text.ends_with('\n') { text } else { text + "\n" });
    Ok(ended.collect::<Vec<_>>().join("---\n"))
}

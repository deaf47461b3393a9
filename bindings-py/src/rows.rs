//! Rows that Python gives: of a live etcd, of kine.

use etcd_store::{Revision, RowKey};
use k8senc_audit::{AuditError, Piece, RowSource, RowsAbout, StoredRow};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

/// What a batch may hold.
#[derive(FromPyObject)]
enum Item {
    /// etcd key, value, revision, create revision, version, whether deleted, whether a copy beside another row.
    Row(PyBackedBytes, PyBackedBytes, i64, i64, i64, bool, bool),
    /// A raw page.
    #[pyo3(transparent, annotation = "bytes")]
    Page(PyBackedBytes),
}

/// One pass over a Python iterator of batches. What it raises is kept, and ends the pass.
struct PyRows {
    batches: Py<PyAny>,
    raised: Option<PyErr>,
    about: RowsAbout,
    progress: (u64, u64),
}

/// Calls `rows` for an iterator, and `work` with it. The error is what the iterator raised.
pub fn pass<T>(rows: &Py<PyAny>, work: impl FnOnce(&mut dyn RowSource) -> T) -> PyResult<T> {
    let mut source = Python::attach(|py| {
        let batches = rows.call0(py)?;
        let mut source = PyRows {
            batches,
            raised: None,
            about: RowsAbout::default(),
            progress: (0, 0),
        };
        source.ask(py)?;
        PyResult::Ok(source)
    })?;
    let done = work(&mut source);
    match source.raised {
        Some(error) => Err(error),
        None => Ok(done),
    }
}

impl PyRows {
    fn batch(&mut self) -> PyResult<Option<Vec<Item>>> {
        Python::attach(|py| {
            let batch = self.batches.bind(py).call_method0("next_batch")?;
            self.ask(py)?;
            batch.extract()
        })
    }

    /// Reads what the iterator says of itself.
    fn ask(&mut self, py: Python<'_>) -> PyResult<()> {
        let facts = |name: &str| self.batches.bind(py).getattr(name);
        self.progress = (facts("done")?.extract()?, facts("total")?.extract()?);
        let source: String = facts("source")?.extract()?;
        self.about = RowsAbout {
            source: if source == "kine" { "kine" } else { "etcd" },
            revision: facts("revision")?.extract()?,
            compact_revision: facts("compact_revision")?.extract()?,
            bytes: facts("bytes")?.extract()?,
            history: facts("history")?.extract()?,
        };
        Ok(())
    }
}

impl RowSource for PyRows {
    fn next_rows(&mut self, take: &mut dyn FnMut(Piece<'_>)) -> Result<bool, AuditError> {
        let batch = self.batch().map_err(|error| {
            self.raised = Some(error);
            AuditError::Rows("rows", "the source of rows stopped".to_owned())
        })?;
        let Some(items) = batch else {
            return Ok(false);
        };
        for item in &items {
            match item {
                Item::Page(page) => take(Piece::Page(page)),
                Item::Row(etcd_key, value, revision, created, version, deleted, leftover) => {
                    take(Piece::Row(StoredRow {
                        key: key(*revision, *deleted),
                        etcd_key,
                        value,
                        create_revision: *created,
                        version: *version,
                        leftover: *leftover,
                    }));
                }
            }
        }
        Ok(true)
    }

    fn progress(&self) -> (u64, u64) {
        self.progress
    }

    fn about(&self) -> RowsAbout {
        self.about.clone()
    }
}

const fn key(main: i64, tombstone: bool) -> RowKey {
    RowKey {
        revision: Revision { main, sub: 0 },
        tombstone,
    }
}

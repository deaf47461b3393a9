//! The compiled half of the Python package `k8senc`: a list of exports over the crates below.
//!
//! Work on bytes runs without the GIL. Errors are raised as the classes of `k8senc.errors`.

mod audit;
mod chain;
mod config;
mod coverage;
mod errors;
mod finding;
mod input;
mod inspect;
mod judge;
mod kms;
mod lint;
mod pasted;
mod plan;
mod probe;
mod recovery;
mod rows;
mod seal;
mod unwrap;
mod verdict;
mod watch;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use crate::audit::{Audit, AuditReport, DekNeed};
    #[pymodule_export]
    use crate::chain::{Chain, Opened};
    #[pymodule_export]
    use crate::config::Config;
    #[pymodule_export]
    use crate::coverage::{
        Coverage, FailureMode, KeyMark, changes, coverage, failure_modes, key_marks, unreached,
    };
    #[pymodule_export]
    use crate::finding::{
        Advice, Finding, Fix, Rule, Shown, error_codes, error_texts, explain_error, hazard_codes,
        mask, rules,
    };
    #[pymodule_export]
    use crate::inspect::{Inspection, inspect};
    #[pymodule_export]
    use crate::judge::Judged;
    #[pymodule_export]
    use crate::kms::{DekRequest, LocalKek};
    #[pymodule_export]
    use crate::lint::{Embedded, Manifest, Reference, lint};
    #[pymodule_export]
    use crate::pasted::{Pasted, is_store, read_pasted};
    #[pymodule_export]
    use crate::plan::{PlanFiles, make_plan};
    #[pymodule_export]
    use crate::probe::{KmsProbe, encrypt_answer_fault};
    #[pymodule_export]
    use crate::recovery::{Recovery, render, resource_of};
    #[pymodule_export]
    use crate::seal::{_key_form, _seal_with_random, KmsState};
    #[pymodule_export]
    use crate::unwrap::{KeysetRecord, WrappedDek, recognise, recovery_public};
    #[pymodule_export]
    use crate::verdict::{Problem, Verdict, validate};

    use super::*;

    /// Text of unknown origin, made fit to be shown.
    #[pyfunction]
    fn escape(text: crate::input::Text) -> String {
        k8senc_audit::escape(text.bytes())
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("LATEST", k8senc_config::Version::LATEST.to_string())?;
        // What tests alone may call is no part of the module's face.
        for hidden in ["_key_form", "_seal_with_random"] {
            module.index()?.call_method1("remove", (hidden,))?;
        }
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

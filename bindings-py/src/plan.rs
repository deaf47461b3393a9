//! Plans: from texts, counts and the system's random source to steps, and files that only their owner can read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use k8senc_config::plan::{Goal, Plan, PlanError, PlanOptions, plan, plan_change, plan_converge};
use k8senc_config::{Count, GroupResource, Inventory, Replacement, RewriteBy};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use zeroize::Zeroizing;

use crate::errors::usage;
use crate::input::Text;

/// One group of an audit report: resource, provider, key, key_id, live, history, unreadable.
type Group = (
    String,
    String,
    Option<String>,
    Option<String>,
    u64,
    u64,
    u64,
);

/// The files of a plan, with their keys. They leave by `write` and `reveal` alone.
#[pyclass(module = "k8senc", frozen)]
pub struct PlanFiles(Vec<(String, Zeroizing<String>)>);

#[pymethods]
impl PlanFiles {
    /// The names, in order.
    #[getter]
    fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Writes all files into a directory, which is made if it is not there. Nothing is written over.
    fn write(&self, py: Python<'_>, directory: PathBuf) -> PyResult<()> {
        py.detach(|| self.write_all(&directory))
            .map_err(|(path, error)| raised(&path, &error))
    }

    /// A file with its keys.
    fn reveal<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyBytes>> {
        let found = self.0.iter().find(|(n, _)| n == name);
        let (_, text) = found
            .ok_or_else(|| usage("plan-file", format!("the plan has no file named {name:?}")))?;
        Ok(PyBytes::new(py, text.as_bytes()))
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn __repr__(&self) -> String {
        format!("PlanFiles({} files, redacted)", self.0.len())
    }
}

type Failed = (PathBuf, io::Error);

fn raised(path: &Path, error: &io::Error) -> PyErr {
    let shown = k8senc_audit::escape(path.to_string_lossy().as_bytes());
    let what = match error.kind() {
        io::ErrorKind::AlreadyExists => "is there already, and nothing is written over".to_owned(),
        _ => format!("cannot be written: {error}"),
    };
    PyOSError::new_err(format!("{shown} {what}"))
}

impl PlanFiles {
    fn write_all(&self, directory: &Path) -> Result<(), Failed> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |error| (path, error)
        };
        let made = make_directory(directory).map_err(at(directory))?;
        let mut written = Vec::new();
        for (name, text) in &self.0 {
            let path = directory.join(name);
            if let Err(error) = write_new(&path, text) {
                // Half a plan is worse than none.
                for file in &written {
                    let _ = fs::remove_file(file);
                }
                if made {
                    let _ = fs::remove_dir(directory);
                }
                return Err((path, error));
            }
            written.push(path);
        }
        Ok(())
    }
}

/// Whether it had to be made.
fn make_directory(directory: &Path) -> io::Result<bool> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(directory) {
        Ok(()) => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let found = fs::metadata(directory)?;
    if !found.is_dir() {
        return Err(io::Error::other("it is no directory"));
    }
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o077 != 0 {
        return Err(io::Error::other(
            "others can read the directory, and keys go into it; chmod 700 it or name a new one",
        ));
    }
    Ok(false)
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file: File = options.open(path)?;
    let whole = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    whole.inspect_err(|_| {
        let _ = fs::remove_file(path);
    })
}

fn inventory(groups: Vec<Group>) -> PyResult<Inventory> {
    let mut stored = Inventory::new();
    for (resource, provider, key, key_id, live, history, unreadable) in groups {
        let resource = GroupResource::parse(&resource);
        stored.add_unreadable(resource.clone(), unreadable);
        let count = Count { live, history };
        stored
            .add_group(
                resource,
                &provider,
                key.as_deref(),
                key_id.as_deref(),
                count,
            )
            .map_err(|error| usage("inventory", error.to_string()))?;
    }
    Ok(stored)
}

fn failed(error: &PlanError) -> PyErr {
    usage(error.code(), error.to_string())
}

/// A plan as JSON, its files, and the exit code of its verdict.
///
/// With `goal` from `current` to the goal; `converge` and no goal take two texts, and no text is no file.
#[pyfunction]
#[pyo3(signature = (current, new, goal, *, servers, reload, version, groups, resources, kms_delay, disabled_key_ids,
    rewrite_after, rewrite_by, in_place, path, kept))]
#[expect(clippy::too_many_arguments, reason = "each has its name in Python")]
pub fn make_plan(
    py: Python<'_>,
    current: Option<Text>,
    new: Option<Text>,
    goal: Option<&str>,
    servers: usize,
    reload: bool,
    version: Option<&str>,
    groups: Option<Vec<Group>>,
    resources: Vec<String>,
    kms_delay: u64,
    disabled_key_ids: Vec<String>,
    rewrite_after: Option<u64>,
    rewrite_by: Option<&str>,
    in_place: bool,
    path: Option<String>,
    kept: bool,
) -> PyResult<(String, PlanFiles, u8)> {
    let mut options = PlanOptions::default();
    options.servers = servers;
    options.reload = reload;
    if let Some(version) = version {
        let parsed = version.parse();
        options.version = parsed.map_err(|error: k8senc_config::UnknownVersion| {
            usage("kubernetes-version", format!("{version:?} is {error}"))
        })?;
    }
    options.stored = groups.map(inventory).transpose()?;
    options.resources = resources;
    options.plugin_delay_seconds = kms_delay;
    options.disabled_key_ids = disabled_key_ids;
    options.rewrite_after_seconds = rewrite_after;
    options.rewrite_by = match rewrite_by {
        None => None,
        Some("migration") => Some(RewriteBy::Migration),
        Some("kubectl") => Some(RewriteBy::Kubectl),
        Some("parts") => Some(RewriteBy::Parts),
        Some(other) => {
            return Err(usage(
                "rewrite-by",
                format!("{other:?} is none of migration, kubectl and parts"),
            ));
        }
    };
    options.replacement = in_place.then_some(Replacement::InPlace);
    if let Some(path) = path {
        options.path = path;
    }
    options.kept = kept;
    let (old, new) = (
        current.as_ref().map(utf8).transpose()?,
        new.as_ref().map(utf8).transpose()?,
    );
    let made = py.detach(|| decide(old, new, goal, &options))?;
    let json = serde_json::to_string_pretty(&made)
        .map_err(|error| usage("plan", format!("the plan has no JSON form: {error}")))?;
    let code = made.exit_code();
    let files = made.steps.into_iter().filter_map(|step| step.file);
    let files = files.filter_map(|file| Some((file.name?, file.text)));
    Ok((json, PlanFiles(files.collect()), code))
}

fn decide(
    old: Option<&str>,
    new: Option<&str>,
    goal: Option<&str>,
    options: &PlanOptions,
) -> PyResult<Plan> {
    let made = match (goal, old, new) {
        (None, old, new) => plan_change(old, new, options),
        (Some("converge"), Some(a), Some(b)) => plan_converge(a, b, options),
        (Some("converge"), ..) => {
            return Err(usage("goal", "goal converge needs two files".to_owned()));
        }
        (Some(goal), Some(current), None) => {
            let goal: Goal = goal.parse().map_err(|error| failed(&error))?;
            let mut broken = None;
            let mut random = |buffer: &mut [u8]| {
                if let Err(error) = getrandom::fill(buffer) {
                    broken = Some(error);
                }
            };
            let made = plan(current, &goal, options, &mut random);
            if let Some(error) = broken {
                return Err(PyOSError::new_err(format!(
                    "the system gives no random bytes: {error}"
                )));
            }
            made
        }
        (Some(_), _, Some(_)) => {
            return Err(usage(
                "goal",
                "a goal other than converge takes one file".to_owned(),
            ));
        }
        (Some(_), None, None) => {
            return Err(usage(
                "goal",
                "a goal needs the file that is in use".to_owned(),
            ));
        }
    };
    made.map_err(|error| failed(&error))
}

fn utf8(text: &Text) -> PyResult<&str> {
    core::str::from_utf8(text.bytes()).map_err(|error| {
        usage(
            "file-encoding",
            format!("the file is not UTF-8 from byte {} on", error.valid_up_to()),
        )
    })
}

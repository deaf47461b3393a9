//! The report as JSON, whole or line by line.

use serde::Serialize;

use super::{About, FORMAT, Report};

pub(crate) fn whole(report: &Report) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}

#[derive(Serialize)]
struct Line<'r, T: Serialize> {
    format: u32,
    kind: &'static str,
    file: &'r str,
    #[serde(flatten)]
    what: &'r T,
}

pub(crate) fn lines(report: &Report, about: &About) -> Result<String, serde_json::Error> {
    let mut out = String::new();
    let mut add = |line: Result<String, serde_json::Error>| -> Result<(), serde_json::Error> {
        out += &line?;
        out.push('\n');
        Ok(())
    };
    let file = about.name.as_str();
    add(line("snapshot", file, &report.snapshot))?;
    add(line("totals", file, &report.totals))?;
    report
        .resources
        .iter()
        .try_for_each(|r| add(line("resource", file, r)))?;
    report
        .namespaces
        .iter()
        .try_for_each(|n| add(line("namespace", file, n)))?;
    report
        .other_namespaces
        .iter()
        .try_for_each(|n| add(line("other-namespaces", file, n)))?;
    report
        .groups
        .iter()
        .try_for_each(|g| add(line("group", file, g)))?;
    report
        .deks
        .iter()
        .try_for_each(|d| add(line("dek", file, d)))?;
    report
        .findings
        .iter()
        .try_for_each(|f| add(line("finding", file, f)))?;
    Ok(out)
}

fn line<T: Serialize>(
    kind: &'static str,
    file: &str,
    what: &T,
) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Line {
        format: FORMAT,
        kind,
        file,
        what,
    })
}

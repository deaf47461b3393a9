//! Reports as text for people and machines. All of them are deterministic: the same report gives the same bytes.

use core::fmt;
use core::str::FromStr;

use super::{Report, csv, html, json, markdown, prometheus, sarif};

/// What a report is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ReportFormat {
    /// The whole report, `schema/audit-report.schema.json`.
    Json,
    /// One line for the file, each resource, each group and each finding.
    Jsonl,
    /// SARIF 2.1.0, one result for each finding.
    Sarif,
    /// One row for each resource, provider, key and form.
    Csv,
    /// One row for each finding.
    CsvFindings,
    /// For tickets and wikis.
    Markdown,
    /// One file with pictures, without script.
    Html,
    /// For the textfile collector of Prometheus' node exporter.
    Prometheus,
}

impl ReportFormat {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Json,
        Self::Jsonl,
        Self::Sarif,
        Self::Csv,
        Self::CsvFindings,
        Self::Markdown,
        Self::Html,
        Self::Prometheus,
    ];

    /// The name that [`FromStr`] takes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Sarif => "sarif",
            Self::Csv => "csv",
            Self::CsvFindings => "csv-findings",
            Self::Markdown => "markdown",
            Self::Html => "html",
            Self::Prometheus => "prometheus",
        }
    }
}

impl fmt::Display for ReportFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownFormat;

impl FromStr for ReportFormat {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::ALL
            .into_iter()
            .find(|f| f.name() == name)
            .ok_or(UnknownFormat)
    }
}

/// What a report does not know of itself.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct About {
    /// The snapshot's name, escaped.
    pub name: String,
    /// When it was made, as the caller wants it shown; nothing is shown when empty.
    pub when: String,
}

impl About {
    /// With the bytes of a file name, which may be hostile too.
    #[must_use]
    pub fn new(name: &[u8]) -> Self {
        Self {
            name: crate::escape(name),
            when: String::new(),
        }
    }
}

impl Report {
    /// Writes the report down.
    ///
    /// # Errors
    /// None for a report of this crate: its maps have texts as keys.
    pub fn write(&self, format: ReportFormat, about: &About) -> Result<String, serde_json::Error> {
        Ok(match format {
            ReportFormat::Json => json::whole(self)?,
            ReportFormat::Jsonl => json::lines(self, about)?,
            ReportFormat::Sarif => sarif::write(self, about)?,
            ReportFormat::Csv => csv::groups(self),
            ReportFormat::CsvFindings => csv::findings(self),
            ReportFormat::Markdown => markdown::write(self, about),
            ReportFormat::Html => html::write(self, about),
            ReportFormat::Prometheus => prometheus::write(self, about),
        })
    }

    /// The same report without names of objects and namespaces, and without the texts of KMS plugins: every etcd key
    /// becomes its resource with a number, equal ones the same. Names of keys, KMS providers and resources stay.
    #[must_use]
    pub fn redacted(mut self) -> Self {
        let mut names = super::redact::Names::default();
        for group in &mut self.groups {
            for why in &mut group.unreadable_why {
                why.upstream = None;
                names.hide(&mut why.examples);
            }
        }
        for finding in &mut self.findings {
            if let Some((before, _)) = finding.message.split_once(super::UPSTREAM_SAYS) {
                finding.message = before.to_owned();
            }
            names.hide(&mut finding.examples);
        }
        for group in self.residue.iter_mut().flat_map(|r| &mut r.groups) {
            names.hide(&mut group.examples);
        }
        for group in self.log.iter_mut().flat_map(|l| &mut l.groups) {
            names.hide(&mut group.examples);
        }
        for set in &mut self.opened_by {
            names.hide(&mut set.examples);
        }
        names.hide(&mut self.other_keys.examples);
        let named = self
            .namespaces
            .iter_mut()
            .filter_map(|n| n.namespace.as_mut());
        for (name, number) in named.zip(1..) {
            *name = format!("namespace #{number}");
        }
        self
    }
}

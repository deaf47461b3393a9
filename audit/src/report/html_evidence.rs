//! Tables of the HTML report: what lies where, the keys with their dates, and which configuration opens what.

use core::fmt::Write;

use crate::findings::{each_call, some};

use super::encode::{count, html as text};
use super::{Class, Dated, DekCount, Removable, Report, Time};

/// `2026-10-05 08:15`, in UTC.
pub(crate) fn minute(time: Time) -> String {
    let all = time.to_string();
    all.get(..16).unwrap_or(&all).replacen('T', " ", 1)
}

/// How long one of the calls of a cold start may take.
pub(crate) fn a_call(deks: &DekCount) -> String {
    if deks.api != "v2" || deks.live < 2 {
        return String::new();
    }
    format!(
        " <span class=dim>(one after the other: at most {} each, to be done in 3 s)</span>",
        each_call(deks.live)
    )
}

/// The three classes side by side, each with what plaintext in it proves.
pub(crate) fn classes(out: &mut String, report: &Report) {
    let t = &report.totals;
    let current = "is what the API serves at the revision of this file";
    let mut rows = vec![
        ("current", "rows", t.live, t.exposed, current),
        (
            "history",
            "superseded and deleted rows",
            t.history,
            t.history_exposed,
            Class::History.proves().unwrap_or_default(),
        ),
    ];
    let proves = Class::Residue.proves().unwrap_or_default();
    if let Some(residue) = &report.residue {
        let (all, exposed) = (residue.rows, residue.exposed);
        rows.push(("residue", "free pages", all, exposed, proves));
    }
    if let Some(log) = &report.log {
        rows.push((
            "residue",
            "write-ahead log",
            log.values,
            log.exposed,
            proves,
        ));
    }
    out.push_str("<section>\n<h2>Where plaintext lies</h2>\n<div class=wide><table class=list>\n<tr><th>class</th><th>place</th><th class=n>values</th><th class=n>in plaintext</th><th>what is found there</th></tr>\n");
    for (class, place, values, exposed, proves) in rows {
        let mood = match (exposed, class) {
            (0, _) => "dim",
            (_, "current") => "bad",
            _ => "poor",
        };
        let _ = writeln!(
            out,
            "<tr class=first><td>{class}</td><td>{place}</td><td class=n>{}</td><td class=\"n {mood}\">{}</td><td class=\"dim long\">{}</td></tr>",
            count(values),
            count(exposed),
            text(proves)
        );
    }
    out.push_str("</table></div>\n");
    if let Some(log) = &report.log {
        let torn = if log.torn {
            "; the newest file ends inside a record"
        } else {
            ""
        };
        let _ = writeln!(
            out,
            "<p>Write-ahead log: {}, entries: {}; {} that no row holds, {} not in the db file yet, {} whose checksum does not hold{torn}.</p>",
            some(log.files, "file"),
            count(log.entries),
            some(log.only, "value"),
            count(log.pending),
            some(log.unsound, "record")
        );
    }
    out.push_str("</section>\n");
}

/// Each key of the configuration: who holds values of it, since when, and whether it may go.
pub(crate) fn keys(out: &mut String, report: &Report) {
    if report.keys.is_empty() {
        return;
    }
    let log = report.keys.iter().any(|k| k.log.is_some());
    let head = if log { "<th class=n>log</th>" } else { "" };
    let _ = writeln!(
        out,
        "<section>\n<h2>May a key be removed?</h2>\n<div class=wide><table class=list>\n<tr><th>key</th><th>of</th><th>answer</th><th class=n>current</th><th class=n>history</th><th class=n>free pages</th>{head}<th>first use</th><th>last use</th></tr>"
    );
    for k in &report.keys {
        let mood = match k.removable {
            Removable::Yes => "good",
            Removable::AfterCompaction | Removable::No => "poor",
            Removable::Writes | Removable::Unknown => "dim",
        };
        let in_log = if log {
            format!("<td class=n>{}</td>", k.log.map_or_else(String::new, count))
        } else {
            String::new()
        };
        let _ = writeln!(
            out,
            "<tr class=first><td>{} {}</td><td>{}</td><td class={mood}>{}</td><td class=n>{}</td><td class=n>{}</td><td class=n>{}</td>{in_log}<td class=when>{}</td><td class=when>{}</td></tr>",
            text(k.provider),
            text(&k.key),
            text(&k.rules.join(" ")),
            text(k.removable.words()),
            count(k.live),
            count(k.history),
            k.residue.map_or_else(String::new, count),
            used(k.first_revision, k.first_use),
            used(k.last_revision, k.last_use)
        );
    }
    out.push_str("</table></div>\n<p class=dim>Revisions are exact; dates, in UTC, are inferred from objects that were created before and after.</p>\n</section>\n");
}

fn used(revision: i64, date: Option<Dated>) -> String {
    if revision <= 0 {
        return String::new();
    }
    let when = match date.map(|d| (d.not_before, d.not_after)) {
        Some((Some(from), Some(to))) if minute(from) == minute(to) => minute(from),
        Some((Some(from), Some(to))) => format!("{} to {}", minute(from), minute(to)),
        Some((Some(from), None)) => format!("after {}", minute(from)),
        Some((None, Some(to))) => format!("before {}", minute(to)),
        _ => return format!("revision {revision}"),
    };
    format!("revision {revision}<div class=dim>{when}</div>")
}

/// Of several configurations, which opens which values.
pub(crate) fn configurations(out: &mut String, report: &Report) {
    if report.configurations.is_empty() {
        return;
    }
    out.push_str("<section>\n<h2>Which configuration opens what</h2>\n<div class=wide><table class=list>\n<tr><th>configuration</th><th>hash, as in the metrics</th><th class=n>opens</th><th class=n>waits for a KMS</th><th class=n>does not open</th></tr>\n");
    for config in &report.configurations {
        let mood = if config.refuses > 0 { "bad" } else { "dim" };
        let _ = writeln!(
            out,
            "<tr class=first><td>{}</td><td class=hash>{}</td><td class=n>{}</td><td class=n>{}</td><td class=\"n {mood}\">{}</td></tr>",
            text(&config.name),
            text(&config.hash),
            count(config.opens),
            count(config.waits),
            count(config.refuses)
        );
    }
    out.push_str("</table></div>\n<div class=wide><table class=list>\n<tr><th>resource</th><th>key</th><th>opened by</th><th>waits in</th><th class=n>live</th><th class=n>old</th></tr>\n");
    let mut before = "";
    for set in &report.opened_by {
        let names = [set.key.as_deref(), set.key_id.as_deref()];
        let names: Vec<String> = names.into_iter().flatten().map(text).collect();
        let (resource, first) = if set.resource == before {
            (String::new(), "")
        } else {
            (text(&set.resource), " class=first")
        };
        before = &set.resource;
        let (opens, mood) = match (set.opens.len(), set.waits.len()) {
            (0, 0) => ("none".to_owned(), "bad"),
            (all, _) if all == report.configurations.len() => ("all".to_owned(), "good"),
            _ => (text(&set.opens.join(", ")), "poor"),
        };
        let _ = writeln!(
            out,
            "<tr{first}><td>{resource}</td><td>{} {}</td><td class={mood}>{opens}</td><td>{}</td><td class=n>{}</td><td class=\"n dim\">{}</td></tr>",
            text(set.provider),
            names.join(" "),
            text(&set.waits.join(", ")),
            count(set.live),
            count(set.history)
        );
    }
    out.push_str("</table></div>\n</section>\n");
}

//! The report as one HTML file: pictures are inline SVG, there is no script, nothing is loaded, and the policy in its head
//! forbids both. Colours follow the reader's light or dark setting; no colour stands alone for a meaning.

use core::fmt::Write;

use sha2::{Digest, Sha256};

use super::csv::severity;
use super::encode::{count, html as text};
use super::html_evidence as evidence;
use super::picture::{self, Slice};
use super::summary::{headline, stale_only, state_words};
use super::{About, Counts, Finding, HashStatus, Report, Severity};

const STYLE: &str = include_str!("style.css");

pub(crate) fn write(report: &Report, about: &About) -> String {
    let mut out = String::new();
    head(&mut out, about);
    let _ = writeln!(
        out,
        "<body>\n<header><p class=brand>k8senc &middot; encryption at rest</p>"
    );
    let mood = mood(report);
    let _ = writeln!(out, "<h1 class={mood}>{}</h1>", text(&headline(report)));
    facts(&mut out, report, about);
    out += "</header>\n<main>\n";
    tiles(&mut out, report);
    resources(&mut out, report);
    namespaces(&mut out, report);
    findings(&mut out, report);
    evidence::classes(&mut out, report);
    evidence::keys(&mut out, report);
    evidence::configurations(&mut out, report);
    inventory(&mut out, report);
    out += "</main>\n<footer><p>";
    let _ = write!(out, "Made by k8senc {}. ", env!("CARGO_PKG_VERSION"));
    out += "No plaintext and no key is in this file. Names of objects are, unless they were redacted.</p></footer>\n</body>\n</html>\n";
    out
}

fn head(out: &mut String, about: &About) {
    let hash = base64(&Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'"
    );
    let _ = writeln!(
        out,
        "<!DOCTYPE html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n<meta http-equiv=Content-Security-Policy content=\"{policy}\">\n\
         <meta name=viewport content=\"width=device-width,initial-scale=1\">\n<meta name=color-scheme content=\"light dark\">\n\
         <meta name=referrer content=no-referrer>\n<title>{} &middot; k8senc</title>\n<style>{STYLE}</style>\n</head>",
        text(&about.name)
    );
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| {
            bits << 8 | u32::from(three.get(at).copied().unwrap_or(0))
        });
        for at in 0..4_usize {
            let digit = DIGITS
                .get((bits >> (18 - 6 * at) & 63) as usize)
                .filter(|_| at <= three.len());
            out.push(digit.map_or('=', |d| char::from(*d)));
        }
    }
    out
}

fn mood(report: &Report) -> &'static str {
    let damaged = report.snapshot.sha256.status == HashStatus::Mismatch;
    match report.findings.first().map(|f| f.severity) {
        _ if damaged => "bad",
        Some(Severity::Error) => "bad",
        Some(Severity::Warning) => "poor",
        _ => "good",
    }
}

fn facts(out: &mut String, report: &Report, about: &About) {
    let s = &report.snapshot;
    let hash = match s.sha256.status {
        HashStatus::Match => "SHA-256 matches",
        HashStatus::Mismatch => "SHA-256 does not match",
        HashStatus::Absent => "without SHA-256",
        HashStatus::Unchecked => "SHA-256 not checked",
    };
    let mut parts = vec![
        format!("<strong>{}</strong>", text(&about.name)),
        format!("{} bytes", count(s.bytes)),
        format!("etcd {}", text(s.etcd_version)),
        format!("revision {}", s.revision),
    ];
    if s.compact_revision > 0 {
        parts.push(format!("compacted to {}", s.compact_revision));
    }
    parts.push(hash.to_owned());
    if let Some(time) = report.newest_object {
        parts.push(format!(
            "its newest object is of {}",
            evidence::minute(time)
        ));
    }
    if !about.when.is_empty() {
        parts.push(text(&about.when));
    }
    if !report.judged {
        parts.push("no configuration was given: values are classified, not opened".to_owned());
    }
    let _ = writeln!(out, "<p class=facts>{}</p>", parts.join(" &middot; "));
    if let Some(computed) = &s.sha256.computed {
        let _ = writeln!(out, "<p class=hash>sha256:{}</p>", text(computed));
    }
}

fn tiles(out: &mut String, report: &Report) {
    let t = &report.totals;
    let encrypted = t.live - t.plaintext;
    let tiles = [
        (t.live, "live objects", ""),
        (encrypted, "encrypted", ""),
        (t.exposed, "exposed in plaintext", "bad"),
        (t.unreadable, "unreadable", "bad"),
        (stale_only(report), "stale", "poor"),
        (t.history_exposed, "old versions in plaintext", "poor"),
        (
            report.residue.as_ref().map_or(0, |r| r.exposed),
            "recoverable from free pages",
            "poor",
        ),
        (t.undecided + t.history_undecided, "undecided", "poor"),
    ];
    out.push_str("<section class=tiles>\n");
    for (number, what, mood) in tiles {
        if number == 0 && mood == "poor" {
            continue;
        }
        let mood = if number == 0 { "" } else { mood };
        let _ = writeln!(
            out,
            "<div class=\"tile {mood}\"><b>{}</b><span>{what}</span></div>",
            count(number)
        );
    }
    out.push_str("</section>\n");
}

/// What a bar shows of live values, each counted once: the worst that is true of it.
fn slices(c: &Counts, judged: bool) -> Vec<Slice> {
    let not_exposed = c.plaintext.saturating_sub(c.exposed);
    let bad = c.exposed + c.unreadable + c.undecided;
    let stale = c
        .stale
        .saturating_sub(c.exposed)
        .min(c.live.saturating_sub(bad + not_exposed));
    let rest = c.live.saturating_sub(bad + not_exposed + stale);
    vec![
        Slice {
            class: "s-good",
            name: if judged {
                "encrypted and current"
            } else {
                "encrypted"
            },
            count: rest,
        },
        Slice {
            class: "s-stale",
            name: "stale",
            count: stale,
        },
        Slice {
            class: "s-open",
            name: "plaintext, no rule",
            count: not_exposed,
        },
        Slice {
            class: "s-wait",
            name: "undecided",
            count: c.undecided,
        },
        Slice {
            class: "s-lost",
            name: "unreadable",
            count: c.unreadable,
        },
        Slice {
            class: "s-bad",
            name: "exposed plaintext",
            count: c.exposed,
        },
    ]
}

fn resources(out: &mut String, report: &Report) {
    if report.resources.is_empty() {
        return;
    }
    out.push_str("<section>\n<h2>What lies in etcd now</h2>\n");
    let all = slices(&report.totals, report.judged);
    out.push_str("<p class=legend>");
    for slice in all.iter().filter(|slice| slice.count > 0) {
        let _ = write!(
            out,
            "<span>{}{}</span> ",
            picture::swatch(slice.class),
            slice.name
        );
    }
    out.push_str("</p>\n<table class=bars>\n");
    let mut order: Vec<_> = report
        .resources
        .iter()
        .filter(|r| r.counts.live > 0)
        .collect();
    order.sort_by(|a, b| {
        let key = |c: &Counts| (c.exposed + c.unreadable, c.live);
        key(&b.counts)
            .cmp(&key(&a.counts))
            .then_with(|| a.resource.cmp(&b.resource))
    });
    for resource in order {
        let bar = picture::bar(&slices(&resource.counts, report.judged));
        let rule = match (resource.covered, report.judged) {
            (Some(false), true) => "<span class=dim> no rule</span>",
            _ => "",
        };
        let _ = writeln!(
            out,
            "<tr><th scope=row>{}{rule}</th><td class=n>{}</td><td class=bar>{bar}</td></tr>",
            text(&resource.resource),
            count(resource.counts.live)
        );
    }
    out.push_str("</table>\n</section>\n");
}

fn namespaces(out: &mut String, report: &Report) {
    let (listed, left) = report.namespaces_in_need();
    if listed.is_empty() {
        return;
    }
    out.push_str("<section>\n<h2>Where something is to be done</h2>\n<table class=bars>\n");
    for namespace in listed {
        let bar = picture::bar(&slices(&namespace.counts, report.judged));
        let _ = writeln!(
            out,
            "<tr><th scope=row>{}</th><td class=n>{}</td><td class=bar>{bar}</td></tr>",
            text(namespace.name()),
            count(namespace.counts.live)
        );
    }
    out.push_str("</table>\n");
    if left > 0 {
        let _ = writeln!(out, "<p class=dim>and {} more namespaces</p>", count(left));
    }
    out.push_str("</section>\n");
}

fn findings(out: &mut String, report: &Report) {
    out.push_str("<section>\n<h2>Findings</h2>\n");
    if report.findings.is_empty() {
        out.push_str("<p class=good>None.</p>\n");
    }
    for finding in &report.findings {
        one_finding(out, finding);
    }
    out.push_str("</section>\n");
}

fn one_finding(out: &mut String, f: &Finding) {
    let level = severity(f.severity);
    let open = if f.severity == Severity::Error {
        " open"
    } else {
        ""
    };
    let subject: Vec<String> = [
        f.resource.as_deref(),
        f.provider,
        f.key.as_deref(),
        f.key_id.as_deref(),
    ]
    .into_iter()
    .flatten()
    .map(text)
    .collect();
    let _ = writeln!(
        out,
        "<details class=\"finding {level}\"{open}><summary><span class=level>{level}</span> <span class=say>{}</span> <span class=subject>{}</span> <code>{}</code></summary>",
        text(&f.message),
        subject.join(" "),
        f.code
    );
    let _ = writeln!(out, "<p class=advice>{}.</p>", text(&sentence(f.advice)));
    if let Some(proves) = f.class.proves() {
        let _ = writeln!(
            out,
            "<p class=proves><b>{}</b> {}</p>",
            f.class.name(),
            text(proves)
        );
    }
    if !f.examples.is_empty() {
        out.push_str("<ul>\n");
        for e in &f.examples {
            let _ = writeln!(
                out,
                "<li><span class=name>{}</span> <span class=dim>revision {}</span></li>",
                text(&e.etcd_key),
                e.revision
            );
        }
        let shown = f.examples.len() as u64;
        if f.count > shown {
            let _ = writeln!(
                out,
                "<li class=dim>and {} more</li>",
                count(f.count - shown)
            );
        }
        out.push_str("</ul>\n");
    }
    out.push_str("</details>\n");
}

/// With a capital letter.
fn sentence(clause: &str) -> String {
    let mut letters = clause.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn inventory(out: &mut String, report: &Report) {
    if report.groups.is_empty() {
        return;
    }
    out.push_str("<section>\n<h2>Inventory</h2>\n<div class=wide><table class=list>\n<tr><th>resource</th><th>provider</th><th>key</th><th class=n>live</th><th class=n>old</th><th>state</th></tr>\n");
    let mut before = "";
    for g in &report.groups {
        let names: Vec<String> = [g.key.as_deref(), g.key_id.as_deref(), g.form]
            .into_iter()
            .flatten()
            .map(text)
            .collect();
        let resource = if g.resource == before {
            String::new()
        } else {
            text(&g.resource)
        };
        before = &g.resource;
        let guess = if g.guessed {
            " <span class=dim>(a guess)</span>"
        } else {
            ""
        };
        let state = state_words(g, report.judged);
        let c = &g.counts;
        let mood = if c.exposed + c.unreadable + c.moved > 0 {
            "bad"
        } else if c.stale + c.undecided + c.history_exposed + c.history_undecided + c.stale_unknown
            > 0
        {
            "poor"
        } else if g.provider == "identity" {
            "dim"
        } else {
            "good"
        };
        let first = if resource.is_empty() {
            ""
        } else {
            " class=first"
        };
        let _ = writeln!(
            out,
            "<tr{first}><td>{resource}</td><td>{}</td><td>{}{guess}</td><td class=n>{}</td><td class=\"n dim\">{}</td><td class={mood}>{}</td></tr>",
            text(g.provider),
            names.join(" "),
            count(c.live),
            count(c.history),
            text(&state)
        );
    }
    out.push_str("</table></div>\n");
    if !report.deks.is_empty() {
        out.push_str("<p>KMS calls of a cold start: ");
        let parts: Vec<String> = report
            .deks
            .iter()
            .map(|d| {
                let each = evidence::a_call(d);
                let (name, live) = (text(&d.provider), count(d.live));
                format!("{name} ({}) <b>{live}</b>{each}", d.api)
            })
            .collect();
        let _ = writeln!(out, "{}</p>", parts.join(", "));
    }
    out.push_str("</section>\n");
}

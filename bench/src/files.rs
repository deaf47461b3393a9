//! Configurations of many shapes and sizes, and how long it takes to judge them: time has to grow with the file and not faster.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use k8senc_config::{LintOptions, lint, validate};
use rustix::time::{ClockId, clock_gettime};

use crate::Outcome;

/// Name, and what of it there is much of.
const SHAPES: [(&str, &str); 18] = [
    (
        "plain",
        "a usual file: entries with several providers and keys",
    ),
    ("names", "one entry that lists many resources"),
    ("keys", "one provider with many keys"),
    ("kms", "many KMS providers"),
    (
        "masked",
        "entries of which all but the first are never used",
    ),
    ("same-key", "one key name and secret again and again"),
    ("duplicates", "one field, given again and again"),
    ("unknown", "fields that nobody knows"),
    ("aliases", "one anchor, many aliases"),
    ("merges", "one anchor, merged again and again"),
    ("anchors", "many anchors"),
    ("deep", "block sequences in block sequences"),
    ("brackets", "flow sequences, opened and not closed"),
    ("one-line", "JSON on one line"),
    ("one-scalar", "one quoted secret over the whole file"),
    ("folded", "one plain scalar over all lines"),
    ("comments", "comments, each of which suppresses a rule"),
    ("quotes", "quotes that open and close at random"),
];

const HEAD: &str =
    "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n";

/// A file of about so many lines, or of the size that so many lines have.
pub fn shape(name: &str, lines: usize) -> Outcome<Vec<u8>> {
    let mut text = HEAD.to_owned();
    let entry = "  - resources: [secrets]\n    providers:\n";
    let keys = "      - aescbc:\n          keys:\n";
    match name {
        "plain" => {
            for i in 0..lines / 16 {
                let (a, b, c) = (secret(4 * i), secret(4 * i + 1), secret(4 * i + 2));
                write!(
                    text,
                    "  # entry {i}\n  - resources:\n      - things{i}.example.com\n      - others{i}.example.com\n    providers:\n      \
                     - aescbc:\n          keys:\n            - name: key{i}\n              secret: {a}\n            - name: old{i}\n              \
                     secret: {b}\n      - secretbox:\n          keys:\n            - name: box\n              secret: {c}\n      - identity: {{}}\n"
                )?;
            }
        }
        "names" => {
            text += "  - resources:\n";
            repeat(&mut text, lines, |i| {
                format!("      - things{i}.example.com\n")
            });
            text += "    providers: [identity: {}]\n";
        }
        "keys" | "same-key" => {
            text = text + entry + keys;
            repeat(&mut text, lines / 2, |i| {
                let i = if name == "keys" { i } else { 0 };
                format!(
                    "            - name: key{i}\n              secret: {}\n",
                    secret(i)
                )
            });
        }
        "kms" => {
            text += entry;
            repeat(&mut text, lines / 4, |i| {
                format!(
                    "      - kms:\n          apiVersion: v2\n          name: kms{i}\n          endpoint: unix:///run/kms{i}.sock\n"
                )
            });
        }
        "masked" => {
            repeat(&mut text, lines / 4, |_| {
                "  - resources:\n      - '*.*'\n      - secrets\n    providers: [identity: {}]\n"
                    .into()
            });
        }
        "duplicates" => repeat(&mut text, lines, |_| {
            "kind: EncryptionConfiguration\n".into()
        }),
        "unknown" => repeat(&mut text, lines, |i| format!("field{i}: {i}\n")),
        "aliases" => {
            text += "  - resources: &a [secrets]\n    providers: [identity: {}]\n";
            repeat(&mut text, lines / 2, |_| {
                "  - resources: *a\n    providers: [identity: {}]\n".into()
            });
        }
        "merges" => {
            text += "  - &a\n    resources: [secrets]\n    providers: [identity: {}]\n";
            repeat(&mut text, lines, |_| "  - <<: *a\n".into());
        }
        "anchors" => repeat(&mut text, lines, |i| {
            format!("  - &a{i} {{resources: [things{i}]}}\n")
        }),
        "deep" => repeat(&mut text, lines, |i| format!("{:1$}-\n", "", i % 4_000)),
        "brackets" => {
            text += "  - ";
            repeat(&mut text, lines * 16, |_| "[".into());
        }
        "one-line" => {
            text = r#"{"kind":"EncryptionConfiguration","apiVersion":"apiserver.config.k8s.io/v1","resources":["#.into();
            repeat(&mut text, lines, |i| {
                let comma = if i == 0 { "" } else { "," };
                format!(r#"{comma}{{"resources":["things{i}"],"providers":[{{"identity":{{}}}}]}}"#)
            });
            text += "]}";
        }
        "one-scalar" => {
            text = text + entry + keys + "            - name: key1\n              secret: \"";
            repeat(&mut text, lines, |_| {
                "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY\\u0041".into()
            });
            text += "\"\n";
        }
        "folded" => {
            text += "  - resources:\n";
            repeat(&mut text, lines, |_| "    word word word\n".into());
        }
        "comments" => {
            text = text + entry + "      - identity: {}\n";
            repeat(&mut text, lines, |_| {
                "      # k8senc:ignore K8E004 it is a test\n".into()
            });
        }
        "quotes" => repeat(&mut text, lines, |i| {
            format!("  - '{i}\" \\\" {}\n", if i % 3 == 0 { "''" } else { "\"" })
        }),
        other => return Err(format!("no shape {other:?}").into()),
    }
    Ok(text.into_bytes())
}

fn repeat(text: &mut String, times: usize, piece: impl Fn(usize) -> String) {
    for i in 0..times {
        text.push_str(&piece(i));
    }
}

/// 32 bytes in base64, different for each number.
fn secret(number: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut state = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut out: String = (0..42)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(
                DIGITS
                    .get((state >> 40) as usize % 64)
                    .copied()
                    .unwrap_or(b'A'),
            )
        })
        .collect();
    out.push_str("A=");
    out
}

/// Prints shape, lines, bytes, and milliseconds of validate and of lint, the fastest of several passes; a pass that is over
/// `limit` seconds is the last one of its shape.
pub fn times(limit: f64) -> Outcome<()> {
    let options = LintOptions::default();
    for (name, what) in SHAPES {
        for lines in [200, 1_000, 10_000, 100_000] {
            let text = shape(name, lines)?;
            let checked = fastest(|| drop(black_box(validate(&text, &options.server))));
            let linted = fastest(|| drop(black_box(lint(&text, &options))));
            let ms = |time: Duration| time.as_secs_f64() * 1000.0;
            println!(
                "{name}\t{lines}\t{}\t{:.4}\t{:.4}\t{what}",
                text.len(),
                ms(checked),
                ms(linted)
            );
            if checked.max(linted).as_secs_f64() > limit {
                break;
            }
        }
    }
    Ok(())
}

/// Time on the CPU: on a busy machine a long pass is put off again and again.
fn fastest(mut pass: impl FnMut()) -> Duration {
    let begin = Instant::now();
    let mut best = Duration::MAX;
    for _ in 0..50 {
        let start = on_cpu();
        pass();
        best = best.min(on_cpu().saturating_sub(start));
        if begin.elapsed() > Duration::from_millis(200) {
            break;
        }
    }
    best
}

fn on_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

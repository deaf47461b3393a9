//! Configurations: what kube-apiserver would say of a file.

use k8senc_config::{Config, Options, Stage, validate};

use crate::ask::{Answers, Questions, Truncated};

/// Asked: text, path, reload, KMS v1 gate.
///
/// Answered: `+` and what was loaded (see [`loaded`]), or `-`, the stage, whether the text is exact, the text.
pub fn judge(asked: &mut Questions<'_>, out: &mut Answers) -> Result<(), Truncated> {
    let text = asked.bytes()?;
    let mut options = Options::default();
    options.path = asked.text()?.to_owned();
    options.reload = asked.flag()?;
    options.kmsv1 = Some(asked.flag()?);
    let verdict = validate(text, &options);
    if !verdict.ok {
        out.byte(b'-');
        out.bytes(verdict.stage.map_or("", Stage::name).as_bytes());
        out.byte(u8::from(verdict.exact));
        out.bytes(verdict.upstream.unwrap_or_default().as_bytes());
    } else if let Ok(config) = Config::parse_as(text, &options) {
        out.byte(b'+');
        out.bytes(loaded(&config, options.reload).as_bytes());
    } else {
        out.byte(b'!');
        out.bytes(b"validate says that it loads, parse that it does not");
    }
    Ok(())
}

/// The rules with their stored prefixes in order, the health checks, the grace period and the hash; parts end with a zero
/// byte, lists with a line feed.
fn loaded(config: &Config, reload: bool) -> String {
    let mut lines: Vec<String> = config
        .rules()
        .map(|(rule, providers)| {
            let mut line = format!("{rule}\0");
            for prefix in providers.iter().flat_map(|p| p.prefixes()) {
                line.push_str(&prefix);
                line.push('\0');
            }
            line
        })
        .collect();
    lines.sort();
    lines.push(config.health_checks(reload).join("\0"));
    lines.push(config.grace_period());
    lines.push(config.content_hash().to_owned());
    lines.join("\n")
}

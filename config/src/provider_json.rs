//! A provider element in Go's JSON, which kube-apiserver prints with its secrets.

use crate::golang::json_string;
use crate::model::{Keys, Provider};

/// A provider as upstream prints it, with `REDACTED` where it prints secrets; and whether it does.
pub(crate) fn provider_json(provider: &Provider) -> (String, bool) {
    let mut out = String::new();
    let mut redacted = false;
    let mut keys = |out: &mut String, name: &str, keys: Option<&Keys>| {
        out.push_str(name);
        let Some(keys) = keys else {
            out.push_str("null");
            return;
        };
        let Some(list) = &keys.keys else {
            out.push_str("{\"Keys\":null}");
            return;
        };
        out.push_str("{\"Keys\":[");
        for (i, key) in list.iter().enumerate() {
            out.push_str(if i > 0 { ",{\"Name\":" } else { "{\"Name\":" });
            json_string(out, &key.name.text);
            out.push_str(",\"Secret\":");
            let empty = key.secret.text.is_empty();
            redacted |= !empty;
            out.push_str(if empty { "\"\"" } else { "\"REDACTED\"" });
            out.push('}');
        }
        out.push_str("]}");
    };
    keys(&mut out, "{\"AESGCM\":", provider.aesgcm.as_ref());
    keys(&mut out, ",\"AESCBC\":", provider.aescbc.as_ref());
    keys(&mut out, ",\"Secretbox\":", provider.secretbox.as_ref());
    out.push_str(if provider.identity.is_some() {
        ",\"Identity\":{}"
    } else {
        ",\"Identity\":null"
    });
    match &provider.kms {
        None => out.push_str(",\"KMS\":null}"),
        Some(kms) => {
            out.push_str(",\"KMS\":{\"APIVersion\":");
            json_string(&mut out, &kms.api_version.text);
            out.push_str(",\"Name\":");
            json_string(&mut out, &kms.name.text);
            out.push_str(",\"CacheSize\":");
            out.push_str(
                &kms.cachesize
                    .map_or_else(|| "null".to_owned(), |n| n.to_string()),
            );
            out.push_str(",\"Endpoint\":");
            json_string(&mut out, &kms.endpoint.text);
            out.push_str(",\"Timeout\":");
            out.push_str(
                &kms.timeout
                    .map_or_else(|| "null".to_owned(), |t| format!("\"{t}\"")),
            );
            out.push_str("}}");
        }
    }
    (out, redacted)
}

//! kube-apiserver's field errors: the same rules in the same order with the same texts.

use std::collections::BTreeSet;

use crate::golang::{base64_decode, has_capital, json_string, parse_url, quote};
use crate::model::{Entry, Key, Keys, Kms, Leaf, Model, Provider};
use crate::provider_json::provider_json;
use crate::resource::{GroupResource, list_faults};
use crate::span::Span;
use crate::verdict::Problem;
use crate::version::Version;

/// What the rules depend on besides the file.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    pub reload: bool,
    pub version: Version,
}

/// All field errors of a file, in upstream's order, without repeated texts.
pub(crate) fn validate(model: &Model, rules: Rules) -> Vec<Problem> {
    let mut found = Found {
        rules,
        problems: Vec::new(),
        kms_names: BTreeSet::new(),
    };
    found.model(model);
    let mut seen = BTreeSet::new();
    found.problems.retain(|p| seen.insert(p.upstream.clone()));
    found.problems
}

struct Found<'m> {
    rules: Rules,
    problems: Vec<Problem>,
    kms_names: BTreeSet<&'m str>,
}

impl<'m> Found<'m> {
    fn required(&mut self, code: &'static str, field: &str, span: Span, detail: &str, ours: &str) {
        let upstream = format!("{field}: Required value: {detail}");
        self.problems
            .push(Problem::new(code, field, upstream, ours, span));
    }

    fn invalid(
        &mut self,
        code: &'static str,
        field: &str,
        span: Span,
        (value, detail): (&str, &str),
        ours: &str,
    ) {
        let upstream = format!("{field}: Invalid value: {value}: {detail}");
        self.problems
            .push(Problem::new(code, field, upstream, ours, span));
    }

    fn model(&mut self, model: &'m Model) {
        if model.entries().is_empty() {
            let span = model.resources_span.unwrap_or(model.span);
            let detail = "at least one resources is required";
            self.required(
                "resources-missing",
                "resources",
                span,
                detail,
                "the file has no entry: nothing would be encrypted",
            );
            return;
        }
        for (i, entry) in model.entries().iter().enumerate() {
            self.entry(i, entry);
        }
    }

    fn entry(&mut self, i: usize, entry: &'m Entry) {
        let field = format!("resources[{i}].resources");
        let span = entry.resources_span.unwrap_or(entry.span);
        if entry.names().is_empty() {
            let detail = format!("at least one {field} is required");
            self.required(
                "resource-list-empty",
                &field,
                span,
                &detail,
                "the entry names no resource, so it applies to nothing",
            );
        }
        if self.rules.version.has_wildcards() {
            self.names(&field, span, entry.names());
        }
        let field = format!("resources[{i}].providers");
        if entry.providers().is_empty() {
            let span = entry.providers_span.unwrap_or(entry.span);
            let detail = format!("at least one {field} is required");
            self.required(
                "provider-list-empty",
                &field,
                span,
                &detail,
                "the entry has no provider to write or read with",
            );
        }
        for (j, provider) in entry.providers().iter().enumerate() {
            self.provider(&format!("{field}[{j}]"), provider);
        }
    }

    fn names(&mut self, field: &str, span: Span, names: &[Leaf]) {
        let parsed: Vec<_> = names
            .iter()
            .map(|n| GroupResource::parse(&n.text))
            .collect();
        let faults = list_faults(&parsed);
        if faults.duplicate || faults.overlap {
            let mut shown = String::from("[");
            for (i, name) in names.iter().enumerate() {
                if i > 0 {
                    shown.push(',');
                }
                json_string(&mut shown, &name.text);
            }
            shown.push(']');
            if faults.duplicate {
                let detail = "the same resource cannot be specified multiple times";
                self.invalid(
                    "resource-duplicate",
                    field,
                    span,
                    (&shown, detail),
                    "a resource is listed twice; secrets and \"secrets.\" are the same",
                );
            }
            if faults.overlap {
                let detail = "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they will be masked";
                self.invalid(
                    "resource-overlap",
                    field,
                    span,
                    (&shown, detail),
                    "a wildcard of this list covers another name of it",
                );
            }
        }
        for (j, (name, parsed)) in names.iter().zip(&parsed).enumerate() {
            let text = name.text.as_str();
            let (code, detail, ours) = match (text, parsed.group.as_str(), parsed.resource.as_str())
            {
                _ if has_capital(text) => (
                    "resource-capital",
                    "resource name should not contain capital letters",
                    "resources are written in lower case",
                ),
                ("*", _, _) => (
                    "resource-star",
                    "use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources",
                    "a lone * is not a wildcard here",
                ),
                (
                    "apiserveripinfo" | "serviceipallocations" | "servicenodeportallocations",
                    _,
                    _,
                ) => (
                    "resource-not-rest",
                    "resources which do not have REST API/s cannot be encrypted",
                    "kube-apiserver keeps this object outside its REST storage",
                ),
                (_, "events.k8s.io", _) => (
                    "resource-events",
                    "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the config file",
                    "events are stored in the core group",
                ),
                (_, "extensions", _) => (
                    "resource-extensions",
                    "'extensions' group has been removed and cannot be used for encryption",
                    "the extensions group is gone",
                ),
                (_, "*", resource) if resource != "*" => (
                    "resource-across-groups",
                    "encrypting the same resource across groups is not supported",
                    "a wildcard group needs a wildcard resource: *.*",
                ),
                _ => continue,
            };
            let field = format!("{field}[{j}]");
            self.invalid(
                code,
                &field,
                name.span.unwrap_or(span),
                (&quote(text), detail),
                ours,
            );
        }
    }

    fn provider(&mut self, path: &str, provider: &'m Provider) {
        let present = [
            provider.kms.is_some(),
            provider.aesgcm.is_some(),
            provider.aescbc.is_some(),
            provider.secretbox.is_some(),
            provider.identity.is_some(),
        ];
        let count = present.into_iter().filter(|p| *p).count();
        let several = "more than one provider specified in a single element, should split into different list elements";
        let none = "provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity";
        let fault = match count {
            0 => Some((
                "provider-none",
                none,
                "this element is none of aescbc, aesgcm, secretbox, kms and identity; an empty block counts as absent",
            )),
            1 => None,
            _ => Some((
                "provider-several",
                several,
                "put each provider into its own list element",
            )),
        };
        if let Some((code, detail, ours)) = fault {
            let (shown, redacted) = provider_json(provider);
            self.invalid(code, path, provider.span, (&shown, detail), ours);
            if let Some(problem) = self.problems.last_mut() {
                problem.redacted = redacted;
            }
        }
        if let Some(kms) = &provider.kms {
            self.kms(&format!("{path}.kms"), kms);
        } else if let Some(keys) = &provider.aesgcm {
            self.keys(&format!("{path}.aesgcm.keys"), keys, &[16, 24, 32]);
        } else if let Some(keys) = &provider.aescbc {
            self.keys(&format!("{path}.aescbc.keys"), keys, &[16, 24, 32]);
        } else if let Some(keys) = &provider.secretbox {
            self.keys(&format!("{path}.secretbox.keys"), keys, &[32]);
        }
    }

    fn keys(&mut self, path: &str, keys: &Keys, lengths: &[usize]) {
        if keys.list().is_empty() {
            self.required(
                "keys-missing",
                path,
                keys.span,
                "at least one keys is required",
                "the provider has no key",
            );
        }
        for (k, key) in keys.list().iter().enumerate() {
            self.key(&format!("{path}[{k}]"), key, lengths);
        }
    }

    fn key(&mut self, path: &str, key: &Key, lengths: &[usize]) {
        if key.name.text.is_empty() {
            let span = key.name.span.unwrap_or(key.span);
            self.required(
                "key-name-missing",
                &format!("{path}.name"),
                span,
                "name is a mandatory field for a key",
                "the name becomes part of every stored value",
            );
        }
        let field = format!("{path}.secret");
        let span = key.secret.span.unwrap_or(key.span);
        if key.secret.text.is_empty() {
            self.required(
                "key-secret-missing",
                &field,
                span,
                "secret is a mandatory field for a key",
                "the key has no secret",
            );
            return;
        }
        let Some(bytes) = base64_decode(&key.secret.text) else {
            let ours = "not standard base64: letters, digits, + and /, padded with =; no spaces, no - or _";
            self.invalid(
                "key-secret-base64",
                &field,
                span,
                ("\"REDACTED\"", "secrets must be base64 encoded"),
                ours,
            );
            return;
        };
        if !lengths.contains(&bytes.len()) {
            let list: Vec<_> = lengths.iter().map(ToString::to_string).collect();
            let detail = format!(
                "secret is not of the expected length, got {}, expected one of [{}]",
                bytes.len(),
                list.join(" ")
            );
            let ours = format!(
                "the key is {} bytes, this provider takes {}",
                bytes.len(),
                list.join(", ")
            );
            self.invalid(
                "key-secret-length",
                &field,
                span,
                ("\"REDACTED\"", &detail),
                &ours,
            );
        }
    }

    fn kms(&mut self, path: &str, kms: &'m Kms) {
        let version = self.rules.version;
        // Before 1.25 the version field did not exist and every block was v1.
        let api_version = if version.has_kms_v2() {
            kms.api_version.text.as_str()
        } else {
            "v1"
        };
        let v1 = api_version == "v1";
        self.kms_name(&format!("{path}.name"), kms, v1);
        if let Some(timeout) = kms.timeout.filter(|t| t.0 <= 0) {
            let span = kms.timeout_span.unwrap_or(kms.span);
            let value = format!("\"{timeout}\"");
            self.invalid(
                "kms-timeout",
                &format!("{path}.timeout"),
                span,
                (&value, "timeout should be a positive value"),
                "calls would fail at once",
            );
        }
        self.kms_endpoint(&format!("{path}.endpoint"), kms);
        if let Some(size) = kms.cachesize {
            let span = kms.cachesize_span.unwrap_or(kms.span);
            let field = format!("{path}.cachesize");
            if !v1 && version.has_wildcards() {
                let value = (size.to_string(), "cachesize is not supported in v2");
                self.invalid(
                    "kms-cachesize-v2",
                    &field,
                    span,
                    (&value.0, value.1),
                    "KMS v2 has its own cache; remove the field",
                );
            } else if v1 && size == 0 {
                let detail = "cachesize should be a positive value, or negative to disable";
                self.invalid(
                    "kms-cachesize-zero",
                    &field,
                    span,
                    ("0", detail),
                    "zero is neither a size nor off",
                );
            }
        }
        if !v1 && api_version != "v2" {
            let span = kms.api_version.span.unwrap_or(kms.span);
            let detail =
                "unsupported apiVersion apiVersion for KMS provider, only v1 and v2 are supported";
            self.invalid(
                "kms-api-version",
                &format!("{path}.apiVersion"),
                span,
                (&quote(api_version), detail),
                "write v2",
            );
        }
        self.kms_names.insert(kms.name.text.as_str());
    }

    fn kms_name(&mut self, field: &str, kms: &Kms, v1: bool) {
        let name = kms.name.text.as_str();
        let span = kms.name.span.unwrap_or(kms.span);
        if name.is_empty() {
            self.required(
                "kms-name-missing",
                field,
                span,
                "name is a mandatory field for a provider",
                "the name becomes part of every stored value",
            );
        }
        if !v1 && name.contains(':') {
            let detail = format!("invalid KMS provider name {name}, must not contain ':'");
            self.invalid(
                "kms-name-colon",
                field,
                span,
                (&quote(name), &detail),
                "a colon ends the stored prefix",
            );
        }
        if self.rules.version.unique_kms_names()
            && (self.rules.reload || !v1)
            && self.kms_names.contains(name)
        {
            let detail = format!("duplicate KMS provider name {name}, names must be unique");
            self.invalid(
                "kms-name-duplicate",
                field,
                span,
                (&quote(name), &detail),
                "an earlier kms block of this file has this name",
            );
        }
    }

    fn kms_endpoint(&mut self, field: &str, kms: &Kms) {
        let endpoint = kms.endpoint.text.as_str();
        let span = kms.endpoint.span.unwrap_or(kms.span);
        if endpoint.is_empty() {
            self.invalid(
                "kms-endpoint-missing",
                field,
                span,
                ("\"\"", "endpoint is a mandatory field for a kms"),
                "the block names no socket",
            );
            return;
        }
        match parse_url(endpoint) {
            Err(error) => {
                let detail = format!("invalid endpoint for kms provider, error: {error}");
                self.invalid(
                    "kms-endpoint-url",
                    field,
                    span,
                    (&quote(endpoint), &detail),
                    "not a URL; a socket is written unix:///path",
                );
            }
            Ok(url) if url.scheme != "unix" => {
                let detail = format!(
                    "unsupported scheme {} for KMS provider, only unix is supported",
                    quote(&url.scheme)
                );
                self.invalid(
                    "kms-endpoint-scheme",
                    field,
                    span,
                    (&quote(endpoint), &detail),
                    "only unix sockets are supported: unix:///path",
                );
            }
            Ok(_) => {}
        }
    }
}

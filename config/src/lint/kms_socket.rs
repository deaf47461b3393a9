//! Where the KMS plugin listens.

use std::collections::BTreeMap;

use super::{Needs, Rule, Severity};

pub(crate) static SHARED_ENDPOINT: Rule = Rule {
    code: "K8E022",
    name: "shared-endpoint",
    severity: Severity::Info,
    fixable: false,
    needs: Needs::Text,
    finds: "two kms blocks with the same socket.",
    why: "Each runs its own status calls, seed and cache against the plugin.",
    fix: "Name all resources in one entry, if they may share it.",
    upstream: "Nothing: the file is accepted.",
    source: "k8s.io/apiserver, encryptionconfig/config.go: one probe for each block",
    check: |c, report| {
        let mut seen = BTreeMap::new();
        for block in c.kms.iter().filter(|b| !b.socket.is_empty()) {
            if let Some(first) = seen.insert(block.socket.as_slice(), block.endpoint_span()) {
                let finding = report.add(
                    &SHARED_ENDPOINT,
                    block.endpoint_span(),
                    "an earlier block has this socket".to_owned(),
                );
                finding
                    .related
                    .push((first, "the earlier block".to_owned()));
            }
        }
    },
};

pub(crate) static ABSTRACT_SOCKET: Rule = Rule {
    code: "K8E024",
    name: "abstract-socket",
    severity: Severity::Warning,
    fixable: false,
    needs: Needs::Text,
    finds: "an abstract socket: unix:///@name.",
    why: "It has no file permissions. Any process in the network namespace can connect and ask for decryption, or take the name before the plugin does.",
    fix: "Use a path in a directory that only the API server and the plugin can enter.",
    upstream: "Nothing: the file is accepted.",
    source: "kubernetes.io, Using a KMS provider for data encryption; k8s.io/apiserver, envelope/kmsv2/grpc_service.go",
    check: |c, report| {
        for block in c
            .kms
            .iter()
            .filter(|b| b.socket.first() == Some(&b'@') && b.socket.len() > 1)
        {
            report.add(
                &ABSTRACT_SOCKET,
                block.endpoint_span(),
                "an abstract socket has no permissions".to_owned(),
            );
        }
    },
};

pub(crate) static WORLD_WRITABLE_SOCKET: Rule = Rule {
    code: "K8E025",
    name: "socket-in-shared-directory",
    severity: Severity::Warning,
    fixable: false,
    needs: Needs::Text,
    finds: "a socket in /tmp, /var/tmp or /dev/shm.",
    why: "Whoever binds the name first receives the seeds to encrypt, in the clear.",
    fix: "Use a directory that belongs to root with mode 0700, such as /var/run/kmsplugin.",
    upstream: "Nothing: the file is accepted.",
    source: "follows from how the API server dials: it connects to whatever listens",
    check: |c, report| {
        let shared: [&[u8]; 3] = [b"/tmp/", b"/var/tmp/", b"/dev/shm/"];
        for block in c
            .kms
            .iter()
            .filter(|b| shared.iter().any(|dir| b.socket.starts_with(dir)))
        {
            let message = "any local user can take this name before the plugin does".to_owned();
            report.add(&WORLD_WRITABLE_SOCKET, block.endpoint_span(), message);
        }
    },
};

/// `sun_path` holds 108 bytes with the final NUL of a path, or with the leading NUL of an abstract name.
const MAX_PATH: usize = 107;

pub(crate) static ENDPOINT_PATH: Rule = Rule {
    code: "K8E030",
    name: "endpoint-path",
    severity: Severity::Error,
    fixable: false,
    needs: Needs::Text,
    finds: "an endpoint that passes validation and can never be reached: no path (unix:x, unix://x), a path over 107 bytes, or one with ..",
    why: "The API server dials an empty or impossible address; every write and cold read then fails.",
    fix: "Write unix:/// and an absolute path: three slashes.",
    upstream: "Nothing at start: only the scheme is checked. Each call then ends in DeadlineExceeded.",
    source: "k8s.io/apiserver, envelope/kmsv2/grpc_service.go; unix(7)",
    check: |c, report| {
        for block in c.kms.iter().filter(|b| b.unix) {
            let path = &block.socket;
            let name = path.strip_prefix(b"@").unwrap_or(path);
            let message = if name.is_empty() || path.as_slice() == b"/" {
                "the endpoint has no path: an absolute path needs three slashes, unix:///path"
                    .to_owned()
            } else if name.len() > MAX_PATH {
                format!(
                    "the socket path is {} bytes, the system takes {MAX_PATH}",
                    name.len()
                )
            } else if path.split(|b| *b == b'/').any(|part| part == b"..") {
                "the socket path goes up with ..".to_owned()
            } else {
                continue;
            };
            report.add(&ENDPOINT_PATH, block.endpoint_span(), message);
        }
    },
};

//! Texts about KMS plugins, health and reload.

use super::{ErrorAdvice, advice};

pub(super) const TEXTS: &[ErrorAdvice] = &[
    advice(
        "got unexpected nil transformer",
        "A KMS v2 provider that was never healthy since this API server started. Until the first good Status and Encrypt it can neither read nor write, not even old objects.",
        "Ask /readyz/kms-providers, and look at the plugin's log and its socket.",
        "Get the plugin to answer. Do not restart further API servers: those that still run hold their seeds.",
    ),
    advice(
        "encryptedDEKSource with keyID hash … expired at …",
        "The plugin has not been healthy for three minutes, so writes stop. Reads of seeds in memory go on.",
        "Ask /readyz/kms-providers, and look at the plugin's log.",
        "Get the plugin to answer. Do not restart the API server and do not change the configuration: the seeds in memory are what still reads.",
    ),
    advice(
        "failed to decrypt DEK, error: …",
        "The plugin refused or failed to unwrap the seed of a stored value: it is down, the remote key is disabled or deleted, or the value is of another key.",
        "Read the error behind it, and compare the key_id of the value with what Status reports.",
        "Enable the remote key again. Every key_id that stored values name has to stay usable.",
    ),
    advice(
        "failed to perform status section of the healthz check for KMS Provider …",
        "The Status call failed or took longer than the timeout.",
        "Read the error behind it; look at the socket and the plugin's log.",
        "Get the plugin to answer within the timeout. Status must not call the remote KMS each time.",
    ),
    advice(
        "failed to perform encrypt section of the healthz check for KMS Provider …",
        "A KMS v1 plugin cannot encrypt the probe.",
        "Read the error behind it; look at the socket and the plugin's log.",
        "Get the plugin to answer; KMS v1 calls it for every write.",
    ),
    advice(
        "failed to perform decrypt section of the healthz check for KMS Provider …",
        "A KMS v1 plugin cannot decrypt what it has just encrypted.",
        "Read the error behind it and the plugin's log.",
        "Repair the plugin or its rights on the remote key.",
    ),
    advice(
        "got unexpected healthz status: …",
        "The plugin's Status says something else than ok, in exactly these letters. With a good key_id writes still work.",
        "Look at the plugin's log.",
        "Cure what the plugin reports.",
    ),
    advice(
        "expected KMSv2 API version v2, got …",
        "The plugin reports a version that the API server does not speak.",
        "Look at the version that Status returns.",
        "Use a plugin of KMS v2; it must return v2 (or v2beta1).",
    ),
    advice(
        "KMSv2 API version should not change after the initial status response version …",
        "The plugin was replaced by one that reports another version while the API server runs.",
        "Compare the plugin's version before and after.",
        "Restart the API servers one by one while the plugin is healthy, or put the old version back.",
    ),
    advice(
        "got invalid KMSv2 KeyID hash …",
        "The plugin's Status has an empty key_id or one over 1024 bytes.",
        "Look at what Status returns.",
        "Repair the plugin: key_id has 1 to 1024 bytes.",
    ),
    advice(
        "failed to rotate DEK uid=…",
        "Status was fine, but the new seed could not be wrapped: Encrypt failed, or answered with another key_id than Status.",
        "Read errGen and compare statusKeyIDHash with encryptKeyIDHash.",
        "Repair the plugin: Encrypt must use and return the key_id that Status gave last.",
    ),
    advice(
        "KMS provider api version … is not supported, only v1beta1 is supported now",
        "A KMS v2 plugin behind a v1 block.",
        "Look at apiVersion of the kms block; without it the block is v1.",
        "Say apiVersion: v2, if nothing was written through v1.",
    ),
    advice(
        "failed get version from remote KMS provider: …",
        "A KMS v1 plugin does not answer.",
        "Read the error behind it; look at the socket.",
        "Start the plugin and mount its socket into the API server's pod.",
    ),
    advice(
        "code = Unimplemented desc = unknown service v2.KeyManagementService",
        "A KMS v1 plugin behind a v2 block.",
        "Look at which API the plugin implements.",
        "Use a plugin of KMS v2, or say apiVersion: v1 (off by default since 1.29).",
    ),
    advice(
        "PROTOCOL_ERROR",
        "The plugin's HTTP/2 library refused the :authority header, which releases before 1.32 make from the socket's path.",
        "Look at the release of kube-apiserver and whether the plugin is built on h2 (most Rust plugins are).",
        "Use 1.32 or later, or a plugin that accepts the header.",
    ),
    advice(
        "connect: no such file or directory",
        "Nothing has made the plugin's socket, or it is not mounted into the API server's pod.",
        "List the socket's directory on the host and inside the pod.",
        "Start the plugin before the API server (a static pod, not a DaemonSet) and mount the directory, not the file.",
    ),
    advice(
        "connect: connection refused",
        "A socket file is there but nobody listens: the plugin has ended and left it behind.",
        "Look for the plugin's process.",
        "Start the plugin; it should remove an old socket first.",
    ),
    advice(
        "connect: permission denied",
        "The API server may not open the socket.",
        "Look at owner and mode of the socket and of its directories.",
        "Let the API server's user in, and nobody else.",
    ),
    advice(
        "code = DeadlineExceeded",
        "The plugin did not answer within the block's timeout; with nothing listening the call waits until then too.",
        "Measure Status and Encrypt on the plugin; look at its calls to the remote KMS.",
        "Get the plugin to answer faster, or raise timeout above its slowest good answer.",
    ),
    advice(
        "is not healthy, error: …",
        "One or more checks on the plugin's Status failed; they are listed behind this text.",
        "Look up each of the texts behind it.",
        "Cure the first one.",
    ),
    advice(
        "error processing encryption config file …",
        "Automatic reload met a file it cannot use. The old configuration stays in force, but the next restart will fail.",
        "Validate the file on disk; compare its hash with the metric last_config_info.",
        "Put a good file in place by write and rename.",
    ),
    advice(
        "health check for new transformers failed, polling error …",
        "Automatic reload read the new file, but its KMS plugins were not healthy in time. The old configuration stays in force.",
        "Look up the health error behind it.",
        "Get the plugin healthy; the next minute tries again.",
    ),
];

// What the page may do, in one place: the built HTML, the server and the tests all read it.

/** Of the inner document, which holds everything a person enters. `hashes` are of inline scripts and styles. */
export function innerPolicy({ scripts = "'self'", styles = "'self'" } = {}) {
  return [
    "default-src 'none'",
    `script-src ${scripts} 'wasm-unsafe-eval'`,
    `style-src ${styles}`,
    "img-src data:",
    "connect-src 'none'",
    "worker-src blob:",
    "form-action 'none'",
    "base-uri 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types svelte-trusted-html k8senc-worker",
  ].join("; ");
}

/** Of the outer document, which holds nothing and keeps the inner one from navigating elsewhere. */
export function outerPolicy({ scripts = "'self'", styles = "'self'", frames = "'self'" } = {}) {
  return ["default-src 'none'", `script-src ${scripts}`, `style-src ${styles}`, `frame-src ${frames}`, "form-action 'none'", "base-uri 'none'"].join("; ");
}

/** What a server adds, since a meta element cannot carry it. */
export const HEADERS = {
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "X-Content-Type-Options": "nosniff",
  "X-DNS-Prefetch-Control": "off",
  "Cache-Control": "no-store",
  "Permissions-Policy": [
    "accelerometer", "autoplay", "browsing-topics", "camera", "clipboard-read", "compute-pressure",
    "display-capture", "encrypted-media", "fullscreen", "gamepad", "geolocation", "gyroscope", "hid", "identity-credentials-get",
    "idle-detection", "keyboard-map", "local-fonts", "magnetometer", "microphone", "midi", "otp-credentials", "payment",
    "picture-in-picture", "publickey-credentials-create", "publickey-credentials-get", "screen-wake-lock", "serial",
    "storage-access", "sync-xhr", "usb", "window-management", "xr-spatial-tracking",
  ].map((feature) => `${feature}=()`).join(", "),
};

/** Frame flags of the inner document: scripts, downloads, and the dialog that prints, which a sandbox counts as a modal one. */
export const SANDBOX = "allow-scripts allow-downloads allow-modals";

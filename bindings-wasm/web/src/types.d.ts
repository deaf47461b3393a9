declare module "*.css";

/** Base64 of the wasm modules, put there by scripts of their own: the page may fetch nothing. */
declare var k8sencCore: string;
declare var k8sencSnapshot: string | undefined;
/** The audit worker as text, and what starts the large module; in the same script. */
declare var k8sencWorker: string | undefined;
declare var k8sencLarge: typeof import("../../js/snapshot.js").load | undefined;

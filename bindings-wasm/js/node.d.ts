import type { Source } from "./snapshot.js";

/** A file on disk; `close` it when done. */
export function fileSource(path: string | URL): Source & { close(): void };

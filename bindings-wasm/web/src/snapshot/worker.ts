// The audit's worker: gets the wasm first, then answers one audit.

import { load, serveAudits } from "../../../js/snapshot.js";

const first = (event: MessageEvent<Uint8Array<ArrayBuffer>>) => {
  removeEventListener("message", first);
  const loaded = load(event.data);
  serveAudits(() => loaded);
};
addEventListener("message", first);

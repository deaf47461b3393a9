// Virtual modules: what the page carries as text because it may fetch nothing.

import { readFile } from "node:fs/promises";

/** `virtual:worker` is the built worker as a string. */
export function embedded(_web, stage) {
  const id = "virtual:worker";
  return {
    name: "k8senc-embedded",
    resolveId: (source) => (source === id ? `\0${id}` : undefined),
    async load(resolved) {
      if (resolved !== `\0${id}`) return undefined;
      return `export default ${JSON.stringify(await readFile(`${stage}/worker.js`, "utf8"))}`;
    },
  };
}

// What the native crates say of the same files.
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** The report of a snapshot, and of a configuration, in every format: `{format: [whole, with names left out]}`. */
export function nativeDocuments(files) {
  const example = ["run", "--quiet", "--locked", "-p", "k8senc-audit", "--example", "documents", "--"];
  return JSON.parse(execFileSync("cargo", [...example, ...files], { cwd: root, maxBuffer: 1 << 28, encoding: "utf8" }));
}

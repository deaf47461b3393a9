// Puts the built scripts into documents: the served edition (several files) and the one that is a single file.

import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { innerPolicy, outerPolicy, SANDBOX } from "../src/policy.mjs";

const TITLE = "k8senc: Kubernetes encryption at rest";
const ABOUT = "Lint an EncryptionConfiguration, open stored values, plan a rotation, audit an etcd snapshot. Nothing leaves this page.";

const sourceHash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
const attribute = (text) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
/** Script text that cannot end its own element. */
const inline = (text) => text.replaceAll("\r\n", "\n").replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");

function inner({ policy, head, scripts }) {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${attribute(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="notranslate">
<title>${TITLE}</title>
${head}
</head>
<body translate="no" spellcheck="false" data-gramm="false">
<div id="app"></div>
${scripts}
</body>
</html>
`;
}

function outer({ policy, head, frame, scripts }) {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${attribute(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="description" content="${ABOUT}">
<title>${TITLE}</title>
${head}
</head>
<body>
<noscript>This page works on what you paste here, in your browser, and sends it nowhere. It needs JavaScript and WebAssembly.</noscript>
${scripts}
<iframe title="k8senc" sandbox="${SANDBOX}" allow="clipboard-write" ${frame}></iframe>
</body>
</html>
`;
}

export async function pack({ web, stage, out }) {
  await rm(out, { recursive: true, force: true });
  await mkdir(out, { recursive: true });
  const built = (name) => readFile(`${stage}/${name}`, "utf8");
  const [guard, shell, app, style, shellStyle] = await Promise.all([built("guard.js"), built("shell.js"), built("app.js"), built("app.css"), readFile(`${web}src/shell/shell.css`, "utf8")]);
  const bytes = async (name, global) => `globalThis.${global}="${(await readFile(`${web}../dist/${name}`)).toString("base64")}";\n`;
  const core = await bytes("k8senc.wasm", "k8sencCore");
  const [worker, large] = await Promise.all([built("worker.js"), built("large.js")]);
  const snapshot = `${await bytes("k8senc-snapshot.wasm", "k8sencSnapshot")}globalThis.k8sencWorker=${JSON.stringify(worker)};\n${large}`;

  const files = { "guard.js": guard, "shell.js": shell, "app.js": app, "app.css": style, "shell.css": shellStyle, "core.js": core, "snapshot.js": snapshot };
  files["app.html"] = inner({
    policy: innerPolicy(),
    head: `<script src="guard.js"></script>\n<link rel="stylesheet" href="app.css">`,
    scripts: ["core.js", "app.js", "snapshot.js"].map((name) => `<script defer src="${name}"></script>`).join("\n"),
  });
  files["index.html"] = outer({
    policy: outerPolicy(),
    head: `<link rel="stylesheet" href="shell.css">`,
    frame: `src="app.html"`,
    scripts: `<script src="shell.js"></script>`,
  });
  files["k8senc.html"] = single({ guard, shell, app, style, shellStyle, core, snapshot });
  await Promise.all(Object.entries(files).map(([name, text]) => writeFile(`${out}/${name}`, text)));
  const sums = Object.entries(files).map(([name, text]) => `${createHash("sha256").update(text).digest("hex")}  ${name}\n`);
  await writeFile(`${out}/SHA256SUMS`, sums.sort().join(""));
}

/** A srcdoc frame inherits the outer policy, so one policy serves both and its frame-src allows nothing. */
function single({ guard, shell, app, style, shellStyle, core, snapshot }) {
  const scripts = [guard, core, app, snapshot].map(inline);
  const outside = inline(shell);
  const policy = `${innerPolicy({ scripts: [outside, ...scripts].map(sourceHash).join(" "), styles: `${sourceHash(style)} ${sourceHash(shellStyle)}` })}; frame-src 'none'`;
  const [first, ...later] = scripts.map((text) => `<script>${text}</script>`);
  const document = inner({ policy, head: `${first}\n<style>${style}</style>`, scripts: later.join("\n") });
  return outer({ policy, head: `<style>${shellStyle}</style>`, frame: `srcdoc="${attribute(document)}"`, scripts: `<script>${outside}</script>` });
}

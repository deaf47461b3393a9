// Chromium for the tests: the one of the system, driven by playwright-core.

import { execFileSync } from "node:child_process";
import { chromium } from "playwright-core";

function chromiumPath() {
  for (const name of [process.env.CHROMIUM, "chromium", "chromium-browser", "google-chrome"]) {
    if (!name) continue;
    try {
      return execFileSync("/bin/sh", ["-c", 'command -v "$1"', "sh", name], { encoding: "utf8" }).trim();
    } catch {
      continue;
    }
  }
  throw new Error("chromium is needed (Debian's package chromium), or its path in CHROMIUM");
}

export function launch() {
  // Root needs --no-sandbox; the page's own sandbox is the one under test.
  const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  return chromium.launch({ executablePath: chromiumPath(), args });
}

/** The inner document of a page of ours. */
export async function innerFrame(page) {
  await page.waitForFunction(() => document.querySelector("iframe") !== null);
  const handle = await page.$("iframe");
  const frame = await handle?.contentFrame();
  if (!frame) throw new Error("the page has no inner document");
  await frame.waitForSelector("#app *");
  const broken = await frame.$("#app > .broken");
  if (broken) throw new Error(`the page did not start: ${await broken.textContent()}`);
  return frame;
}

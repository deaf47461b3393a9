// What the tests of the page share: the built page served as in production, and its four places.

import { after, before } from "node:test";
import { serve } from "../build/serve.mjs";
import { innerFrame, launch } from "./browser.mjs";

/** Starts Chromium and the server for one test file. */
export function setUp() {
  const here = {};
  before(async () => {
    here.browser = await launch();
    here.server = await serve();
    here.address = `http://127.0.0.1:${here.server.address().port}/`;
  });
  after(async () => {
    await here.browser?.close();
    here.server?.closeAllConnections();
    here.server?.close();
  });
  return here;
}

/** A fresh page, its inner document, and everything that went wrong in it. `script` runs before all others. */
export async function open(here, { viewport = { width: 1360, height: 900 }, ...options } = {}, script = "") {
  const context = await here.browser.newContext({ viewport, ...options });
  if (script) await context.addInitScript({ content: script });
  const page = await context.newPage();
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") wrong.push(message.text());
  });
  await page.goto(here.address);
  const frame = await innerFrame(page);
  return { page, frame, wrong, close: () => context.close() };
}

/** Replaces the text of an editor by a paste, as a person would. */
export async function type(frame, text, at = 0) {
  const content = frame.locator(".editor").nth(at).locator(".cm-content");
  await content.click();
  await frame.page().keyboard.press("ControlOrMeta+A");
  await content.evaluate((element, pasted) => {
    const data = new DataTransfer();
    data.setData("text/plain", pasted);
    element.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  }, text);
}

/** Waits until the predicate holds in the inner document; fails after ten seconds. */
export const until = (frame, predicate, argument) => frame.waitForFunction(predicate, argument, { timeout: 10_000 });

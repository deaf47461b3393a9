// The outer document's only work: hand its address and a shared, redacted fragment to the inner one. It holds no secret, listens
// to nothing, and goes nowhere.

/** Longer ones are refused by the inner document; what is beyond this is not even passed on. */
const MOST = 32_769;

function tell(frame: HTMLIFrameElement): void {
  const { href, hash } = location;
  const base = hash ? href.slice(0, href.length - hash.length) : href.replace(/#$/, "");
  // The inner document has an opaque origin, which no target can name; it holds our page and nothing else.
  frame.contentWindow?.postMessage({ base, fragment: hash.slice(1, 1 + MOST) }, "*");
}

// Captured before the frame exists, since its load event may come at any time after.
document.addEventListener("load", ({ target }) => target instanceof HTMLIFrameElement && tell(target), true);
addEventListener("hashchange", () => {
  const frame = document.querySelector("iframe");
  if (frame) tell(frame);
});

export {};

// The outer document's only work: hand a shared, redacted fragment to the inner one.

const frame = document.querySelector("iframe");
if (frame && location.hash) frame.src = frame.getAttribute("src") + location.hash;

export {};

// A page around this one, or the one that opened it, could receive messages: no policy stops those.

/** Why somebody else could listen, or null. */
export function company(): string | null {
  if (window.parent === window) return "it was opened outside its frame, where nothing keeps it from navigating; open index.html";
  if (window.top !== window.parent) return "it is shown inside another page, which could listen; open it in a tab of its own";
  if (window.top?.opener) return "another page opened it and could listen; open its address in a new tab";
  return null;
}

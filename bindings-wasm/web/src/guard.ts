// The first script of the inner document. A Content-Security-Policy does not stop WebRTC: a STUN packet can carry a key.

const CHANNELS = ["RTCPeerConnection", "webkitRTCPeerConnection", "mozRTCPeerConnection", "RTCDataChannel", "RTCIceTransport", "RTCIceGatherer", "WebTransport"];

for (const name of CHANNELS) {
  Object.defineProperty(globalThis, name, { value: undefined, writable: false, configurable: false, enumerable: false });
}

export {};

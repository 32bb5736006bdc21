// The websocket: connects again by itself, and matches answers to requests.

const AGAIN_MS = 1000;
const ANSWER_MS = 3000;

export function readToken() {
  const inAddress = location.hash.slice(1);
  if (inAddress) sessionStorage.setItem("token", inAddress);
  return inAddress || sessionStorage.getItem("token") || "";
}

export class Link {
  // on: hello(message), state(message), journal(line), image(number, blob), closed(words)
  constructor(on) {
    this.on = on;
    this.waiting = new Map();
    this.count = 0;
    this.connect();
  }

  get open() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  connect() {
    const socket = new WebSocket(`ws://${location.host}/live`);
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.say({ type: "open", token: readToken() });
    socket.onmessage = (event) => this.receive(event.data);
    socket.onclose = (event) => {
      for (const resolve of this.waiting.values()) resolve(lost());
      this.waiting.clear();
      this.on.closed(event.reason);
      setTimeout(() => this.connect(), AGAIN_MS);
    };
  }

  receive(data) {
    if (typeof data !== "string") {
      const bytes = new Uint8Array(data);
      this.on.image(bytes[0], new Blob([bytes.subarray(1)], { type: "image/jpeg" }));
      return;
    }
    const message = JSON.parse(data);
    if (message.type === "answer") {
      this.waiting.get(message.id)?.(message);
      this.waiting.delete(message.id);
    } else {
      this.on[message.type]?.(message);
    }
  }

  say(message) {
    if (this.open) this.socket.send(JSON.stringify(message));
  }

  // Resolves to {granted, text}; never rejects.
  ask(message) {
    if (!this.open) return Promise.resolve(lost());
    const id = ++this.count;
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      setTimeout(() => {
        if (this.waiting.delete(id)) resolve({ granted: false, text: "no answer" });
      }, ANSWER_MS);
      this.say({ ...message, id });
    });
  }
}

function lost() {
  return { granted: false, text: "no connection: the robot did not hear it" };
}

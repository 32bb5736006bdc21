// Ages of the streams, latencies, and what each node says of itself.
import { $, make, setClass, setText } from "./dom.js";

const SILENT_S = 3;

export class Health {
  constructor() {
    this.streams = new Map();
    this.nodes = new Map();
    this.numbers = new Map();
    this.drawnAt = [];
  }

  hello() {
    for (const kept of [this.streams, this.nodes, this.numbers]) kept.clear();
    for (const id of ["streams", "nodes", "numbers"]) $(id).replaceChildren();
  }

  state(state) {
    const values = new Map(state.nodes.map((node) => [node.name, node.values]));
    const policy = values.get("policy_node") ?? {};
    const control = values.get("control_node") ?? {};
    this.number("a chunk takes", milliseconds(policy.inference_p50_ms), milliseconds(policy.inference_p99_ms));
    this.number("delay planned for", policy.delay_steps ? `${policy.delay_steps} steps` : "–", "");
    this.number("control loop late", milliseconds(control.lateness_p50_ms), milliseconds(control.lateness_p99_ms));
    this.number("page drawn", `${this.rate().toFixed(1)} Hz`, "");
    for (const stream of state.streams) this.stream(...stream);
    for (const node of state.nodes) this.node(node);
  }

  // How often a state was drawn in the last two seconds, Hz.
  rate() {
    const now = performance.now();
    this.drawnAt.push(now);
    while (this.drawnAt[0] < now - 2000) this.drawnAt.shift();
    const span = now - this.drawnAt[0];
    return span ? ((this.drawnAt.length - 1) * 1000) / span : 0;
  }

  number(label, value, worst) {
    if (!this.numbers.has(label)) {
      const element = make("div", "number");
      const strong = make("b");
      const small = make("small");
      element.append(make("span", "", label), strong, small);
      $("numbers").append(element);
      this.numbers.set(label, { strong, small });
    }
    const { strong, small } = this.numbers.get(label);
    setText(strong, value);
    setText(small, worst && worst !== "–" ? `p99 ${worst}` : "");
  }

  stream(topic, age, limit) {
    if (!this.streams.has(topic)) {
      const element = make("div", "stream");
      const bar = make("i");
      const text = make("span", "age");
      element.append(make("span", "topic", short(topic)), bar, text);
      element.title = topic;
      $("streams").append(element);
      this.streams.set(topic, { element, bar, text });
    }
    const { element, bar, text } = this.streams.get(topic);
    setClass(element, "bad", age !== null && age > limit);
    setClass(element, "never", age === null);
    bar.style.setProperty("--share", age === null ? 0 : Math.min(1, age / limit));
    setText(text, age === null ? "never" : age < 10 ? `${age.toFixed(2)} s` : `${Math.round(age)} s`);
  }

  node({ name, level, message, age }) {
    if (!this.nodes.has(name)) {
      const element = make("div", "node");
      const text = make("span");
      element.append(make("b", "", name), text);
      $("nodes").append(element);
      this.nodes.set(name, { element, text });
    }
    const { element, text } = this.nodes.get(name);
    const silent = age > SILENT_S;
    element.dataset.level = silent ? 2 : level;
    setText(text, silent ? `silent for ${Math.round(age)} s; before: ${message}` : message);
  }
}

function milliseconds(text) {
  const value = Number(text);
  if (text === undefined || !Number.isFinite(value)) return "–";
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

// The end of a topic's name says what it is; the beginning, whose.
function short(topic) {
  const words = topic.replace(/^\//, "").split("/");
  return words.length > 2 ? `${words[0]}/…/${words[words.length - 1]}` : words.join("/");
}

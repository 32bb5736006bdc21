// Moving the robot by hand: a dead-man that is held, and with it keys or pads.
import { $, setClass, setText, toast } from "./dom.js";

const PERIOD_MS = 40;
// A timer that comes this late was in a page that stood still: whatever is held is let go.
const LATE_MS = 150;

// As qwen_vla_core/teleop/keys.py: key -> axis and its value.
const AXES = {
  w: [0, 1], s: [0, -1], a: [1, 1], d: [1, -1], r: [2, 1], f: [2, -1],
  u: [3, -1], o: [3, 1], i: [4, -1], k: [4, 1], j: [5, 1], l: [5, -1], c: [6, -1], v: [6, 1],
}; // prettier-ignore

export class Keys {
  constructor(link) {
    this.link = link;
    this.on = false;
    this.held = new Set();
    this.pads = new Map();
    this.buttons = new Map();
    $("take-keys").onclick = () => this.take(!this.on);
    this.deadman();
    for (const pad of document.querySelectorAll(".pad")) this.pad(pad);
    for (const button of document.querySelectorAll("[data-axis]")) this.axisButton(button);
    this.nextArm = false;
    this.number = 0; // of the newest state
    $("next-arm").onpointerdown = () => (this.nextArm = true);
    for (const name of ["onpointerup", "onpointerleave", "onpointercancel"])
      $("next-arm")[name] = () => (this.nextArm = false);
    $("drive").onclick = () => this.setDrive(!this.drive);
    addEventListener("keydown", (event) => this.key(event, true));
    addEventListener("keyup", (event) => this.key(event, false));
    for (const name of ["blur", "pagehide"]) addEventListener(name, () => this.letGo());
    document.addEventListener("visibilitychange", () => this.letGo());
    this.last = performance.now();
    setInterval(() => this.say(), PERIOD_MS);
  }

  hello(message) {
    this.page = message.page;
    $("next-arm").hidden = message.arms.length < 2;
    $("drive").hidden = !message.has_base || !message.arms.length;
    this.show(false); // a new connection holds nothing
  }

  closed() {
    this.show(false);
  }

  received(message) {
    this.number = message.number;
  }

  state(state) {
    const node = state.nodes.find(({ name }) => name === "teleop_node");
    const device = node?.values.device;
    $("leader").hidden = device !== "leader";
    $("take-keys").hidden = Boolean(device) && device !== "keyboard";
    setText($("device"), this.words(device, node?.message, state.holder));
    // A state from before they were taken may be drawn after the answer.
    if (state.holder === this.page) this.known = true;
    else if (this.known) this.show(false);
  }

  words(device, message, holder) {
    if (!device) return "No teleop_node is running: launch with teleop:=keyboard to use this.";
    if (device !== "keyboard") return `teleop_node listens to ${device}: ${message}`;
    if (holder !== null) return holder === this.page ? message : "Another page has the keys.";
    return "Take the robot with the keys or pads of this page.";
  }

  async take(on) {
    const answer = await this.link.ask({ type: "keys", on });
    if (!answer.granted) toast(answer.text, "bad");
    this.show(on && answer.granted);
  }

  show(on) {
    this.on = on;
    this.known = false;
    this.letGo();
    this.setDrive(false);
    $("keys").hidden = !on;
    setText($("take-keys"), on ? "Stop moving it with this page" : "Move the robot with this page");
  }

  setDrive(on) {
    this.drive = on;
    $("drive").setAttribute("aria-pressed", on);
    this.pads.clear();
  }

  letGo() {
    this.pressed = false;
    this.nextArm = false;
    this.held.clear();
    this.pads.clear();
    this.buttons.clear();
    setClass($("deadman"), "on", false);
    for (const pad of document.querySelectorAll(".pad")) pad.style.setProperty("--on", 0);
  }

  press(on) {
    this.pressed = on;
    setClass($("deadman"), "on", on);
    if (!on) this.letGo();
  }

  deadman() {
    const button = $("deadman");
    button.addEventListener("pointerdown", (event) => {
      button.setPointerCapture(event.pointerId);
      this.press(true);
    });
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"])
      button.addEventListener(name, () => this.press(false));
    button.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  key(event, down) {
    if (!this.on || event.target.matches("input, textarea")) return;
    const key = event.key.toLowerCase();
    if (event.ctrlKey || event.metaKey || event.altKey) return this.letGo();
    if (key === " ") {
      event.preventDefault();
      if (!event.repeat) this.press(down);
    } else if (key in AXES) {
      if (down) this.held.add(key);
      else this.held.delete(key);
    } else if (key === "n") {
      this.nextArm = down;
    } else if (key === "b" && down && !event.repeat) {
      this.setDrive(!this.drive);
    }
  }

  // A square in which the finger's place is the value of two axes: up is +1, left is +1.
  pad(pad) {
    const move = (event) => {
      const box = pad.getBoundingClientRect();
      const x = clamp(((event.clientX - box.left) / box.width) * 2 - 1);
      const y = clamp(((event.clientY - box.top) / box.height) * 2 - 1);
      pad.style.setProperty("--x", x);
      pad.style.setProperty("--y", y);
      pad.style.setProperty("--on", 1);
      // Pitch is positive downwards and roll to the right, unlike all others.
      const [signX, signY] = pad.dataset.x === "3" ? [1, 1] : [-1, -1];
      this.pads.set(pad, [
        [Number(pad.dataset.x), signX * soft(x)],
        [Number(pad.dataset.y), signY * soft(y)],
      ]);
    };
    const end = () => {
      this.pads.delete(pad);
      pad.style.setProperty("--on", 0);
    };
    pad.addEventListener("pointerdown", (event) => {
      pad.setPointerCapture(event.pointerId);
      move(event);
    });
    pad.addEventListener("pointermove", (event) => {
      if (pad.hasPointerCapture(event.pointerId)) move(event);
    });
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"])
      pad.addEventListener(name, end);
  }

  axisButton(button) {
    button.addEventListener("pointerdown", () =>
      this.buttons.set(button, [Number(button.dataset.axis), Number(button.dataset.value)]),
    );
    for (const name of ["pointerup", "pointerleave", "pointercancel"])
      button.addEventListener(name, () => this.buttons.delete(button));
  }

  // Said all the time while the keys are held by this page: silence is a release.
  say() {
    const now = performance.now();
    const late = now - this.last > LATE_MS;
    this.last = now;
    if (!this.on) return;
    if (late) this.letGo();
    const axes = [0, 0, 0, 0, 0, 0, 0];
    const wanted = [
      ...[...this.held].map((key) => AXES[key]),
      ...[...this.pads.values()].flat(),
      ...this.buttons.values(),
    ];
    if (this.pressed) for (const [axis, value] of wanted) axes[axis] = clamp(axes[axis] + value);
    this.link.say({
      type: "hands",
      number: this.number,
      pressed: this.pressed,
      drive: this.drive,
      next_arm: this.nextArm,
      axes,
    });
  }
}

function clamp(value) {
  return Math.min(1, Math.max(-1, value));
}

// Fine near the middle.
function soft(value) {
  return value * Math.abs(value);
}

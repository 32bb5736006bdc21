// Buttons. What may move the robot has to be kept pressed; what stops it acts at the first touch.
import { $, setClass, setText, toast } from "./dom.js";

const FILL_MS = 600;
const STOPS = new Set(["control/hold", "control/estop"]);

export class Controls {
  constructor(link) {
    this.link = link;
    atOnce($("estop"), () => this.request("control/estop"));
    atOnce($("hold"), () => this.request("control/hold"));
    addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.request("control/hold");
    });
    for (const button of document.querySelectorAll("button.press")) this.keptPressed(button);
    for (const button of document.querySelectorAll("button.plain[data-request]"))
      button.onclick = () => this.request(button.dataset.request);
    $("instruct").onsubmit = (event) => {
      event.preventDefault();
      this.instruct();
    };
    $("guard").onchange = () => this.guard();
  }

  hello(message) {
    setClass(document.body, "view-only", !message.may_command);
    if ($("guard").checked) this.guard(); // after a lost connection
  }

  state(state) {
    const services = new Set(state.services);
    for (const button of document.querySelectorAll("[data-request]"))
      setClass(button, "absent", !services.has(button.dataset.request));
    const recorder = state.nodes.find((node) => node.name === "recorder_node");
    $("record").hidden = !services.has("record/start") && !recorder;
    setText($("record-words"), recorder?.message ?? "");
    if (document.activeElement !== $("instruction") && !$("instruction").value && state.instruction)
      $("instruction").value = state.instruction;
  }

  async request(name) {
    const { granted, text } = await this.link.ask({ type: "request", name });
    if (granted) toast(text, "good");
    else if (STOPS.has(name)) toast(`NOT STOPPED: ${text}. Use the power switch.`, "bad");
    else toast(text, "bad");
  }

  async instruct() {
    const text = $("instruction").value;
    const answer = await this.link.ask({ type: "instruct", text });
    toast(answer.granted ? `told: ${answer.text}` : answer.text, answer.granted ? "good" : "bad");
    if (answer.granted) $("instruction").blur();
  }

  async guard() {
    const answer = await this.link.ask({ type: "guard", on: $("guard").checked });
    if (!answer.granted) $("guard").checked = false;
    toast(answer.text, answer.granted ? "good" : "bad");
  }

  // A touch by accident moves nothing.
  keptPressed(button) {
    let timer = 0;
    const begin = (event) => {
      if (timer || (event.button ?? 0) !== 0) return;
      setClass(button, "filling", true);
      timer = setTimeout(() => {
        end(true);
        this.request(button.dataset.request);
      }, FILL_MS);
    };
    const end = (full) => {
      if (!timer) return;
      clearTimeout(timer);
      timer = 0;
      setClass(button, "filling", false);
      if (full !== true) toast("keep the button pressed until it is full", "info");
    };
    button.addEventListener("pointerdown", begin);
    for (const name of ["pointerup", "pointerleave", "pointercancel", "blur"])
      button.addEventListener(name, end);
    button.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.repeat) begin(event);
    });
    button.addEventListener("keyup", end);
    button.addEventListener("contextmenu", (event) => event.preventDefault());
  }
}

// At the touch, not at its end; and by the keyboard.
function atOnce(button, act) {
  button.addEventListener("pointerdown", act);
  button.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.repeat) act();
  });
}

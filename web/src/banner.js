// Who moves the robot, in large letters and one colour for each mode.
import { $, css, make, setText } from "./dom.js";

const MEANING = {
  HOLD: "The robot holds still",
  START: "The robot moves slowly to its start pose",
  TELEOP: "A person moves the robot",
  AUTONOMY: "The policy moves the robot",
  ESTOP: "Emergency stop: reset before anything moves",
};
// control_node publishes fifty times a second and its diagnostics once.
const SILENT_S = 3;

export class Banner {
  hello(message) {
    setText($("robot"), message.robot);
    document.title = `${message.robot} · qwen-vla`;
    this.simulated = message.simulated;
    this.colours = message.colours.modes;
    const style = document.documentElement.style;
    style.setProperty("--plan", `linear-gradient(90deg, ${message.colours.plan.map(css).join()})`);
    for (const mode in this.colours)
      style.setProperty(`--${mode.toLowerCase()}`, css(this.colours[mode]));
    this.showOnly = !message.may_command;
  }

  state(state) {
    const silent = state.silent_s === null || state.silent_s > SILENT_S;
    if (silent) {
      const since = state.silent_s === null ? "" : ` for ${Math.round(state.silent_s)} s`;
      this.show("LOST", "NO CONTROL", `control_node is silent${since}`, state.reason);
    } else {
      const meaning = MEANING[state.mode] ?? "";
      const resting = state.mode === "HOLD" && state.commanding === false;
      const words = resting ? "Nothing is sent to the robot" : meaning;
      this.show(state.mode, state.mode || "WAITING", words, state.reason);
    }
    this.tags(state);
  }

  lost(words) {
    this.show("LOST", "NO CONNECTION", words || "the page connects again by itself", "");
  }

  show(mode, title, meaning, reason) {
    $("banner").dataset.mode = mode;
    setText($("mode"), title);
    setText($("meaning"), meaning);
    setText($("reason"), reason);
  }

  tags(state) {
    const control = state.nodes.find(({ name }) => name === "control_node");
    const scale = Number(control?.values.max_speed_scale ?? 1);
    const tags = [
      this.simulated && "simulated",
      state.dry_run && "dry run: nothing is sent",
      this.showOnly && "view only",
      scale < 1 && `at ${Math.round(scale * 100)} % of its speed`,
      state.guarded && "guarded",
    ].filter(Boolean);
    if (tags.join() === this.shown) return;
    this.shown = tags.join();
    $("tags").replaceChildren(...tags.map((tag) => make("span", "tag", tag)));
  }
}

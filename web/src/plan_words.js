// What the plan means, in a sentence: a person reads it without turning the image.
import { $, setText } from "./dom.js";

const STILL_M = 0.01;

export class PlanWords {
  state({ mode, scene, instruction }) {
    setText($("task"), instruction || "none yet");
    const words = planWords(scene);
    setText($("next-label"), mode === "AUTONOMY" ? "Next" : "If started");
    setText($("plan-words"), words);
    const ends = scene.plan.flatMap((path) => path.due_in.slice(-1));
    setText($("horizon"), ends.length ? `in ${Math.max(0, ...ends).toFixed(1)} s` : "its end");
  }
}

function planWords(scene) {
  const said = [];
  for (const path of scene.plan) {
    const now = path.due_in.findIndex((due) => due >= 0);
    if (now < 0) continue;
    const from = path.points[now];
    const to = path.points[path.points.length - 1];
    const by = to.map((value, axis) => value - from[axis]);
    said.push(path.headings ? drives(path, now, by) : moves(path.group, by));
  }
  for (const event of scene.events)
    said.push(`${plain(event.group)} ${event.text} in ${event.due_in_s.toFixed(1)} s`);
  if (!said.length) return "no plan";
  const end = Math.max(...scene.plan.flatMap((path) => path.due_in.slice(-1)));
  return `${said.join(", ")} within ${Math.max(end, 0).toFixed(1)} s`;
}

function moves(group, [x, y, z]) {
  const parts = [
    [x, "ahead", "back"],
    [y, "left", "right"],
    [z, "up", "down"],
  ]
    .filter(([by]) => Math.abs(by) >= STILL_M)
    .sort(([a], [b]) => Math.abs(b) - Math.abs(a))
    .map(([by, more, less]) => `${Math.round(Math.abs(by) * 100)} cm ${by > 0 ? more : less}`);
  return `${plain(group)} ${parts.join(", ") || "stays"}`;
}

// A base moves along its own axes.
function drives(path, now, [x, y]) {
  const heading = path.headings[now];
  const ahead = Math.cos(heading) * x + Math.sin(heading) * y;
  const turn = path.headings[path.headings.length - 1] - heading;
  const parts = [];
  if (Math.abs(ahead) >= STILL_M)
    parts.push(`${Math.round(Math.abs(ahead) * 100)} cm ${ahead > 0 ? "ahead" : "back"}`);
  if (Math.abs(turn) >= 0.03)
    parts.push(`${Math.round(Math.abs((turn * 180) / Math.PI))}° to the ${turn > 0 ? "left" : "right"}`);
  return `${plain(path.group)} ${parts.length ? `drives ${parts.join(", ")}` : "stays"}`;
}

function plain(name) {
  return name.replaceAll("_", " ");
}

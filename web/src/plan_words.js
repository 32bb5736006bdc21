// What the plan means, in the server's words: a person reads it without turning the image.
import { $, setText } from "./dom.js";

export class PlanWords {
  state({ mode, scene, instruction, next }) {
    setText($("task"), instruction || "none yet");
    setText($("next-label"), mode === "AUTONOMY" ? "Next" : "If started");
    setText($("plan-words"), next || "no plan");
    const ends = scene.plan.flatMap((path) => path.due_in.slice(-1));
    setText($("horizon"), ends.length ? `in ${Math.max(0, ...ends).toFixed(1)} s` : "its end");
  }
}

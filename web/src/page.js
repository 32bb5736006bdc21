// The page: one state at a time from the server, handed to each part of it.
import { Banner } from "./banner.js";
import { Cameras } from "./cameras.js";
import { Controls } from "./controls.js";
import { toast } from "./dom.js";
import { Health } from "./health.js";
import { Joints } from "./joints.js";
import { Journal } from "./journal.js";
import { Keys } from "./keys.js";
import { Link } from "./link.js";
import { PlanWords } from "./plan_words.js";
import { Scene } from "./scene.js";

let newest = null;

const link = new Link({
  hello(message) {
    document.body.classList.remove("lost");
    for (const part of parts) part.hello?.(message);
  },
  state(message) {
    if (newest === null) requestAnimationFrame(draw);
    newest = message;
    keys.received(message);
  },
  journal: (line) => journal.journal(line),
  image: (number, blob) => cameras.image(number, blob),
  closed(words) {
    document.body.classList.add("lost");
    banner.lost(words);
    keys.closed();
  },
});

const banner = new Banner();
const cameras = new Cameras();
const journal = new Journal();
const keys = new Keys(link);
const parts = [banner, cameras, journal, keys];
parts.push(new Scene(), new PlanWords(), new Joints(), new Health(), new Controls(link));

// What was drawn is confirmed; a page that nobody can see draws nothing.
function draw() {
  const state = newest;
  newest = null;
  for (const part of parts) {
    try {
      part.state?.(state);
    } catch (error) {
      failed(part, error); // the others go on
    }
  }
  link.say({ type: "seen", number: state.number });
}

function failed(part, error) {
  console.error(error);
  if (part.failed) return;
  part.failed = true;
  toast(`A part of this page failed (${error.message}): reload it`, "bad");
}

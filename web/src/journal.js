// What happened, newest first.
import { $, make } from "./dom.js";

const KEPT = 100;

export class Journal {
  hello() {
    $("journal").replaceChildren();
  }

  journal({ time, level, text }) {
    const line = make("li", level);
    const clock = new Date(time * 1000).toTimeString().slice(0, 8);
    line.append(make("time", "", clock), make("span", "", text));
    $("journal").prepend(line);
    while ($("journal").children.length > KEPT) $("journal").lastChild.remove();
  }
}

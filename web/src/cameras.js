// What the cameras see, each with the age of its newest image.
import { $, make, setClass, setText } from "./dom.js";

export class Cameras {
  hello(message) {
    this.views = message.cameras.map((camera) => {
      const figure = make("figure");
      const image = make("img");
      image.alt = `camera ${camera.name}`;
      const caption = make("figcaption");
      const age = make("span", "age", "no image yet");
      caption.append(make("b", "", camera.name), age);
      figure.append(image, caption);
      return { camera, figure, image, age, url: "" };
    });
    $("cameras").replaceChildren(...this.views.map((view) => view.figure));
  }

  image(number, blob) {
    const view = this.views?.[number];
    if (!view) return;
    const before = view.url;
    view.url = URL.createObjectURL(blob);
    view.image.src = view.url;
    if (before) URL.revokeObjectURL(before);
  }

  state(state) {
    const ages = new Map(state.streams.map(([topic, age, limit]) => [topic, { age, limit }]));
    for (const view of this.views ?? []) {
      const { age, limit } = ages.get(view.camera.topic) ?? { age: null, limit: 0 };
      const old = age === null || age > limit;
      setText(view.age, age === null ? "no image yet" : `${age.toFixed(2)} s old`);
      setClass(view.figure, "old", old);
    }
  }
}

// What the cameras see, each with the age of its newest image.
import { $, make, setClass, setText } from "./dom.js";

export class Cameras {
  hello(message) {
    this.views = message.cameras.map((camera) => {
      const figure = make("figure");
      const image = make("canvas");
      image.role = "img";
      image.ariaLabel = `camera ${camera.name}`;
      const caption = make("figcaption");
      const age = make("span", "age", "no image yet");
      caption.append(make("b", "", camera.name), age);
      figure.append(image, caption);
      const context = image.getContext("bitmaprenderer");
      return { camera, figure, image, context, age, asked: 0, shown: 0 };
    });
    $("cameras").replaceChildren(...this.views.map((view) => view.figure));
  }

  // Decoded beside the page's own thread; an address for each image would be asked for elsewhere.
  async image(number, blob) {
    const view = this.views?.[number];
    if (!view) return;
    const turn = ++view.asked;
    const bitmap = await createImageBitmap(blob).catch(() => null);
    if (!bitmap || turn < view.shown) return; // damaged, or a newer one was quicker
    view.shown = turn;
    const { width, height } = bitmap;
    if (view.image.width !== width || view.image.height !== height)
      Object.assign(view.image, { width, height });
    view.context.transferFromImageBitmap(bitmap);
    view.image.dataset.shown = turn;
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

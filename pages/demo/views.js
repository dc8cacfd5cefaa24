// The translation: a slider between source and result, outlines of masks, the steps.
import { $, button, canvasOf, chip, element, press } from "./dom.js";
import { canvasOfPicture, save } from "./files.js";
import { outline } from "./outlines.js";

function show(canvas, picture) {
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.getContext("2d").putImageData(new ImageData(picture.data, picture.width, picture.height), 0, 0);
}

export class Views {
  constructor() {
    this.made = null;
    const box = $("compare"), slider = $("slider");
    const move = () => box.style.setProperty("--at", `${slider.value}%`);
    const drag = (event) => {
      if (event.type === "pointermove" && !event.buttons) return;
      const frame = box.getBoundingClientRect();
      slider.value = (event.clientX - frame.left) / frame.width * 100;
      move();
    };
    slider.addEventListener("input", move);
    box.addEventListener("pointerdown", drag);
    box.addEventListener("pointermove", drag);
    $("outlines").addEventListener("change", () => box.classList.toggle("outlined", $("outlines").checked));
  }

  clear() {
    this.made = null;
    $("result").hidden = true;
    $("nothing").hidden = false;
  }

  // source: { picture, masks }; instances have colours and labels; steps as the worker made them; name
  // is that of the file to save.
  open(source, instances, steps, name) {
    this.made = { source, instances, steps, name };
    const { picture } = source;
    $("compare").style.setProperty("--ratio", picture.width / picture.height);
    $("compare").classList.toggle("pixels", Math.max(picture.width, picture.height) <= 256);
    show($("before"), picture);
    outline($("before-outlines"), picture, source.masks.map((mask, i) => [mask, instances[i].color]));
    $("outlines-label").hidden = !source.masks.length;
    $("result").hidden = false;
    $("nothing").hidden = true;
    this.listSteps();
    this.choose(steps.length - 1);
  }

  // One of the steps; its outlines are those of all masks that are translated by then.
  choose(number) {
    const { source, instances, steps } = this.made;
    this.chosen = number;
    const { picture } = steps[number];
    show($("after"), picture);
    const lines = new Map(source.masks.map((mask, i) => [i, mask]));
    for (const step of steps.slice(0, number + 1)) {
      if (step.masks.length < step.numbers.length) for (const i of step.numbers) lines.delete(i); // a union
      step.masks.forEach((mask, i) => lines.set(step.numbers[i], mask));
    }
    outline($("after-outlines"), picture, [...lines].map(([i, mask]) => [mask, instances[i].color]));
    [...$("steps").children].forEach((one, i) => press(one, i === number));
  }

  listSteps() {
    const { instances, steps } = this.made, focused = $("steps").contains(document.activeElement);
    $("steps").hidden = steps.length < 2;
    $("steps").replaceChildren(...steps.map((step, number) => {
      const chips = step.numbers.map((i) => chip(instances[i].label, instances[i].color));
      const words = element("span", {}, `step ${number + 1} `, ...chips);
      const labels = step.numbers.map((i) => instances[i].label).join(", ");
      const name = `step ${number + 1}: instances ${labels}`;
      const made = button("", { "aria-pressed": "false", "aria-label": name }, () => this.choose(number));
      made.append(thumbnail(step.picture), words);
      return made;
    }));
    if (focused) $("steps").lastElementChild.focus();
  }

  // Saves what is shown.
  save() {
    return save(canvasOfPicture(this.made.steps[this.chosen].picture), this.made.name);
  }
}

function thumbnail(picture) {
  const scale = Math.min(1, 188 / Math.max(picture.width, picture.height));
  const size = [picture.width, picture.height].map((side) => Math.max(1, Math.round(side * scale)));
  const canvas = canvasOf(...size);
  canvas.getContext("2d").drawImage(canvasOfPicture(picture), 0, 0, canvas.width, canvas.height);
  return canvas;
}

// Which model, direction, size and style: what the page offers follows from models.json.
import { $, element, times } from "./dom.js";
import { normalNumbers } from "./pixels.js";

const FITTING = 1.5; // times the size of training that a picture may have and keep its own size

export class Choices {
  // changed is called when another model or size is chosen.
  constructor(manifest, changed) {
    this.manifest = manifest;
    this.changed = changed;
    this.picture = null;
    const runs = [...new Set(manifest.models.map((model) => model.run))];
    options($("run"), runs.map((name) => [name, name]));
    $("run-label").hidden = runs.length < 2;
    $("run").addEventListener("change", () => this.offerWays());
    $("way").addEventListener("change", () => this.offerSizes());
    $("size").addEventListener("change", () => this.tell());
    $("new-style").addEventListener("click", () => { $("style").value = Math.floor(Math.random() * 1e6); });
  }

  get model() {
    return this.manifest.models.find((model) => model.run === $("run").value && model.direction === $("way").value);
  }

  // The mask predictor for pictures that this direction starts from, if there is one.
  get predictor() {
    return this.manifest.predictors.find((one) => one.source === this.model.source);
  }

  name(domain) {
    return this.manifest.domains[domain] ?? domain;
  }

  style() {
    return normalNumbers(this.model.style, Math.floor(Number($("style").value)) || 0);
  }

  offerWays() {
    const own = this.manifest.models.filter((model) => model.run === $("run").value);
    const before = $("way").value;
    options($("way"), own.map((one) => [one.direction, `${this.name(one.source)} → ${this.name(one.target)}`]));
    if (own.some((one) => one.direction === before)) $("way").value = before;
    $("way-label").hidden = this.manifest.models.length < 2;
    this.offerSizes();
  }

  // The direction that starts from a domain, if the chosen run has one.
  startFrom(domain) {
    const way = this.manifest.models.find((one) => one.run === $("run").value && one.source === domain);
    if (way) $("way").value = way.direction;
  }

  open(picture) {
    this.picture = picture;
    this.offerSizes();
  }

  offerSizes() {
    $("style-box").hidden = !this.model.style;
    $("size-label").hidden = !this.picture;
    if (this.picture) {
      const sizes = sizesFor(this.picture, this.model);
      options($("size"), sizes.map(({ size, words }, i) => [i, `${times(size)}, ${words}`]));
      this.sizes = sizes.map(({ size }) => size);
      $("size").value = sizes.findIndex((one) => one.size === suggested(sizes, this.model).size);
    }
    this.tell();
  }

  get size() { return this.sizes[Number($("size").value)]; }

  tell() {
    const [height, width] = this.model.size;
    const resized = this.picture && this.size[0] !== this.picture.width;
    const now = resized ? `The picture is translated, and saved, at ${times(this.size)} pixels. ` : "";
    $("about-size").textContent = `${now}The model was trained at ${times([width, height])} pixels.`;
    this.changed();
  }
}

// The picture's own size, and some with a shorter side like that of training.
function sizesFor({ width, height }, model) {
  const fit = Math.min(...model.size) / Math.min(width, height);
  const sizes = [{ size: [width, height], words: "its own size" }];
  for (const [factor, words] of [[1, "as in training"], [1.5, "1.5 times that"], [2, "twice that"]]) {
    const scale = fit * factor;
    if (scale < 1 || (factor === 1 && scale > 1)) {
      sizes.push({ size: [width, height].map((side) => Math.max(1, Math.round(side * scale))), words });
    }
  }
  return sizes;
}

function suggested(sizes, model) {
  const fits = Math.max(...sizes[0].size) <= FITTING * Math.max(...model.size);
  return fits ? sizes[0] : sizes[1] ?? sizes[0];
}

// The [width, height] that a model is best given a picture at.
export function sizeFor(picture, model) {
  return suggested(sizesFor(picture, model), model).size;
}

function options(select, pairs) {
  select.replaceChildren(...pairs.map(([value, text]) => element("option", { value }, String(text))));
}

// The instances of a picture: a canvas each, opaque where it is, one upon another over the picture.
// The mask of an instance is an array of 0 and 1, read from its canvas after every change.
import { canvasOf, colorOf, pen } from "./dom.js";
import { History } from "./history.js";
import { areaOf } from "./pixels.js";

const INSIDE = 128; // alpha from which a pixel is inside
const BYTES = 5; // of an instance for a pixel: its canvas and its mask

export class Instances {
  // changed is called after every change; layers is the element that holds the canvases.
  constructor(layers, changed) {
    this.layers = layers;
    this.list = [];
    this.chosen = null;
    this.size = { width: 1, height: 1 };
    this.stroke = null; // while one is painted
    this.changed = changed;
    this.history = new History(() => this.refresh());
  }

  // Begins anew for a picture, with masks that it came with.
  open(size, masks = []) {
    this.stroke = null; // one that has begun was on the picture before
    this.size = size;
    this.list = (masks.length ? masks : [null]).map((mask, place) => this.made(place, mask));
    this.chosen = this.list[0];
    this.history.clear();
  }

  made(place, mask) {
    const canvas = canvasOf(this.size.width, this.size.height);
    const instance = { canvas, context: pen(canvas), color: colorOf(place), place, mask: null, area: 0 };
    instance.context.fillStyle = instance.context.strokeStyle = instance.color;
    instance.context.lineCap = instance.context.lineJoin = "round";
    if (mask) this.fill(instance, mask);
    return instance;
  }

  fill({ context, color }, mask) {
    const { width, height } = this.size, image = context.createImageData(width, height);
    const [red, green, blue] = color.match(/\d+/g).map(Number);
    mask.forEach((on, i) => on && image.data.set([red, green, blue, 255], 4 * i));
    context.putImageData(image, 0, 0);
  }

  // The first colour that no instance has.
  freePlace(list = this.list) {
    let place = 0;
    while (list.some((one) => one.place === place)) place += 1;
    return place;
  }

  // ---- the list

  choose(instance) {
    this.chosen = instance;
    this.refresh();
  }

  add() {
    this.replace([...this.list, this.made(this.freePlace())]);
  }

  // Other masks in the place of all, or after them.
  putMasks(masks, keep) {
    const list = keep ? this.list.filter((one) => one.area) : [];
    for (const mask of masks) list.push(this.made(this.freePlace(list), mask));
    this.replace(list);
  }

  delete(instance) {
    const place = this.list.indexOf(instance), list = this.list.filter((one) => one !== instance);
    this.replace(list, list[Math.min(place, list.length - 1)] ?? null);
  }

  replace(list, chosen = list.at(-1) ?? null) {
    const before = [this.list, this.chosen];
    const set = (to) => { [this.list, this.chosen] = to; };
    const ofOne = [...this.list, ...list].filter((one) => !(this.list.includes(one) && list.includes(one)));
    const bytes = ofOne.length * BYTES * this.size.width * this.size.height;
    this.history.make(() => set([list, chosen]), () => set(before), bytes);
  }

  // Those that are not empty.
  get filled() {
    return this.list.filter((one) => one.area);
  }

  read({ context }) {
    const { data } = context.getImageData(0, 0, this.size.width, this.size.height);
    return Uint8Array.from({ length: data.length / 4 }, (_, i) => Number(data[4 * i + 3] >= INSIDE));
  }

  refresh() {
    for (const one of this.list) {
      one.mask ??= this.read(one);
      one.area = areaOf(one.mask);
      one.canvas.classList.toggle("chosen", one === this.chosen);
    }
    this.layers.replaceChildren(...this.list.map((one) => one.canvas));
    this.changed();
  }

  // ---- painting on the chosen instance; without one, on a new one

  begin() {
    if (!this.chosen) this.add();
    const { canvas } = this.chosen, copy = canvasOf(canvas.width, canvas.height);
    pen(copy).drawImage(canvas, 0, 0);
    this.stroke = { instance: this.chosen, before: pen(copy), box: null };
  }

  // A line as wide as `size`, from one point of the picture to another.
  line(from, to, size, erases) {
    const { context } = this.stroke.instance;
    context.globalCompositeOperation = erases ? "destination-out" : "source-over";
    context.lineWidth = size;
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x, to.y);
    context.stroke();
    context.beginPath(); // a line without length is not drawn
    context.arc(to.x, to.y, size / 2, 0, 2 * Math.PI);
    context.fill();
    this.widen([from, to], size / 2 + 1);
  }

  outline(points) {
    const { context } = this.stroke.instance;
    context.globalCompositeOperation = "source-over";
    context.beginPath();
    for (const point of points) context.lineTo(point.x, point.y);
    context.fill();
    this.widen(points, 1);
  }

  widen(points, margin) {
    const box = this.stroke.box ?? { left: Infinity, top: Infinity, right: 0, bottom: 0 };
    for (const { x, y } of points) {
      box.left = Math.min(box.left, Math.max(0, Math.floor(x - margin)));
      box.top = Math.min(box.top, Math.max(0, Math.floor(y - margin)));
      box.right = Math.max(box.right, Math.min(this.size.width, Math.ceil(x + margin)));
      box.bottom = Math.max(box.bottom, Math.min(this.size.height, Math.ceil(y + margin)));
    }
    this.stroke.box = box;
  }

  // Ends a stroke: every pixel is inside or not from here on, as it will be translated.
  end() {
    const { instance, before, box } = this.stroke;
    this.stroke = null;
    const { left, top } = box, width = box.right - left, height = box.bottom - top;
    if (width <= 0 || height <= 0) return;
    const after = instance.context.getImageData(left, top, width, height);
    const [red, green, blue] = instance.color.match(/\d+/g).map(Number);
    for (let i = 0; i < after.data.length; i += 4) {
      after.data.set(after.data[i + 3] >= INSIDE ? [red, green, blue, 255] : [0, 0, 0, 0], i);
    }
    const old = before.getImageData(left, top, width, height);
    const put = (pixels) => {
      instance.context.putImageData(pixels, left, top);
      instance.mask = null;
      this.chosen = this.list.includes(instance) ? instance : this.chosen;
    };
    this.history.make(() => put(after), () => put(old), after.data.length + old.data.length);
  }

  cancel() {
    if (!this.stroke) return;
    const { instance, before } = this.stroke;
    instance.context.putImageData(before.getImageData(0, 0, this.size.width, this.size.height), 0, 0);
    this.stroke = null;
  }
}

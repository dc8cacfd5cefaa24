// Brush, eraser and outline on the picture, by mouse, finger, pen or keyboard.
import { $, press } from "./dom.js";

const NEAR = 12; // pixels of the screen within which a click closes an outline

export class Painting {
  constructor(instances) {
    this.instances = instances;
    this.tool = "brush";
    this.points = []; // corners of the outline so far
    this.tip = null; // where the brush is, in pixels of the picture
    const stage = $("stage");
    stage.addEventListener("pointerdown", (event) => this.down(event));
    stage.addEventListener("pointermove", (event) => this.move(event));
    stage.addEventListener("pointerup", () => this.up());
    stage.addEventListener("pointercancel", () => { this.instances.cancel(); this.draw(); });
    stage.addEventListener("pointerleave", () => { this.tip = null; this.draw(); });
    stage.addEventListener("keydown", (event) => this.key(event));
    for (const one of $("tools").children) one.addEventListener("click", () => this.use(one.dataset.tool));
    $("brush").addEventListener("input", () => this.draw());
    $("close-outline").addEventListener("click", () => {
      this.close();
      stage.focus({ preventScroll: true }); // the button, disabled now, would lose the focus
    });
  }

  open({ width, height }) {
    this.size = { width, height };
    this.points = [];
    this.tip = null;
    $("pen").setAttribute("viewBox", `0 0 ${width} ${height}`);
    $("brush").max = Math.max(4, Math.round(Math.max(width, height) / 3));
    $("brush").value = Math.max(2, Math.round(Math.max(width, height) / 16));
    this.draw();
  }

  use(tool) {
    this.tool = tool;
    this.points = [];
    for (const one of $("tools").children) press(one, one.dataset.tool === tool);
    this.draw();
  }

  get brush() { return Number($("brush").value); }

  resize(larger) {
    const step = Math.max(1, Math.round(this.brush / 8));
    $("brush").value = this.brush + (larger ? step : -step);
    this.draw();
  }

  // ---- pointers

  place(event) {
    const frame = $("stage").getBoundingClientRect();
    return {
      x: (event.clientX - frame.left) / frame.width * this.size.width,
      y: (event.clientY - frame.top) / frame.height * this.size.height,
    };
  }

  down(event) {
    if (event.button || !event.isPrimary) return;
    this.tip = this.place(event);
    if (this.tool === "outline") { this.corner(); return; }
    $("stage").setPointerCapture(event.pointerId);
    this.instances.begin();
    this.strokeTo(this.tip, this.tip);
  }

  move(event) {
    if (!event.isPrimary) return;
    const several = event.getCoalescedEvents?.() ?? [];
    for (const one of several.length ? several : [event]) {
      const next = this.place(one);
      if (this.instances.stroke) this.strokeTo(this.tip, next);
      this.tip = next;
    }
    this.draw();
  }

  up() {
    if (this.instances.stroke) this.instances.end();
  }

  strokeTo(from, to) {
    this.instances.line(from, to, this.brush, this.tool === "eraser");
  }

  // ---- outlines

  corner() {
    const [first] = this.points;
    const scale = $("stage").clientWidth / this.size.width;
    if (first && this.points.length > 2 && scale * Math.hypot(first.x - this.tip.x, first.y - this.tip.y) < NEAR) {
      this.close();
      return;
    }
    this.points.push(this.tip);
    this.draw();
  }

  close() {
    if (this.points.length > 2) {
      this.instances.begin();
      this.instances.outline(this.points);
      this.instances.end();
    }
    this.points = [];
    this.draw();
  }

  // ---- keys, while the picture has the focus

  key(event) {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (by) this.moveTip(by, event.shiftKey ? 1 : Math.max(1, this.brush / 2));
    else if (event.key === " ") this.press();
    else if (event.key === "Enter" && this.tool === "outline") this.close();
    else if (event.key === "Backspace" && this.points.length) this.points.pop();
    else if (event.key === "Escape") this.points = [];
    else return;
    event.preventDefault();
    this.draw();
  }

  moveTip([x, y], step) {
    const { width, height } = this.size, tip = this.tip ?? { x: width / 2, y: height / 2 };
    this.tip = {
      x: Math.min(Math.max(tip.x + step * x, 0), width),
      y: Math.min(Math.max(tip.y + step * y, 0), height),
    };
  }

  press() {
    if (this.instances.stroke) return;
    this.tip ??= { x: this.size.width / 2, y: this.size.height / 2 };
    if (this.tool === "outline") { this.corner(); return; }
    this.instances.begin();
    this.strokeTo(this.tip, this.tip);
    this.instances.end();
  }

  // ---- what is drawn over the picture

  draw() {
    const outlining = this.tool === "outline";
    const corners = outlining && this.tip && this.points.length ? [...this.points, this.tip] : this.points;
    $("line").setAttribute("points", corners.map(({ x, y }) => `${x},${y}`).join(" "));
    const shown = outlining && this.points.length ? null : this.tip; // then the line leads to it
    circle($("tip"), shown, outlining ? this.handle() / 2 : this.brush / 2);
    circle($("first"), this.points[0], this.handle());
    $("pen").style.setProperty("--own", this.instances.chosen?.color ?? "#fff");
    $("close-outline").hidden = !outlining;
    $("close-outline").disabled = this.points.length < 3;
  }

  // The radius of a corner to click, in pixels of the picture.
  handle() { return 6 * this.size.width / ($("stage").clientWidth || this.size.width); }
}

function circle(one, place, radius) {
  one.toggleAttribute("hidden", !place);
  if (!place) return;
  one.setAttribute("cx", place.x);
  one.setAttribute("cy", place.y);
  one.setAttribute("r", radius);
}

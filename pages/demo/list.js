// The list of instances, made anew at every change: the focus goes to the same button at the same
// place, or to the last one's; from an empty list to the button that begins a new instance.
import { $, button, chip, element, press } from "./dom.js";

export function listInstances(box, instances) {
  const before = focusIn(box);
  box.replaceChildren(...instances.list.map((one, i) => item(instances, one, i + 1)));
  if (!before) return;
  const there = box.children[Math.min(before.place, box.children.length - 1)];
  (there?.querySelector(before.button) ?? $("add")).focus({ preventScroll: true });
}

function item(instances, one, number) {
  const words = { class: "pick", "aria-label": `instance ${number}, ${one.area} pixels` };
  const pick = button("", words, () => instances.choose(one));
  pick.append(chip(String(number), one.color), one.area ? `${one.area.toLocaleString("en")} px` : "empty");
  press(pick, one === instances.chosen);
  const away = { class: "delete", "aria-label": `delete instance ${number}` };
  return element("li", {}, pick, button("✕", away, () => instances.delete(one)));
}

// Which button of the list has the focus.
function focusIn(box) {
  const active = document.activeElement, place = [...box.children].findIndex((one) => one.contains(active));
  return place < 0 ? null : { place, button: active.matches(".delete") ? ".delete" : ".pick" };
}

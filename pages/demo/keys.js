// Keys of the whole page; those of the picture alone are in painting.js.
import { $ } from "./dom.js";

const TOOLS = { b: "brush", e: "eraser", o: "outline" };
const TYPED = "input[type=number], select, textarea";

export function bindKeys(instances, painting) {
  document.addEventListener("keydown", (event) => {
    const key = event.key.toLowerCase();
    if (event.altKey || event.target.matches?.(TYPED)) return;
    const done = event.ctrlKey || event.metaKey ? withControl(event, key, instances) : alone(key, instances, painting);
    if (done) event.preventDefault();
  });
}

function withControl(event, key, { history, stroke }) {
  if (key === "enter") $("translate").click();
  else if (stroke || !(key === "z" || key === "y")) return false;
  else if (key === "y" || event.shiftKey) history.redo();
  else history.undo();
  return true;
}

function alone(key, instances, painting) {
  if ($("editing").hidden || instances.stroke) return false;
  if (TOOLS[key]) painting.use(TOOLS[key]);
  else if (key === "[" || key === "]") painting.resize(key === "]");
  else if (key === "n") instances.add();
  else if (/^[1-9]$/.test(key) && instances.list[key - 1]) instances.choose(instances.list[key - 1]);
  else return false;
  return true;
}

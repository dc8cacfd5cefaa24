"use strict";
// The results page: search, order and pages of a table that is there without scripts, and a larger
// view of a row. Everything it knows stands in the rows' data attributes.
const SIZE = 50; // rows of a page
const $ = (id) => document.getElementById(id);
const body = $("results").tBodies[0];
const all = [...body.rows].map((row) => ({
  row,
  name: row.dataset.name,
  way: row.dataset.way,
  instances: Number(row.dataset.instances),
  scores: null,
}));
const COLORS = 8;
let shown = all, page = 0, open = null;

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// ---- which rows

function value(item, order) {
  if (order === "name") return item.name;
  if (order === "instances") return item.instances;
  item.scores ??= JSON.parse(item.row.dataset.detail).scores;
  return mean(item.scores[order]);
}

function mean(value) {
  if (!Array.isArray(value)) return value === undefined || value === null ? null : Number(value);
  const there = value.filter((one) => one !== null).map(Number);
  return there.length ? there.reduce((sum, one) => sum + one, 0) / there.length : null;
}

function compare(a, b) {
  if (a === null || b === null) return (a === null) - (b === null); // without a value: last
  return typeof a === "string" ? a.localeCompare(b, undefined, { numeric: true }) : a - b;
}

function choose() {
  const find = $("find").value.toLowerCase(), way = $("way").value, least = Number($("least").value);
  const order = $("order").value, sign = $("sense").value === "down" ? -1 : 1;
  shown = all.filter((item) =>
    item.name.toLowerCase().includes(find) && (!way || item.way === way) && item.instances >= least);
  const keyed = shown.map((item, place) => [value(item, order), place, item]);
  keyed.sort((a, b) =>
    (a[0] === null || b[0] === null ? compare(a[0], b[0]) : sign * compare(a[0], b[0])) || a[1] - b[1]);
  shown = keyed.map((entry) => entry[2]);
  turn(0);
}

function turn(to) {
  const pages = Math.max(1, Math.ceil(shown.length / SIZE));
  page = Math.min(Math.max(to, 0), pages - 1);
  close();
  body.replaceChildren(...shown.slice(page * SIZE, (page + 1) * SIZE).map((item) => item.row));
  $("count").textContent = shown.length === all.length ? `${all.length} translations` : `${shown.length} of ${all.length}`;
  const pager = $("pager");
  pager.hidden = pages < 2;
  const step = (text, by, on) => {
    const button = element("button", { type: "button" }, text);
    button.disabled = !on;
    button.addEventListener("click", () => { turn(page + by); scrollTo(0, 0); });
    return button;
  };
  pager.replaceChildren(step("previous", -1, page > 0), `page ${page + 1} of ${pages}`, step("next", 1, page < pages - 1));
}

// ---- a row's larger view

function toggle(row) {
  if (open && open.row === row) { close(); return; }
  view(row);
}

function close() {
  if (!open) return;
  open.detail.remove();
  open.row.classList.remove("open");
  open = null;
  history.replaceState(null, "", location.pathname + location.search);
}

function view(row) {
  close();
  const detail = JSON.parse(row.dataset.detail);
  const roles = { real: detail.columns[0][0], fake: detail.columns[1][0] };  // the source, its translation
  const cell = element("td", { colspan: row.cells.length });
  cell.append(views(row.dataset.name, detail, roles));
  if (detail.steps.length > 1) cell.append(element("h4", {}, "Step by step"), steps(detail, roles));
  if (detail.instances.length) cell.append(element("h4", {}, "Instances, before and after"),
    element("div", { class: "instances" }, ...detail.instances.map((n, i) => instance(detail, roles, n, i))));
  const scores = Object.entries(detail.scores);
  if (scores.length) cell.append(element("h4", {}, "Scores"), scoreTable(scores));
  cell.append(element("p", { class: "keys" }, "j, k: next, previous picture · ← →: move the slider · o: outlines · Esc: close"));
  const made = element("tr", { class: "detail" }, cell);
  row.after(made);
  row.classList.add("open");
  open = { row, detail: made };
  history.replaceState(null, "", `#${encodeURIComponent(row.id)}`);
}

function isSmall(detail) { return Math.max(...detail.size) <= 128; }

function picture(file, text, small, kind = "") {
  return element("img", { src: file, alt: text, class: `${small ? "small" : "large"} ${kind}`, draggable: "false" });
}

function stack(detail, parts) {
  const box = element("div", { class: "stack", style: `aspect-ratio: ${detail.size[0]} / ${detail.size[1]}` });
  box.append(...parts);
  return box;
}

function views(name, detail, roles) {
  const small = isSmall(detail);
  const file = (role) => `${detail.files}_${role}_img.png`;
  const layer = (role, kind) => (detail.outlines.includes(role) ? [picture(`${detail.files}_${role}_outlines.png`, "", false, `layer ${kind}`)] : []);
  const box = stack(detail, [
    picture(file(roles.real), `${name}: source`, small), ...layer(roles.real, ""),
    picture(file(roles.fake), `${name}: translation`, small, "over"), ...layer(roles.fake, "over"),
    element("div", { class: "edge" }),
  ]);
  box.classList.add("compare");
  const slider = element("input", { type: "range", min: "0", max: "100", value: "50", step: "0.5", class: "slider", "aria-label": "source on the left, translation on the right" });
  const move = () => box.style.setProperty("--at", `${slider.value}%`);
  slider.addEventListener("input", move);
  const drag = (event) => {
    if (event.type === "pointermove" && !event.buttons) return;
    const frame = box.getBoundingClientRect();
    slider.value = (event.clientX - frame.left) / frame.width * 100;
    move();
  };
  box.addEventListener("pointerdown", drag);
  box.addEventListener("pointermove", drag);
  const figures = [element("figure", { class: "view" }, box, slider, element("figcaption", {}, "source | translation"))];
  for (const [role, title] of detail.columns.slice(1)) {
    const shownRole = stack(detail, [picture(file(role), `${name}: ${title}`, small), ...layer(role, "")]);
    figures.push(element("figure", { class: "view" }, shownRole, element("figcaption", {}, title)));
  }
  return element("div", { class: "views" }, ...figures);
}

function chip(number, place) {
  return element("span", { class: `chip i${place % COLORS}` }, number);
}

function steps(detail, roles) {
  const stage = (file, words, numbers) => element("figure", {},
    stack(detail, [picture(`${detail.files}_${file}.png`, words, isSmall(detail))]),
    element("figcaption", {}, `${words} `, ...numbers.map((n) => chip(String(n), detail.instances.indexOf(n)))));
  const first = stage(`${roles.real}_img`, "source", []);
  const rest = detail.steps.map((numbers, i) => stage(`${roles.fake}_step_${i + 1}`, `step ${i + 1}:`, numbers));
  return element("div", { class: "strip" }, first, ...rest);
}

function crop(detail, file, box, text) {
  const [top, left, height, width] = box, [wide, high] = detail.size, scale = Math.min(96 / height, 280 / width);
  const image = picture(file, text, scale >= 2);
  image.setAttribute("style", `width:${wide * scale}px;height:${high * scale}px;left:${-left * scale}px;top:${-top * scale}px`);
  return element("div", { class: "crop", style: `width:${Math.round(width * scale)}px` }, image);
}

function instance(detail, roles, number, place) {
  const box = detail.boxes[number], parts = [chip(String(number), place)];
  if (!box) parts.push(element("span", { class: "soft" }, "empty mask"));
  else for (const kind of ["img", `mask_${number}`])
    for (const [role, when] of [[roles.real, "before"], [roles.fake, "after"]]) {
      if (kind !== "img" && role === roles.fake && !detail.told_apart) continue; // has no masks
      const words = kind === "img" ? when : `mask ${when}`;
      const part = crop(detail, `${detail.files}_${role}_${kind}.png`, box, `instance ${number}, ${words}`);
      parts.push(element("figure", {}, part, element("figcaption", {}, words)));
    }
  const sorted = [...detail.instances].sort((a, b) => a - b); // as lists of scores are
  const own = Object.entries(detail.scores).filter(([, values]) => Array.isArray(values) && values.length === sorted.length);
  const lines = own.map(([name, values]) => element("div", {}, `${spoken(name)} ${told(values[sorted.indexOf(number)])}`));
  parts.push(element("div", { class: "numbers soft" }, ...lines));
  const made = element("div", { class: "instance" }, ...parts);
  if (box) {
    made.addEventListener("pointerenter", () => frame(detail, box, true));
    made.addEventListener("pointerleave", () => frame(detail, box, false));
  }
  return made;
}

function frame(detail, [top, left, height, width], on) {
  document.querySelectorAll(".frame").forEach((old) => old.remove());
  if (!on || !open) return;
  const part = (length, whole) => `${length / whole * 100}%`;
  const [wide, high] = detail.size;
  const style = `top:${part(top, high)};left:${part(left, wide)};height:${part(height, high)};width:${part(width, wide)}`;
  open.detail.querySelectorAll(".view .stack").forEach((box) => box.append(element("div", { class: "frame", style })));
}

function spoken(name) { return name.replaceAll("_", " "); }

function told(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "number" ? `${+value.toPrecision(4)}` : String(value);
}

function scoreTable(scores) {
  const rows = scores.map(([name, value]) => element("tr", {}, element("th", {}, spoken(name)),
    element("td", { class: "number" }, Array.isArray(value) ? value.map(told).join(", ") : told(value))));
  return element("table", { class: "facts" }, ...rows);
}

// ---- what people do

function move(by) {
  const rows = shown.slice(page * SIZE, (page + 1) * SIZE).map((item) => item.row);
  const next = open ? rows.indexOf(open.row) + by : by > 0 ? 0 : rows.length - 1;
  if (next < 0 && page > 0) { turn(page - 1); go(body.rows[body.rows.length - 1]); }
  else if (next >= rows.length && (page + 1) * SIZE < shown.length) { turn(page + 1); go(body.rows[0]); }
  else if (rows[next]) go(rows[next]);
}

function go(row) {
  view(row);
  document.body.style.setProperty("--bar", `${$("controls").offsetHeight}px`);
  row.scrollIntoView({ block: "start" });
}

function goToAnchor() {
  let wanted = location.hash.slice(1);
  try { wanted = decodeURIComponent(wanted); } catch { return; } // an anchor of somebody else's
  const place = shown.findIndex((item) => item.row.id === wanted);
  if (place < 0) return;
  if (page !== Math.floor(place / SIZE)) turn(Math.floor(place / SIZE));
  go(shown[place].row);
}

body.addEventListener("click", (event) => {
  const row = event.target.closest("tr");
  if (!row || row.classList.contains("detail")) return;
  event.preventDefault();
  toggle(row);
});
for (const id of ["find", "way", "least", "sense"]) $(id).addEventListener("input", choose);
$("order").addEventListener("input", () => {
  $("sense").value = $("order").selectedOptions[0].dataset.worst || "up";
  choose();
});
const outlines = () => document.body.classList.toggle("outlined", $("outlines").checked);
$("outlines").addEventListener("input", outlines);
document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input:not([type=checkbox]):not([type=range]), select, textarea");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const slider = open && open.detail.querySelector(".slider");
  const slide = (by) => { if (slider && event.target !== slider) { slider.value = Number(slider.value) + by; slider.dispatchEvent(new Event("input")); event.preventDefault(); } };
  const actions = {
    j: () => move(1), k: () => move(-1), Escape: close,
    o: () => { $("outlines").checked = !$("outlines").checked; outlines(); },
    ArrowLeft: () => slide(-5), ArrowRight: () => slide(5),
  };
  if (actions[event.key]) actions[event.key]();
});
addEventListener("hashchange", goToAnchor);
document.body.classList.add("scripted");
document.documentElement.classList.remove("loading");
$("controls").hidden = false;
outlines();
choose();
goToAnchor();

"use strict";
// The training page: data.js calls show() once for every report and every set of pictures.
const WIDTH = 360, HEIGHT = 190, EDGE = { left: 46, right: 8, top: 8, bottom: 22 };
const COLORS = ["light-dark(#0b66c3, #6db3ff)", "light-dark(#c2570c, #ffa45c)", "light-dark(#1a7f4b, #5fd39a)", "light-dark(#8a3ffc, #c6a2ff)"];
const RELOAD = 30000; // milliseconds
const SHARES = /^(instances|share)/; // panels whose values lie between 0 and 1
let points = [], looks = [], notes = {}, chosen = -1, playing = 0, loaded = "";
let coming = { points: [], looks: [], notes: {}, ended: false };

function show(news) {
  if (news.point) coming.points.push(news.point);
  if (news.look) {
    const same = coming.looks.findIndex((look) => look.epoch === news.look.epoch);
    if (same < 0) coming.looks.push(news.look); else coming.looks[same] = news.look;
  }
  if (news.notes) coming.notes = news.notes;
  if (news.ended !== undefined) coming.ended = news.ended;
}

function element(name, attributes = {}, ...children) {
  const svg = ["svg", "path", "line", "text"].includes(name);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// ---- pictures, by epoch

function drawPictures() {
  const last = looks.length - 1;
  const scrub = document.getElementById("scrub");
  scrub.max = Math.max(last, 0);
  if (chosen < 0 || chosen > last) scrub.value = last;
  const look = looks[Number(scrub.value)];
  document.getElementById("scrubber").hidden = !look;
  if (!look) return;
  document.getElementById("epoch").textContent = `epoch ${look.epoch}, picture ${look.total.toLocaleString("en")}`;
  const place = document.getElementById("pictures");
  const shape = JSON.stringify(look.rows.map((block) => [block.title, block.header, block.samples.length]));
  if (place.dataset.shape !== shape) {
    place.dataset.shape = shape;
    place.replaceChildren(...look.rows.map(pictureTable));
  }
  look.rows.forEach((block, b) => block.samples.forEach((sample, s) => sample.files.forEach((file, f) => {
    const image = document.getElementById(`look-${b}-${s}-${f}`);
    const version = `${file}?${look.total}`; // an epoch's files are written again
    if (image.getAttribute("src") !== version) image.src = version;
    image.alt = `${sample.name}: ${block.header[f]}, epoch ${look.epoch}`;
  })));
}

function pictureTable(block, b) {
  const head = element("tr", {}, ...block.header.map((text) => element("th", {}, text)));
  const rows = block.samples.map((sample, s) => element("tr", { title: sample.name }, ...sample.files.map((_, f) =>
    element("td", {}, element("img", { id: `look-${b}-${s}-${f}`, class: sample.small ? "small" : "large" })))));
  return element("div", {}, element("h3", {}, block.title), element("table", {}, head, ...rows));
}

function choose(place) {
  const scrub = document.getElementById("scrub");
  scrub.value = Math.min(Math.max(place, 0), looks.length - 1);
  chosen = Number(scrub.value) === looks.length - 1 ? -1 : Number(scrub.value);
  drawPictures();
}

function play() {
  const button = document.getElementById("play");
  if (playing) { clearInterval(playing); playing = 0; button.textContent = "play"; return; }
  const scrub = document.getElementById("scrub");
  if (Number(scrub.value) === looks.length - 1) choose(0);
  button.textContent = "stop";
  playing = setInterval(() => {
    if (Number(scrub.value) >= looks.length - 1) play(); else choose(Number(scrub.value) + 1);
  }, 350);
}

// ---- curves

function smooth(values, share) {
  let mean = null;
  return values.map((value) => {
    if (value === null || value === undefined) return null;
    mean = mean === null ? value : share * mean + (1 - share) * value;
    return mean;
  });
}

function ticks(low, high, count) {
  const rough = (high - low) / count || 1, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((x) => x * power).find((x) => x >= rough);
  const found = [];
  for (let x = Math.ceil(low / step) * step; x <= high + step * 1e-6; x += step) found.push(x);
  return found;
}

function short(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size >= 1e6) return `${+(value / 1e6).toPrecision(3)} M`;
  if (size >= 1e4) return `${+(value / 1e3).toPrecision(3)} k`;
  return size && size < 1e-3 ? value.toExponential(1) : `${+value.toPrecision(3)}`;
}

function drawCurves() {
  const share = Number(document.getElementById("smooth").value);
  const logarithmic = document.getElementById("log").checked;
  const titles = [...new Set(points.flatMap((point) => Object.keys(point.panels)))];
  document.getElementById("curves").replaceChildren(...titles.map((title) => panel(title, share, logarithmic)));
  document.getElementById("curve-controls").hidden = !points.length;
}

function panel(title, share, logarithmic) {
  const own = points.filter((point) => point.panels[title]);
  const names = [...new Set(own.flatMap((point) => Object.keys(point.panels[title])))];
  const totals = own.map((point) => point.total);
  const noisy = title.includes("loss"); // all else is drawn as it is
  const values = names.map((name) => own.map((point) => point.panels[title][name] ?? null));
  const curves = noisy ? values.map((some) => smooth(some, share)) : values;
  const scale = (value) => (logarithmic ? Math.log10(value) : value);
  const drawn = curves.flat().filter((value) => value !== null && (!logarithmic || value > 0)).map(scale);
  const legend = element("div", { class: "legend" });
  const svg = element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}, by pictures` });
  let [low, high] = drawn.length ? [Math.min(...drawn), Math.max(...drawn)] : [0, 1];
  if (!logarithmic && low > 0 && low < high / 2) low = 0;
  if (SHARES.test(title) && !logarithmic) [low, high] = [0, Math.max(high, 1)];
  if (high === low) high = low + (Math.abs(low) || 1);
  const first = totals[0], last = totals[totals.length - 1] === first ? first + 1 : totals[totals.length - 1];
  const x = (total) => EDGE.left + (total - first) / (last - first) * (WIDTH - EDGE.left - EDGE.right);
  const y = (value) => HEIGHT - EDGE.bottom - (scale(value) - low) / (high - low) * (HEIGHT - EDGE.top - EDGE.bottom);
  for (const tick of ticks(low, high, 4)) {
    const value = logarithmic ? 10 ** tick : tick, at = y(value);
    svg.append(element("line", { class: "grid", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: at, y2: at }),
      element("text", { x: EDGE.left - 6, y: at + 4, "text-anchor": "end" }, short(value)));
  }
  for (const tick of ticks(first, last, 4))
    svg.append(element("text", { x: x(tick), y: HEIGHT - 6, "text-anchor": "middle" }, short(tick)));
  curves.forEach((values, i) => {
    let pen = "M";
    const steps = values.map((value, k) => {
      if (value === null || (logarithmic && value <= 0)) { pen = "M"; return ""; }
      const step = `${pen}${x(totals[k]).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = "L";
      return step;
    });
    svg.append(element("path", { d: steps.join("") || "M0 0", style: `stroke:${COLORS[i % COLORS.length]}` }));
  });
  const tell = (k) => legend.replaceChildren(...names.map((name, i) => {
    const mark = element("i", { style: `background:${COLORS[i % COLORS.length]}` });
    return element("span", {}, mark, `${name} ${short(values[i][k])}`);
  }), ...(k === totals.length - 1 ? [] : [element("span", { class: "soft" }, `at ${short(totals[k])}`)]));
  const hair = element("line", { class: "hair", y1: EDGE.top, y2: HEIGHT - EDGE.bottom, visibility: "hidden" });
  svg.append(hair);
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect(), at = (event.clientX - box.left) / box.width * WIDTH;
    let near = 0;
    totals.forEach((total, k) => { if (Math.abs(x(total) - at) < Math.abs(x(totals[near]) - at)) near = k; });
    for (const end of ["x1", "x2"]) hair.setAttribute(end, x(totals[near]));
    hair.setAttribute("visibility", "visible");
    tell(near);
  });
  svg.addEventListener("pointerleave", () => { hair.setAttribute("visibility", "hidden"); tell(totals.length - 1); });
  tell(totals.length - 1);
  return element("div", { class: "panel" }, element("h3", {}, title), svg, legend);
}

// ---- all of it

function drawNotes() {
  const alarms = (notes.alarms || []).map((text) => element("div", { class: "alarm", role: "alert" }, text));
  const facts = Object.entries(notes.position || {}).map(([name, value]) => `${name} ${value}`).join(" · ");
  document.getElementById("alarms").replaceChildren(...alarms);
  document.getElementById("position").textContent = facts;
}

function draw() { drawNotes(); drawPictures(); drawCurves(); }

function load() {
  const script = element("script", { src: `data.js?${Date.now()}` });
  coming = { points: [], looks: [], notes: {}, ended: false };
  script.onload = () => {
    script.remove();
    const told = JSON.stringify([coming.points.length, coming.looks, coming.notes]);
    const whole = coming.points.length || coming.looks.length || !loaded; // not read while it was written
    if (whole && told !== loaded) {
      ({ points, looks, notes } = coming);
      loaded = told;
      draw();
    }
    if (coming.ended) clearInterval(reloading);
  };
  script.onerror = () => script.remove();
  document.head.append(script);
}

document.getElementById("scrub").addEventListener("input", (event) => choose(Number(event.target.value)));
document.getElementById("play").addEventListener("click", play);
document.getElementById("smooth").addEventListener("input", drawCurves);
document.getElementById("log").addEventListener("input", drawCurves);
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  const place = Number(document.getElementById("scrub").value);
  const moves = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: looks.length - 1 };
  if (event.key in moves) { choose(moves[event.key]); event.preventDefault(); }
  if (event.key === " " && !event.target.matches("button")) { play(); event.preventDefault(); }
});
const reloading = setInterval(load, RELOAD);
load();

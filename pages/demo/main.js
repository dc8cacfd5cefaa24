// The page: brings pictures, painting, models and views together.
import { Choices, sizeFor } from "./choices.js";
import { $, button, element, press, say, times, useColors } from "./dom.js";
import { Engine } from "./engine.js";
import { canvasOfMask, canvasOfPicture, maskSize, readMask, readPicture, resized, save, sorted } from "./files.js";
import { Instances } from "./instances.js";
import { listInstances } from "./list.js";
import { outline } from "./outlines.js";
import { Painting } from "./painting.js";
import { largestDifference, resizeMask } from "./pixels.js";
import { bindKeys } from "./keys.js";
import { Views } from "./views.js";

const manifest = await (await fetch("models.json")).json();
useColors(manifest.colors);
let picture = null, busy = false;
let asked = 0; // pictures that were asked for; the last one is shown
const AGREES = 2; // levels of 255 by which WebGPU may differ from WebAssembly
const agreed = new Set(); // files of models by which it does not differ more

const engine = new Engine();
const views = new Views();
const instances = new Instances($("layers"), () => showInstances());
const painting = new Painting(instances);
const choices = new Choices(manifest, () => showModel());

const plural = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(milliseconds < 10000 ? 2 : 0)} s`;

// ---- what is offered

function showModel() {
  const { model, predictor } = choices, sees = model.masks > 0;
  $("editing").hidden = !picture || !sees;
  $("instances-box").hidden = !picture || !sees;
  $("layers").hidden = !sees;
  $("find").hidden = !predictor;
  $("gpu-box").hidden = !manifest.webgpu || !navigator.gpu;
  $("gpu").disabled = !agreed.has(model.file);
  $("gpu").checked &&= agreed.has(model.file);
  $("about-picture").textContent = !picture ? "" :
    `${picture.name}, ${times([picture.original.width, picture.original.height])} pixels` +
    (picture.width < picture.original.width ? `, shown and painted at ${times([picture.width, picture.height])}` : "") +
    (sees ? "" : ". This model translates whole pictures and looks at no masks.");
}

function showInstances() {
  const { done, undone } = instances.history, pair = [$("undo"), $("redo")], active = document.activeElement;
  [$("undo").disabled, $("redo").disabled] = [!done.length, !undone.length];
  if (pair.includes(active)) pair.find((one) => !one.disabled)?.focus(); // a disabled button would lose it
  listInstances($("instances"), instances);
  if (picture) outline($("edges"), picture, instances.list.map((one) => [one.mask, one.color]));
  painting.draw();
}

// ---- pictures and masks

const readMasks = (files, of) => Promise.all(files.map(({ blob, name }) => readMask(blob, name, of)));

async function readAll(blob, name, masks) {
  const read = await readPicture(blob, name);
  return { read, masks: await readMasks(masks, read) };
}

// Shows what `reading` reads, unless another picture was asked for meanwhile.
async function open(reading, sample = null) {
  const own = ++asked;
  try {
    const { read, masks } = await reading();
    if (own === asked) show(sample ? { ...read, name: sample.name } : read, masks, sample);
  } catch (error) {
    if (own === asked) throw error;
  }
}

function show(read, masks, sample) {
  picture = read;
  if (sample?.domain) choices.startFrom(sample.domain);
  const canvas = canvasOfPicture(picture), stage = $("stage");
  $("picture").width = picture.width;
  $("picture").height = picture.height;
  $("picture").getContext("2d").drawImage(canvas, 0, 0);
  stage.style.setProperty("--ratio", picture.width / picture.height);
  stage.classList.toggle("pixels", Math.max(picture.width, picture.height) <= 256);
  stage.hidden = false;
  if (document.activeElement === $("drop")) stage.focus();
  $("drop").hidden = true;
  views.clear();
  choices.open(picture);
  painting.open(picture);
  instances.open(picture, masks);
  for (const one of document.querySelectorAll("#sample-list button")) press(one, one.dataset.name === sample?.image);
  say("");
}

async function openFiles(files, allMasks = false) {
  const { pictures, masks } = allMasks ? { pictures: [], masks: files } : sorted(files, picture?.name);
  const given = masks.map((file) => ({ blob: file, name: file.name }));
  if (pictures.length) await open(() => readAll(pictures[0], pictures[0].name, given));
  else if (!picture) say("Open the picture first, then its masks.", true);
  else if (given.length) await addMasks(given);
}

async function addMasks(files) {
  const shown = picture, masks = await readMasks(files, shown);
  if (shown === picture) instances.putMasks(masks, true);
}

function openSample(sample) {
  const fetched = async (name) => ({ blob: await (await fetch(name)).blob(), name });
  return open(async () => {
    const [{ blob, name }, ...masks] = await Promise.all([sample.image, ...sample.masks].map(fetched));
    return readAll(blob, name, masks);
  }, sample);
}

function listSamples() {
  $("samples").hidden = !manifest.samples.length;
  const domains = [...new Set(manifest.samples.map((sample) => sample.domain))];
  $("sample-list").replaceChildren(...domains.map((domain) => {
    const own = manifest.samples.filter((sample) => sample.domain === domain).map((sample) => {
      const words = { "aria-pressed": "false", "data-name": sample.image, title: sample.name };
      const made = button("", words, trying(() => openSample(sample)));
      made.append(element("img", { src: sample.image, alt: `sample ${sample.name}`, loading: "lazy" }));
      return made;
    });
    return element("div", { class: "domain" }, domain ? choices.name(domain) : "", ...own);
  }));
}

async function saveMasks() {
  const masks = instances.filled.map((one) => one.mask);
  if (!masks.length) throw new Error("No instance is painted, so there is no mask to save.");
  const shown = picture, size = maskSize(shown), { width, height } = shown.original;
  for (const [i, mask] of masks.entries()) {
    await save(canvasOfMask(mask, shown, size), `${shown.name}_${i}.png`);
  }
  if (size.width < width) {
    say(`The masks are saved at ${times([size.width, size.height])} pixels, as they are painted: the picture's own ` +
      `${times([width, height])} are too many for a page.`);
  }
}

// ---- models

// What a model is given: the picture at the chosen size with its masks.
function given() {
  if (!picture) throw new Error("There is no picture: open one, or choose a sample.");
  const { model } = choices, [width, height] = choices.size;
  const own = model.masks ? instances.filled : [];
  if (model.masks && !own.length) {
    throw new Error("No instance is painted: paint one on the picture, or load its mask.");
  }
  const masks = own.map((one) => resizeMask(one.mask, picture, { width, height }));
  if (model.masks && !masks.some((mask) => mask.some(Boolean))) {
    throw new Error(`No instance is left at ${times([width, height])} pixels: choose a larger size.`);
  }
  const drawn = own.map((one) => ({ color: one.color, label: String(instances.list.indexOf(one) + 1) }));
  const small = resized(picture, width, height);
  const name = `${picture.name}_${model.direction}.png`;
  return { message: { model, picture: small, masks, style: choices.style() }, drawn, name };
}

function report(kind, now) {
  const bar = $("progress");
  if (kind === "load") {
    const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
    const part = `${megabytes(now.done)} of ${megabytes(now.total)} MB`;
    bar.value = now.done / now.total;
    say(now.done < now.total ? `Loading the model: ${part}` : "Preparing the model …");
  } else if (kind === "progress" && now.total) {
    bar.value = (now.from - 1) / now.total;
    const which = now.from === now.to ? `instance ${now.to}` : `instances ${now.from} to ${now.to}`;
    say(`Translating ${which} of ${now.total} …`);
  } else if (kind === "progress") {
    bar.removeAttribute("value");
    say("Translating the picture …");
  }
}

// Runs a task while the page says so; others have to wait.
async function working(action) {
  if (busy) return;
  busy = true;
  const active = document.activeElement;
  const held = ["translate", "find", "try-gpu"];
  for (const id of held) $(id).disabled = true;
  $("stop").hidden = $("progress").hidden = false;
  $("progress").removeAttribute("value");
  say("Starting …");
  try {
    await action();
  } finally {
    busy = false;
    for (const id of held) $(id).disabled = false;
    const lost = [active, $("stop"), document.body].includes(document.activeElement); // disabled or hidden
    $("stop").hidden = $("progress").hidden = true;
    if (lost) active.focus();
  }
}

async function translate() {
  const { message, drawn, name } = given(), shown = picture;
  const gpu = $("gpu").checked;
  const { steps, threads } = await engine.run("translate", { ...message, gpu }, report);
  if (shown !== picture) return say(""); // another one was opened meanwhile
  views.open({ picture: message.picture, masks: message.masks }, drawn, steps, name);
  say(summary(steps, drawn.length, message.model, gpu ? "WebGPU" : plural(threads, "thread")));
}

const total = (steps) => steps.reduce((sum, step) => sum + step.milliseconds, 0);

function summary(steps, number, model, by) {
  const took = total(steps);
  const each = steps.length === 1 ? `one step of ${seconds(took)}`
    : `${steps.length} steps, ${seconds(took / steps.length)} each`;
  if (!model.masks || number <= model.most) return `Done: ${each} (${by}).`;
  return `Done: ${each} (${by}). The ${model.most} largest of ${number} instances were translated.`;
}

async function findObjects() {
  const { predictor } = choices, shown = picture;
  const [width, height] = sizeFor(picture, predictor);
  const loading = (kind, now) => kind === "load" && report(kind, now);
  const small = resized(picture, width, height);
  const { masks } = await engine.run("find", { model: predictor, picture: small }, loading);
  if (shown !== picture) return say("");
  if (!masks.length) return say("No object found: paint the objects, or load their masks.");
  instances.putMasks(masks.map((mask) => resizeMask(mask, { width, height }, picture)), false);
  say(`${plural(masks.length, "object")} found. Undo brings back what was there before.`);
}

// WebGPU is offered for a model when it makes the same of this picture as WebAssembly.
async function tryGpu() {
  const { message } = given();
  const results = [];
  for (const gpu of [false, true]) {
    await engine.run("translate", { ...message, gpu }, report); // warms up
    results.push((await engine.run("translate", { ...message, gpu }, report)).steps);
  }
  const difference = largestDifference(...results.map((steps) => steps.at(-1).picture));
  if (difference <= AGREES) agreed.add(message.model.file);
  showModel();
  $("gpu").checked = difference <= AGREES;
  const [wasm, gpu] = results.map((steps) => seconds(total(steps)));
  say(difference <= AGREES
    ? `WebGPU agrees with WebAssembly to ${difference} of 255 and takes ${gpu} instead of ${wasm}.`
    : `WebGPU differs from WebAssembly by ${difference} of 255, so it is not used for this model.`, difference > AGREES);
}

// ---- buttons, keys, drops

// An action whose errors are told to the reader.
function trying(action) {
  return async (...words) => {
    try {
      await action(...words);
    } catch (error) {
      say(error.message, !error.stopped);
    }
  };
}

const chooser = (id, file, action) => {
  $(id).addEventListener("click", () => $(file).click());
  $(file).addEventListener("change", trying(async () => {
    const files = [...$(file).files];
    $(file).value = "";
    if (files.length) await action(files);
  }));
};

const on = (id, action) => $(id).addEventListener("click", trying(action));
on("translate", () => working(translate));
on("find", () => working(findObjects));
on("try-gpu", () => working(tryGpu));
on("stop", () => engine.end(Object.assign(new Error("Stopped."), { stopped: true })));
on("undo", () => instances.history.undo());
on("redo", () => instances.history.redo());
on("add", () => instances.add());
on("save", saveMasks);
on("download", () => views.save());
chooser("open", "open-file", openFiles);
chooser("load", "load-file", (files) => openFiles(files, true));
$("drop").addEventListener("click", () => $("open-file").click());
const dropping = (on) => document.body.classList.toggle("dropping", on);
document.addEventListener("dragover", (event) => { event.preventDefault(); dropping(true); });
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) dropping(false); });
document.addEventListener("drop", trying(async (event) => {
  event.preventDefault();
  dropping(false);
  await openFiles([...event.dataTransfer.files]);
}));
document.addEventListener("paste", trying(async (event) => {
  const files = [...event.clipboardData.files];
  if (files.length) await openFiles(files);
}));
bindKeys(instances, painting);
choices.offerWays();
listSamples();

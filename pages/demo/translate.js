// What test.py does around a network (models/unpaired.py), on plain arrays. `call` runs the network
// on { name: { data, dims } } and gives the same of what comes out.
import { chooseInstances, frameOf, imageTensor, maskOf, maskTensor, pictureOf, unionOf } from "./pixels.js";

// Translates group after group. report(progress) is called before each call of the network with
// { from, to, total }; step(made) after it with the picture so far.
export async function translate(model, call, { picture, masks, style }, report, step) {
  const frame = frameOf(picture, model);
  const first = { image: imageTensor(picture, model.channels, frame), style };
  if (!model.masks) {
    report({ from: 0, to: 0, total: 0 });
    await made(model, call, first, frame, [], step);
    return;
  }
  const { kept, left } = chooseInstances(masks, model.most);
  const groups = groupsOf(model, kept, masks);
  const places = (list) => list.map((i) => maskTensor(masks[i], frame));
  let image = first.image, finished = [];
  const aside = places(left);
  for (const [number, group] of groups.entries()) {
    const coming = groups.slice(number + 1).flatMap((one) => one.masks).map((mask) => maskTensor(mask, frame));
    const own = group.masks.map((mask) => maskTensor(mask, frame));
    report({ from: group.from, to: group.to, total: kept.length });
    const others = othersTensor([...finished, ...coming, ...aside], frame);
    const found = await made(model, call, { image, own, others, style }, frame, group.numbers, step);
    image = found.image;
    finished = [...finished, ...found.masks];
  }
}

// As many masks as a call takes, largest first; a model that tells none apart gets their union.
function groupsOf(model, kept, masks) {
  if (!kept.length) return [];
  if (model.union) {
    return [{ masks: [unionOf(kept.map((i) => masks[i]))], numbers: kept, from: 1, to: kept.length }];
  }
  const groups = [];
  for (let start = 0; start < kept.length; start += model.masks) {
    const numbers = kept.slice(start, start + model.masks);
    groups.push({ masks: numbers.map((i) => masks[i]), numbers, from: start + 1, to: start + numbers.length });
  }
  return groups;
}

// One call of the network: its picture and masks, whole, for the next call.
async function made(model, call, { image, own = [], others, style }, frame, numbers, step) {
  const begin = performance.now();
  const found = await call(feeds(model, { image, own, others, style }, frame));
  const milliseconds = performance.now() - begin;
  const area = frame.width * frame.height;
  const next = found.translated_image.data, sets = found.translated_masks?.data;
  step({
    picture: pictureOf(next, model.channels, frame),
    masks: sets ? own.map((_, i) => maskOf(sets, i, frame)) : [],
    numbers, milliseconds,
  });
  return { image: next, masks: sets ? own.map((_, i) => sets.slice(i * area, (i + 1) * area)) : [] };
}

// The inputs that a model has, by their names.
function feeds(model, { image, own, others, style }, { width, height }) {
  const area = width * height, slots = model.masks;
  const masks = new Float32Array(slots * area).fill(-1);
  own.forEach((mask, i) => masks.set(mask, i * area));
  const present = Uint8Array.from({ length: slots }, (_, i) => Number(i < own.length));
  const all = {
    image: () => ({ data: image, dims: [1, model.channels, height, width] }),
    masks: () => ({ data: masks, dims: [1, slots, height, width] }),
    present: () => ({ data: present, dims: [1, slots], type: "bool" }),
    others: () => ({ data: others, dims: [1, 1, height, width] }),
    style: () => ({ data: style, dims: [1, style.length] }),
  };
  return Object.fromEntries(model.inputs.map((name) => [name, all[name]()]));
}

// Where instances are that are not among the masks of a call: finished ones, those that follow, and
// those that never take part.
function othersTensor(tensors, { width, height }) {
  const made = new Float32Array(width * height).fill(-1);
  for (const tensor of tensors) {
    for (let i = 0; i < made.length; i++) if (tensor[i] > 0) made[i] = 1;
  }
  return made;
}

// The masks that a mask predictor finds in a picture.
export async function find(model, call, picture) {
  const frame = frameOf(picture, model);
  const image = imageTensor(picture, model.channels, frame);
  const { masks, scores } = await call(feeds(model, { image, own: [] }, frame));
  const found = [...scores.data].flatMap((score, i) => (score > 0 ? [maskOf(masks.data, i, frame)] : []));
  return found.filter((mask) => mask.some(Boolean));
}

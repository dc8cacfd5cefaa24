// Pictures and masks as plain arrays, and as the tensors that networks take. A picture is
// { width, height, data }, data RGBA; a mask a Uint8Array of 0 and 1, row by row.

export function areaOf(mask) {
  let count = 0;
  for (const pixel of mask) count += pixel;
  return count;
}

// The `most` largest masks by area, as places in the list; ties keep their order, empty ones are
// dropped. `left` are those that do not take part.
export function chooseInstances(masks, most) {
  const areas = masks.map(areaOf);
  const ordered = [...masks.keys()].filter((i) => areas[i]).sort((a, b) => areas[b] - areas[a]);
  return { kept: ordered.slice(0, most), left: ordered.slice(most) };
}

export function unionOf(masks) {
  return masks[0].map((_, i) => (masks.some((mask) => mask[i]) ? 1 : 0));
}

// ---- sizes that networks take: reflected at the right and at the bottom

export function grownSide(side, model) {
  return Math.ceil(Math.max(side, model.least) / model.multiple) * model.multiple;
}

// Which pixel of a line of `side` stands at each place of one of `target`.
export function reflected(side, target) {
  const places = Array.from({ length: side }, (_, i) => i);
  while (places.length < target) {
    const length = places.length, step = Math.min(target - length, Math.max(length - 1, 1));
    for (let i = 0; i < step; i++) places.push(places[Math.max(length - 2 - i, 0)]);
  }
  return places;
}

// How a picture lies in what the network gets.
export function frameOf(picture, model) {
  const width = grownSide(picture.width, model), height = grownSide(picture.height, model);
  return {
    width, height, inner: { width: picture.width, height: picture.height },
    columns: reflected(picture.width, width), rows: reflected(picture.height, height),
  };
}

// Writes value(place of the pixel) for each pixel of the frame, from `offset` on.
function fill(frame, into, offset, value) {
  let at = offset;
  for (const row of frame.rows) {
    const start = row * frame.inner.width;
    for (const column of frame.columns) into[at++] = value(start + column);
  }
}

export function imageTensor(picture, channels, frame) {
  const { data } = picture, area = frame.width * frame.height;
  const made = new Float32Array(channels * area);
  const grey = (i) => (19595 * data[4 * i] + 38470 * data[4 * i + 1] + 7471 * data[4 * i + 2] + 32768) >> 16;
  for (let c = 0; c < channels; c++) {
    fill(frame, made, c * area, (i) => (channels === 1 ? grey(i) : data[4 * i + c]) / 127.5 - 1);
  }
  return made;
}

export function maskTensor(mask, frame) {
  const made = new Float32Array(frame.width * frame.height);
  fill(frame, made, 0, (i) => (mask[i] ? 1 : -1));
  return made;
}

// ---- and back

// Calls put(place in the picture, place in the frame) for the pixels of the picture.
function cut(frame, put) {
  const { width, height } = frame.inner;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) put(y * width + x, y * frame.width + x);
  }
}

export function pictureOf(tensor, channels, frame) {
  const area = frame.width * frame.height;
  const data = new Uint8ClampedArray(4 * frame.inner.width * frame.inner.height); // it rounds and clips
  cut(frame, (to, from) => {
    for (let c = 0; c < 3; c++) data[4 * to + c] = (tensor[(channels === 1 ? 0 : c * area) + from] + 1) * 127.5;
    data[4 * to + 3] = 255;
  });
  return { ...frame.inner, data };
}

export function maskOf(tensor, index, frame) {
  const offset = index * frame.width * frame.height;
  const made = new Uint8Array(frame.inner.width * frame.inner.height);
  cut(frame, (to, from) => { made[to] = tensor[offset + from] > 0 ? 1 : 0; });
  return made;
}

// A mask at another size, by the nearest pixel.
export function resizeMask(mask, from, to) {
  if (from.width === to.width && from.height === to.height) return mask;
  const made = new Uint8Array(to.width * to.height);
  for (let y = 0; y < to.height; y++) {
    const row = Math.floor((y + 0.5) * from.height / to.height) * from.width;
    for (let x = 0; x < to.width; x++) {
      made[y * to.width + x] = mask[row + Math.floor((x + 0.5) * from.width / to.width)];
    }
  }
  return made;
}

// The largest difference of two pictures, of 255.
export function largestDifference(a, b) {
  let most = 0;
  for (let i = 0; i < a.data.length; i++) most = Math.max(most, Math.abs(a.data[i] - b.data[i]));
  return most;
}

// `count` normally distributed numbers that a seed decides.
export function normalNumbers(count, seed) {
  let state = (seed ^ 0x9e3779b9) >>> 0;
  const uniform = () => { // a mixed counter
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (((mixed ^ (mixed >>> 14)) >>> 0) + 1) / 4294967297;
  };
  return Float32Array.from({ length: count }, () =>
    Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()));
}

// Picture and mask files, read and saved. Errors have texts for the reader.
import { canvasOf, element, pen, times } from "./dom.js";
import { maskFrom } from "./masks.js";

const MOST = 2048; // pixels of the longer side; larger pictures are made smaller
const MOST_SAVED = 2 ** 24; // pixels of a mask file: what a canvas holds on every device
const MASK_NAME = /^(.*)_\d+\.png$/i;

export const stemOf = (name) => name.replace(/\.[^.]*$/, "");

// Which files of a choice or a drop are masks, by their names STEM_0.png; `open` is the name of the
// picture that is there already. The others are pictures.
export function sorted(files, open) {
  const stems = new Set([open, ...files.map((file) => stemOf(file.name))]);
  const isMask = ({ name }) => MASK_NAME.test(name) && stems.has(name.match(MASK_NAME)[1]);
  return { pictures: files.filter((file) => !isMask(file)), masks: files.filter(isMask) };
}

async function decoded(blob, name) {
  try {
    return await createImageBitmap(blob, { colorSpaceConversion: "none" }); // as test.py reads it
  } catch {
    throw new Error(`${name} cannot be read: choose a PNG, JPEG or WebP file that other programs can open.`);
  }
}

// A bitmap or canvas at a size; smooth, or by the nearest pixel.
function drawn(bitmap, { width, height }, smooth) {
  const canvas = canvasOf(width, height), context = pen(canvas);
  context.imageSmoothingEnabled = smooth;
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  return canvas;
}

const pixelsOf = (canvas) => pen(canvas).getImageData(0, 0, canvas.width, canvas.height).data;

// { name, width, height, data, original }. Alpha is dropped, as in Python; but a canvas has no colour
// where a picture is wholly transparent: there it becomes black.
export async function readPicture(blob, name) {
  const bitmap = await decoded(blob, name);
  const scale = Math.min(1, MOST / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
  const data = pixelsOf(drawn(bitmap, { width, height }, true));
  for (let i = 3; i < data.length; i += 4) data[i] = 255;
  return { name: stemOf(name), width, height, data, original: { width: bitmap.width, height: bitmap.height } };
}

// A mask of a picture, at the size that the picture is shown at.
export async function readMask(blob, name, picture) {
  const bitmap = await decoded(blob, name);
  const { width, height } = bitmap, { original } = picture;
  const fits = (size) => size.width === width && size.height === height;
  if (!fits(picture) && !fits(original)) {
    const sizes = `is ${times([width, height])} and the picture ${times([original.width, original.height])}`;
    throw new Error(`${name} ${sizes} (width × height): a mask is as large as its picture.`);
  }
  const mask = maskFrom(pixelsOf(drawn(bitmap, picture, false)));
  if (!mask.some(Boolean)) throw new Error(`${name} has no white pixel: a mask is white inside its object.`);
  return mask;
}

// ---- saved

export function canvasOfPicture({ width, height, data }) {
  const canvas = canvasOf(width, height);
  canvas.getContext("2d").putImageData(new ImageData(data, width, height), 0, 0);
  return canvas;
}

// The size of mask files: that of the picture's own file, or, where that is too large for a page, that
// at which the picture is shown.
export function maskSize(picture) {
  const { width, height } = picture.original;
  return width * height > MOST_SAVED ? { width: picture.width, height: picture.height } : { width, height };
}

// A mask as a file has it, white on black.
export function canvasOfMask(mask, { width, height }, size) {
  const data = new Uint8ClampedArray(4 * mask.length);
  mask.forEach((on, i) => data.fill(255 * on, 4 * i, 4 * i + 3).fill(255, 4 * i + 3, 4 * i + 4));
  return drawn(canvasOfPicture({ width, height, data }), size, false);
}

export async function save(canvas, name) {
  const blob = await new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });
  if (!blob) {
    const size = times([canvas.width, canvas.height]);
    throw new Error(`${name} cannot be saved: the browser has no memory for ${size} pixels; close other tabs.`);
  }
  const url = URL.createObjectURL(blob);
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

// The picture at another size.
export function resized(picture, width, height) {
  if (picture.width === width && picture.height === height) return { width, height, data: picture.data };
  return { width, height, data: pixelsOf(drawn(canvasOfPicture(picture), { width, height }, true)) };
}

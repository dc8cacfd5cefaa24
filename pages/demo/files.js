// Picture and mask files, read and saved. Errors have texts for the reader.
import { canvasOf, element, pen, times } from "./dom.js";
import { resizeMask } from "./pixels.js";

const MOST = 2048; // pixels of the longer side; larger pictures are made smaller
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

function pixelsOf(bitmap, width, height, paper) {
  const canvas = canvasOf(width, height), context = pen(canvas);
  if (paper) {
    context.fillStyle = paper;
    context.fillRect(0, 0, width, height);
  }
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  return context.getImageData(0, 0, width, height).data;
}

// { name, width, height, data, original }; what is transparent becomes white.
export async function readPicture(blob, name) {
  const bitmap = await decoded(blob, name);
  const scale = Math.min(1, MOST / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
  const data = pixelsOf(bitmap, width, height, "#fff");
  return { name: stemOf(name), width, height, data, original: { width: bitmap.width, height: bitmap.height } };
}

// A mask of a picture: 1 where the file is bright and opaque; one that is bright nowhere may hold
// 0 and 1, or have the instance in its transparency.
export async function readMask(blob, name, picture) {
  const bitmap = await decoded(blob, name);
  const { width, height } = bitmap, { original } = picture;
  const fits = (size) => size.width === width && size.height === height;
  if (!fits(picture) && !fits(original)) {
    const sizes = `is ${times([width, height])} and the picture ${times([original.width, original.height])}`;
    throw new Error(`${name} ${sizes} (width × height): a mask is as large as its picture.`);
  }
  const data = pixelsOf(bitmap, width, height);
  const mask = [127, 0].map((level) => brighter(data, level)).find((one) => one.some(Boolean)) ?? opaque(data);
  if (!mask.some(Boolean)) throw new Error(`${name} has no white pixel: a mask is white inside its object.`);
  return resizeMask(mask, { width, height }, picture);
}

function brighter(data, level) {
  return Uint8Array.from({ length: data.length / 4 }, (_, i) =>
    Number(data[4 * i + 3] > 127 && Math.max(data[4 * i], data[4 * i + 1], data[4 * i + 2]) > level));
}

function opaque(data) {
  const mask = Uint8Array.from({ length: data.length / 4 }, (_, i) => Number(data[4 * i + 3] > 127));
  return mask.every(Boolean) ? mask.fill(0) : mask;
}

// ---- saved

export function canvasOfPicture({ width, height, data }) {
  const canvas = canvasOf(width, height);
  canvas.getContext("2d").putImageData(new ImageData(data, width, height), 0, 0);
  return canvas;
}

// A mask as a file has it, white on black, as large as the picture's own file.
export function canvasOfMask(mask, picture) {
  const size = picture.original, large = resizeMask(mask, picture, size);
  const data = new Uint8ClampedArray(4 * large.length);
  large.forEach((on, i) => data.fill(255 * on, 4 * i, 4 * i + 3).fill(255, 4 * i + 3, 4 * i + 4));
  return canvasOfPicture({ ...size, data });
}

export async function save(canvas, name) {
  const blob = await new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });
  const url = URL.createObjectURL(blob);
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

// The picture at another size.
export function resized(picture, width, height) {
  if (picture.width === width && picture.height === height) return { width, height, data: picture.data };
  return { width, height, data: pixelsOf(canvasOfPicture(picture), width, height) };
}

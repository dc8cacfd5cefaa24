// What the pixels of a mask file mean, by the rules of data/masks.py: most are bright on dark, others
// hold 0 and 1, or have the instance in their alpha channel.

const EXTREME = 16; // levels from black and from white that still are a mask's, not a photo's
const NEARLY_ALL = 0.9;

// RGBA as a mask: 1 where the instance is. That is where the picture is opaque, or, where it is
// opaque everywhere or nowhere, where it is bright. What is opaque may itself be a mask, white on black.
export function maskFrom(data) {
  const alpha = channel(data, (i) => data[i + 3]);
  const levels = channel(data, (i) => Math.max(data[i], data[i + 1], data[i + 2]));
  const opaque = above(alpha, alpha.every((value) => value <= 127) && holdsTwo(alpha) ? 0 : 127);
  if (opaque.every(Boolean) || !opaque.some(Boolean)) return byBrightness(levels);
  if (!isMask(levels.filter((_, i) => opaque[i]))) return opaque;
  return opaque.map((on, i) => on && Number(levels[i] > 127));
}

const channel = (data, value) => Uint8Array.from({ length: data.length / 4 }, (_, i) => value(4 * i));
const above = (values, level) => values.map((value) => Number(value > level));

// Where it is bright; where it is nowhere, by its two values.
function byBrightness(levels) {
  const mask = above(levels, 127);
  return !mask.some(Boolean) && holdsTwo(levels) ? above(levels, 0) : mask;
}

// Whether there is one value besides 0; or 1 alone, of a mask of the whole picture.
function holdsTwo(values) {
  const most = values.reduce((a, b) => Math.max(a, b), 0);
  if (most === 1 && values.every((value) => value === 1)) return true;
  return most > 0 && values.includes(0) && values.every((value) => value === 0 || value === most);
}

// Whether these are the levels of a mask, nearly all black or white, and not of a photo.
function isMask(levels) {
  const black = levels.filter((level) => level < EXTREME).length;
  const white = levels.filter((level) => level > 255 - EXTREME).length;
  return black > 0 && white > 0 && (black + white) / levels.length >= NEARLY_ALL;
}

// Outlines of masks, drawn finer than their pixels.

const SIDE = 1024; // pixels of the longer side

// Lines along the edges of masks, [mask, colour] each.
export function outline(canvas, { width, height }, masks) {
  const scale = Math.max(1, Math.floor(SIDE / Math.max(width, height)));
  canvas.width = width * scale;
  canvas.height = height * scale;
  const context = canvas.getContext("2d");
  context.lineCap = "square";
  for (const [mask, color] of masks) {
    const path = edgesOf(mask, width, height, scale);
    for (const [style, wide] of [["#000", 2], [color, 1]]) {
      context.strokeStyle = style;
      context.lineWidth = wide * Math.max(canvas.width, canvas.height) / 250;
      context.stroke(path);
    }
  }
}

function edgesOf(mask, width, height, scale) {
  const path = new Path2D();
  const edge = (x1, y1, x2, y2) => { path.moveTo(x1 * scale, y1 * scale); path.lineTo(x2 * scale, y2 * scale); };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      if (!mask[i]) continue;
      if (x === 0 || !mask[i - 1]) edge(x, y, x, y + 1);
      if (x === width - 1 || !mask[i + 1]) edge(x + 1, y, x + 1, y + 1);
      if (y === 0 || !mask[i - width]) edge(x, y, x + 1, y);
      if (y === height - 1 || !mask[i + width]) edge(x, y + 1, x + 1, y + 1);
    }
  }
  return path;
}

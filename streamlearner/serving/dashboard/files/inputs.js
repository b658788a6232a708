/* Inputs as the daemon gives them, {b64, shape, dtype}, drawn: pictures as pixels, feature vectors as profiles. */
import { make } from "./format.js";

export function decoded({ b64, shape, dtype }) {
  const bytes = Uint8Array.from(atob(b64), (letter) => letter.charCodeAt(0));
  return {
    shape,
    isPicture: shape.length > 1,
    values: dtype === "uint8" ? bytes : new Float32Array(bytes.buffer),
  };
}

/* [height, width], or with channels: three are colours, of any other number the first is shown */
export function picture({ shape: [height, width, channels = 1], values }, { side } = {}) {
  const canvas = make("canvas", { width, height }),
    context = canvas.getContext("2d"),
    image = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = values[channels * i + (channels === 3 ? c : 0)];
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  if (side)
    [canvas.style.width, canvas.style.height] = [side + "px", Math.round((side * height) / width) + "px"];
  return canvas;
}

export function spread(vectors) {
  const count = vectors.length,
    length = vectors[0].length,
    mean = new Float64Array(length),
    deviation = new Float64Array(length);
  for (const vector of vectors)
    vector.forEach((value, i) => {
      mean[i] += value / count;
    });
  for (const vector of vectors)
    vector.forEach((value, i) => {
      deviation[i] += (value - mean[i]) ** 2 / count;
    });
  return { mean, deviation: deviation.map(Math.sqrt) };
}

/* means as a line, one deviation to both sides as a band; `low` and `high` are common to all that are compared */
export function profile({ mean, deviation }, { low, high, width = 300, height = 90 }) {
  const canvas = make("canvas", { name: "profile", width, height }),
    context = canvas.getContext("2d");
  const style = getComputedStyle(document.documentElement),
    colour = style.getPropertyValue("--main");
  const x = (i) => 2 + (width - 4) * (mean.length > 1 ? i / (mean.length - 1) : 0.5),
    y = (value) => height - 3 - ((height - 6) * (value - low)) / (high - low || 1);
  context.strokeStyle = context.fillStyle = colour;
  context.globalAlpha = 0.25;
  context.beginPath();
  mean.forEach((value, i) => context.lineTo(x(i), y(value + deviation[i])));
  for (let i = mean.length - 1; i >= 0; i--) context.lineTo(x(i), y(mean[i] - deviation[i]));
  context.fill();
  context.globalAlpha = 1;
  context.lineWidth = 1.5;
  context.beginPath();
  mean.forEach((value, i) => context.lineTo(x(i), y(value)));
  context.stroke();
  return canvas;
}

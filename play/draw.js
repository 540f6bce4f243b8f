// The pictures of training: where the classes part, the cost, and the network.
import { colour, context, css, heat, mix, short } from "play/theme.js";

const GRID = 56;
const CLASSES = ["blue", "orange", "green", "purple", "red", "teal", "brown", "pink", "olive", "grey"];
export const classColour = (c) => colour(CLASSES[c % CLASSES.length]);

// The part of the plane that the points cover, with a margin.
function range(rows, column) {
  let [low, high] = [Infinity, -Infinity];
  for (const row of rows) [low, high] = [Math.min(low, row[column]), Math.max(high, row[column])];
  const margin = 0.15 * (high - low) || 1;
  return [low - margin, high + margin];
}

// A symbol of its own for each class: colour alone does not tell everybody.
function symbol(c, kind, x, y, r) {
  c.beginPath();
  if (kind % 3 === 0) c.arc(x, y, r, 0, 7);
  else if (kind % 3 === 1) c.rect(x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r);
  else {
    c.moveTo(x, y - 1.2 * r);
    c.lineTo(x + 1.1 * r, y + 0.8 * r);
    c.lineTo(x - 1.1 * r, y + 0.8 * r);
    c.closePath();
  }
  c.fill();
  c.stroke();
}

// What the network says of every place of the plane; kept while the model is.
export class Plane {
  constructor(model) {
    this.model = model;
    const { engine, data } = model;
    const { rows } = data;
    this.x = range(rows, 0);
    this.flat = data.inputs === 1;
    if (this.flat) {
      this.y = range(data.targets ? data.targets.map((t) => [t]) : data.classes.map((t) => [t]), 0);
    } else {
      this.y = range(rows, 1);
    }
    const at = ([low, high], k, count) => low + ((k + 0.5) / count) * (high - low);
    const places = [];
    if (this.flat) for (let k = 0; k < 200; k++) places.push(at(this.x, k, 200));
    else {
      for (let i = 0; i < GRID; i++) {
        for (let j = 0; j < GRID; j++) places.push(at(this.x, j, GRID), at(this.y, GRID - 1 - i, GRID));
      }
      this.image = new ImageData(GRID, GRID);
      this.small = Object.assign(document.createElement("canvas"), { width: GRID, height: GRID });
    }
    const count = places.length / data.inputs;
    this.grid = engine.matrix(count, data.inputs, places);
    this.out = engine.matrix(count, model.sizes.at(-1));
    if (data.targets) this.span = [Math.min(...data.targets), Math.max(...data.targets)];
  }

  close() {
    this.grid.release();
    this.out.release();
  }

  // The colour of every place: between those of two classes, or more of that of the largest output.
  shade({ data, cols }) {
    const pixels = this.image.data;
    const ground = colour("bg");
    const palette = Array.from({ length: Math.max(2, cols) }, (_, k) => classColour(k));
    const [low, wide] = this.span ? [this.span[0], this.span[1] - this.span[0] || 1] : [0, 1];
    for (let n = 0; n < GRID * GRID; n++) {
      let [from, to, t] = [palette[0], palette[1], 0];
      if (cols === 1) t = (data[n] - low) / wide;
      else if (cols === 2) t = 0.5 + (data[2 * n + 1] - data[2 * n]) / 2;
      else {
        const best = this.model.classOf({ data, cols }, n);
        [from, to, t] = [ground, palette[best], data[n * cols + best]];
      }
      t = t > 0 ? Math.min(1, t) : 0;
      for (let k = 0; k < 3; k++) {
        pixels[4 * n + k] = 0.5 * ground[k] + 0.5 * (from[k] + (to[k] - from[k]) * t);
      }
      pixels[4 * n + 3] = 255;
    }
  }

  draw(canvas) {
    const { c, width, height } = context(canvas);
    if (!width || !height) return;
    const out = this.model.net.predict(this.grid, this.out);
    if (this.flat) return this.curve(c, width, height, out);
    this.shade(out);
    this.small.getContext("2d").putImageData(this.image, 0, 0);
    c.imageSmoothingEnabled = true;
    c.drawImage(this.small, 0, 0, width, height);
    c.drawImage(this.pointsOn(canvas), 0, 0, width, height);
  }

  // The points do not move: they are drawn once for a size and a set of colours.
  pointsOn({ width: w, height: h, clientWidth, clientHeight }) {
    const key = `${w} ${h} ${colour("bg")}`;
    if (this.layer?.key !== key) {
      const canvas = Object.assign(document.createElement("canvas"), { width: w, height: h });
      const c = canvas.getContext("2d");
      c.scale(w / clientWidth, h / clientHeight);
      this.points(c, clientWidth, clientHeight);
      this.layer = { key, canvas };
    }
    return this.layer.canvas;
  }

  points(c, width, height) {
    const { data } = this.model;
    const r = data.rows.length > 100 ? 3.2 : data.rows.length > 12 ? 4.5 : 7;
    c.lineWidth = 1;
    c.strokeStyle = css(colour("bg"));
    const kinds = data.classes ?? data.targets;
    data.rows.forEach((row, n) => {
      const x = ((row[0] - this.x[0]) / (this.x[1] - this.x[0])) * width;
      const y = height - ((row[1] - this.y[0]) / (this.y[1] - this.y[0])) * height;
      if (data.classes) {
        c.fillStyle = css(mix(classColour(kinds[n]), colour("text"), 0.25));
        symbol(c, kinds[n], x, y, r);
      } else {
        const [low, high] = this.span;
        c.fillStyle = css(mix(classColour(0), classColour(1), (kinds[n] - low) / (high - low || 1)));
        symbol(c, 0, x, y, r);
      }
    });
  }

  // One input: the output as a curve over it.
  curve(c, width, height, out) {
    const place = (value) => height - ((value - this.y[0]) / (this.y[1] - this.y[0])) * height;
    c.strokeStyle = css(colour("orange"));
    c.lineWidth = 2.5;
    c.beginPath();
    for (let k = 0; k < this.grid.rows; k++) {
      c.lineTo(((k + 0.5) / this.grid.rows) * width, place(out.data[k * out.cols + out.cols - 1]));
    }
    c.stroke();
    const { data } = this.model;
    c.fillStyle = css(colour("blue"));
    c.strokeStyle = css(colour("bg"));
    c.lineWidth = 1;
    data.rows.forEach((row, n) => {
      const x = ((row[0] - this.x[0]) / (this.x[1] - this.x[0])) * width;
      symbol(c, 0, x, place((data.targets ?? data.classes)[n]), 4.5);
    });
  }
}

// The cost of every epoch, as a curve from 0 on.
export function drawCost(canvas, { costs, epoch, epochCost }) {
  const { c, width, height } = context(canvas);
  const [bottom, top] = [20, 12];
  const points = epochCost === null ? [] : [...costs, epochCost];
  canvas.ariaLabel = `The cost of each epoch: ${points.length
    ? `${short(points[0], 3)} in the first, ${short(epochCost, 3)} in the last` : "none yet"}`;
  const most = Math.max(1e-30, ...points.filter(Number.isFinite));
  c.font = "12px system-ui, sans-serif";
  if (!points.length) {
    c.fillStyle = css(colour("muted"));
    c.textAlign = "center";
    c.fillText("no epoch yet", width / 2, height / 2);
    return;
  }
  const labels = [0, 0.5, 1].map((part) => short(part * most, 2));
  const left = 8 + Math.max(...labels.map((label) => c.measureText(label).width));
  const y = (value) => top + (1 - value / most) * (height - top - bottom);
  c.fillStyle = css(colour("muted"));
  c.strokeStyle = css(colour("line"));
  c.lineWidth = 1;
  labels.forEach((label, k) => {
    const at = y((k / 2) * most);
    c.beginPath();
    c.moveTo(left, at);
    c.lineTo(width, at);
    c.stroke();
    c.textAlign = "right";
    c.fillText(label, left - 4, at + 4);
  });
  c.textAlign = "left";
  c.fillText("epoch 1", left, height - 5);
  c.textAlign = "right";
  c.fillText(String(Math.max(1, epoch)), width - 4, height - 5);
  c.strokeStyle = css(colour("accent"));
  c.lineWidth = 2;
  c.lineJoin = "round";
  c.beginPath();
  const last = Math.max(1, points.length - 1);
  // A single one is a short line of its own.
  if (points.length === 1) c.lineTo(left + 6, y(points[0]));
  points.forEach((value, k) => c.lineTo(left + (k / last) * (width - left - 4), y(value)));
  c.stroke();
}

const SHOWN = 16; // units of a layer

// The layers as columns of units; weights as lines, blue above 0 and orange below.
export function drawNetwork(canvas, model) {
  const { c, width, height } = context(canvas);
  const { sizes } = model;
  const x = (m) => 22 + (m / (sizes.length - 1)) * (width - 44);
  const shown = sizes.map((size) => Math.min(size, SHOWN));
  const y = (m, k) => 8 + ((k + 0.5) / shown[m]) * (height - 34);
  for (let m = 1; m < sizes.length; m++) {
    const W = model.net.view("W", m);
    const { data, down, across } = W;
    let most = 1e-9;
    for (let i = 0; i < shown[m]; i++) {
      for (let j = 0; j < shown[m - 1]; j++) most = Math.max(most, Math.abs(data[i * down + j * across]));
    }
    for (let i = 0; i < shown[m]; i++) {
      for (let j = 0; j < shown[m - 1]; j++) {
        const w = data[i * down + j * across];
        const strength = Math.abs(w) / most;
        if (strength < 0.04) continue;
        c.strokeStyle = css(colour(w < 0 ? "orange" : "blue"), 0.15 + 0.85 * strength);
        c.lineWidth = 0.3 + 2.4 * strength;
        c.beginPath();
        c.moveTo(x(m - 1), y(m - 1, j));
        c.lineTo(x(m), y(m, i));
        c.stroke();
      }
    }
  }
  c.font = "12px system-ui, sans-serif";
  sizes.forEach((size, m) => {
    const r = Math.min(7, (height - 34) / shown[m] / 2.4);
    for (let k = 0; k < shown[m]; k++) {
      c.beginPath();
      c.arc(x(m), y(m, k), r, 0, 7);
      c.fillStyle = css(colour("card"));
      c.fill();
      c.strokeStyle = css(colour("text"));
      c.lineWidth = 1.2;
      c.stroke();
    }
    c.fillStyle = css(colour("muted"));
    c.textAlign = m === 0 ? "left" : m === sizes.length - 1 ? "right" : "center";
    const at = m === 0 ? 2 : m === sizes.length - 1 ? width - 2 : x(m);
    c.fillText(size > SHOWN ? `${SHOWN} of ${size}` : String(size), at, height - 6);
  });
}

// 64 pixels of a digit.
export function drawDigit(canvas, pixels) {
  const { c, width, height } = context(canvas);
  const [ground, ink] = [colour("card"), colour("text")];
  for (let k = 0; k < 64; k++) {
    c.fillStyle = css(mix(ground, ink, pixels[k]));
    c.fillRect(((k % 8) * width) / 8, (Math.floor(k / 8) * height) / 8, width / 8 + 0.5, height / 8 + 0.5);
  }
}
export { heat };

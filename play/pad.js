// A digit drawn with finger, pen, mouse or keys, made into 8 × 8 pixels as the data set's are: the
// drawing is fitted into a square of 32 × 32 dots, and each pixel counts those of a 4 × 4 block.
import { drawDigit } from "play/draw.js";
import { colour, context, css, onTheme } from "play/theme.js";

const $ = (selector) => document.querySelector(selector);
const SIZE = 64; // cells of the drawing, a side
const BRUSH = 3.4;

export class Pad {
  constructor(app) {
    this.app = app;
    this.ink = new Uint8Array(SIZE * SIZE);
    this.cursor = [SIZE / 2, SIZE / 2];
    const canvas = $("#pad");
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.last = null;
      this.point(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.buttons) this.point(event);
    });
    canvas.addEventListener("keydown", (event) => this.key(event));
    $("#pad-clear").addEventListener("click", () => this.clear());
    $("#pad-add").addEventListener("click", () => this.add());
    $("#pad-look").addEventListener("click", () => this.look());
    $("#pad-label").replaceChildren(...[..."0123456789"].map((d) => new Option(d, d)));
    $("#pad-label").addEventListener("change", () => (this.isLabelled = true));
    onTheme(() => this.draw());
  }

  point(event) {
    const box = $("#pad").getBoundingClientRect();
    const place = [
      ((event.clientX - box.left) / box.width) * SIZE, ((event.clientY - box.top) / box.height) * SIZE,
    ];
    const from = this.last ?? place;
    const parts = Math.ceil(Math.hypot(place[0] - from[0], place[1] - from[1])) || 1;
    for (let k = 1; k <= parts; k++) {
      this.dab(from[0] + ((place[0] - from[0]) * k) / parts, from[1] + ((place[1] - from[1]) * k) / parts);
    }
    this.last = place;
    this.changed();
  }

  dab(x, y) {
    const [left, top] = [Math.floor(x - BRUSH), Math.floor(y - BRUSH)];
    for (let i = top; i <= y + BRUSH; i++) {
      for (let j = left; j <= x + BRUSH; j++) {
        const inside = i >= 0 && j >= 0 && i < SIZE && j < SIZE;
        if (inside && Math.hypot(j - x, i - y) <= BRUSH) this.ink[i * SIZE + j] = 1;
      }
    }
  }

  // Arrows move, and with the space bar held down or with Shift they draw.
  key(event) {
    const step = { ArrowUp: [0, -4], ArrowDown: [0, 4], ArrowLeft: [-4, 0], ArrowRight: [4, 0] }[event.key];
    if (!step && event.key !== " ") return;
    event.preventDefault();
    const from = [...this.cursor];
    if (step) this.cursor = this.cursor.map((at, k) => Math.min(SIZE - 4, Math.max(4, at + step[k])));
    if (event.key === " " || event.shiftKey) {
      for (let k = 0; k <= 4; k++) {
        this.dab(from[0] + ((this.cursor[0] - from[0]) * k) / 4, from[1] + ((this.cursor[1] - from[1]) * k) / 4);
      }
    }
    this.changed();
  }

  clear() {
    this.ink.fill(0);
    this.isLabelled = false;
    this.changed();
  }

  // The 64 pixels in 0..1, or null where nothing is drawn.
  pixels() {
    const inked = [];
    this.ink.forEach((on, k) => on && inked.push([Math.floor(k / SIZE), k % SIZE]));
    if (!inked.length) return null;
    const rows = inked.map(([i]) => i), columns = inked.map(([, j]) => j);
    const [top, bottom] = [Math.min(...rows), Math.max(...rows)];
    const [left, right] = [Math.min(...columns), Math.max(...columns)];
    // The height fills the square; the width keeps its proportion, in the middle.
    const scale = Math.max(bottom - top + 1, right - left + 1) / 32;
    const shift = [(top + bottom + 1) / 2 - 16 * scale, (left + right + 1) / 2 - 16 * scale];
    const pixels = new Array(64).fill(0);
    for (let i = 0; i < 32; i++) {
      for (let j = 0; j < 32; j++) {
        const [y, x] = [Math.floor(shift[0] + (i + 0.5) * scale), Math.floor(shift[1] + (j + 0.5) * scale)];
        if (y < 0 || x < 0 || y >= SIZE || x >= SIZE || !this.ink[y * SIZE + x]) continue;
        pixels[8 * Math.floor(i / 4) + Math.floor(j / 4)] += 1 / 16;
      }
    }
    return pixels;
  }

  changed() {
    this.draw();
    this.predict();
  }

  draw() {
    const { c, width } = context($("#pad"));
    if (!width) return;
    const cell = width / SIZE;
    c.fillStyle = css(colour("text"));
    this.ink.forEach((on, k) => {
      if (on) c.fillRect((k % SIZE) * cell, Math.floor(k / SIZE) * cell, cell + 0.5, cell + 0.5);
    });
    if (document.activeElement === $("#pad")) {
      c.strokeStyle = css(colour("accent"));
      c.lineWidth = 2;
      c.strokeRect((this.cursor[0] - 3) * cell, (this.cursor[1] - 3) * cell, 6 * cell, 6 * cell);
    }
    drawDigit($("#pad-small"), this.pixels() ?? new Array(64).fill(0));
  }

  // What the network takes the drawing for.
  predict() {
    const { model } = this.app;
    if (model?.data.name !== "digits") return;
    const pixels = this.pixels();
    for (const id of ["#pad-add", "#pad-look"]) $(id).disabled = !pixels;
    if (!pixels) {
      $("#pad-said").textContent = "Draw a digit: large, with one finger.";
      $("#pad-bars").replaceChildren();
      return;
    }
    this.x ??= model.engine.matrix(1, 64);
    this.x.data.set(pixels);
    const out = model.engine.matrix(1, 10);
    model.net.predict(this.x, out);
    const values = Array.from(out.data);
    const best = model.classOf(out, 0);
    out.release();
    // What it is, until somebody says otherwise.
    if (!this.isLabelled) $("#pad-label").value = best;
    const most = Math.max(1e-9, ...values.map(Math.abs));
    $("#pad-said").textContent = model.epoch === 0
      ? `An untrained network takes it for a ${best}: train it first.` : `It looks like a ${best} to the network.`;
    $("#pad-bars").replaceChildren(...values.map((value, k) => {
      const item = document.createElement("li");
      item.innerHTML = `<span>${k}</span><div class="time-bar" style="width:${(80 * Math.abs(value)) / most}%"></div>`;
      item.ariaLabel = `${k}: ${value.toFixed(2)}`;
      return item;
    }));
  }

  // The drawing becomes one more example to train on.
  add() {
    const pixels = this.pixels();
    if (!pixels) return;
    this.app.settings.drawn.push([pixels, Number($("#pad-label").value)]);
    this.app.rebuild().then(() => {
      $("#said").textContent =
        `Your ${$("#pad-label").value} is one of ${this.app.model.count} examples now; training begins anew.`;
    });
  }

  // The drawing goes through both passes, to be looked at.
  look() {
    const { model } = this.app;
    const label = Number($("#pad-label").value);
    model.look(this.pixels(), Array.from({ length: 10 }, (_, k) => (k === label ? 1 : 0)));
    this.app.tabs.openName("inside");
  }
}

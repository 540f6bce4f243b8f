// One weight is moved: what C does, beside what the gradient foretold. A copy of the network is asked.
import { colour, context, css, onTheme, short } from "play/theme.js";

const $ = (selector) => document.querySelector(selector);
const PLACES = 61;
const STEPS = 200; // of the slider, on either side

export class Slider {
  constructor(app) {
    this.app = app;
    $("#slider").addEventListener("input", () => this.moved());
    $("#keep").addEventListener("click", () => this.keep());
    $("#put-back").addEventListener("click", () => this.put());
    $("#close-slider").addEventListener("click", () => this.close());
    onTheme(() => this.chosen && this.draw());
  }

  choose(what, m, i, j) {
    this.chosen = { what, m, i, j };
    $("#move").hidden = false;
    this.begin();
    $("#slider").focus({ preventScroll: true });
    $("#move").scrollIntoView({ block: "nearest" });
  }

  // C with the chosen weight at `value`; the probe is a copy.
  at(value) {
    const { what, m, i, j } = this.chosen;
    this.probe.view(what, m).set(i, j, value);
    this.probe.forward(this.model.now.x);
    return this.probe.backward(this.model.now.y);
  }

  begin() {
    const { what, m, i, j } = this.chosen;
    this.model = this.app.model;
    this.pass = this.model.now;
    this.steps = this.model.steps;
    const { net } = this.model;
    this.value = net.view(what, m).get(i, j);
    this.slope = net.view(`grad_${what}`, m).get(i, j);
    this.probe?.close();
    this.probe = net.copy();
    this.cost = this.at(this.value);
    const reach = Math.max(1, 1.5 * Math.abs(this.value));
    this.range = [this.value - reach, this.value + reach];
    this.curve = Array.from({ length: PLACES }, (_, k) => {
      const w = this.range[0] + (k / (PLACES - 1)) * 2 * reach;
      try {
        return [w, this.at(w)];
      } catch {
        return [w, NaN];
      }
    });
    const slider = $("#slider");
    // Whole steps from the old value: there the move is 0 exactly.
    Object.assign(slider, { min: -STEPS, max: STEPS, step: 1, value: 0 });
    this.unit = reach / STEPS;
    const place = what === "W" ? `${i + 1}, ${j + 1}` : i + 1;
    $("#move-name").textContent = `${what}(${m})[${place}]`;
    this.moved();
  }

  moved() {
    const by = Number($("#slider").value) * this.unit;
    const value = this.value + by;
    $("#slider").ariaValueText = short(value, 4);
    let cost = NaN;
    this.app.attempt(() => (cost = this.at(value)));
    this.now = [value, cost];
    $("#move-value").textContent = `${short(this.value, 4)} → ${short(value, 4)}`;
    $("#move-cost").textContent = `${short(this.cost, 4)} → ${short(cost, 4)}`;
    $("#move-real").textContent = short(cost - this.cost, 3);
    $("#move-foretold").textContent = short(this.slope * by, 3);
    $("#move-gradient").textContent = short(this.slope, 4);
    const off = Math.abs(cost - this.cost - this.slope * by);
    const size = Math.abs(cost - this.cost) + Math.abs(this.slope * by);
    $("#move-words").textContent = by === 0
      ? "Move the slider: first a little, then far."
      : off <= 0.1 * size ? "Near the old value the gradient foretells the change well."
        : "On this way the cost has bent: the gradient is the slope at the old value only.";
    this.draw();
  }

  draw() {
    const { c, width, height } = context($("#move-picture"));
    const costs = this.curve.map(([, cost]) => cost).filter(Number.isFinite);
    const [low, high] = [Math.min(...costs), Math.max(...costs)];
    const margin = 0.15 * (high - low) || 0.1;
    const x = (w) => 6 + ((w - this.range[0]) / (this.range[1] - this.range[0])) * (width - 12);
    const y = (cost) => height - 8 - ((cost - low + margin) / (high - low + 2 * margin)) * (height - 16);
    c.lineWidth = 2;
    c.strokeStyle = css(colour("accent"));
    c.beginPath();
    for (const [w, cost] of this.curve) if (Number.isFinite(cost)) c.lineTo(x(w), y(cost));
    c.stroke();
    c.setLineDash([6, 4]);
    c.strokeStyle = css(colour("orange"));
    c.beginPath();
    for (const w of this.range) c.lineTo(x(w), y(this.cost + this.slope * (w - this.value)));
    c.stroke();
    c.setLineDash([]);
    const dot = (w, cost, fill) => {
      c.beginPath();
      c.arc(x(w), y(cost), 5, 0, 7);
      c.fillStyle = fill;
      c.fill();
      c.strokeStyle = css(colour("text"));
      c.lineWidth = 1.5;
      c.stroke();
    };
    dot(this.value, this.cost, css(colour("card")));
    if (Number.isFinite(this.now[1])) dot(...this.now, css(colour("accent")));
  }

  keep() {
    const { what, m, i, j } = this.chosen;
    const { model } = this;
    const own = model.now.x === model.own?.x;
    model.net.view(what, m).set(i, j, this.now[0]);
    this.app.attempt(() => (own ? model.pass(model.own.x, model.own.y) : model.again()));
    this.begin();
    this.app.inside.show();
  }

  put() {
    $("#slider").value = 0;
    this.moved();
  }

  close() {
    this.chosen = null;
    this.probe?.close();
    this.probe = null;
    $("#move").hidden = true;
  }

  // The network has gone on: the same weight of the new one, or none.
  again() {
    if (!this.chosen) return;
    const { model } = this.app;
    if (this.model !== model) return this.close();
    if (this.steps !== model.steps || this.pass !== model.now) this.begin();
  }
}

// Training, and what is seen of it.
import { Plane, classColour, drawCost, drawDigit, drawNetwork } from "play/draw.js";
import { css, onTheme, reducedMotion, short } from "play/theme.js";
import { script } from "play/python.js";

const $ = (selector) => document.querySelector(selector);
const LEAD = {
  points: "A network learns to tell two kinds of points apart. Press Train, and watch the colours follow the points.",
  digits: "A network learns to read digits. Press Train, then draw one yourself.",
  own: "A network learns your numbers: write them below, under Data, and press Train.",
};
// Batches in a frame, by the choice of speed; slow: one each half a second.
const SPEED = { slow: 1, normal: 10, fast: Infinity };
const BUDGET = 6; // milliseconds of a frame, of 16, for training

export class Training {
  constructor(app) {
    Object.assign(this, { app, running: false, frames: 0, last: 0 });
    $("#run").addEventListener("click", () => (this.running ? this.stop() : this.start()));
    $("#one").addEventListener("click", () => this.one());
    $("#again").addEventListener("click", () => app.rebuild());
    $("#copy").addEventListener("click", () => this.copy());
    onTheme(() => this.draw(true));
    new ResizeObserver(() => this.draw(true)).observe($("#pictures"));
  }

  // Another model, or the same with other data.
  show() {
    const { model } = this.app;
    this.plane?.close();
    this.plane = null;
    if (model && model.data.inputs <= 2) this.plane = new Plane(model);
    $("#plane-figure").hidden = !this.plane;
    $("#digits-figure").hidden = model?.data.name !== "digits";
    $("#script").hidden = true;
    if (!model) return;
    $("#lead").textContent = LEAD[model.data.name] ?? LEAD.points;
    $("#plane-words").textContent = this.plane?.flat
      ? "The output as a curve over the input, and your points."
      : "Each place has the colour of what the network says there; symbols are the points.";
    this.legend();
    if (model.data.name === "digits") this.tiles();
    this.draw(true);
  }

  legend() {
    const { names } = this.app.model.data;
    $("#legend").replaceChildren(...(names && this.plane ? names : []).map((name, c) => {
      const item = document.createElement("li");
      item.className = `symbol-${c % 3}`;
      item.style.setProperty("--class", css(classColour(c)));
      item.textContent = `class ${name}`;
      return item;
    }));
  }

  start() {
    if (!this.app.model || this.running) return;
    this.running = true;
    this.button();
    $("#said").textContent = "";
    requestAnimationFrame((now) => this.frame(now));
  }

  stop() {
    if (!this.running) return;
    this.running = false;
    this.button();
    this.draw(true);
    $("#said").textContent = `Stopped. ${this.words()}`;
  }

  button() {
    $("#run").textContent = this.running ? "Pause" : "Train";
    $("#run").dataset.running = String(this.running);
  }

  words() {
    const { model } = this.app;
    const accuracy = model.accuracy();
    const right = Number.isNaN(accuracy) ? "" : `, ${(100 * accuracy).toFixed(1)} % right`;
    return `Epoch ${model.epoch}, cost C = ${short(model.epochCost ?? model.cost, 4)}${right}.`;
  }

  one() {
    this.stop();
    if (!this.app.model) return;
    this.app.attempt(() => this.app.model.update());
    this.draw(true);
    $("#said").textContent = this.words();
    this.app.moved();
  }

  frame(now) {
    if (!this.running) return;
    const speed = $("#speed").value;
    const waits = speed === "slow" ? 500 : reducedMotion() ? 400 : 0;
    if (now - this.last >= waits) {
      this.last = now;
      const most = SPEED[speed] * (reducedMotion() && speed !== "slow" ? 24 : 1);
      const well = this.app.attempt(() => this.app.model.train(BUDGET, most));
      if (!well) return this.stop();
      this.frames++;
      this.draw(false);
      this.app.moved();
    }
    requestAnimationFrame((time) => this.frame(time));
  }

  draw(everything) {
    const { model } = this.app;
    if (!model || $("#train").hidden) return;
    $("#epoch").textContent = model.epoch;
    $("#cost").textContent = short(model.epochCost ?? model.cost, 4);
    const slow = model.data.name === "digits" ? 15 : 4;
    if (everything || this.frames % slow === 0) {
      const accuracy = model.accuracy();
      $("#accuracy").textContent = Number.isNaN(accuracy) ? "–" : `${(100 * accuracy).toFixed(1)} %`;
      if (model.test) {
        const share = model.accuracy(model.test, model.data.test.classes);
        $("#test").textContent = `${(100 * share).toFixed(1)} %`;
        this.tiles();
      }
      $("#test-item").hidden = !model.test;
      this.app.pad?.predict();
    }
    this.plane?.draw($("#plane"));
    // What changes slowly need not be drawn in every frame.
    if (everything || this.frames % 3 === 1) drawNetwork($("#network"), model);
    if (everything || this.frames % 3 === 2) drawCost($("#curve"), model);
  }

  // Some test digits and what the network takes them for.
  tiles() {
    const { model } = this.app;
    const { rows, classes } = model.data.test;
    const list = $("#tiles");
    if (!list.children.length) {
      for (let n = 0; n < 20; n++) {
        const item = document.createElement("li");
        const canvas = Object.assign(document.createElement("canvas"), { width: 48, height: 48 });
        item.append(canvas, document.createElement("span"));
        list.append(item);
      }
    }
    model.net.predict(model.test.x, model.test.out);
    [...list.children].forEach((item, k) => {
      const said = model.classOf(model.test.out, k);
      const wrong = said !== classes[k];
      drawDigit(item.firstChild, rows[k]);
      item.classList.toggle("wrong", wrong);
      item.lastChild.textContent = wrong ? `${said} ✗` : `${said} ✓`;
      item.ariaLabel = `a ${classes[k]}, taken for a ${said}`;
    });
  }

  async copy() {
    if (!this.app.model) return;
    const text = script(this.app.model);
    $("#script").hidden = false;
    $("#script-text").textContent = text;
    try {
      await navigator.clipboard.writeText(text);
      $("#said").textContent = "The script is in the clipboard.";
    } catch {
      $("#said").textContent = "The script is below, to be copied.";
      getSelection().selectAllChildren($("#script-text"));
    }
  }
}

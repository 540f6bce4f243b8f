// Look inside: a batch on its way through forward and backward, a quantity at a time.
import { ACTIVATION, FUSED, LOSS, OPTIMIZER, ROWS } from "play/engine.js";
import { Block, Matrix } from "play/blocks.js";
import { graph } from "play/graph.js";
import { decks, fit, keepFitting, math, spoken } from "play/math.js";
import { onTheme, short } from "play/theme.js";
import { Slider } from "play/slider.js";

const $ = (selector) => document.querySelector(selector);

const WORDS = {
  z: "Each unit adds up the activations before it, each times its weight, and its bias.",
  a: "The activation function, number by number.",
  C: "How far a is from the target t: the mean over the examples.",
  grad_a_last: "How the cost changes with each output: the derivative of the loss.",
  grad_a: "Backwards through the weights: each unit collects from all units it has fed.",
  grad_z: "Back through the activation: times its slope at z, number by number.",
  grad_W: "For each weight: the gradient behind it times the activation before it.",
  grad_b: "A bias is added to z with factor 1: its gradient is that of z.",
};

// All steps of one batch, in their order; `what(m)` is written from what `reads` names.
export function steps(L) {
  const list = [];
  for (let m = 1; m <= L; m++) {
    list.push({ what: "z", m, reads: [["W", m], ["a", m - 1], ["b", m]] });
    list.push({ what: "a", m, reads: [["z", m]] });
  }
  list.push({ what: "C", m: L, reads: [["a", L], ["t", L]] });
  for (let m = L; m >= 1; m--) {
    list.push({ what: "grad_a", m, reads: m === L ? [["a", L], ["t", L]] : [["W", m + 1], ["grad_z", m + 1]] });
    list.push({ what: "grad_z", m, reads: [["grad_a", m], ["z", m]] });
    list.push({ what: "grad_W", m, reads: [["grad_z", m], ["a", m - 1]] });
    list.push({ what: "grad_b", m, reads: [["grad_z", m]] });
  }
  list.push({ what: "update", m: 0, reads: [] });
  return list;
}

// Signs stay with the matrix behind them when a line ends.
function terms(parts) {
  const list = [];
  let open = null;
  for (const part of parts) {
    const isSign = part.className === "sign";
    const closes = isSign && part.textContent === ")";
    if (!open && !closes) {
      open = document.createElement("div");
      open.className = "term";
      list.push(open);
    }
    (open ?? list.at(-1)).append(part);
    if (!isSign) open = null;
  }
  return list;
}

const name = ([what, m]) => `${what}(${m})`;

export class Inside {
  constructor(app) {
    keepFitting([$("#step-formula")]);
    Object.assign(this, { app, at: 0, blocks: [] });
    this.slider = new Slider(app);
    $("#next").addEventListener("click", () => this.go(1));
    $("#back").addEventListener("click", () => this.go(-1));
    $("#next-layer").addEventListener("click", () => this.nextLayer());
    $("#finish").addEventListener("click", () => this.finish());
    for (const id of ["#deck", "#shown"]) $(id).addEventListener("change", () => this.show());
    $("#inside").addEventListener("keydown", (event) => {
      if (event.target.matches("input, select, .matrix") || event.ctrlKey || event.metaKey) return;
      if (event.key === "n") this.go(1);
      if (event.key === "p") this.go(-1);
    });
    onTheme(() => this.show());
  }

  get deck() {
    return decks[$("#deck").value];
  }

  get step() {
    return this.list[this.at];
  }

  // The model is another, or has gone on: its batch begins again.
  moved() {
    const { model } = this.app;
    if (!model) return;
    this.list = steps(model.L);
    this.at = Math.min(this.at, this.list.length - 1);
    if (this.model !== model || this.count !== model.steps) this.at = 0;
    this.model = model;
    this.count = model.steps;
    this.examples();
    this.show();
  }

  // The choice of what is shown: the columns of the batch.
  examples() {
    const rows = this.model.now.x.rows;
    if (this.rows === rows && this.now === this.model.now) return;
    const before = this.rows === rows ? $("#shown").value : null;
    this.rows = rows;
    this.now = this.model.now;
    const options = Array.from({ length: rows }, (_, k) => new Option(`example ${k + 1}`, k));
    if (rows > 1) options.unshift(new Option(`all ${rows} examples`, "all"));
    $("#shown").replaceChildren(...options);
    $("#shown").value = before ?? (rows > 1 && rows <= 6 ? "all" : "0");
  }

  go(by) {
    if (by > 0 && this.step.what === "update") return this.finish();
    this.at = Math.min(this.list.length - 1, Math.max(0, this.at + by));
    this.show();
  }

  // To the end of the layer: its last quantity on this way.
  nextLayer() {
    const { step } = this;
    if (step.what === "update") return this.finish();
    const backward = step.what.startsWith("grad_");
    const isEnd = backward ? step.what === "grad_b" : step.what === "a" || step.what === "C";
    let to = this.at + (isEnd ? 1 : 0);
    const ends = (what) => ["a", "C", "grad_b", "update"].includes(what);
    while (!ends(this.list[to].what)) to++;
    this.at = to;
    this.show();
  }

  finish() {
    const { model } = this.app;
    const [before, rows] = [model.cost, model.rows.length];
    const ours = model.now.x === model.own?.x;
    if (!this.app.attempt(() => model.update())) return;
    this.moved();
    const same = rows === model.count && !ours;
    $("#inside-said").textContent = same
      ? `All W and b have changed. On the same examples C was ${short(before, 4)} and is now ${short(model.cost, 4)}.`
      : "All W and b have changed. This is the next batch, of other examples.";
  }

  // A quantity as a matrix with a column for each example, as the decks have it.
  matrix(what, m) {
    const { model } = this;
    if (what === "W" || what === "grad_W") {
      const view = model.net.view(what, m);
      return new Matrix(what, m, view.rows, view.cols, (i, j) => view.get(i, j));
    }
    if (what === "b" || what === "grad_b") {
      const view = model.net.view(what, m);
      return new Matrix(what, m, view.rows, 1, (i) => view.get(i, 0));
    }
    if (what === "C") return new Matrix(what, m, 1, 1, () => model.cost);
    const view = what === "t" ? model.now.y
      : what === "a" && m === 0 ? model.now.x : model.net.view(what, m);
    const all = new Matrix(what, m, view.cols, view.rows, (i, n) => view.get(n, i));
    const shown = $("#shown").value;
    return shown === "all" ? all : all.column(Number(shown));
  }

  // σ′ of a layer's z.
  slope(m) {
    const z = this.matrix("z", m);
    const values = [];
    for (let i = 0; i < z.rows; i++) for (let j = 0; j < z.cols; j++) values.push(z.at(i, j));
    const slopes = this.app.engine.activation(this.model.activations[m - 1], 1, values);
    return new Matrix("slope", m, z.rows, z.cols, (i, j) => slopes[i * z.cols + j]);
  }

  isRows(m) {
    const rule = this.app.engine.rules(ACTIVATION).find((r) => r.name === this.model.activations[m - 1]);
    return Boolean(rule.flags & ROWS);
  }

  block(matrix, { mark = "", hidden = false, title } = {}) {
    const { deck } = this;
    const { what, m } = matrix;
    const markup = title ?? math(deck.quantity(what, m, { transposed: matrix.isTransposed }));
    const isWeight = what === "W" || what === "b";
    const label = `${what === "slope" ? `slope at z(${m})` : spoken(what, m)}${matrix.isTransposed ? " transposed" : ""}`;
    const own = (i, j) => (matrix.isTransposed ? [j, i] : [i, j]);
    const block = new Block(matrix, {
      title: markup, mark, hidden, label,
      say: (i, j) => this.say(matrix, i, j, label),
      choose: isWeight ? (i, j) => this.slider.choose(what, m, ...own(i, j)) : null,
    });
    block.announce = (words) => ($("#cell").textContent = words);
    this.blocks.push(block);
    return block.element;
  }

  say(matrix, i, j, label) {
    const { what, m } = matrix;
    const value = short(matrix.at(i, j), 6);
    if (what === "W") {
      const [to, from] = matrix.isTransposed ? [j, i] : [i, j];
      return `W(${m})[${to + 1}, ${from + 1}] = ${value}: from unit ${from + 1} of layer ${m - 1} to unit ${to + 1} of layer ${m}.`;
    }
    const place = matrix.cols > 1 ? `[${i + 1}, ${j + 1}]` : matrix.rows > 1 ? `[${i + 1}]` : "";
    return `${label}${place} = ${value}`;
  }

  // The step as an equation of matrices.
  equation() {
    const { what, m, reads } = this.step;
    const of = (quantity, options) => this.block(this.matrix(...quantity), options);
    const read = { mark: "read" };
    const written = of([what, m], { mark: "written fresh" });
    const sign = (text) => {
      const element = document.createElement("span");
      element.className = "sign";
      element.innerHTML = text;
      return element;
    };
    switch (what) {
      case "z":
        return [written, sign("="), of(reads[0], read), sign("·"), of(reads[1], read), sign("+"), of(reads[2], read)];
      case "a":
        return [written, sign("="), sign(this.model.activations[m - 1]), sign("("), of(reads[0], read), sign(")")];
      case "C":
        return [written, sign("="), sign(this.model.spec.loss.name.replaceAll("_", " ")), sign("("), of(reads[0], read), sign(","), of(reads[1], read), sign(")")];
      case "grad_a":
        if (m === this.model.L) return [written, sign("from"), of(reads[0], read), sign("and"), of(reads[1], read)];
        return [written, sign("="), this.block(this.matrix(...reads[0]).transposed, read), sign("·"), of(reads[1], read)];
      case "grad_z":
        if (this.isRows(m)) return [written, sign("from"), of(reads[0], read), sign("and"), of(["a", m], read)];
        return [written, sign("="), of(reads[0], read), sign("⊙"),
          this.block(this.slope(m), { ...read, title: math(this.deck.sigma(m, true)) })];
      case "grad_W":
        return [written, sign("="), of(reads[0], read), sign("·"), this.block(this.matrix(...reads[1]).transposed, read)];
      default:
        return [written, sign("="), of(reads[0], read), sign("")];
    }
  }

  notes() {
    const { what, m } = this.step;
    const { model } = this;
    const { L } = model;
    const notes = [];
    const many = model.now.x.rows > 1;
    const one = $("#shown").value !== "all" && many;
    if (what === "grad_W" && many) {
      notes.push(one
        ? `The sum over all ${model.now.x.rows} examples of the batch; the equation shows the share of one.`
        : "The product also adds up over the examples: a column times a row for each.");
    }
    if (what === "grad_W" && this.deck.name === "two") {
      notes.push("The deck’s step (b) has a row for each input: it is the transpose of this, which has W’s shape.");
    }
    if (what === "grad_b" && many) notes.push("Added up over the examples, the columns.");
    if (what === "grad_z" && this.isRows(m)) {
      notes.push("Softmax is not elementwise: its Jacobian J stands where ⊙ σ′ stands elsewhere.");
    }
    const rule = this.app.engine.rules(LOSS).find((r) => r.name === model.spec.loss.name);
    const fused = rule.flags & FUSED && rule.canonicalOutput === model.activations[L - 1];
    if (what === "grad_z" && m === L && fused) {
      notes.push(`With ${rule.name.replaceAll("_", " ")} and ${rule.canonicalOutput} this becomes (a − t)${many ? " / N" : ""}, and the engine computes it so.`);
    }
    if (what === "grad_a" && m === L && many) notes.push("With the factor 1/N of the mean over the examples.");
    return notes;
  }

  show() {
    if ($("#inside").hidden || !this.model) return;
    const { what, m } = this.step;
    const { L } = this.model;
    const backward = what.startsWith("grad_");
    const isUpdate = what === "update";
    this.blocks = [];
    $("#step-title").textContent = isUpdate
      ? "The update"
      : `${backward ? "Backward" : "Forward"}, ${what === "C" ? "the cost" : `layer ${m}`}`;
    $("#step-count").textContent = `Step ${this.at + 1} of ${this.list.length}`;
    $("#back").disabled = this.at === 0;
    $("#next").textContent = isUpdate ? "Update" : "Next";
    $("#inside-said").textContent = "";
    const [indices, vectors] = this.deck.formula(what, {
      m, before: m - 1, after: m + 1, isLast: m === L,
      isRows: m > 0 && this.isRows(m),
    });
    const rule = this.app.engine.rules(OPTIMIZER).find((r) => r.name === this.model.spec.optimizer.name);
    $("#step-formula").innerHTML = isUpdate
      ? `<code></code>` : math(vectors, true) + (indices ? math(indices, true) : "");
    if (isUpdate) $("#step-formula code").textContent = rule.formula;
    fit($("#step-formula"));
    $("#step-words").textContent = isUpdate
      ? `Every W and b takes a step against its gradient g, by ${rule.title}.`
      : WORDS[what === "grad_a" && m === L ? "grad_a_last" : what];
    $("#step-notes").replaceChildren(...(isUpdate ? [] : this.notes()).map((words) =>
      Object.assign(document.createElement("li"), { textContent: words })));
    $("#equation").replaceChildren(...(isUpdate ? [] : terms(this.equation())));
    this.everything();
    for (const block of this.blocks) block.draw();
    this.slider.again();
  }

  // All quantities, by layers; what has not been computed yet is not shown.
  everything() {
    const done = new Set(this.list.slice(0, this.at + 1).map((s) => name([s.what, s.m])));
    const reads = new Set(this.step.reads.map(name));
    const now = name([this.step.what, this.step.m]);
    const given = (what, m) => what === "W" || what === "b" || what === "t" || name([what, m]) === "a(0)";
    const state = (what, m) => {
      const id = name([what, m]);
      if (id === now) return "written";
      if (reads.has(id)) return "read";
      return given(what, m) || done.has(id) ? "" : "pending";
    };
    $("#map").innerHTML = graph(this.model.L, this.deck.name, state,
      `The way of the batch: at ${$("#step-title").textContent}`);
    const here = $("#map .written");
    if (here) {
      const x = Number(here.querySelector("rect").getAttribute("x"));
      $("#map").scrollLeft = x - $("#map").clientWidth / 2;
    }
    const section = (title, quantities) => {
      const element = document.createElement("section");
      element.className = "layer-quantities";
      const heading = Object.assign(document.createElement("h3"), { textContent: title });
      const row = document.createElement("div");
      row.className = "blocks";
      row.append(...quantities.map(([what, m]) => {
        const mark = state(what, m);
        return this.block(this.matrix(what, m), { mark, hidden: mark === "pending" });
      }));
      element.append(heading, row);
      return element;
    };
    const { L } = this.model;
    const list = [section("Input", [["a", 0]])];
    for (let m = 1; m <= L; m++) {
      list.push(section(`Layer ${m}: ${this.model.activations[m - 1]}`,
        ["W", "b", "z", "a", "grad_a", "grad_z", "grad_W", "grad_b"].map((what) => [what, m])));
    }
    list.push(section("Target and cost", [["t", L], ["C", L]]));
    $("#everything").replaceChildren(...list);
  }
}

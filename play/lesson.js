// The lesson: deck one's five questions and deck two's steps (a) and (b), asked and not told.
// The numbers are the engine's, of a small network and one example.
import { Network } from "play/engine.js";
import { Block, Matrix } from "play/blocks.js";
import { Refused, Small, compute, markup, parse, plain } from "play/expression.js";
import { graph } from "play/graph.js";
import { PARTIAL, decks, keepFitting, math } from "play/math.js";

const $ = (selector) => document.querySelector(selector);

// D(0), D(1), D(2), of which layer 2 is the last in deck one.
const SIZES = { unequal: [3, 4, 2], square: [3, 3, 3], single: [3, 4, 1] };

const [one, two] = [decks.one, decks.two];
// Deck two's network has one output: π(M) is a number.
const fraction = (above, below) => `<mfrac><mrow>${PARTIAL}${above}</mrow><mrow>${PARTIAL}${below}</mrow></mfrac>`;
const last = two.of("z", "L", { isScalar: true });
const back = (m, index = "") => fraction(last, two.of("z", m, { index }));
const w = `<msubsup><mi>w</mi><mrow><mi>i</mi><mi>j</mi></mrow>${two.above("m")}</msubsup>`;
const GRADIENT = {
  options: ["g.T @ s", "s.T @ g", "g ⊙ s", "s @ g.T", "g @ s.T"], right: "C",
};
const MULTIPLY = "g @ s.T and s @ g.T make a table of all products, which has the answer on its diagonal; a row times a column adds everything up to one number.";

export const QUESTIONS = [
  {
    title: "The weighted sum", asks: `${math(one.of("z", "m+1"))}, without b,`,
    formula: `<mrow>${one.sum("j")}${one.of("W", "m+1", { index: "ij" })}${one.of("a", "m", { index: "j" })}</mrow>`,
    words: "Without the bias for now: a sum over j, for every unit i of layer m + 1.",
    names: { W: one.of("W", "m+1"), a: one.of("a", "m") },
    options: ["W.T @ a", "a.T @ W", "W @ a", "a @ W"], right: "C",
    why: "The sum runs over j, the second index of W: row i of W meets the column a.",
    hint: "The sum runs over the second index of W, the columns.",
  },
  {
    title: "Exercise 1: the output layer", asks: math(one.quantity("grad_z", "L")),
    formula: one.formula("grad_z", { m: "L" })[0],
    words: "No sum here: number i of one times number i of the other.",
    names: { g: one.by("a", "L"), s: one.sigma("L", true) },
    ...GRADIENT, why: "Number by number: the Hadamard product ⊙, in NumPy the sign *.", hint: MULTIPLY,
  },
  {
    title: "Exercise 2: by the activations", asks: math(one.quantity("grad_a", "m")),
    formula: one.formula("grad_a", { m: "m", after: "m+1" })[0],
    words: "Unit j of layer m has fed every unit i of layer m + 1, and collects from all of them.",
    names: { W: one.of("W", "m+1"), g: one.by("z", "m+1") },
    options: ["W.T @ g", "g.T @ W", "W @ g", "g @ W"], right: "A",
    why: "The sum runs over i, the first index of W: column j of W, which is row j of W transposed.",
    hint: "The sum runs over the first index of W, the rows.",
  },
  {
    title: "Exercise 3: by the pre-activations", asks: math(one.quantity("grad_z", "m")),
    formula: one.formula("grad_z", { m: "m" })[0],
    words: "The same step as at the output, in a hidden layer.",
    names: { g: one.by("a", "m"), s: one.sigma("m", true) },
    ...GRADIENT, why: "Number by number, as in exercise 1.", hint: MULTIPLY,
  },
  {
    title: "Exercise 4: the weights", asks: math(one.quantity("grad_W", "m")),
    formula: one.formula("grad_W", { m: "m", before: "m-1" })[0],
    words: "Every i with every j: a table with the shape of W.",
    names: { g: one.by("z", "m"), a: one.of("a", "m-1") },
    options: ["g.T @ a", "a.T @ g", "g ⊙ a", "a @ g.T", "g @ a.T"], right: "E",
    why: "A column times a row is the table of all products, the outer product: row i from g, column j from a.",
    hint: "W has a row for every unit of layer m, and a column for every unit before.",
  },
  {
    title: "Deck two, step (a)", asks: math(back("m")),
    formula: `<mrow>${back("m", "j")}<mo>=</mo>${two.sigma("m", true, "j")}${two.sum("h")}${two.of("W", "m+1", { index: "hj" })}<mo>·</mo>${back("m+1", "h")}</mrow>`,
    words: "Exercises 2 and 3 in one, in the other deck’s letters: π is z, x is a, a′ is σ′, M is L.",
    names: { s: two.sigma("m", true), W: two.of("W", "m+1"), g: back("m+1") },
    options: ["s ⊙ (W @ g)", "s.T @ (W.T @ g)", "W.T @ (s ⊙ g)", "s ⊙ (W.T @ g)", "s ⊙ (g.T @ W)"], right: "D",
    why: "The sum over h runs over the rows of W, so W is transposed; the slope of unit j stands before the sum and multiplies number by number.",
    hint: "The slope a′ belongs to layer m: it multiplies after the sum.",
  },
  {
    title: "Deck two, step (b)", asks: math(fraction(two.cost, `<msup><mi>w</mi>${two.above("m")}</msup>`)),
    formula: `<mrow>${fraction(two.cost, w)}<mo>=</mo>${fraction(two.cost, last)}<mo>·</mo>${two.of("a", "m-1", { index: "i" })}<mo>·</mo>${back("m", "j")}</mrow>`,
    words: "Here i counts the inputs and j the outputs of the layer: this table has a row for each input.",
    names: { c: fraction(two.cost, last), x: two.of("a", "m-1"), d: back("m") },
    options: ["c * (d @ x.T)", "c * (x.T @ d)", "c * (x @ d.T)", "c * (x ⊙ d)"], right: "C",
    why: "Row i from x, column j from ∂π: inputs × outputs, the transpose of the gradient of exercise 4, which has W’s shape.",
    hint: "A row for every input x, a column for every output.",
  },
];

export class Lesson {
  constructor(app) {
    Object.assign(this, { app, seed: 1, sizes: "unequal", right: new Set() });
    $("#lesson-sizes").addEventListener("change", (event) => {
      this.sizes = event.target.value;
      this.again();
    });
    $("#lesson-seed").addEventListener("click", () => {
      this.seed++;
      this.again();
    });
    for (const place of document.querySelectorAll("[data-formula]")) this.set(place);
    $("#lesson-map").innerHTML = graph(2, "one", () => "",
      "x and W(1), b(1) give z(1), then a(1), z(2), a(2) and with t the cost C; gradients go back the same way");
    this.places = QUESTIONS.map((question, k) => {
      const place = $(`[data-question="${k}"]`);
      this.build(question, k, place);
      return place;
    });
    keepFitting(document.querySelectorAll("#lesson .formulas, #lesson .option"));
  }

  // Formulas of the text.
  set(place) {
    const [deck, what, m, before, after, form] = place.dataset.formula.split(" ");
    if (form === "quantity" || form === "number") {
      place.innerHTML = math(decks[deck].quantity(what, m, form === "number" ? { index: "i" } : {}));
      return;
    }
    const [indices, vectors] = decks[deck].formula(what, { m, before, after });
    place.innerHTML = math(form === "indices" ? indices : vectors, form !== "inline");
  }

  opened() {
    if (!this.numbers) this.again();
  }

  // Numbers of the engine: one example through a small network.
  compute() {
    const [sizes, deepest] = [SIZES[this.sizes], [...SIZES[this.sizes], 1]];
    const { engine } = this.app;
    const pass = (sizes) => {
      const net = new Network(engine, {
        sizes, seed: this.seed, loss: { name: "squared_error" }, optimizer: { name: "sgd" },
        activations: sizes.slice(1).map(() => ({ name: "tanh" })),
        initializers: sizes.slice(1).map(() => ({ name: "glorot_uniform" })),
      });
      const x = engine.matrix(1, sizes[0], sizes.slice(0, 1).flatMap((n) =>
        Array.from({ length: n }, (_, k) => Math.round(100 * Math.cos(7 * this.seed + 2 * k)) / 100)));
      const y = engine.matrix(1, sizes.at(-1), Array.from({ length: sizes.at(-1) }, (_, k) => 1 - k));
      net.forward(x);
      net.backward(y);
      const all = { "a(0)": Small.of(sizes[0], 1, (i) => x.get(0, i)) };
      for (let m = 1; m < sizes.length; m++) {
        const W = net.view("W", m);
        all[`W(${m})`] = Small.of(W.rows, W.cols, (i, j) => W.get(i, j));
        for (const what of ["z", "a", "grad_z", "grad_a"]) {
          const view = net.view(what, m);
          all[`${what}(${m})`] = Small.of(view.cols, 1, (i) => view.get(0, i));
        }
        const slopes = engine.activation("tanh", 1, all[`z(${m})`].values);
        all[`s(${m})`] = new Small(slopes.length, 1, slopes);
      }
      net.close();
      x.release();
      y.release();
      return all;
    };
    const n = pass(sizes);
    const p = pass(deepest); // with one output, as deck two has it: M = 3
    const times = (a, b) => Small.of(a.rows, 1, (i) => a.values[i] * b.values[i]);
    // ∂π(3)/∂π(2), with ∂π(3)/∂π(3) = 1
    const d2 = times(p["s(2)"], p["W(3)"].T);
    const back = Small.of(p["W(2)"].cols, 1, (j) =>
      d2.values.reduce((sum, value, i) => sum + p["W(2)"].at(i, j) * value, 0));
    const d1 = times(p["s(1)"], back);
    this.numbers = [
      { W: n["W(2)"], a: n["a(1)"] },
      { g: n["grad_a(2)"], s: n["s(2)"] },
      { W: n["W(2)"], g: n["grad_z(2)"] },
      { g: n["grad_a(1)"], s: n["s(1)"] },
      { g: n["grad_z(1)"], a: n["a(0)"] },
      { s: p["s(1)"], W: p["W(2)"], g: d2 },
      { c: p["grad_z(3)"], x: p["a(0)"], d: d1 },
    ];
  }

  build(question, k, place) {
    const { names, options, title } = question;
    const trees = options.map(parse);
    place.className = "question";
    place.innerHTML = `
      <h3 id="question-${k}">${title}</h3>
      <div class="formulas">${math(question.formula, true)}</div>
      <p>${question.words}</p>
      <div class="given blocks"></div>
      <fieldset>
        <legend>Which expression is ${question.asks} for all at once?</legend>
        <div class="options">${trees.map((tree, n) => `
          <label class="option">
            <input type="radio" name="question-${k}" value="${n}">
            <b>${"ABCDE"[n]}</b> ${math(markup(tree, names))}
          </label>`).join("")}
        </div>
      </fieldset>
      <details>
        <summary>Write your own expression</summary>
        <form class="own">
          <label>As in NumPy, with ${Object.keys(names).map((name) => `<code>${name}</code>`).join(", ")}: <code>@</code> multiplies matrices, <code>*</code> or ⊙ number by number, <code>.T</code> transposes
            <input type="text" autocomplete="off" autocapitalize="off" spellcheck="false" placeholder="2 * ${Object.keys(names)[0]}">
          </label>
          <button>Try it</button>
        </form>
      </details>
      <div class="verdict" role="status"></div>`;
    place.addEventListener("change", (event) => {
      if (event.target.type === "radio") this.judge(k, trees[Number(event.target.value)]);
    });
    place.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = plain(place.querySelector("[type=text]").value);
      const letter = /^[([]?\s*([A-E])\s*[)\]:]?$/i.exec(text)?.[1].toUpperCase();
      const chosen = "ABCDE".indexOf(letter ?? "-");
      place.querySelectorAll("[type=radio]").forEach((radio, n) => (radio.checked = n === chosen));
      try {
        this.judge(k, trees[chosen] ?? parse(text));
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        this.say(k, "bad", "This cannot be read.", error.message);
      }
    });
  }

  again() {
    this.compute();
    QUESTIONS.forEach((question, k) => {
      const place = this.places[k];
      place.querySelector(".given").replaceChildren(
        ...Object.entries(this.numbers[k]).map(([name, small]) =>
          this.block(small, `<code>${name}</code> = ${math(question.names[name])}`, name)));
      const chosen = place.querySelector("[type=radio]:checked");
      place.querySelector(".verdict").replaceChildren();
      if (chosen) this.judge(k, parse(question.options[Number(chosen.value)]));
    });
  }

  block(small, title, label, mark = "") {
    const matrix = new Matrix("given", 0, small.rows, small.cols, (i, j) => small.at(i, j));
    const block = new Block(matrix, {
      title, label, mark, choose: null,
      say: (i, j) => `${label}[${i + 1}, ${j + 1}] = ${small.at(i, j).toPrecision(6)}`,
    });
    block.announce = (words) => (block.body.title = words);
    return block.element;
  }

  // What an expression gives, beside what is right.
  judge(k, tree) {
    const question = QUESTIONS[k];
    const names = this.numbers[k];
    const answer = compute(parse(question.options["ABCDE".indexOf(question.right)]), names);
    let value;
    try {
      value = compute(tree, names);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return this.say(k, "bad", "It cannot be computed.", `${error.message} ${question.hint}`);
    }
    const general = this.inGeneral(k, tree);
    if (value.sameAs(answer)) {
      if (general) {
        this.right.add(k);
        this.score();
        const after = document.querySelector(`[data-after="${k}"]`);
        if (after) after.open = true;
        return this.say(k, "good", "Right.", question.why, [["the answer", answer]]);
      }
      return this.say(k, "bad", "The right numbers, by the sizes’ chance.",
        `In these sizes it comes to the same; with unequal widths it does not. ${question.hint}`,
        [["what it gives", value], ["the answer", answer]]);
    }
    let words;
    if (value.T.sameAs(answer)) {
      words = "The right numbers, but transposed: rows and columns are exchanged.";
    } else if (value.rows !== answer.rows || value.cols !== answer.cols) {
      words = `Its shape is ${value.shape}, and it should be ${answer.shape}.`;
    } else {
      words = "The right shape with wrong numbers: the shape alone does not tell.";
    }
    this.say(k, "bad", "Not yet.", `${words} ${question.hint}`,
      [["what it gives", value], ["what it should be", answer]]);
  }

  // Whether it is right in unequal widths too.
  inGeneral(k, tree) {
    const before = [this.sizes, this.numbers];
    try {
      this.sizes = "unequal";
      this.compute();
      const right = QUESTIONS[k].options["ABCDE".indexOf(QUESTIONS[k].right)];
      return compute(tree, this.numbers[k]).sameAs(compute(parse(right), this.numbers[k]));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return false;
    } finally {
      [this.sizes, this.numbers] = before;
    }
  }

  say(k, kind, title, words, values = []) {
    const verdict = this.places[k].querySelector(".verdict");
    const heading = document.createElement("p");
    const strong = Object.assign(document.createElement("strong"), { textContent: title, className: kind });
    heading.append(strong, ` ${words}`);
    const row = document.createElement("div");
    row.className = "blocks";
    row.append(...values.map(([name, small]) => this.block(small, name, name)));
    verdict.replaceChildren(heading, row);
  }

  score() {
    $("#score").textContent = `${this.right.size} of ${QUESTIONS.length}`;
  }
}

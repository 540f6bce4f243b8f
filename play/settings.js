// The form: what data, which network, how it is trained. Every list is the engine's own.
import { ACTIVATION, LOSS, OPTIMIZER } from "play/engine.js";
import { SETS, dataset } from "play/data.js";

const $ = (selector) => document.querySelector(selector);

// Where each data set begins.
const BEGIN = {
  xor: [[4], "tanh", "binary_cross_entropy", "sgd", 1, 4],
  circles: [[8], "tanh", "binary_cross_entropy", "adam", 0.02, 20],
  spirals: [[16, 16], "tanh", "cross_entropy", "adam", 0.03, 20],
  digits: [[32], "relu", "cross_entropy", "adam", 0.002, 32],
  own: [[8], "tanh", "binary_cross_entropy", "adam", 0.02, 16],
};
const OWN = "0 0 0\n0 1 1\n1 0 1\n1 1 0\n0.5 0.5 1";

// The dots of each pixel, 0..16, of digits that were drawn.
function drawnInPython(drawn) {
  const dots = drawn.map(([pixels]) => `    [${pixels.map((value) => Math.round(16 * value)).join(", ")}],`);
  return [
    "drawn = np.array([", ...dots, "], dtype=np.float32)",
    "X = np.concatenate([X, drawn / 16])",
    `y = np.concatenate([y, [${drawn.map(([, label]) => label).join(", ")}]])`,
  ];
}

export class Settings {
  constructor(engine, changed) {
    this.engine = engine;
    this.changed = changed;
    this.drawn = []; // digits by the user: pixels and class
    this.rules = [ACTIVATION, LOSS, OPTIMIZER].map((kind) => engine.rules(kind));
    const [activations, losses, optimizers] = this.rules;
    this.fill($("#data"), Object.entries(SETS));
    this.fill($("#output"), activations.map((rule) => [rule.name, rule.name]));
    this.fill($("#loss"), losses.map((rule) => [rule.name, rule.name.replaceAll("_", " ")]));
    this.fill($("#optimizer"), optimizers.map((rule) => [rule.name, rule.name]));
    $("#own-text").value = OWN;
    $("#data").addEventListener("change", () => {
      this.begin();
      this.changed();
    });
    $("#optimizer").addEventListener("change", () => this.hyper());
    $("#loss").addEventListener("change", () => {
      $("#output").value = this.find(LOSS, $("#loss").value).canonicalOutput;
    });
    $("#own-kind").addEventListener("change", () => {
      $("#loss").value = $("#own-kind").value === "class" ? "binary_cross_entropy" : "squared_error";
      $("#output").value = this.find(LOSS, $("#loss").value).canonicalOutput;
    });
    $("#add-layer").addEventListener("click", () => {
      const last = [...$("#layers").children].at(-1);
      this.layer(8, last?.querySelector("select").value ?? "tanh");
      $("#layers").lastElementChild.querySelector("input").focus();
      this.changed();
    });
    $("#settings").addEventListener("change", () => this.changed());
    $("#settings").addEventListener("submit", (event) => event.preventDefault());
    this.begin();
  }

  fill(select, entries) {
    select.replaceChildren(...entries.map(([value, text]) => new Option(text, value)));
  }

  find(kind, name) {
    return this.rules[kind].find((rule) => rule.name === name);
  }

  begin() {
    const [units, activation, loss, optimizer, rate, batch] = BEGIN[$("#data").value];
    $("#layers").replaceChildren();
    units.forEach((count) => this.layer(count, activation));
    const isNumber = $("#data").value === "own" && $("#own-kind").value === "number";
    $("#loss").value = isNumber ? "squared_error" : loss;
    $("#output").value = this.find(LOSS, $("#loss").value).canonicalOutput;
    $("#optimizer").value = optimizer;
    this.hyper();
    $("#rate input").value = rate;
    $("#batch").value = batch;
  }

  layer(units, activation) {
    const row = $("#layer-row").content.firstElementChild.cloneNode(true);
    const number = row.querySelector("input");
    number.value = units;
    const select = row.querySelector("select");
    this.fill(select, this.rules[ACTIVATION].map((rule) => [rule.name, rule.name]));
    select.value = activation;
    row.querySelector("button").addEventListener("click", () => {
      row.remove();
      this.number();
      $("#add-layer").focus();
      this.changed();
    });
    $("#layers").append(row);
    this.number();
  }

  number() {
    [...$("#layers").children].forEach((row, k) => {
      row.querySelector("legend").textContent = `Layer ${k + 1}`;
      row.querySelector("button").ariaLabel = `Remove layer ${k + 1}`;
    });
    $("#output-name").textContent = `Layer ${$("#layers").children.length + 1}, the output`;
  }

  hyper() {
    const rule = this.find(OPTIMIZER, $("#optimizer").value);
    const [rate, ...others] = rule.parameters.map(({ name, value }) => {
      const label = document.createElement("label");
      const input = Object.assign(document.createElement("input"), {
        inputMode: "decimal", autocomplete: "off", value: String(value), name,
      });
      label.append(name === "lr" ? "Learning rate lr" : name, input);
      return label;
    });
    $("#rate").replaceChildren(rate);
    $("#hyper").replaceChildren(...others);
    $("#more").hidden = !others.length;
    $("#optimizer-formula").textContent = rule.formula;
  }

  // The fields are of text: of 0,1 in a field of numbers some browsers make 01, or nothing.
  whole(input, least, most, what) {
    const value = Number(input.value);
    if (!/^\s*\d+\s*$/.test(input.value) || value < least || value > most) {
      throw new Error(`${what} must be a whole number from ${least} to ${most}.`);
    }
    return value;
  }

  // What the form says, or an error that says what to change.
  async read() {
    const name = $("#data").value;
    for (const [selector, on] of [
      ["#cloud", name === "circles" || name === "spirals"], ["#own", name === "own"],
      ["#data-more", name !== "xor" && name !== "digits"],
    ]) $(selector).hidden = !on;
    const options = {
      count: this.whole($("#count"), 4, 1000, "The number of points"),
      noise: Number($("#noise").value),
      text: $("#own-text").value, isClass: $("#own-kind").value === "class",
    };
    const hidden = [...$("#layers").children].map((row, k) => {
      const units = this.whole(row.querySelector("input"), 1, 256, `The units of layer ${k + 1}`);
      return { units, activation: row.querySelector("select").value };
    });
    if (hidden.length > 8) throw new Error("At most 8 hidden layers are possible here.");
    const data = await dataset(name, options);
    if (name === "digits" && this.drawn.length) {
      data.rows = [...data.rows, ...this.drawn.map(([pixels]) => pixels)];
      data.classes = [...data.classes, ...this.drawn.map(([, label]) => label)];
      data.python = [...data.python, ...drawnInPython(this.drawn)];
    }
    let loss = $("#loss").value;
    if (data.names?.length > 2 && loss === "binary_cross_entropy") {
      loss = $("#loss").value = "cross_entropy";
      $("#output").value = this.find(LOSS, loss).canonicalOutput;
    }
    if (!data.classes && loss === "cross_entropy") {
      throw new Error("The loss cross entropy is for classes: choose squared error for a number.");
    }
    const parameters = [...document.querySelectorAll("#rate input, #hyper input")].map((input) => {
      // A comma is that of a decimal: the keys of some phones have no point.
      const value = input.value.trim().replace("−", "-").replace(",", ".");
      if (!/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(value)) {
        throw new Error(`${input.name} must be a number, such as 0.1.`);
      }
      input.value = value;
      return Number(value);
    });
    return {
      data,
      spec: {
        hidden, output: $("#output").value, loss: { name: loss },
        optimizer: { name: $("#optimizer").value, parameters },
        seed: this.whole($("#seed"), 0, 2 ** 31, "The seed"),
        batch: this.whole($("#batch"), 1, 2000, "The batch size"),
      },
    };
  }
}

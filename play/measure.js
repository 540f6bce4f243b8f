// Loops against matrices, in this browser: the same passes by the engine's three methods.
import { LOOPS, MATRICES, Network, VECTORS } from "play/engine.js";
import { short } from "play/theme.js";

const $ = (selector) => document.querySelector(selector);
const METHODS = [
  ["matrices", MATRICES, "the whole batch by matrix products"],
  ["vectors", VECTORS, "one example after the other, matrix times vector"],
  ["loops", LOOPS, "one number after the other, as the sums are written"],
];
const WORTH = 60; // milliseconds for each

export class Measure {
  constructor(app) {
    this.app = app;
    $("#measure-run").addEventListener("click", () => this.run());
  }

  async run() {
    const [width, depth, rows] = ["#measure-width", "#measure-depth", "#measure-rows"].map((id) =>
      Number($(id).value));
    const { engine } = this.app;
    const sizes = [width, ...Array(depth).fill(width)];
    $("#measure-run").disabled = true;
    $("#measure-said").textContent = "Measuring …";
    const net = new Network(engine, {
      sizes, seed: 1, loss: { name: "squared_error" }, optimizer: { name: "sgd" },
      activations: sizes.slice(1).map(() => ({ name: "tanh" })),
      initializers: sizes.slice(1).map(() => ({ name: "glorot_uniform" })),
    });
    const numbers = Array.from({ length: rows * width }, (_, k) => Math.sin(k));
    const x = engine.matrix(rows, width, numbers);
    const y = engine.matrix(rows, width, numbers.map(Math.abs));
    const times = [];
    for (const [, method] of METHODS) {
      await new Promise((done) => setTimeout(done, 20)); // the page stays alive
      times.push(this.time(net, x, y, method));
    }
    net.close();
    x.release();
    y.release();
    this.show(times);
    $("#measure-run").disabled = false;
  }

  // Milliseconds of forward and backward together, the least of several rounds.
  time(net, x, y, method) {
    const pass = () => {
      net.forward(x, method);
      net.backward(y, method);
    };
    pass();
    let rounds = 1, least = Infinity;
    const end = performance.now() + WORTH * 4;
    do {
      const start = performance.now();
      for (let k = 0; k < rounds; k++) pass();
      const took = performance.now() - start;
      // A browser's clock is coarse: many passes are timed at once.
      if (took < WORTH / 4) rounds *= 2;
      else least = Math.min(least, took / rounds);
    } while (performance.now() < end || least === Infinity);
    return least;
  }

  show(times) {
    const most = Math.max(...times);
    $("#measure-table tbody").replaceChildren(...METHODS.map(([name, , words], k) => {
      const row = document.createElement("tr");
      const bar = `<div class="time-bar" style="width:${Math.max(0.5, (100 * times[k]) / most)}%"></div>`;
      row.innerHTML = `<th scope="row">${name}<br><small>${words}</small></th>
        <td>${short(times[k])} ms</td><td class="times-wide">${bar}</td>`;
      return row;
    }));
    const factor = times[2] / times[0];
    $("#measure-said").textContent =
      `By matrices a pass takes ${short(times[0])} ms, by loops ${short(times[2])} ms: ` +
      `${short(factor, 2)} times as long for the same numbers.`;
    $("#measure-table").hidden = false;
  }
}

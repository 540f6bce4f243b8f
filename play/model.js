// What is trained: data, a network, and the place where training has come to.
import { ACTIVATION, Network } from "play/engine.js";
import { outputs, targets } from "play/data.js";

const MOST_COSTS = 2000; // that are kept for the curve

export class Model {
  constructor(engine, data, spec) {
    Object.assign(this, { engine, data, spec });
    const width = outputs(data, spec.loss.name);
    const layers = [...spec.hidden, { units: width, activation: spec.output }];
    const initial = Object.fromEntries(
      engine.rules(ACTIVATION).map((rule) => [rule.name, rule.defaultInitializer]));
    this.sizes = [data.inputs, ...layers.map((layer) => layer.units)];
    this.activations = layers.map((layer) => layer.activation);
    this.net = new Network(engine, {
      sizes: this.sizes, loss: spec.loss, optimizer: spec.optimizer, seed: spec.seed,
      activations: this.activations.map((name) => ({ name })),
      initializers: this.activations.map((name) => ({ name: initial[name] })),
    });
    try {
      this.views = this.load(data);
      this.count = data.rows.length;
      this.batchSize = Math.min(spec.batch, this.count);
      this.batch = {
        x: engine.matrix(this.batchSize, data.inputs), y: engine.matrix(this.batchSize, width),
      };
      this.test = data.test && this.load(data.test);
    } catch (error) {
      this.close();
      throw error;
    }
    Object.assign(this, { epoch: 0, steps: 0, next: 0, costs: [], every: 1, epochCost: null, sum: 0 });
    this.begin();
  }

  get L() {
    return this.sizes.length - 1;
  }

  // X, t and room for a(L) of data or a part of it, in the engine's memory.
  load(part) {
    const { engine, sizes } = this;
    const [rows, width] = [part.rows.length, sizes.at(-1)];
    return {
      x: engine.matrix(rows, sizes[0], part.rows.flat()),
      y: engine.matrix(rows, width, targets(this.data, part, width).flat()),
      out: engine.matrix(rows, width),
    };
  }

  close() {
    for (const part of [this.views, this.batch, this.test, this.own]) {
      for (const view of Object.values(part ?? {})) view.release();
    }
    this.net.close();
  }

  // Takes the next batch through forward and backward. Its weights are not changed yet.
  begin() {
    if (this.next === 0) this.order = this.net.order(this.count);
    const rows = this.order.slice(this.next, this.next + this.batchSize);
    for (const part of ["x", "y"]) {
      const [from, to] = [this.views[part].data, this.batch[part].data];
      const width = this.views[part].cols;
      rows.forEach((row, k) => to.set(from.subarray(row * width, row * width + width), k * width));
    }
    this.rows = rows;
    this.pass(this.batch.x.first(rows.length), this.batch.y.first(rows.length));
  }

  pass(x, y) {
    this.now = { x, y };
    this.net.forward(x);
    this.cost = this.net.backward(y);
  }

  // Again with the weights as they are: somebody changed one, or looked at other rows.
  again() {
    this.pass(this.batch.x.first(this.rows.length), this.batch.y.first(this.rows.length));
  }

  // One row of the user's own through both passes, which no step follows.
  look(row, target) {
    this.own ??= {
      x: this.engine.matrix(1, this.sizes[0]), y: this.engine.matrix(1, this.sizes.at(-1)),
    };
    this.own.x.data.set(row);
    this.own.y.data.set(target);
    this.pass(this.own.x, this.own.y);
  }

  // One update from the batch's gradients.
  update() {
    if (this.now.x === this.own?.x) this.again();
    this.net.step();
    this.steps++;
    this.sum += this.cost * this.rows.length;
    this.next += this.rows.length;
    if (this.next >= this.count) {
      this.epochCost = this.sum / this.count;
      this.remember();
      Object.assign(this, { next: 0, sum: 0, epoch: this.epoch + 1 });
    }
    this.begin();
  }

  // The cost of every epoch; of a long training, of every second one, every fourth ...
  remember() {
    if (this.epoch % this.every === 0) this.costs.push(this.epochCost);
    if (this.costs.length < MOST_COSTS) return;
    this.costs = this.costs.filter((_, k) => k % 2 === 0);
    this.every *= 2;
  }

  // Trains for about that long, and at most so many batches.
  train(milliseconds, most) {
    const end = performance.now() + milliseconds;
    for (let k = 0; k < most && (k === 0 || performance.now() < end); k++) this.update();
  }

  // The share of rows that are classified right; NaN where there are no classes.
  accuracy(part = this.views, classes = this.data.classes) {
    if (!classes) return NaN;
    const out = this.net.predict(part.x, part.out);
    const right = classes.filter((c, n) => this.classOf(out, n) === c);
    return right.length / classes.length;
  }

  classOf(out, n) {
    const { data, cols } = out;
    if (cols === 1) return data[n] >= 0.5 ? 1 : 0;
    let best = 0;
    for (let k = 1; k < cols; k++) if (data[n * cols + k] > data[n * cols + best]) best = k;
    return best;
  }
}

// The engine, by its C contract (Sources/CBridge/include/swift_backprop.h): here calls of C become
// methods, and its memory typed arrays. Nothing of it is copied.
//
// In wasm32 a pointer has 4 bytes and an int64 lies on a multiple of 8; wasm.c asserts the offsets.

export const ACTIVATION = 0, LOSS = 1, OPTIMIZER = 2, INITIALIZER = 3;
export const FUSED = 64, ROWS = 2, CLASSES = 4, PROBABILITY = 16; // of sb_rule_info.flags
export const MATRICES = 0, VECTORS = 1, LOOPS = 2;
const ABI = 8; // SB_ABI_VERSION
const FLOAT32 = 0;
const BYTES = 4;
const WHAT = { W: 2, b: 3, grad_W: 4, grad_b: 5, z: 6, a: 7, grad_z: 8, grad_a: 9 };

// What the engine says of itself; `status` is one of SB_ERROR_.
export class EngineError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// A matrix or a vector in the engine's memory: element (i, j) is data[i·down + j·across].
export class View {
  constructor(engine, pointer, rows, cols, down, across, owner) {
    Object.assign(this, { engine, pointer, rows, cols, down, across, owner });
    this.array = new Float32Array(0);
  }

  // The memory, as it is now. When WebAssembly's memory grows, arrays made before are cut off.
  get data() {
    const { buffer } = this.engine.memory;
    if (this.array.buffer !== buffer) {
      const last = Math.max(0, (this.rows - 1) * this.down + (this.cols - 1) * this.across + 1);
      this.array = new Float32Array(buffer, this.pointer, this.rows && this.cols ? last : 0);
    }
    return this.array;
  }

  get(i, j) {
    return this.data[i * this.down + j * this.across];
  }

  set(i, j, value) {
    this.data[i * this.down + j * this.across] = value;
  }

  // The first rows of it, the same memory. They end with the whole.
  first(rows) {
    return new View(this.engine, this.pointer, rows, this.cols, this.down, this.across, 0);
  }

  release() {
    this.engine.c.sb_release_owner(this.owner);
    this.owner = 0;
  }
}

// Room for the arguments of one call: structs and strings of C, all given back at once.
class Arguments {
  constructor(engine) {
    this.engine = engine;
    this.size = 1 << 14;
    this.start = engine.allocate(this.size);
    this.used = 0;
  }

  clear() {
    this.used = 0;
  }

  room(bytes) {
    const place = this.start + this.used;
    this.used += (bytes + 15) & ~15;
    if (this.used > this.size) throw new RangeError("too many arguments for one call");
    new Uint8Array(this.engine.memory.buffer, place, bytes).fill(0);
    return place;
  }

  string(text) {
    const bytes = new TextEncoder().encode(text);
    const place = this.room(bytes.length + 1);
    new Uint8Array(this.engine.memory.buffer).set(bytes, place);
    return place;
  }

  doubles(values) {
    const place = this.room(8 * values.length);
    values.forEach((value, k) => this.engine.bytes.setFloat64(place + 8 * k, value, true));
    return place;
  }

  // sb_array of a View, or NULL
  array(view) {
    if (!view) return 0;
    const place = this.room(56);
    const { bytes } = this.engine;
    bytes.setUint32(place, view.pointer, true);
    [view.rows, view.cols, BYTES * view.down, BYTES * view.across].forEach((value, k) =>
      bytes.setBigInt64(place + 8 + 8 * k, BigInt(value), true));
    bytes.setInt32(place + 40, FLOAT32, true);
    bytes.setInt32(place + 44, 2, true);
    return place;
  }

  // sb_rule {name, parameters} to `place`
  rule(place, { name, parameters }) {
    const at = [this.string(name), parameters ? this.doubles(parameters) : 0];
    at.forEach((pointer, k) => this.engine.bytes.setUint32(place + 4 * k, pointer, true));
  }
}

export class Engine {
  constructor(instance) {
    this.c = instance.exports;
    this.memory = this.c.memory;
    this.arguments = new Arguments(this);
    this.error = this.allocate(4 + 1024);
  }

  allocate(bytes) {
    const place = this.c.malloc(bytes);
    if (!place) throw new EngineError(5, "there is not enough memory in this browser");
    return place;
  }

  get bytes() {
    const { buffer } = this.memory;
    if (this.dataView?.buffer !== buffer) this.dataView = new DataView(buffer);
    return this.dataView;
  }

  text(pointer) {
    const all = new Uint8Array(this.memory.buffer);
    return new TextDecoder().decode(all.slice(pointer, all.indexOf(0, pointer)));
  }

  // Calls a fallible function, with the place of the error as its last argument.
  call(name, ...values) {
    const status = this.c[name](...values, this.error);
    if (status) throw new EngineError(status, this.text(this.error + 4));
  }

  viewAt(place) {
    const { bytes } = this;
    const size = (k) => Number(bytes.getBigInt64(place + 8 + 8 * k, true));
    const flat = bytes.getInt32(place + 40, true) === 1;
    const strides = [size(2) / BYTES, size(3) / BYTES];
    return new View(
      this, bytes.getUint32(place, true), size(0), flat ? 1 : size(1), strides[0],
      flat ? 1 : strides[1], bytes.getUint32(place + 56, true));
  }

  // A matrix of the engine's memory, filled from `values` row by row.
  matrix(rows, cols, values = null) {
    this.arguments.clear();
    const place = this.arguments.room(64);
    this.call("sb_new_matrix", FLOAT32, BigInt(rows), BigInt(cols), place);
    const view = this.viewAt(place);
    if (values) view.data.set(values);
    return view;
  }

  // All the engine knows of its activations, losses, optimizers or initializers.
  rules(kind) {
    return Array.from({ length: Number(this.c.sb_rule_count(kind)) }, (_, index) => {
      this.arguments.clear();
      const place = this.arguments.room(104);
      this.call("sb_rule_at", kind, BigInt(index), place);
      const string = (offset) => this.text(this.bytes.getUint32(place + offset, true));
      const count = this.bytes.getInt32(place + 20, true);
      return {
        name: string(0), title: string(4), formula: string(8),
        canonicalOutput: string(12), defaultInitializer: string(16),
        flags: this.bytes.getInt32(place + 24, true),
        parameters: Array.from({ length: count }, (_, k) => ({
          name: string(28 + 4 * k),
          value: this.bytes.getFloat64(place + 56 + 8 * k, true),
        })),
      };
    });
  }

  // σ of numbers, or its derivative: order 0 or 1.
  activation(name, order, values) {
    const [x, out] = [this.matrix(1, values.length, values), this.matrix(1, values.length)];
    this.arguments.clear();
    const rule = this.arguments.room(8);
    this.arguments.rule(rule, { name });
    try {
      this.call("sb_apply_activation", rule, order, FLOAT32, x.pointer, out.pointer, 1n,
        BigInt(values.length));
      return Array.from(out.data);
    } finally {
      x.release();
      out.release();
    }
  }
}

export class Network {
  // sizes: D(0)..D(L); activations and initializers: a rule {name, parameters} for each layer
  constructor(engine, { sizes, activations, initializers, loss, optimizer, seed, l2 = 0 }) {
    Object.assign(this, { engine, sizes: [...sizes], held: new Map() });
    const { arguments: room } = engine;
    room.clear();
    const layers = sizes.length - 1;
    const config = room.room(88);
    const places = { sizes: room.room(8 * sizes.length), net: room.room(4) };
    sizes.forEach((size, m) =>
      engine.bytes.setBigInt64(places.sizes + 8 * m, BigInt(size), true));
    const rules = [activations, initializers].map((list) => {
      const place = room.room(8 * layers);
      list.forEach((rule, k) => room.rule(place + 8 * k, rule));
      return place;
    });
    room.rule(config + 28, loss);
    room.rule(config + 36, optimizer);
    const { bytes } = engine;
    bytes.setUint32(config, places.sizes, true);
    bytes.setBigInt64(config + 8, BigInt(layers), true);
    rules.forEach((place, k) => bytes.setUint32(config + 16 + 4 * k, place, true));
    bytes.setFloat64(config + 56, l2, true);
    bytes.setBigUint64(config + 72, BigInt(seed), true);
    bytes.setInt32(config + 80, FLOAT32, true);
    engine.call("sb_create_net", config, places.net);
    this.net = engine.bytes.getUint32(places.net, true); // memory may have grown
  }

  get layers() {
    return this.sizes.length - 1;
  }

  copy() {
    const { engine } = this;
    engine.arguments.clear();
    const place = engine.arguments.room(4);
    engine.call("sb_copy_net", this.net, place);
    const net = engine.bytes.getUint32(place, true);
    return Object.assign(Object.create(Network.prototype), {
      engine, sizes: [...this.sizes], held: new Map(), net,
    });
  }

  close() {
    this.letGo();
    this.engine.c.sb_destroy_net(this.net);
    this.net = 0;
  }

  letGo() {
    for (const view of this.held.values()) view.release();
    this.held.clear();
  }

  // z, a and the gradients of a pass are kept until the next one.
  forward(x, method = MATRICES) {
    this.letGo();
    this.engine.arguments.clear();
    this.engine.call("sb_forward_by", this.net, this.engine.arguments.array(x), method, 0);
  }

  // The gradients of C, which is returned.
  backward(y, method = MATRICES) {
    this.letGo();
    const { arguments: room } = this.engine;
    room.clear();
    const loss = room.room(8);
    this.engine.call("sb_backward_by", this.net, room.array(y), 0, 0, method, loss);
    return this.engine.bytes.getFloat64(loss, true);
  }

  step() {
    this.engine.call("sb_step", this.net);
  }

  // One of WHAT, of layer m: a View of the engine's own memory, until the next pass.
  view(what, m) {
    const name = `${what}(${m})`;
    let view = this.held.get(name);
    if (!view) {
      this.engine.arguments.clear();
      const place = this.engine.arguments.room(64);
      this.engine.call("sb_get_view", this.net, WHAT[what], BigInt(m), place);
      view = this.engine.viewAt(place);
      this.held.set(name, view);
    }
    return view;
  }

  // a(L) of every row of x, into `out`.
  predict(x, out) {
    this.engine.arguments.clear();
    const place = this.engine.arguments.array(x);
    this.engine.call("sb_predict", this.net, place, 0n, BigInt(x.rows), out.pointer);
    return out;
  }

  // The order of `count` rows in the next epoch, as `fit` draws it.
  order(count) {
    const place = this.engine.allocate(4 * count);
    try {
      this.engine.call("sb_draw_order", this.net, place, BigInt(count));
      return new Int32Array(this.engine.memory.buffer, place, count).slice();
    } finally {
      this.engine.c.free(place);
    }
  }

  // The engine's own training over epochs.
  fit(x, y, { epochs, batchSize, shuffle = true }) {
    const { engine, engine: { arguments: room } } = this;
    this.letGo();
    room.clear();
    const config = room.room(80), fit = room.room(4), progress = room.room(40);
    const arrays = [x, y].map((view) => room.array(view));
    const { bytes } = engine;
    arrays.forEach((place, k) => bytes.setUint32(config + 4 * k, place, true));
    bytes.setBigInt64(config + 24, BigInt(epochs), true);
    bytes.setBigInt64(config + 32, BigInt(batchSize), true);
    bytes.setInt32(config + 40, shuffle ? 1 : 0, true);
    engine.call("sb_fit_begin", this.net, config, fit);
    const session = engine.bytes.getUint32(fit, true);
    try {
      do {
        engine.call("sb_fit_run", session, 50_000_000n, progress);
      } while (!engine.bytes.getInt32(progress + 32, true));
    } finally {
      engine.c.sb_fit_end(session);
    }
  }
}

// The engine: from engine.wasm beside the page, or from what offline.js has of it.
export async function load(file) {
  const imports = { page: { now: () => performance.now() } };
  const bytes = await file("engine.wasm");
  const { instance } = await WebAssembly.instantiate(bytes, imports);
  const engine = new Engine(instance);
  if (engine.c.sb_abi_version() !== ABI) throw new Error("this page is made for another engine");
  return engine;
}

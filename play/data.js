// Data to train on. Points are drawn by a generator that is written in the copied Python script too.
import { file } from "play/files.js";

// A linear congruential generator of 32 bits: the same numbers in every language.
function* uniform(seed) {
  for (let state = seed >>> 0; ; ) {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

const rounded = (value) => Math.round(value * 1e4) / 1e4;

function points(count, noise, place) {
  const numbers = uniform(1);
  const draw = () => numbers.next().value;
  const rows = [], classes = [];
  for (let n = 0; n < count; n++) {
    const [along, first, second] = [draw(), draw(), draw()];
    const [radius, angle] = place(along, n % 2);
    rows.push([
      rounded(radius * Math.cos(angle) + noise * (first - 0.5)),
      rounded(radius * Math.sin(angle) + noise * (second - 0.5)),
    ]);
    classes.push(n % 2);
  }
  return { rows, classes, names: ["0", "1"] };
}

const PLACES = {
  circles: (along, c) => [c ? 0.45 : 0.95, 2 * Math.PI * along],
  spirals: (along, c) => [0.1 + 0.9 * along, 2.5 * Math.PI * along + c * Math.PI],
};
const PYTHON_PLACES = {
  circles: ["radius, angle = np.where(y == 1, 0.45, 0.95), 2 * np.pi * u[:, 0]"],
  spirals: ["radius, angle = 0.1 + 0.9 * u[:, 0], 2.5 * np.pi * u[:, 0] + y * np.pi"],
};

function cloud(name, { count, noise }) {
  return {
    ...points(count, noise, PLACES[name]),
    python: [
      `N, noise, state, numbers = ${count}, ${noise}, 1, []`,
      "for _ in range(3 * N):  # the page's generator",
      "    state = (1664525 * state + 1013904223) % 2**32",
      "    numbers.append(state / 2**32)",
      "u, y = np.reshape(numbers, (N, 3)), np.arange(N) % 2",
      ...PYTHON_PLACES[name],
      "X = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)",
      "X = np.round(X + noise * (u[:, 1:] - 0.5), 4).astype(np.float32)",
    ],
  };
}

function xor() {
  return {
    rows: [[0, 0], [0, 1], [1, 0], [1, 1]], classes: [0, 1, 1, 0], names: ["0", "1"],
    python: [
      "X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)",
      "y = np.array([0, 1, 1, 0])",
    ],
  };
}

// The digits that the Python package carries, those for training first.
async function digits() {
  const bytes = await file("digits.bin");
  const count = bytes[0] + 256 * bytes[1];
  const at = (n) => bytes.subarray(2 + 65 * n, 67 + 65 * n);
  const all = Array.from({ length: (bytes.length - 2) / 65 }, (_, n) => at(n));
  const rows = all.map((digit) => Array.from(digit.subarray(0, 64), (dots) => dots / 16));
  const classes = all.map((digit) => digit[64]);
  return {
    rows: rows.slice(0, count), classes: classes.slice(0, count),
    test: { rows: rows.slice(count), classes: classes.slice(count) },
    names: [..."0123456789"],
    python: ["digits = sb.datasets.load_digits()", "X, y = digits.X_train, digits.y_train"],
  };
}

// Numbers of one's own: a row a line, the target last.
export function parseOwn(text, isClass) {
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line);
  const table = lines.map((line, k) => {
    const [tight] = /\d+,\d+/.exec(line) ?? [];
    if (tight && /[\s;]/.test(line)) {
      throw new Error(
        `Line ${k + 1} of your numbers: is “${tight}” one number or two? Write decimals with a ` +
          "point, and spaces or commas between numbers, not both.");
    }
    const row = line.split(/[\s,;]+/).filter((part) => part).map(Number);
    if (row.length < 2 || !row.every(Number.isFinite)) {
      throw new Error(`Line ${k + 1} of your numbers must be two numbers or more, got “${line}”.`);
    }
    return row;
  });
  if (!table.length) throw new Error("Type at least one line of numbers; the target comes last.");
  const wrong = table.findIndex((row) => row.length !== table[0].length);
  if (wrong >= 0) {
    throw new Error(
      `Line ${wrong + 1} of your numbers has ${table[wrong].length} numbers; ` +
        `the lines before have ${table[0].length}.`);
  }
  if (table[0].length > 65 || table.length > 2000) {
    throw new Error("At most 2000 lines of at most 65 numbers are possible here.");
  }
  const rows = table.map((row) => row.slice(0, -1));
  const last = table.map((row) => row.at(-1));
  const matrix = `[${table.map((row) => `[${row.slice(0, -1).join(", ")}]`).join(", ")}]`;
  const python = [`X = np.array(${matrix}, dtype=np.float32)`];
  if (!isClass) {
    python.push(`y = np.array([${last.join(", ")}], dtype=np.float32)`);
    return { rows, targets: last, python };
  }
  const bad = last.find((value) => !Number.isInteger(value) || value < 0 || value > 9);
  if (bad !== undefined) {
    throw new Error(
      `A class must be a whole number from 0 to 9, got ${bad}: choose “a number” as the target.`);
  }
  const names = Array.from({ length: Math.max(2, Math.max(...last) + 1) }, (_, k) => String(k));
  python.push(`y = np.array([${last.join(", ")}])`);
  return { rows, classes: last, names, python };
}

export const SETS = {
  xor: "XOR: four points",
  circles: "Circles",
  spirals: "Spirals",
  digits: "Handwritten digits, 8 × 8",
  own: "Numbers of your own",
};

// A data set: rows, and classes with their names or targets; `python` makes X and y of them.
export async function dataset(name, options) {
  const made = {
    xor, digits, circles: () => cloud("circles", options),
    spirals: () => cloud("spirals", options), own: () => parseOwn(options.text, options.isClass),
  }[name];
  const data = await made();
  return { name, title: SETS[name], inputs: data.rows[0].length, ...data };
}

// How many outputs a network for it has, and the targets as rows of that length.
export function outputs(data, loss) {
  if (!data.classes) return 1;
  return data.names.length === 2 && loss !== "cross_entropy" ? 1 : data.names.length;
}

export function targets(data, part, width) {
  if (!part.classes) return part.targets.map((value) => [value]);
  if (width === 1) return part.classes.map((c) => [c]);
  return part.classes.map((c) => Array.from({ length: width }, (_, k) => (k === c ? 1 : 0)));
}

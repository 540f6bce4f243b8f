// Expressions as in NumPy on small matrices: names, numbers, + - * @, .T and parentheses, and the
// slides' ⊙ and ᵀ. They are parsed, computed and set as formulas here; nothing is handed to the browser to run.

import { TOP } from "play/math.js";

export class Refused extends Error {}

// A matrix of numbers in JavaScript: rows, cols, values row by row.
export class Small {
  constructor(rows, cols, values) {
    Object.assign(this, { rows, cols, values });
  }

  at(i, j) {
    return this.values[i * this.cols + j];
  }

  static of(rows, cols, at) {
    const values = [];
    for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) values.push(at(i, j));
    return new Small(rows, cols, values);
  }

  get T() {
    return Small.of(this.cols, this.rows, (i, j) => this.at(j, i));
  }

  get shape() {
    return `${this.rows} × ${this.cols}`;
  }

  sameAs(other) {
    return this.rows === other.rows && this.cols === other.cols &&
      this.values.every((value, k) =>
        Math.abs(value - other.values[k]) <= 1e-5 * Math.max(1e-3, Math.abs(other.values[k])));
  }
}

function product(a, b, names) {
  if (a.cols !== b.rows) {
    throw new Refused(
      `${names[0]} is ${a.shape} and ${names[1]} is ${b.shape}: a row of ${a.cols} ` +
        `cannot meet a column of ${b.rows}.`);
  }
  return Small.of(a.rows, b.cols, (i, j) => {
    let sum = 0;
    for (let k = 0; k < a.cols; k++) sum += a.at(i, k) * b.at(k, j);
    return sum;
  });
}

function elementwise(a, b, names, combine) {
  const fits = (x, y) => x === y || x === 1 || y === 1;
  if (!fits(a.rows, b.rows) || !fits(a.cols, b.cols)) {
    throw new Refused(`${names[0]} is ${a.shape} and ${names[1]} is ${b.shape}: number by number they do not fit, and the product of matrices is @.`);
  }
  const at = (x, i, j) => x.at(x.rows === 1 ? 0 : i, x.cols === 1 ? 0 : j);
  return Small.of(Math.max(a.rows, b.rows), Math.max(a.cols, b.cols),
    (i, j) => combine(at(a, i, j), at(b, i, j)));
}

const times = (x, y) => x * y;
const COMBINE = { "+": (x, y) => x + y, "-": (x, y) => x - y, "*": times, "⊙": times };

// What else is written for the grammar's signs and letters, and around an answer, as in Python's
// lab/_answer_text.py.
const ALIKE = ["АВСЕТХЅԜасхѕԝԁΑΒΕΤΧɡ“”„‘’′´", "ABCETXSWacxswdABETXg\"\"\"''''"];
const SIGNS = [
  [/\\left\b|\\right\b|\\[,;! ]/g, ""],
  [/\\(?:mathrm|mathsf|mathbf|text)\s*\{\s*(\w+)\s*\}/g, "$1"],
  [/\\(?:top|intercal)\b|⊤/g, "^T"],
  [/\\(?:odot|circ)\b|∘/g, "⊙"],
  [/\\(?:cdot|times|ast)\b|\.\*|[×∗•⋅·∙]/g, "*"],
  [/[‐–—−]/g, "-"],
  [/\s*(?:\^|\*\*)+\s*(?:\{[\s^]*[Tt]\s*\}|[Tt]\b)/g, ".T "],
  [/\s*\.\s*(?:transpose|mT|[Tt])\b(?:\s*\(\s*\))?/g, ".T "],
  [/(?<=[\w)\]])'/g, ".T "],
];
const AROUND = [
  [/^(["'`$])(.*)\1$/s, "$2"],
  [/[;,.]\s*$/, ""],
  [/^(?:(?:the|my)\s+)?(?:answer|option|choice|return)\b(?:\s+is\b)?\s*:?/i, ""],
  [/^(?:[^=<>!:()]|\([^=()]*\))*=(?!=)/, ""],
];
const replaced = (text, table) => table.reduce((now, [from, to]) => now.replace(from, to), text);

// An answer in the grammar's signs, without quotes, “r =”, “return” and the like around it.
export function plain(text) {
  const letters = (now) => [...now].map((c) => [...ALIKE[1]][[...ALIKE[0]].indexOf(c)] ?? c).join("");
  text = letters(text.replaceAll("´", "'").replaceAll("ᵀ", "⊤").normalize("NFKC"));
  for (let before; text !== before; ) {
    before = text.trim();
    text = replaced(before, AROUND);
  }
  return replaced(text.replace(/^[([]?[A-E][)\].:]\s*(?=\S)/, ""), SIGNS).trim();
}

const TOKEN = /\s*(?:(\.T)\b|([A-Za-z_]\w*)|(\d+\.?\d*|\.\d+)|([-+*@⊙()]))/y;

// The tree of an expression in the grammar's own signs.
export function parse(text) {
  const tokens = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.trimEnd().length) {
    const start = TOKEN.lastIndex;
    const found = TOKEN.exec(text);
    if (!found) {
      const [sign] = /^(\.\w+|.)/u.exec(text.slice(start).trim());
      const comma = /\d,\d/.test(text) ? " Decimals have a point, as 0.5." : "";
      throw new Refused(`“${sign}” has no place here: write names, + - * ⊙ @, .T and parentheses.${comma}`);
    }
    tokens.push(found[0].trim());
  }
  let at = 0;
  let depth = 0;
  const expect = (token) => {
    if (tokens[at++] !== token) throw new Refused(`A “${token}” is missing.`);
  };
  const primary = () => {
    const token = tokens[at++];
    if (token === undefined) throw new Refused("The expression ends too early.");
    let tree;
    if (token === "(") {
      if (++depth > 50) throw new Refused("Too many parentheses.");
      tree = { inner: sum() };
      expect(")");
      depth--;
    } else if (token === "-") {
      if (++depth > 50) throw new Refused("Too many signs.");
      tree = { sign: "neg", left: primary() };
      depth--;
      return tree;
    } else if (/^[A-Za-z_]/.test(token)) tree = { name: token };
    else if (/^[\d.]/.test(token)) tree = { number: Number(token) };
    else throw new Refused(`“${token}” is in the wrong place.`);
    while (tokens[at] === ".T") {
      at++;
      tree = { transposed: tree };
    }
    return tree;
  };
  const chain = (signs, part) => () => {
    let tree = part();
    while (signs.includes(tokens[at])) tree = { sign: tokens[at++], left: tree, right: part() };
    return tree;
  };
  const term = chain(["*", "@", "⊙"], primary);
  const sum = chain(["+", "-"], term);
  if (!tokens.length) throw new Refused("Write an expression, with @, * or ⊙ between its factors.");
  const tree = sum();
  if (at < tokens.length) throw new Refused(`“${tokens[at]}” is in the wrong place: is an @ or * missing before it?`);
  return tree;
}

// How a tree is written.
export function written(tree) {
  if (tree.name) return tree.name;
  if (tree.number !== undefined) return String(tree.number);
  if (tree.inner) return `(${written(tree.inner)})`;
  if (tree.transposed) return `${written(tree.transposed)}.T`;
  if (tree.sign === "neg") return `-${written(tree.left)}`;
  return `${written(tree.left)} ${tree.sign} ${written(tree.right)}`;
}

// Its value, where `names` has a Small for each name.
export function compute(tree, names) {
  if (tree.name) {
    if (!Object.hasOwn(names, tree.name)) {
      const wanted = tree.name.toLowerCase();
      const meant = Object.keys(names).flatMap((own) => [[own, own], [`${own}t`, `${own}.T`]]);
      const near = meant.find(([name]) => name.toLowerCase() === wanted);
      throw new Refused(
        `There is no “${tree.name}” here; there are ${Object.keys(names).join(", ")}` +
          `${near ? `: write ${near[1]}` : ""}.`);
    }
    return names[tree.name];
  }
  if (tree.number !== undefined) return new Small(1, 1, [tree.number]);
  if (tree.inner) return compute(tree.inner, names);
  if (tree.transposed) return compute(tree.transposed, names).T;
  const left = compute(tree.left, names);
  if (tree.sign === "neg") return Small.of(left.rows, left.cols, (i, j) => -left.at(i, j));
  const right = compute(tree.right, names);
  const both = [written(tree.left), written(tree.right)];
  if (tree.sign === "⊙" && left.shape !== right.shape) {
    throw new Refused(`${both[0]} is ${left.shape} and ${both[1]} is ${right.shape}: ⊙ needs equal shapes.`);
  }
  return tree.sign === "@" ? product(left, right, both) : elementwise(left, right, both, COMBINE[tree.sign]);
}

// It as MathML, where `letters` has the markup of each name.
export function markup(tree, letters) {
  const fence = (inner) => `<mrow><mo stretchy="false">(</mo>${inner}<mo stretchy="false">)</mo></mrow>`;
  if (tree.name) return letters[tree.name];
  if (tree.number !== undefined) return `<mn>${tree.number}</mn>`;
  if (tree.inner) return fence(markup(tree.inner, letters));
  if (tree.sign === "neg") return `<mrow><mo>−</mo>${markup(tree.left, letters)}</mrow>`;
  if (tree.transposed) {
    const inner = tree.transposed.inner ?? tree.transposed;
    return `<msup>${fence(markup(inner, letters))}${TOP}</msup>`;
  }
  const sign = { "*": "<mo>·</mo>", "@": "<mspace width='0.2em'/>" }[tree.sign] ?? `<mo>${tree.sign}</mo>`;
  return `<mrow>${markup(tree.left, letters)}${sign}${markup(tree.right, letters)}</mrow>`;
}

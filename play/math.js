// Formulas in the letters of either deck, as MathML, which browsers set themselves.

const LETTERS = {
  one: { z: "z", a: "a", W: "W", b: "b", t: "t", sigma: "σ", C: "C", L: "L" },
  two: { z: "π", a: "x", W: "W", b: "b", t: "t", sigma: "a", C: "L", L: "M" },
};

// Two signs without the space that some browsers leave around every operator.
export const PARTIAL = '<mo lspace="0" rspace="0">∂</mo>';
export const TOP = '<mo lspace="0" rspace="0">⊤</mo>';

const ROW = (...parts) => `<mrow>${parts.join("")}</mrow>`;
const op = (sign) => `<mo>${sign}</mo>`;
const fence = (sign) => `<mo stretchy="false">${sign}</mo>`;

export class Deck {
  constructor(name) {
    this.name = name;
    this.letters = LETTERS[name];
  }

  // The number of a layer: 2, "m", "m+1", "L"; the last layer's letter is the deck's.
  place(m) {
    return [...String(m)].map((sign) => {
      if (/[0-9]/.test(sign)) return `<mn>${sign}</mn>`;
      if (/[+-]/.test(sign)) return op(sign === "-" ? "−" : sign);
      return `<mi>${sign === "L" ? this.letters.L : sign}</mi>`;
    }).join("");
  }

  above(m, transposed) {
    return ROW(fence("("), this.place(m), fence(")"), transposed ? TOP : "");
  }

  // A matrix or vector of layer m, such as z, or one number; `index` makes it one of its numbers.
  of(what, m, { transposed = false, index = "", isScalar = false } = {}) {
    const letter = this.letters[what];
    if (index) {
      const below = ROW(...[...index].map((sign) => `<mi>${sign}</mi>`));
      return what === "t"
        ? `<msub><mi>${letter}</mi>${below}</msub>`
        : `<msubsup><mi>${letter}</mi>${below}${this.above(m, false)}</msubsup>`;
    }
    const name = isScalar ? `<mi>${letter}</mi>` : `<mi class="v" mathvariant="normal">${letter}</mi>`;
    if (what === "t") return name;
    return `<msup>${name}${this.above(m, transposed)}</msup>`;
  }

  get cost() {
    return `<mi>${this.letters.C}</mi>`;
  }

  // The gradient of C by a quantity.
  by(what, m, { transposed = false, index = "" } = {}) {
    const quantity = this.of(what, m, { index });
    let text;
    if (this.name === "one" && !index) {
      text = ROW(`<msub><mo form="prefix">∇</mo>${quantity}</msub>`, this.cost);
    } else {
      text = `<mfrac>${ROW(PARTIAL, this.cost)}${ROW(PARTIAL, quantity)}</mfrac>`;
    }
    return transposed ? `<msup>${ROW(fence("("), text, fence(")"))}${TOP}</msup>` : text;
  }

  // The gradient as a factor: its letters are several.
  fenced(what, m) {
    const gradient = this.by(what, m);
    return this.name === "one" ? ROW(fence("("), gradient, fence(")")) : gradient;
  }

  // σ or σ′ of z.
  sigma(m, derived, index = "") {
    const sign = derived ? "<mo>′</mo>" : "";
    const name = this.name === "one"
      ? `<msup><mi>σ</mi>${ROW(this.above(m), sign)}</msup>`
      : derived ? `<msup><mi>a</mi>${sign}</msup>` : "<mi>a</mi>";
    return ROW(name, fence("("), this.of("z", m, { index }), fence(")"));
  }

  sum(index) {
    return `<munder><mo>∑</mo><mi>${index}</mi></munder>`;
  }

  // What a step computes: [with indices, with vectors], m and its neighbours as given.
  formula(what, { m, before, after, isLast = false, isRows = false }) {
    const eq = op("=");
    switch (what) {
      case "z":
        return [
          ROW(this.of("z", m, { index: "i" }), eq, this.sum("j"), this.of("W", m, { index: "ij" }),
            this.of("a", before, { index: "j" }), op("+"), this.of("b", m, { index: "i" })),
          ROW(this.of("z", m), eq, this.of("W", m), this.of("a", before), op("+"), this.of("b", m)),
        ];
      case "a":
        return [
          isRows ? "" : ROW(this.of("a", m, { index: "i" }), eq, this.sigma(m, false, "i")),
          ROW(this.of("a", m), eq, this.sigma(m, false)),
        ];
      case "C":
        return ["", ROW(this.cost, eq, this.cost, fence("("), this.of("a", m), op(","),
          this.of("t", m), fence(")"))];
      case "grad_a":
        if (isLast) {
          return ["", ROW(this.by("a", m), eq, `<mfrac>${ROW(PARTIAL, this.cost, fence("("),
            this.of("a", m), op(","), this.of("t", m), fence(")"))}${ROW(PARTIAL,
            this.of("a", m))}</mfrac>`)];
        }
        return [
          ROW(this.by("a", m, { index: "j" }), eq, this.sum("i"), this.by("z", after, { index: "i" }),
            this.of("W", after, { index: "ij" })),
          ROW(this.by("a", m), eq, this.of("W", after, { transposed: true }), this.fenced("z", after)),
        ];
      case "grad_z":
        if (isRows) {
          return ["", ROW(this.by("z", m), eq, `<msup><mi>J</mi>${TOP}</msup>`, this.fenced("a", m))];
        }
        return [
          ROW(this.by("z", m, { index: "i" }), eq, this.by("a", m, { index: "i" }), op("·"),
            this.sigma(m, true, "i")),
          ROW(this.by("z", m), eq, this.fenced("a", m), op("⊙"), this.sigma(m, true)),
        ];
      case "grad_W":
        return [
          ROW(this.by("W", m, { index: "ij" }), eq, this.by("z", m, { index: "i" }), op("·"),
            this.of("a", before, { index: "j" })),
          ROW(this.by("W", m), eq, this.fenced("z", m), this.of("a", before, { transposed: true })),
        ];
      case "grad_b":
        return [
          ROW(this.by("b", m, { index: "i" }), eq, this.by("z", m, { index: "i" })),
          ROW(this.by("b", m), eq, this.by("z", m)),
        ];
      default:
        return ["", ""];
    }
  }

  // A quantity by its name: "z", "grad_z", "C".
  quantity(what, m, options) {
    if (what === "C") return this.cost;
    return what.startsWith("grad_") ? this.by(what.slice(5), m, options) : this.of(what, m, options);
  }
}

export const decks = { one: new Deck("one"), two: new Deck("two") };

// MathML that is set in a line, or on a line of its own.
export function math(markup, display = false) {
  return `<math${display ? ' display="block"' : ""}>${markup}</math>`;
}

// The same in plain letters, for labels that are read aloud.
export function spoken(what, m) {
  if (what === "C") return "C";
  return what.startsWith("grad_") ? `gradient by ${what.slice(5)}(${m})` : what === "t" ? "t" : `${what}(${m})`;
}

// Makes the formulas of a place smaller where an end of one would not be seen: which font a browser
// has for them, and how wide it is, differs.
export function fit(place) {
  place.style.removeProperty("--fit");
  if (place.scrollWidth <= place.clientWidth + 1) return;
  for (let size = 0.95; size > 0.65 && place.scrollWidth > place.clientWidth + 1; size -= 0.05) {
    place.style.setProperty("--fit", size.toFixed(2));
  }
}

const widths = new WeakMap();
const observer = new ResizeObserver((entries) => requestAnimationFrame(() => {
  for (const { target } of entries) {
    if (widths.get(target) === target.clientWidth) continue; // fit made it lower
    widths.set(target, target.clientWidth);
    fit(target);
  }
}));

// The same, now and when its width changes.
export function keepFitting(places) {
  for (const place of places) observer.observe(place);
}

// The computation as a graph: forward from x to C in the upper row, gradients back in the lower.
import { decks } from "play/math.js";

const STEP = 54, UP = 16, FORWARD = 62, BACKWARD = 116, DOWN = 162;
const WIDE = 42, HIGH = 30, SMALL = 30, BELOW = 37;
let graphs = 0;

// The letters of a quantity with its layer raised: "z" and "(2)".
function name(deck, what, m) {
  const { letters } = decks[deck];
  if (what === "C") return letters.C;
  if (what === "t") return "t";
  const up = `<tspan class="up" dy="-5">(${m})</tspan>`;
  if (!what.startsWith("grad_")) return `${letters[what]}${up}`;
  return `∇${letters[what.slice(5)]}${up}`;
}

// All quantities of L layers with their places: [what, m, x, y, width].
function places(L) {
  const x = (column) => STEP / 2 + column * STEP;
  const list = [["a", 0, x(0), FORWARD, WIDE]];
  for (let m = 1; m <= L; m++) {
    const z = x(2 * m - 1);
    list.push(["W", m, z - 16, UP, SMALL], ["b", m, z + 16, UP, SMALL]);
    list.push(["z", m, z, FORWARD, WIDE], ["a", m, x(2 * m), FORWARD, WIDE]);
    list.push(["grad_a", m, x(2 * m), BACKWARD, WIDE], ["grad_z", m, z, BACKWARD, WIDE]);
    list.push(["grad_W", m, z - 19.5, DOWN, BELOW], ["grad_b", m, z + 19.5, DOWN, BELOW]);
  }
  list.push(["t", L, x(2 * L + 1), UP, SMALL], ["C", L, x(2 * L + 1), FORWARD, WIDE]);
  return list;
}

// The graph as SVG. `state(what, m)` is "", "pending", "read" or "written".
export function graph(L, deck, state, label) {
  const nodes = places(L);
  const tip = `tip-${++graphs}`;
  const width = STEP * (2 * L + 2);
  const at = Object.fromEntries(nodes.map(([what, m, x, y, w]) => [`${what}(${m})`, { x, y, w }]));
  const arrows = [];
  const arrow = (from, to, side) => {
    const [p, q] = [at[from], at[to]];
    const line = side === "down"
      ? [p.x, p.y + HIGH / 2 - 2, q.x, q.y - HIGH / 2 - 1]
      : p.x < q.x ? [p.x + p.w / 2, p.y, q.x - q.w / 2 - 1, q.y] : [p.x - p.w / 2, p.y, q.x + q.w / 2 + 1, q.y];
    arrows.push(`<line x1="${line[0]}" y1="${line[1]}" x2="${line[2]}" y2="${line[3]}" marker-end="url(#${tip})"/>`);
  };
  for (let m = 1; m <= L; m++) {
    arrow(`a(${m - 1})`, `z(${m})`);
    arrow(`z(${m})`, `a(${m})`);
    arrow(`W(${m})`, `z(${m})`, "down");
    arrow(`b(${m})`, `z(${m})`, "down");
    arrow(`grad_a(${m})`, `grad_z(${m})`);
    if (m > 1) arrow(`grad_z(${m})`, `grad_a(${m - 1})`);
    arrow(`grad_z(${m})`, `grad_W(${m})`, "down");
    arrow(`grad_z(${m})`, `grad_b(${m})`, "down");
  }
  arrow(`a(${L})`, `C(${L})`);
  arrow(`t(${L})`, `C(${L})`, "down");
  arrow(`C(${L})`, `grad_a(${L})`, "down");
  const boxes = nodes.map(([what, m, x, y, w]) => `
    <g class="${state(what, m)} ${w < WIDE ? "small" : ""}">
      <rect x="${x - w / 2}" y="${y - HIGH / 2}" width="${w}" height="${HIGH}" rx="6"/>
      <text x="${x}" y="${y + 5}">${name(deck, what, m)}</text>
    </g>`);
  return `<svg class="graph" viewBox="0 -2 ${width} ${DOWN + HIGH / 2 + 4}" width="${width}"
    height="${DOWN + HIGH / 2 + 4}" role="img" aria-label="${label}">
    <defs><marker id="${tip}" viewBox="0 0 6 6" refX="5" refY="3" markerWidth="6" markerHeight="6" orient="auto"><path d="M0 0 6 3 0 6z"/></marker></defs>
    <g>${arrows.join("")}</g>${boxes.join("")}</svg>`;
}

// Colours: read from the style sheet, so that a canvas follows dark mode too.

const dark = matchMedia("(prefers-color-scheme: dark)");
const still = matchMedia("(prefers-reduced-motion: reduce)");
export const reducedMotion = () => still.matches;

let colours = null;
dark.addEventListener("change", () => (colours = null));
export const onTheme = (run) => dark.addEventListener("change", run);

function parse(text) {
  const [r, g, b] = text.match(/[0-9a-f]{2}/gi).map((part) => parseInt(part, 16));
  return [r, g, b];
}

// The colour of a name in the style sheet, as [r, g, b].
export function colour(name) {
  colours ??= {};
  colours[name] ??= parse(
    getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
  return colours[name];
}

export const mix = (a, b, t) => a.map((part, k) => Math.round(part + (b[k] - part) * t));
export const css = ([r, g, b], alpha = 1) => `rgb(${r} ${g} ${b} / ${alpha})`;

// Positive numbers blue, negative ones orange, as in the package's pictures; `most` is the largest
// of them. `soft`: behind text.
export function heat(value, most, soft = false) {
  if (!Number.isFinite(value)) return colour("line");
  const strength = most > 0 ? Math.min(1, Math.abs(value) / most) : 0;
  const ground = colour("card");
  return mix(ground, colour(value < 0 ? "orange" : "blue"), soft ? 0.4 * strength : strength);
}

// A canvas as sharp as the screen: its context, in CSS pixels.
export function context(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = Math.min(2, devicePixelRatio || 1);
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
  const c = canvas.getContext("2d");
  c.setTransform(ratio, 0, 0, ratio, 0, 0);
  c.clearRect(0, 0, width, height);
  return { c, width, height };
}

// A number short enough for a table.
export function short(value, digits = 3) {
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text = size >= 1e4 || size < 1e-3 ? value.toExponential(1) : value.toPrecision(digits);
  return text.replace("e+", "e").replace("-", "−").replace("e-", "e−");
}

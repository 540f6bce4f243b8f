// A script for the Python package that makes the same network from the same seed.
import { OPTIMIZER } from "play/engine.js";

export function script(model) {
  const { data, spec, sizes, activations, engine } = model;
  const rule = engine.rules(OPTIMIZER).find(({ name }) => name === spec.optimizer.name);
  const given = rule.parameters
    .map(({ name, value }, k) => [name, spec.optimizer.parameters[k], value])
    .filter(([, value, usual]) => value !== usual)
    .map(([name, value]) => `${name}=${value}`);
  const hidden = [...new Set(activations.slice(0, -1))];
  const activation = activations.length === 1 || hidden.length === 1
    ? `"${hidden[0] ?? activations[0]}"` : `[${activations.slice(0, -1).map((a) => `"${a}"`).join(", ")}]`;
  return [
    `# ${data.title}: the network of the page, from the same seed.`,
    "import numpy as np",
    "import swiftbackprop as sb",
    "",
    ...data.python,
    "net = sb.Network(",
    `    [${sizes.join(", ")}],`,
    `    activation=${activation},`,
    `    output="${activations.at(-1)}",`,
    `    loss="${spec.loss.name}",`,
    `    optimizer=sb.${rule.title}(${given.join(", ")}),`,
    `    seed=${spec.seed},`,
    ")",
    `history = net.fit(X, y, epochs=${Math.max(1, model.epoch)}, batch_size=${model.batchSize})`,
    'print(history["loss"][-1])  # C, the mean over the batches of the last epoch',
    "print(net.layers[0].W)",
    "",
  ].join("\n");
}

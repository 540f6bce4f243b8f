// The page: an engine, a network, and what is seen of it.
import { load, Network } from "play/engine.js";
import { file } from "play/files.js";

const engine = await load(file);
const x = engine.matrix(4, 2, [0, 0, 0, 1, 1, 0, 1, 1]);
const y = engine.matrix(4, 1, [0, 1, 1, 0]);
const glorot = { name: "glorot_uniform" };
const net = new Network(engine, {
  sizes: [2, 4, 1], activations: [{ name: "tanh" }, { name: "sigmoid" }],
  initializers: [glorot, glorot], loss: { name: "binary_cross_entropy" },
  optimizer: { name: "sgd", parameters: [2] }, seed: 1,
});
let cost;
for (let k = 0; k < 500; k++) {
  net.forward(x);
  cost = net.backward(y);
  net.step();
}
document.querySelector("#cost").textContent = cost.toFixed(4);
document.documentElement.dataset.ready = "";

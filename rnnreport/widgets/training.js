// A training on palindromes or bursts, from its settings and a seed: the same settings give the same curve.

import { draws, exp } from "./chance.js";
import { chosenKernels, initialise, network } from "./network.js";
import { bursts, palindromes } from "./tasks.js";

const EVERY = 10; // steps between two tests
const FRESH = 512; // sequences of a test, drawn from another stream than those of the training
const ENOUGH = { accuracy: 0.99, tests: 5 }; // solved: so good so many times in a row
const MORE = 5; // how much longer palindromes can be that a trained network is asked

/**
 * Opens a training, as trainer.js runs it.
 *
 * settings: { task: "palindromes" | "bursts", model, T, H, B, encoding, initialisation, memory, optimizer, rate, clip,
 * steps, seed, gate: { from, to, s, r_on, leak, isLearned } }. What turn() returns: { points, step, seconds,
 * norms, gate, kernels, done, failed, weights }; a point is { step, seconds, accuracy, loss } on fresh sequences.
 */
export function training(settings) {
  const { task, model, T, H, B, encoding, memory, seed, gate, steps } = settings;
  const ofBursts = task === "bursts";
  const kernels = chosenKernels();
  const S = ofBursts ? T : T - 1 + MORE;
  const D = ofBursts || encoding === "scalar" ? 1 : 10;
  const net = network(kernels.make, { model, H, B, S, D, K: ofBursts ? 2 : 10, leak: gate?.leak });
  const [weightsFrom, batchesFrom] = [draws(seed, 1), draws(seed, 2)];
  initialise(net, { initialisation: settings.initialisation, memory, longest: T, gate }, weightsFrom);
  const batch = (draw, length = T) => (ofBursts ? bursts(length, B, draw) : palindromes(length, B, encoding, draw));
  const recipe = { ...settings, freezeGate: !gate?.isLearned };

  /** Accuracy and loss on fresh sequences, which are the same at every test. */
  function test(length = T) {
    const [fresh, batches] = [draws(seed, 3), Math.ceil(FRESH / B)];
    const results = Array.from({ length: batches }, () => net.test(batch(fresh, length)));
    const mean = (name) => results.reduce((sum, result) => sum + result[name], 0) / batches;
    return { accuracy: mean("accuracy"), loss: mean("loss") };
  }

  let [step, seconds, good, solved] = [0, 0, 0, undefined];
  function shown() {
    const { log_tau_l0: log_tau, s_l0: s, logit_r_on_l0: logit_r_on } = net.weights();
    return { tau: log_tau.map(exp), s, r_on: logit_r_on.map((value) => 1 / (1 + exp(-value))) };
  }
  const first = model === "temporal-gate" ? shown() : undefined;
  const now = () => ({
    ...{ step, seconds, kernels: kernels.name, solved: good >= ENOUGH.tests ? solved : undefined },
    ...(first && { first, gate: shown() }),
  });
  const end = () => ({ points: [], ...now(), weights: net.weights() });

  return {
    turn(milliseconds) {
      const begun = performance.now();
      const before = seconds;
      const [points, norms] = [[], new Float64Array(ofBursts ? T : T - 1)];
      let count = 0;
      do {
        if (step % EVERY === 0) {
          const result = test();
          good = result.accuracy >= ENOUGH.accuracy ? good + 1 : 0;
          if (good === 1) solved = step;
          points.push({ step, seconds, ...result });
          if (good === ENOUGH.tests || step >= steps) return { ...end(), points, done: true };
        }
        const { loss, norm, norms: found } = net.step(batch(batchesFrom), recipe);
        step++;
        if (!Number.isFinite(loss + norm)) {
          const what = Number.isFinite(loss) ? ["gradient", norm] : ["loss", loss];
          const failed = `the ${what[0]} became ${what[1]} at step ${step}. The learning rate is too high for it; its curve stays.`;
          return { points, ...now(), failed, done: true };
        }
        found.forEach((value, t) => (norms[t] += value));
        count++;
        seconds = before + (performance.now() - begun) / 1000;
      } while (1000 * (seconds - before) < milliseconds);
      return { points, ...now(), norms: norms.map((sum) => sum / count) };
    },
    /** question: { lengths }, at which the network as it is answers: [{ T, accuracy }]. */
    ask: ({ lengths }) => lengths.map((length) => ({ T: length, accuracy: test(length).accuracy })),
    end,
  };
}

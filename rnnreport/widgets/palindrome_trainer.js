// Networks that learn palindromes while the reader watches: settings, presets, curves of accuracy on fresh palindromes,
// how far back the gradient reaches, and what the trained networks answer at other lengths.

import { lesson, pair, pick, SEED } from "./lesson.js";
import { button, html, percent, power, slider, svgNode } from "./page.js";
import { serve } from "./trainer.js";
import { training } from "./training.js";
import { lengthCurves, reachCurves } from "./trainings.js";

serve(training);

const NETWORKS = { rnn: "RNN", lstm: "LSTM" };
const RATES = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1];
const CLIPS = [0.1, 0.3, 1, 3, 10, 30, 100];
const ALLOWED = {
  ...{ networks: ["rnn", "lstm", "both"], length: { min: 3, max: 100, whole: true }, hidden_size: [32, 64, 128] },
  ...{ encoding: ["scalar", "one-hot"], initialisation: ["normal", "uniform", "orthogonal", "identity"] },
  ...{ forget_bias: ["0", "1", "2", "chrono"], optimizer: ["rmsprop", "adam"], learning_rate: RATES, clip_norm: CLIPS },
  seed: SEED,
};

const QUICK = { encoding: "one-hot", hidden_size: 64, optimizer: "adam", initialisation: "uniform", clip_norm: 10 };

const FORGETS =
  "Three LSTMs, alike but for the bias of their forget gates. Untrained, a gate keeps about 50%, 73% or 88% of the cell " +
  "per step with a bias of 0, 1 or 2. Which of them remembers the first digit, and how much gradient reaches it?";

/** Comparisons that take one click: what to watch for, and the settings of every network. */
const PRESETS = [
  {
    name: "What does a forget bias do?",
    watch: FORGETS,
    set: { ...QUICK, networks: "lstm", length: 15, learning_rate: 0.003, seed: 0 },
    vary: [{ forget_bias: "2" }, { forget_bias: "1" }, { forget_bias: "0" }], // the soonest first, where two learn at a time
    label: ({ forget_bias }) => `forget bias ${forget_bias}`,
  },
  {
    name: "The report's figure 2, at T = 20",
    watch: "Both networks with the report's settings and one seed: one number per digit, weights from N(0, 0.1), RMSprop at 0.001. Does either get there?",
    set: {
      ...{ networks: "both", length: 20, encoding: "scalar", hidden_size: 128, initialisation: "normal", forget_bias: "0" },
      ...{ optimizer: "rmsprop", learning_rate: 0.001, clip_norm: 10, seed: 0 },
    },
  },
  {
    name: "Orthogonal or normal?",
    watch: "Two RNNs at T = 20, one with orthogonal recurrent weights. Pause within a second: whose gradient reaches the first digit?",
    set: { ...QUICK, networks: "rnn", length: 20, learning_rate: 0.001, seed: 0, forget_bias: "0", initialisation: "orthogonal" },
    vary: [{ initialisation: "normal" }, { initialisation: "orthogonal" }],
    label: ({ initialisation }) => initialisation,
  },
  {
    name: "Does it know one length only?",
    watch: "An RNN learns T = 10. Then ask it other lengths, below: has it learned to remember the first digit, or only to answer at T = 10?",
    set: { ...QUICK, networks: "rnn", length: 10, initialisation: "orthogonal", learning_rate: 0.001, seed: 0, forget_bias: "0" },
  },
  {
    name: "Twenty seeds",
    watch: "The same LSTM twenty times, with other random weights and palindromes. How much of it is luck?",
    set: { ...QUICK, networks: "lstm", length: 12, forget_bias: "1", learning_rate: 0.003 },
    vary: Array.from({ length: 20 }, (_, seed) => ({ seed })),
    label: ({ seed }) => `seed ${seed}`,
  },
];

/** The settings of a training, as training.js takes them, from the widget's. */
export function settingsOf(state, model) {
  return {
    ...{ task: "palindromes", model, T: state.length, H: state.hidden_size, B: state.batch_size },
    ...{ encoding: state.encoding, initialisation: state.initialisation, steps: state.train_steps, seed: state.seed },
    ...{ optimizer: state.optimizer, rate: state.learning_rate, clip: state.clip_norm },
    memory: model === "rnn" ? 0 : state.forget_bias === "chrono" ? "chrono" : Number(state.forget_bias),
  };
}

/** The trainings that the settings ask for: [{ label, settings }]. */
export function planned(state, { vary = [{}], label } = {}) {
  const models = state.networks === "both" ? ["rnn", "lstm"] : [state.networks];
  return vary.flatMap((change) =>
    models.map((model) => ({
      label: label ? label({ ...state, ...change }) : NETWORKS[model],
      settings: settingsOf({ ...state, ...change }, model),
    })),
  );
}

const FORGET_BIASES = { 0: "0", 1: "1", 2: "2", chrono: "chrono" };
const WEIGHTS = { normal: "N(0, 0.1)", uniform: "uniform", orthogonal: "orthogonal", identity: "identity" };
const INTRODUCTION = {
  whole:
    "Press Train: the networks read palindromes without the last digit, which they must name, and learn in this page. " +
    "Make T longer until one of them fails, then give it a better start; earlier curves stay, pale. Solved means 99% " +
    "right in five tests in a row.",
  compact: "",
};

/** The controls of the settings: { nodes, show }. isCompact: only T. */
function controls(set, isCompact) {
  const onInput = (name, value) => set({ [name]: value });
  const length = slider([html("i", {}, "T"), ", length"], { name: "length", min: 3, max: 100, step: 1, unit: "digits" }, onInput);
  const rate = slider(["learning rate"], { name: "learning_rate", stops: RATES, unit: "" }, onInput);
  const clip = slider(["gradient clipped at"], { name: "clip_norm", stops: CLIPS, unit: "" }, onInput);
  const picks = {
    networks: pick(set, "networks", "network", "Which network learns", { ...NETWORKS, both: "both" }),
    forget_bias: pick(set, "forget_bias", "forget bias", "What is added to the forget gate's bias: the larger, the more of the cell is kept", FORGET_BIASES),
    encoding: pick(set, "encoding", "digits", "How a digit is read", { scalar: "one number", "one-hot": "one-hot" }),
    hidden_size: pick(set, "hidden_size", "units", "How many units", { 32: "32", 64: "64", 128: "128" }, Number),
    initialisation: pick(set, "initialisation", "first weights", "How the first weights are drawn", WEIGHTS),
    optimizer: pick(set, "optimizer", "optimizer", "Which optimizer", { rmsprop: "RMSprop", adam: "Adam" }),
  };
  const { networks, forget_bias, encoding, ...others } = picks;
  const grid = (...sliders) => html("div", { className: "controls" }, ...sliders.flatMap(({ row }) => row));
  const more = html("details", {}, html("summary", {}, "More settings"));
  more.append(...Object.values(others).map(({ node }) => node), grid(rate, clip));
  const show = (now) => {
    length.show(now.length);
    rate.show(now.learning_rate);
    clip.show(now.clip_norm);
    for (const [name, { show }] of Object.entries(picks)) show(String(now[name]));
    forget_bias.node.hidden = now.networks === "rnn";
  };
  return { nodes: isCompact ? [grid(length)] : [grid(length), networks.node, forget_bias.node, encoding.node, more], show };
}

const HEIGHT = 190;

/** How far back the gradient reaches, and what the trained networks answer at other lengths: { nodes, draw }. */
function below(all, isCompact) {
  const [reach, lengths] = [0, 0].map(() => svgNode("svg", { role: "img", height: HEIGHT }));
  const { node, fit } = pair(reach, lengths);
  const heard = html("p", { className: "key" });
  heard.setAttribute("aria-live", "polite");
  const ask = button("Ask it other lengths", () => {
    const { T } = all.current()[0].settings;
    all.ask({ lengths: Array.from({ length: 11 }, (_, place) => T - 5 + place).filter((asked) => asked >= 2) });
  });
  const draw = (runs, now, whole) => {
    const answered = runs.filter(({ answers }) => answers);
    const width = fit(whole, !answered.length);
    for (const svg of [reach, lengths]) svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const T = runs[0]?.settings.T ?? now.length;
    reach.replaceChildren(...reachCurves(runs.slice(-4), { width, height: HEIGHT, steps: T - 1 }));
    reach.setAttribute("aria-label", reachInWords(runs.slice(-4)));
    lengths.style.display = answered.length ? "" : "none";
    if (answered.length) lengths.replaceChildren(...lengthCurves(answered, { width, height: HEIGHT, T }));
    lengths.setAttribute("aria-label", lengthsInWords(answered));
    heard.textContent = answered.map(answeredInWords).join(" ");
    ask.disabled = all.isRunning() || !runs.some(({ state, failed, trainer }) => state === "done" && !failed && trainer);
  };
  return { nodes: isCompact ? [node] : [node, html("div", { className: "buttons" }, ask), heard], draw };
}

/** How far back the gradient reaches, for readers who do not see the drawing. */
export function reachInWords(runs) {
  const measured = runs.filter(({ norms }) => norms?.at(-1));
  const shares = measured.map(({ label, norms }) => `${label}: ${power(Math.log(norms[0] / norms.at(-1)), 1)}`);
  return shares.length
    ? `Of the gradient at the last step, what reaches the first: ${shares.join(", ")}.`
    : "How far back the gradient reaches: nothing is trained yet.";
}

/** What a network answers at the length it was trained at, and at best elsewhere. */
export function answeredInWords({ label, answers, settings }) {
  const [own, others] = [true, false].map((isOwn) =>
    Math.max(...answers.filter(({ T }) => (T === settings.T) === isOwn).map(({ accuracy }) => accuracy)),
  );
  return `${label}: ${percent(own)} right at T = ${settings.T}, ${percent(others)} at most at the other lengths.`;
}

export const lengthsInWords = (runs) =>
  runs.map(({ label, answers }) => `${label}: ${answers.map(({ T, accuracy }) => `T = ${T} ${percent(accuracy)}`).join(", ")}`).join(". ");

/** The first comparison at the length and the seed that are set. */
export const compared = (state) => planned({ ...state, ...PRESETS[0].set, length: state.length, seed: state.seed }, PRESETS[0]);

function render({ model, el }) {
  const isCompact = model.get("compact");
  return lesson({ model, el }, {
    name: "learn-palindromes",
    allowed: ALLOWED,
    fixed: ["batch_size", "train_steps"],
    presets: isCompact ? [] : PRESETS,
    introduction: isCompact ? INTRODUCTION.compact : INTRODUCTION.whole,
    controls: (set) => controls(set, isCompact),
    plan: isCompact ? compared : planned,
    below: (all) => below(all, isCompact),
    isCompact,
  });
}

export default { render };

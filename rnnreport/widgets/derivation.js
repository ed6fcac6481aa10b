// The derivation of chapter 1, lines (A) to (F), on a problem of three steps, with a switch for each mistake that is
// easily made. Every line is compared with central differences, so the page shows where an error enters and how far it
// spreads. A mistake can also be planted: the reader looks for its line, with only a check of the weights' gradients.
// A problem is { x, y, W_hx, W_hh, b_h, W_ph, b_p }: x[t - 1] is the input of step t, and y is the true class.

import { button, formula, generator, html, mount, power, traits } from "./page.js";

// Vectors are arrays, matrices arrays of rows; `plus` and `total` take both.
const plus = (u, v) => u.map((value, i) => (Array.isArray(value) ? plus(value, v[i]) : value + v[i]));
const total = (terms) => terms.reduce((sum, term) => plus(sum, term));
const scaled = (u, factor) => u.map((value) => factor * value);
const hadamard = (u, v) => u.map((value, i) => value * v[i]);
const times = (matrix, v) => matrix.map((row) => row.reduce((sum, entry, j) => sum + entry * v[j], 0));
const transposed = (matrix) => matrix[0].map((_, j) => matrix.map((row) => row[j]));
const outer = (u, v) => u.map((value) => scaled(v, value));
const zeros = (rows, columns) => Array.from({ length: rows }, () => new Array(columns).fill(0));

const nudged = (value, by) => (by ? plus(value, by) : value);

/**
 * Equations (1)-(3): { h, a, y_hat, loss }. h[t] is h(t), from h(0) = 0; a[t - 1] is the argument of tanh at step t.
 * `nudge`, { p, h, a }, is added to the quantities it names, to measure how the loss depends on them.
 */
export function forward({ x, y, W_hx, W_hh, b_h, W_ph, b_p }, nudge = {}) {
  const h = [nudged(scaled(b_h, 0), nudge.h?.[0])];
  const a = [];
  x.forEach((input, step) => {
    a.push(nudged(plus(plus(times(W_hx, input), times(W_hh, h[step])), b_h), nudge.a?.[step]));
    h.push(nudged(a[step].map(Math.tanh), nudge.h?.[step + 1]));
  });
  const p = nudged(plus(times(W_ph, h.at(-1)), b_p), nudge.p);
  const logSum = Math.log(p.reduce((sum, value) => sum + Math.exp(value), 0));
  return { h, a, y_hat: p.map((value) => Math.exp(value - logSum)), loss: logSum - p[y] };
}

/** The results of all lines with these switches flipped: an object of arrays, one per line. */
export function derive(problem, flips) {
  const flipped = (name) => flips.includes(name);
  const { W_hh, W_ph, x } = problem;
  const { h, a, y_hat } = forward(problem);
  const T = x.length;
  const steps = Array.from(x, (_, index) => index + 1); // t = 1…T
  const slope = (line, t) =>
    flipped(`${line}.slope`) ? h[t].map(() => 1)
    : flipped(`${line}.sec`) ? a[t - 1].map((value) => Math.cos(value) ** -2)
    : h[t].map((value) => 1 - value * value);

  // (A), (B)
  const one_hot = y_hat.map((_, k) => (k === problem.y && !flipped("A.target") ? 1 : 0));
  const to_p = scaled(plus(y_hat, scaled(one_hot, -1)), flipped("A.sign") ? -1 : 1);
  const output = flipped("B.summed") ? to_p.map(() => to_p.reduce((sum, value) => sum + value, 0)) : to_p;

  // (C), (D), (E)
  const recurrent = flipped("C.transposed") ? transposed(W_hh) : W_hh;
  const jacobians = steps.map((t) => slope("C", t).map((factor, i) => scaled(recurrent[i], factor))); // [t]: h(t+1) by h(t)
  const to_h = [scaled(times(flipped("D.output") ? W_ph : transposed(W_ph), to_p), flipped("D.sign") ? -1 : 1)];
  for (let t = T - 1; t >= 1; t--) {
    to_h.unshift(times(flipped("D.jacobian") ? jacobians[t] : transposed(jacobians[t]), to_h[0]));
  }
  const delta = steps.map((t) => hadamard(slope("E", t), to_h[t - 1]));

  // (F)
  const all = (last) => (flipped(last) ? [T] : steps);
  const of_W_hh = all("F.last").filter((t) => t > 1 || !flipped("F.first"));
  const input = (t) => (flipped("F.input") ? (x[t - 2] ?? scaled(x[0], 0)) : x[t - 1]);
  return {
    p: to_p,
    W_ph: outer(output, h[flipped("B.state") ? T - 1 : T]),
    b_p: to_p,
    jacobian: jacobians,
    h_T: to_h.at(-1),
    h: to_h.slice(0, -1),
    a: delta,
    W_hh: total(of_W_hh.map((t) => outer(delta[t - 1], h[flipped("F.state") ? t : t - 1]))),
    W_hx: total(all("F.input_last").map((t) => outer(delta[t - 1], input(t)))),
    b_h: total(all("F.bias_last").map((t) => delta[t - 1])),
  };
}

const STEP = 1e-5;

/** The derivative of `output()` by every number of `array`, in the same shape, found by moving each up and down. */
function central(array, output) {
  return array.map((entry, i) => {
    if (Array.isArray(entry)) return central(entry, output);
    const [up, down] = [STEP, -STEP].map((move) => {
      array[i] = entry + move;
      return output();
    });
    array[i] = entry;
    return (up - down) / (2 * STEP);
  });
}

/** The same object as from `derive`, but by central differences, without calculus. */
export function differences(problem) {
  const moved = structuredClone(problem);
  const [T, H] = [moved.x.length, moved.b_h.length];
  const nudge = { p: moved.b_p.map(() => 0), h: zeros(T + 1, H), a: zeros(T, H) };
  const loss = () => forward(moved, nudge).loss;
  const to_h = central(nudge.h, loss);
  const state = (t, i) => () => forward(moved, nudge).h[t][i];
  return {
    p: central(nudge.p, loss),
    W_ph: central(moved.W_ph, loss),
    b_p: central(moved.b_p, loss),
    jacobian: Array.from(moved.x, (_, t) => moved.b_h.map((_, i) => central(nudge.h[t], state(t + 1, i)))),
    h_T: to_h.at(-1),
    h: to_h.slice(1, -1),
    a: central(nudge.a, loss),
    W_hh: central(moved.W_hh, loss),
    W_hx: central(moved.W_hx, loss),
    b_h: central(moved.b_h, loss),
  };
}

/** ‖value - reference‖ / ‖reference‖ over all entries; 0 where both are zero, Infinity where only the reference is. */
export function relativeDifference(value, reference) {
  const [found, expected] = [value, reference].map((array) => array.flat(Infinity));
  const difference = Math.hypot(...found.map((entry, i) => entry - expected[i]));
  return difference === 0 ? 0 : difference / Math.hypot(...expected);
}

// The lines. A part that can be wrong is { as: the right text, flips: { switch: [the wrong text, its label] } }; the
// wrong text is null if the part is left out.
const slopePart = (line, t, around = (slope) => slope) => ({
  as: around(`(1 − h(${t})^{2})`),
  flips: {
    [`${line}.slope`]: [null, "leave 1 − h^{2} out"],
    [`${line}.sec`]: [around(`(sec^{2}a(${t}))`), "sec^{2}a for sech^{2}a = 1 − h^{2}, as printed in 2018"],
  },
});
const lastTerm = "only the last term";
const LINES = [
  {
    name: "p",
    tag: "A",
    left: "∂L/∂p",
    right: [{ as: "ŷ − y", flips: { "A.sign": ["y − ŷ", "flip the sign"], "A.target": ["ŷ", "forget y"] } }],
  },
  {
    name: "W_ph",
    tag: "B",
    left: "∂L/∂W_{ph}",
    right: [
      { as: "∂L/∂p", flips: { "B.summed": ["[Σ_{l} ∂L/∂p_{l}]", "keep the sum over l, one reading of 2018"] } },
      " · ",
      { as: "h(T)^{⊤}", flips: { "B.state": ["h(T − 1)^{⊤}", "h(T − 1) for h(T)"] } },
    ],
  },
  { name: "b_p", tag: "B", left: "∂L/∂b_{p}", right: ["∂L/∂p"] },
  {
    name: "jacobian",
    tag: "C",
    left: "∂h(t+1)/∂h(t)",
    right: [
      slopePart("C", "t+1", (slope) => `diag${slope}`),
      " ",
      { as: "W_{hh}", flips: { "C.transposed": ["W_{hh}^{⊤}", "transpose W_{hh}"] } },
    ],
  },
  {
    name: "h_T",
    tag: "D",
    left: "∂L/∂h(T)",
    right: [
      { as: "", flips: { "D.sign": ["−", "flip the sign"] } },
      { as: "W_{ph}^{⊤}", flips: { "D.output": ["W_{ph}", "do not transpose W_{ph}"] } },
      " ∂L/∂p",
    ],
  },
  {
    name: "h",
    tag: "D",
    left: "∂L/∂h(t)",
    right: [
      { as: "[∂h(t+1)/∂h(t)]^{⊤}", flips: { "D.jacobian": ["[∂h(t+1)/∂h(t)]", "leave out the transpose"] } },
      " ∂L/∂h(t+1) for t < T",
    ],
  },
  { name: "a", tag: "E", left: "δ(t) = ∂L/∂a(t)", right: [slopePart("E", "t"), " ⊙ ∂L/∂h(t)"] },
  {
    name: "W_hh",
    tag: "F",
    left: "∂L/∂W_{hh}",
    right: [
      {
        as: "Σ_{t=1…T}",
        flips: { "F.last": ["t = T only:", lastTerm], "F.first": ["Σ_{t=2…T}", "drop the first term"] },
      },
      " δ(t) ",
      { as: "h(t−1)^{⊤}", flips: { "F.state": ["h(t)^{⊤}", "h(t) for h(t − 1)"] } },
    ],
  },
  {
    name: "W_hx",
    tag: "F",
    left: "∂L/∂W_{hx}",
    right: [
      { as: "Σ_{t=1…T}", flips: { "F.input_last": ["t = T only:", lastTerm] } },
      " δ(t) ",
      { as: "x(t)^{⊤}", flips: { "F.input": ["x(t−1)^{⊤}", "x(t − 1) for x(t)"] } },
    ],
  },
  {
    name: "b_h",
    tag: "F",
    left: "∂L/∂b_{h}",
    right: [{ as: "Σ_{t=1…T}", flips: { "F.bias_last": ["t = T only:", lastTerm] } }, " δ(t)"],
  },
];

const choices = (line) => line.right.filter((part) => part.flips).map((part) => Object.keys(part.flips));

/** The switches that can be flipped, line by line. */
export const flipNames = () => LINES.flatMap((line) => choices(line).flat());

const RIGHT = 1e-6; // central differences are accurate to about 1e-9 here

/** For each line its `name`, its relative `difference` from the truth and its `verdict`: right, wrong or inherited. */
export function judge(problem, truth, flips) {
  const derived = derive(problem, flips);
  return LINES.map((line) => {
    const { name } = line;
    const difference = relativeDifference(derived[name], truth[name]);
    const own = derive(problem, flips.filter((flip) => choices(line).flat().includes(flip)));
    const enters = relativeDifference(own[name], truth[name]) > RIGHT;
    return { name, difference, verdict: difference <= RIGHT ? "right" : enters ? "wrong" : "inherited" };
  });
}

/** Which lines are wrong and where the error enters, in words. */
export function describe(judged, flips) {
  const named = (verdict) => LINES.filter((_, i) => judged[i].verdict === verdict).map(title);
  const [[first, ...others], inherited] = [named("wrong"), named("inherited")];
  if (flips.length === 0) {
    return `All ${LINES.length} lines agree with the finite differences. Flip a switch and see which of them turn wrong.`;
  }
  const [are, it] = flips.length === 1 ? ["One switch is", "it makes"] : [`${flips.length} switches are`, "they make"];
  if (!first) return `${are} flipped, and all ${LINES.length} lines are still right: on this problem ${it} no difference.`;
  const wrong = 1 + others.length + inherited.length;
  return [
    `${are} flipped, and ${wrong} of ${LINES.length} lines ${wrong === 1 ? "is" : "are"} wrong.`,
    `The first is ${first}, where an error enters${others.length ? `, as it does at ${list(others)}` : ""}.`,
    heirs(inherited),
  ].join(" ");
}

const heirs = (inherited) => (inherited.length ? `Inherited by: ${list(inherited)}.` : "No other line inherits it.");
const plain = (words) => words.replace(/\^\{2\}/g, "²").replace(/[_{}]/g, "");
const title = ({ tag, left }) => `(${tag}) ${plain(left.split(" = ")[0])}`;
const list = (words) => (words.length > 1 ? `${words.slice(0, -1).join(", ")} and ${words.at(-1)}` : words[0]);

/** The flipped switches after one of them was turned. At most one switch of a line's part is flipped. */
export function toggled(flips, name, on) {
  const rivals = LINES.flatMap(choices).find((part) => part.includes(name));
  const others = flips.filter((flip) => (on ? !rivals.includes(flip) : flip !== name));
  return on ? [...others, name] : others;
}

// A planted bug is one hidden switch. The reader sees only what is checked in practice: the weights' gradients.
const WEIGHTS = ["W_ph", "b_p", "W_hh", "W_hx", "b_h"];

/** The switches that make a difference on this problem, so that a bug can be found. */
export const findable = (problem, truth) =>
  flipNames().filter((flip) => judge(problem, truth, [flip]).some(({ verdict }) => verdict !== "right"));

/** The switch of a bug's number, 1, 2, …: each comes once, in random order, before any comes again. */
export function planted(bug, switches) {
  const round = Math.floor((bug - 1) / switches.length);
  const draw = generator(round);
  const order = [...switches];
  for (let left = order.length; left > 1; left--) {
    const drawn = Math.ceil(draw() * left) - 1; // draws lie in (0, 1]
    [order[left - 1], order[drawn]] = [order[drawn], order[left - 1]];
  }
  return order[(bug - 1) % switches.length];
}

/** What a line shows during a hunt: its verdict once it was suspected; before, for weights, whether they differ. */
export function clue({ name, verdict }, suspected) {
  if (suspected.includes(name)) return verdict;
  if (!WEIGHTS.includes(name)) return "unchecked";
  return verdict === "right" ? "right" : "differs";
}

/** The sentence during a hunt: what the check finds, later the result for the last line suspected. */
export function describeHunt(judged, suspected, bug) {
  const titles = (names) => LINES.filter(({ name }) => names.includes(name)).map(title);
  if (!suspected.length) {
    const off = judged.filter(({ name, verdict }) => WEIGHTS.includes(name) && verdict !== "right").map(({ name }) => name);
    const which = off.length === WEIGHTS.length ? "all five" : list(titles(off));
    return (
      `Bug ${bug} hides in one of the ${LINES.length} lines. A check of the weights' gradients finds ${which} wrong. ` +
      "Which line do you suspect?"
    );
  }
  const last = suspected.at(-1);
  const { verdict } = judged.find(({ name }) => name === last);
  const is = verdict === "right" ? "is right" : "is wrong only by what it takes from an earlier line";
  return `No: ${titles([last])[0]} ${is}. Bug ${bug} hides in another one.`;
}

/** The sentence on a bug that was found after this many tries, or was given away (`tries` is 0). */
export function describeFound(judged, flip, bug, tries) {
  const at = LINES.findIndex((line) => choices(line).flat().includes(flip));
  const [, words] = LINES[at].right.map((part) => part.flips?.[flip]).find(Boolean);
  const inherited = LINES.filter((_, i) => judged[i].verdict === "inherited").map(title);
  const found = tries ? `Yes, found in ${tries} ${tries === 1 ? "try" : "tries"}. ` : "";
  return `${found}Bug ${bug} is in ${title(LINES[at])}: “${plain(words)}”. ${heirs(inherited)}`;
}

/** The formula of a line as nodes, with the flipped parts marked. */
function reading({ left, right }, flips) {
  const nodes = right.flatMap((part) => {
    if (!part.flips) return formula(part);
    const flip = Object.keys(part.flips).find((name) => flips.includes(name));
    if (!flip) return formula(part.as);
    const [instead] = part.flips[flip];
    return instead === null ? [html("del", {}, ...formula(part.as))] : [html("mark", {}, ...formula(instead))];
  });
  return [...formula(`${left} = `), ...nodes];
}

const WORDS = {
  right: "✓ right",
  wrong: "✗ wrong",
  inherited: "✗ inherits an error",
  differs: "✗ differs",
  unchecked: "not checked",
};

/** One line on the page: { item, show }. */
function lineItem(line, onFlip, onSuspect) {
  const equation = html("span", { className: "formula" });
  const verdict = html("span", { className: "verdict-of-line" });
  const boxes = line.right.flatMap((part) =>
    Object.entries(part.flips ?? {}).map(([name, [, words]]) => {
      const box = html("input", { type: "checkbox", name });
      box.addEventListener("change", () => onFlip(name, box.checked));
      return [box, html("label", {}, box, html("span", {}, ...formula(words)))];
    }),
  );
  const switches = html("div", { className: "switches" }, ...boxes.map(([, label]) => label));
  switches.setAttribute("role", "group");
  switches.setAttribute("aria-label", `Mistakes in ${title(line)}`);
  const suspect = button("Suspect", () => onSuspect(line.name));
  suspect.setAttribute("aria-label", `Suspect ${title(line)}`);
  const outcome = html("span", { className: "outcome" }, verdict, suspect);
  const tag = html("span", { className: "tag" }, `(${line.tag})`);
  const item = html("li", {}, html("div", { className: "line" }, tag, equation, outcome), switches);
  /** told: the line's verdict or clue; flips: the switches that the reader sees flipped. */
  const show = (told, difference, flips, isHunt) => {
    item.className = told;
    equation.replaceChildren(...reading(line, flips));
    verdict.textContent = told === "unchecked" ? WORDS[told] : `${WORDS[told]}, ${power(Math.log(difference))}`;
    for (const [box] of boxes) box.checked = flips.includes(box.name);
    switches.hidden = isHunt || !boxes.length;
    suspect.hidden = !isHunt;
  };
  return { item, show };
}

const KEY = "Beside each line: its relative difference from finite differences.";
const HUNT_KEY =
  "The lines read as they should; one is computed with a mistake. Only the gradients of the weights are checked, against " +
  "finite differences: beside them stands the relative difference.";

function render({ model, el }) {
  const problem = traits(model, ["x", "y", "W_hx", "W_hh", "b_h", "W_ph", "b_p"]).state();
  const truth = differences(problem);
  const bugs = findable(problem, truth);
  const names = ["flips", "bug"];
  const { state, set, reset } = traits(model, names);
  let bug, suspected, latest; // the bug of this hunt, the lines suspected, the last bug planted
  let found = {}; // the switch of the last bug found, and the sentence on it

  const judged = (flips) => judge(problem, truth, flips);
  const reveal = (tries) => {
    const flip = planted(bug, bugs);
    found = { flip, says: describeFound(judged([flip]), flip, bug, tries) };
    set({ flips: [flip], bug: 0 });
    plant.focus(); // the button that was pressed is gone
  };
  const onSuspect = (name) => {
    suspected = [...suspected.filter((other) => other !== name), name];
    const { verdict } = judged([planted(bug, bugs)]).find((line) => line.name === name);
    if (verdict === "wrong") reveal(suspected.length);
    else redraw();
  };
  const onFlip = (name, on) => set({ flips: toggled(state().flips, name, on) });
  const lines = LINES.map((line) => lineItem(line, onFlip, onSuspect));
  const key = html("p", { className: "key" });
  const items = html("ol", { className: "lines" }, ...lines.map(({ item }) => item));
  const plant = button("Plant a bug", () => set({ flips: [], bug: latest + 1 }));
  const giveUp = button("Give up", () => reveal(0));
  const buttons = html("div", { className: "buttons" }, plant, giveUp, reset);
  const sentence = html("p", { role: "status" });

  const redraw = () => {
    const now = state();
    if (now.bug !== bug) [bug, suspected, latest] = [now.bug, [], now.bug || latest || 0];
    const isHunt = bug > 0;
    const flips = isHunt ? [] : now.flips;
    const lineByLine = judged(isHunt ? [planted(bug, bugs)] : flips);
    lines.forEach(({ show }, i) => {
      const { verdict, difference } = lineByLine[i];
      show(isHunt ? clue(lineByLine[i], suspected) : verdict, difference, flips, isHunt);
    });
    key.textContent = isHunt ? HUNT_KEY : KEY;
    plant.textContent = isHunt ? "Plant another bug" : "Plant a bug";
    giveUp.hidden = !isHunt;
    sentence.textContent =
      isHunt ? describeHunt(lineByLine, suspected, bug)
      : flips.join() === found.flip ? found.says
      : describe(lineByLine, flips);
  };
  return mount({ model, el }, names, [buttons, sentence, key, items], redraw);
}

export default { render };

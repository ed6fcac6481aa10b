// Recorded seeds of a world that the reader picks, drawn one by one: what each measured against a margin, and the share
// of them in which a claim holds, with its interval. Values and intervals come with the page; nothing is estimated here.

import { button, choice, html, line, mount, number, slider, svgNode, swatch, text, traits } from "./page.js";
import { decode } from "./weights.js";

const PARTS = 10000; // of one
const MISSING = -(2 ** 15);

/** The values of a claim in a world, seed by seed, in ten-thousandths. */
export function seedsOf({ values, claims, choices }, claim, world) {
  const worlds = choices.reduce((count, choice) => count * choice.values.length, 1);
  const seeds = values.length / claims.length / worlds;
  const place = choices.reduce((at, choice, which) => at * choice.values.length + world[which], 0);
  const first = (claim * worlds + place) * seeds;
  return Array.from(values.slice(first, first + seeds)).filter((value) => value !== MISSING);
}

/** For each number of seeds drawn so far { count, share, low, high, verdict }; count: of those in which a claim holds. */
export function judged(seeds, { margin, above }, intervals) {
  const bound = Math.round(margin * PARTS);
  let count = 0;
  return seeds.map((value, drawn) => {
    count += above ? value > bound : value < bound;
    const [low, high] = intervals[drawn][count];
    const verdict = low > 0.5 ? "reproduced" : high < 0.5 ? "contradicted" : "cannot tell";
    return { count, share: count / (drawn + 1), low, high, verdict };
  });
}

/** A share with two digits, or with as many more as show on which side of one half it lies. */
const beside = (share) => {
  const digits = [2, 3, 4].find((digits) => share === 0.5 || Number(share.toFixed(digits)) !== 0.5) ?? 4;
  return share.toFixed(digits);
};

const inSeeds = (count) => `${count} seed${count === 1 ? "" : "s"}`;

const FOLLOWS = {
  reproduced: "All of it lies above one half: reproduced.",
  contradicted: "All of it lies below one half: contradicted.",
  "cannot tell": "One half lies within: cannot tell.",
};

/** What the drawn seeds say. known: how many of this world are recorded. */
export function describe(steps, { what, above, margin }, known) {
  const asked = `${what} is ${above ? "above" : "below"} ${number(margin)}`;
  if (!known) return "No seed of this world is recorded.";
  if (!steps.length) return `No seed is drawn. Of ${inSeeds(known)}, in how many is it so that ${asked}?`;
  const { count, low, high, verdict } = steps.at(-1);
  const all = steps.length === known ? "all " : "";
  return (
    `In ${count} of ${all}${inSeeds(steps.length)} ${asked}. The 95% interval of this share is ` +
    `${beside(low)} to ${beside(high)}. ${FOLLOWS[verdict]}`
  );
}

const SIDE = { left: 34, right: 12 };
const HEIGHTS = { values: 132, shares: 170 };
const R = 4.5; // of a dot

/** The drawn values as dots piled up over a line, with the margin and the side that counts. */
function dots(seeds, { margin, above, least }, width) {
  const [left, right, bottom] = [SIDE.left, width - SIDE.right, HEIGHTS.values - 38];
  const x = (value) => left + ((value - least) / (1 - least)) * (right - left);
  const [from, to] = above ? [x(margin), right] : [left, x(margin)];
  const nodes = [svgNode("path", { class: "area", d: `M${from},14 H${to} V${bottom} H${from} Z` })];
  nodes.push(line("bound", x(margin), 14, x(margin), bottom), line("axis", left, bottom, right, bottom));
  for (const value of least < 0 ? [-1, -0.5, 0, 0.5, 1] : [0, 0.25, 0.5, 0.75, 1]) {
    nodes.push(line("tick", x(value), bottom, x(value), bottom + 4));
    nodes.push(text(x(value), bottom + 17, "middle", number(value).replace("-", "−")));
  }
  const piles = new Map();
  const pile = Math.max(1, ...tally(seeds.map((value) => column(value, x)))); // the highest
  const step = Math.min(2 * R + 1, (bottom - 14 - 2 * R) / pile);
  seeds.forEach((value) => {
    const at = column(value, x);
    piles.set(at, (piles.get(at) ?? 0) + 1);
    const bound = Math.round(margin * PARTS);
    const kind = (above ? value > bound : value < bound) ? "open" : "closed";
    nodes.push(svgNode("circle", { class: kind, cx: at * 2 * R, cy: bottom - R - 1 - (piles.get(at) - 1) * step, r: R }));
  });
  nodes.push(text(right, HEIGHTS.values - 5, "end", least < 0 ? "difference of accuracies" : "accuracy"));
  return nodes;
}

/** The column of dots to which a value belongs. */
const column = (value, x) => Math.round(x(value / PARTS) / (2 * R));

function tally(values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts.values();
}

/** The share in which it holds, with its interval, over the number of seeds drawn. */
function settling(steps, known, width) {
  const [left, right, top, bottom] = [SIDE.left, width - SIDE.right, 32, HEIGHTS.shares - 38];
  const x = (drawn) => left + ((drawn - 0.5) / Math.max(known, 1)) * (right - left);
  const y = (share) => bottom - share * (bottom - top);
  const nodes = [0, 0.5, 1].map((share) => line(share === 0.5 ? "bound" : "grid", left, y(share), right, y(share)));
  for (const share of [0, 0.5, 1]) nodes.push(text(left - 6, y(share) + 4, "end", String(share)));
  steps.forEach(({ share, low, high }, at) => {
    const kind = at === steps.length - 1 ? "curve" : "tick";
    nodes.push(line(kind, x(at + 1), y(low), x(at + 1), y(high)));
    nodes.push(svgNode("circle", { class: "open", cx: x(at + 1), cy: y(share), r: Math.min(R, 0.3 * (x(2) - x(1))) }));
  });
  const between = [1, 2, 5, 10, 20].find((every) => x(1 + every) - x(1) >= 24) ?? 20;
  for (let drawn = between; drawn <= known; drawn += between) {
    nodes.push(line("tick", x(drawn), bottom, x(drawn), bottom + 4), text(x(drawn), bottom + 17, "middle", String(drawn)));
  }
  nodes.push(text(left, 16, "start", "share in which it holds, with its interval"));
  nodes.push(text(right, HEIGHTS.shares - 5, "end", "seeds drawn"));
  return nodes;
}

const indexed = (names) => Object.fromEntries(names.map((name, place) => [place, name]));

function render({ model, el }) {
  const given = traits(model, ["claims", "choices", "values", "intervals"]).state();
  const { claims, choices, intervals } = given;
  const record = { ...given, values: decode(given.values, "int16") };
  const names = ["claim", "world", "margin", "drawn"];
  const { state, set, reset } = traits(model, names);
  const seeds = () => seedsOf(record, state().claim, state().world);

  const asks = choice("claim", { short: "claim", long: "Which claim" }, indexed(claims.map(({ name }) => name)), (at) =>
    set({ claim: Number(at), margin: claims[at].margin }),
  );
  asks.node.hidden = claims.length === 1;
  const picks = choices.map(({ name, values }, which) =>
    choice("world", { short: name, long: name }, indexed(values), (at) =>
      set({ world: state().world.map((value, place) => (place === which ? Number(at) : value)) }),
    ),
  );
  const margin = slider(
    ["margin"],
    { name: "margin", min: 0, max: 1, step: 0.01, unit: "" },
    (name, value) => set({ [name]: value }),
  );
  const drawn = () => Math.min(state().drawn, seeds().length);
  const one = button("Draw a seed", () => set({ drawn: Math.min(drawn() + 1, seeds().length) }));
  const all = button("Draw all", () => set({ drawn: seeds().length }));
  const none = button("Start again", () => set({ drawn: 0 }));
  const buttons = html("div", { className: "buttons" }, one, all, none, reset);
  const controls = html("div", { className: "controls" }, ...margin.row);
  const world = html("div", { className: "world" }, ...picks.map(({ node }) => node));
  const [above, below] = Object.values(HEIGHTS).map((height) => svgNode("svg", { role: "img", height }));
  const key = (kind, d, words) => html("span", {}, swatch(kind, d), words);
  const dot = "M10,4 a4,4 0 1 0 8,0 a4,4 0 1 0 -8,0";
  const legend = html(
    "p",
    { className: "key kinds" },
    key("dot open", dot, "a seed in which it holds"),
    key("dot closed", dot, "one in which it does not"),
    key("area", "M0,0 H28 V8 H0 Z", "beyond the margin"),
  );
  const sentence = html("p", { role: "status" });
  const nodes = [asks.node, world, controls, buttons, sentence, legend, above, below];

  return mount({ model, el }, names, nodes, (width) => {
    const now = state();
    const asked = { ...claims[now.claim], margin: now.margin };
    const known = seeds();
    const values = known.slice(0, now.drawn);
    const steps = judged(values, asked, intervals);
    asks.show(String(now.claim));
    picks.forEach(({ show }, which) => show(String(now.world[which])));
    margin.show(now.margin);
    margin.row[1].min = Math.min(asked.least, now.margin);
    for (const [svg, height] of [[above, HEIGHTS.values], [below, HEIGHTS.shares]]) {
      svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    }
    const spread = values.length
      ? `from ${[Math.min(...values), Math.max(...values)].map((value) => number(value / PARTS)).join(" to ")}`
      : "none yet";
    above.setAttribute("aria-label", `Each drawn seed as a dot: ${asked.what}, ${spread}; needed: ${asked.above ? "above" : "below"} ${number(now.margin)}.`);
    above.replaceChildren(...dots(values, asked, width));
    below.setAttribute(
      "aria-label",
      `The share of seeds in which the claim holds, with its interval, after each of ${inSeeds(values.length)}: ` +
        `${steps.map(({ share }) => beside(share)).join(", ") || "none yet"}.`,
    );
    below.replaceChildren(...settling(steps, known.length, width));
    sentence.textContent = describe(steps, asked, known.length);
  });
}

export default { render };

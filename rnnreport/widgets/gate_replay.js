// How a network's temporal gates moved while it was trained: at which steps its units are open, and their periods
// against their open ratios or shifts. The learned gates come with the page; everything else is computed here.

import { isDead, openSteps, outOf } from "./gate.js";
import { gateMap } from "./gate_map.js";
import {
  choice, html, line, mount, number, percent, player, slider, svgNode, swatch, tenTo, text, traits,
} from "./page.js";
import { decode } from "./weights.js";

/** For each snapshot a list of the units' { tau, s, r_on, strength }, ordered by their period at the start. */
export function unpack({ steps, tau, s, r_on, weight }) {
  const parts = [tau, s, r_on, weight].map((numbers) => decode(numbers, "float32"));
  const units = parts[0].length / steps.length;
  const order = [...Array(units).keys()].sort((one, other) => parts[0][one] - parts[0][other]);
  return steps.map((_, snapshot) =>
    order.map((unit) => {
      const [tau, s, r_on] = parts.map((numbers) => numbers[snapshot * units + unit]);
      const strength = parts[3].length === units ? parts[3][unit] : parts[3][snapshot * units + unit];
      return { tau, s, r_on, strength: strength ?? 1 };
    }),
  );
}

/** How many of the units never open at the steps from 1 to length. */
export const deadUnits = (gates, length) => gates.filter((gate) => isDead(openSteps(gate, length))).length;

const rounded = (value) => String(Number(value.toPrecision(3))).replace("-", "−");

/** The largest change of one of the three from then to now, { from, to }; for periods the largest ratio. */
export function largestChange(name, then, now) {
  const size = (a, b) => (name === "tau" ? Math.abs(Math.log(b / a)) : Math.abs(b - a));
  const pairs = then.map((gate, unit) => ({ from: gate[name], to: now[unit][name] }));
  return pairs.reduce((most, pair) => (size(pair.from, pair.to) > size(most.from, most.to) ? pair : most));
}

/** The share of all units' open steps that falls into the noise. opens: each unit's open steps; loud: noisy steps. */
export function inNoise(opens, loud) {
  const noisy = new Set(loud);
  const all = opens.flat();
  return all.filter((t) => noisy.has(t)).length / Math.max(all.length, 1);
}

/**
 * A snapshot in words. dead: for every snapshot, how many units never open; noise: for every snapshot, the share of
 * openings that falls into the noise, if there is noise.
 */
export function describe(snapshots, dead, { steps, snapshot, length }, noise = []) {
  const [first, now] = [snapshots[0], snapshots[snapshot]];
  const heard = noise.length ? `, and ${percent(noise[snapshot])} of the openings fall into the noise` : "";
  const never = `${outOf(dead[snapshot], now.length, "units")} never open within T = ${length}${heard}`;
  if (snapshot === 0) return `At training step ${steps[0]}, where this begins: ${never}.`;
  const moved = [["tau", "of a period"], ["s", "of a shift"], ["r_on", "of an open ratio"]].map(([name, what]) => {
    const { from, to } = largestChange(name, first, now);
    return from === to ? `${what}, none` : `${what}, from ${rounded(from)} to ${rounded(to)}`;
  });
  const [last] = moved.splice(-1);
  const before = noise.length ? `${percent(noise[0])} at the start` : `${dead[0]} at the start`;
  return `At training step ${steps[snapshot]}: ${never}, ${before}. The largest changes so far: ` +
    `${moved.join("; ")}; ${last}.`;
}

const SCATTER = { top: 24, right: 12, bottom: 48, left: 44, height: 378 };
const AGAINST = { r_on: "open ratio", s: "shift s" };

/** The range of the numbers, with some room. */
function range(numbers) {
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
  const room = 0.06 * (most - least) || 0.5 * Math.abs(most) || 1;
  return [least - room, most + room];
}

/** Three to seven round numbers within a range. */
function ticks([low, high]) {
  const rough = (high - low) / 7;
  const power = 10 ** Math.floor(Math.log10(rough));
  const between = [1, 2, 5, 10].find((digit) => digit * power >= rough) * power;
  const first = Math.ceil(low / between);
  return Array.from({ length: Math.floor(high / between) - first + 1 }, (_, at) => Number(((first + at) * between).toPrecision(6)));
}

/** Open ratios or shifts over periods, as the children of an <svg>: rings at the start, dots and crosses now. */
function scatter(snapshots, opens, { snapshot, against }, width) {
  const all = snapshots.flat();
  const [left, right] = [SCATTER.left, width - SCATTER.right];
  const [top, bottom] = [SCATTER.top, SCATTER.height - SCATTER.bottom];
  const across = range(all.map(({ tau }) => Math.log10(tau)));
  const up = range(all.map((gate) => gate[against]));
  const x = ({ tau }) => left + ((Math.log10(tau) - across[0]) / (across[1] - across[0])) * (right - left);
  const height = (value) => bottom - ((value - up[0]) / (up[1] - up[0])) * (bottom - top);
  const y = (gate) => height(gate[against]);
  const nodes = [svgNode("path", { class: "border", d: `M${left},${top} H${right} V${bottom} H${left} Z` })];

  for (const value of ticks(up)) {
    nodes.push(line("grid", left, height(value), right, height(value)));
    nodes.push(text(left - 6, height(value) + 4, "end", number(value).replace("-", "−")));
  }
  const decades = Array.from({ length: Math.ceil(across[1] - across[0]) + 1 }, (_, at) => Math.floor(across[0]) + at);
  const digits = across[1] - across[0] > 3 ? [1] : [1, 3];
  const marked = decades.flatMap((decade) => digits.map((digit) => digit * 10 ** decade));
  for (const tau of across[1] - across[0] > 1 ? marked : ticks(across.map((power) => 10 ** power))) {
    const at = x({ tau });
    if (at < left || at > right) continue;
    nodes.push(line("tick", at, bottom, at, bottom + 5));
    nodes.push(text(at, bottom + 18, "middle", tau < 0.01 || tau > 9999 ? tenTo(Math.round(Math.log10(tau))) : number(tau)));
  }
  nodes.push(text(right, SCATTER.height - 12, "end", "period τ, in steps"), text(2, 13, "start", AGAINST[against]));

  const [first, now] = [snapshots[0], snapshots[snapshot]];
  const at = (gate) => `${x(gate).toFixed(2)},${y(gate).toFixed(2)}`;
  const radius = ({ strength }) => 1.5 + 3 * Math.sqrt(strength);
  const rings = first.map((gate) => `M${at(gate)} m-3,0 a3,3 0 1,0 6,0 a3,3 0 1,0 -6,0`);
  const trails = now.map((gate, unit) => `M${at(first[unit])} L${at(gate)}`);
  nodes.push(svgNode("path", { class: "ring", d: rings.join(" ") }), svgNode("path", { class: "trail", d: trails.join(" ") }));
  const crosses = [];
  now.forEach((gate, unit) => {
    if (isDead(opens[unit])) crosses.push(`M${at(gate)} m-3,-3 l6,6 m-6,0 l6,-6`);
    else nodes.push(svgNode("circle", { class: "unit", cx: x(gate).toFixed(2), cy: y(gate).toFixed(2), r: radius(gate) }));
  });
  nodes.push(svgNode("path", { class: "cross", d: crosses.join(" ") }));
  return nodes;
}

const CURVE = { top: 24, right: 12, bottom: 24, left: 38, height: 104 };

/**
 * One number per snapshot, over training, as the children of an <svg>; the present snapshot is marked.
 * most: the top of the axis; ends: the labels there and at 0; level: the place of a dotted line, if any.
 */
function overTraining(values, { steps, snapshot }, { title, most, ends, level }, width) {
  const [left, right, top, bottom] = [CURVE.left, width - CURVE.right, CURVE.top, CURVE.height - CURVE.bottom];
  const [from, to] = [steps[0], steps.at(-1)];
  const x = (step) => left + ((step - from) / (to - from)) * (right - left);
  const y = (value) => bottom - (value / most) * (bottom - top);
  const points = values.map((value, at) => `${x(steps[at]).toFixed(2)},${y(value).toFixed(2)}`).join(" L");
  const now = x(steps[snapshot]).toFixed(2);
  return [
    line("grid", left, top, right, top),
    line("axis", left, bottom, right, bottom),
    ...(level === undefined ? [] : [line("guide", left, y(level), right, y(level))]),
    text(2, 13, "start", title),
    text(left - 7, top + 4, "end", ends[1]),
    text(left - 7, bottom + 4, "end", ends[0]),
    text(left, CURVE.height - 6, "start", String(from)),
    text(right, CURVE.height - 6, "end", `training step ${to}`),
    svgNode("path", { class: "dead-line", d: `M${points}` }),
    svgNode("path", { class: "marker", d: `M${now},${top - 4} V${bottom}` }),
  ];
}

const PLAY = 200; // milliseconds per snapshot
const CALM = 1200; // if the reader has asked for less motion; nothing slides between snapshots

function render({ model, el }) {
  const data = traits(model, ["steps", "tau", "s", "r_on", "weight", "length", "loud", "words"]).state();
  const { steps, length, loud } = data;
  const snapshots = unpack(data);
  const [first] = snapshots;
  const dead = snapshots.map((gates) => deadUnits(gates, length));
  const noise = loud.length ? snapshots.map((gates) => inNoise(gates.map((gate) => openSteps(gate, length)), loud)) : [];
  const names = ["snapshot", "against"];
  const { state, set, reset } = traits(model, names);

  const sentence = html("p", { role: "status" });
  const last = steps.length - 1;
  const stepping = {
    milliseconds: matchMedia("(prefers-reduced-motion: reduce)").matches ? CALM : PLAY,
    isLast: () => state().snapshot >= last,
    toStart: () => set({ snapshot: 0 }),
    forward: () => set({ snapshot: Math.min(state().snapshot + 1, last) }),
  };
  const { play, pause } = player(stepping, sentence);
  const onStep = (_, step) => {
    pause();
    set({ snapshot: steps.indexOf(step) });
  };
  const slide = slider(["training step"], { name: "snapshot", stops: steps, unit: "" }, onStep);
  reset.addEventListener("click", pause);
  const drawn = { short: "against τ", long: "What is drawn against the period" };
  const up = choice("against", drawn, AGAINST, (against) => set({ against }));

  const same = first[0].tau === first.at(-1).tau; // the map's rows then have no numbers
  const map = gateMap(same ? `units, all with period τ = ${rounded(first[0].tau)} at the start` : "period τ at the start");
  const chart = svgNode("svg", { role: "img", height: SCATTER.height });
  const curve = svgNode("svg", { role: "img", height: CURVE.height });
  const key = (kind, d, words) => html("span", {}, swatch(kind, d), words);
  const legend = html(
    "p",
    { className: "key kinds" },
    key("unit", "M10,4 a4,4 0 1,0 8,0 a4,4 0 1,0 -8,0", "a unit that opens"),
    key("ring", "M11,4 a3,3 0 1,0 6,0 a3,3 0 1,0 -6,0", "where it began"),
    key("cross", "M11,1 l6,6 m-6,0 l6,-6", "a unit that never does"),
    ...(loud.length ? [key("loud", "M0,0 H28 V8 H0 Z", "loud noise")] : []),
  );
  const controls = html("div", { className: "controls" }, ...slide.row);
  const buttons = html("div", { className: "buttons" }, play, reset);
  const pair = html("div", { className: "pair" }, map.node, html("div", {}, chart));
  const words = html("p", { className: "key" }, data.words);
  const nodes = [controls, buttons, sentence, up.node, legend, pair, curve, ...(data.words ? [words] : [])];

  const stop = mount({ model, el }, names, nodes, (width) => {
    const now = state();
    const gates = snapshots[now.snapshot];
    const opens = gates.map((gate) => openSteps(gate, length));
    const columns = width < 560 || loud.length ? 1 : 2; // shaded steps need the whole width
    const each = (width - 20 * (columns - 1)) / columns;
    pair.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    slide.show(steps[now.snapshot]);
    up.show(now.against);
    const never = outOf(dead[now.snapshot], gates.length, "units");
    const strengths = gates.map(({ strength }) => 0.25 + 0.75 * strength);
    const label =
      `Map of ${gates.length} units, ordered by period at the start, by ${length} steps: marked where a unit is open ` +
      `after training step ${steps[now.snapshot]}. ${never} never are.`;
    map.show({ gates, opens, periods: first.map(({ tau }) => tau), length, strengths, loud, label }, each);
    chart.setAttribute("viewBox", `0 0 ${each} ${SCATTER.height}`);
    chart.setAttribute(
      "aria-label",
      `The ${AGAINST[now.against]} of ${gates.length} units against their period τ, on a logarithmic axis, at training step ` +
        `${steps[now.snapshot]}: dots, or crosses for units that never open, with lines from rings at the start.`,
    );
    chart.replaceChildren(...scatter(snapshots, opens, now, each));
    curve.setAttribute("viewBox", `0 0 ${width} ${CURVE.height}`);
    const counted = { title: "units that never open", most: Math.min(gates.length, Math.max(...dead, 1)) };
    const axis = noise.length
      ? { title: "openings in the noise (dotted: by chance)", most: 1, ends: ["0", "1"], level: loud.length / length }
      : { ...counted, ends: ["0", String(counted.most)] };
    const said = noise.length ? noise.map((share) => percent(share)) : dead;
    curve.setAttribute(
      "aria-label",
      `${noise.length ? "Which share of the openings falls into the noise" : "How many units never open"}, over training: ` +
        `${said[0]} at the start, ${said.at(-1)} at the end, ${said[now.snapshot]} at training step ${steps[now.snapshot]}.`,
    );
    curve.replaceChildren(...overTraining(noise.length ? noise : dead, { steps, ...now }, axis, width));
    sentence.textContent = describe(snapshots, dead, { steps, length, ...now }, noise);
  });
  return () => {
    pause();
    stop();
  };
}

export default { render };

// Many temporal gates with periods and shifts drawn at random: the steps of a sequence at which each is open, and how
// many never open. Everything is computed here, from random numbers that come with the page.

import { isDead, openSteps, outOf, unitsOpen } from "./gate.js";
import { gateMap } from "./gate_map.js";
import { html, inSteps, mount, number, ratioStops, slider, swatch, traits } from "./page.js";

/** The units' { tau, s, r_on }, as GatePopulation.gates of gate_population.py, but ordered by period. */
export function population({ u_tau, u_s }, { shortest, longest, r_on }) {
  const gates = u_tau.map((u, unit) => {
    const tau = shortest ** (1 - u) * longest ** u;
    return { tau, s: u_s[unit] * tau, r_on };
  });
  return gates.sort((one, other) => one.tau - other.tau);
}

/** Whether there is a time between the steps 1 and length at which the gate is open. */
export function opensBetween({ tau, s, r_on }, length) {
  const n = Math.floor((1 - s) / tau - r_on) + 1; // the first opening that ends after t = 1
  return s + n * tau < length;
}

function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** What the map shows, in words. opens: for each of the gates the steps at which it is open. */
export function describe(gates, opens, length) {
  const all = gates.length;
  const dead = gates.filter((_, unit) => isDead(opens[unit]));
  const alive = opens.filter((open) => !isDead(open)).map((open) => open.length);
  const within = `within T = ${length}`;
  const sentences = [];
  if (dead.length === 0) {
    sentences.push(`Every one of the ${all} units opens ${within}, at a median of ${inSteps(median(alive))}.`);
  } else {
    const between = dead.filter((gate) => opensBetween(gate, length)).length;
    const reasons = [
      ...(between ? [`${between} open only between two whole steps`] : []),
      ...(between < dead.length ? [`${dead.length - between} would open later`] : []),
    ];
    const others = alive.length ? `; the others open at a median of ${inSteps(median(alive))}` : "";
    sentences.push(`${outOf(dead.length, all, "units")} never open ${within}${others}.`);
    sentences.push(`Of those that never do, ${reasons.join(" and ")}.`);
  }
  const silent = unitsOpen(opens, length).filter((count) => count === 0).length;
  sentences.push(
    silent ? `At ${outOf(silent, length, "steps")} no unit is open.` : `At each of the ${length} steps some unit is open.`,
  );
  return sentences.join(" ");
}

const PERIODS = ratioStops(0.5, 2000, 2);
const LENGTHS = ratioStops(5, 1000, 0);

function render({ model, el }) {
  const random = traits(model, ["u_tau", "u_s"]).state();
  const names = ["shortest", "longest", "r_on", "length"];
  const { state, set, reset } = traits(model, names);
  const onInput = (name, value) => {
    set({ [name]: value });
    sliders[name].show(state()[name]);
  };
  const sliders = {
    shortest: slider(
      ["shortest period"],
      { name: "shortest", stops: PERIODS, unit: "steps" },
      (name, value) => onInput(name, Math.min(value, state().longest)),
    ),
    longest: slider(
      ["longest period"],
      { name: "longest", stops: PERIODS, unit: "steps" },
      (name, value) => onInput(name, Math.max(value, state().shortest)),
    ),
    r_on: slider(
      ["open ratio r", html("sub", {}, "on")],
      { name: "r_on", min: 0.01, max: 1, step: 0.01, unit: "of the period" },
      onInput,
    ),
    length: slider(["length T"], { name: "length", stops: LENGTHS, unit: "steps" }, onInput),
  };
  const map = gateMap("period τ of the unit");
  const key = (kind, d, words) => html("span", {}, swatch(kind, d), words);
  const legend = html(
    "p",
    { className: "key kinds" },
    key("counts", "M0,0 H28 V8 H0 Z", "open at the step"),
    key("dead", "M0,4 H28", "open at none"),
  );
  const sentence = html("p", { role: "status" });
  const rows = Object.values(sliders).flatMap(({ row }) => row);
  const controls = html("div", { className: "controls" }, ...rows, reset);

  return mount({ model, el }, names, [legend, map.node, controls, sentence], (width) => {
    const now = state();
    const { length } = now;
    const gates = population(random, now);
    const opens = gates.map((gate) => openSteps(gate, length));
    for (const [name, { show }] of Object.entries(sliders)) show(now[name]);
    const words = describe(gates, opens, length);
    const label =
      `Map of ${gates.length} units, ordered by period from ${number(gates[0].tau)} to ${number(gates.at(-1).tau)}, by ` +
      `${length} steps: marked where a unit is open. ${words}`;
    map.show({ gates, opens, periods: gates.map(({ tau }) => tau), length, label }, width);
    sentence.textContent = words;
  });
}

export default { render };

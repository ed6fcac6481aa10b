// The temporal gate k(t) of equation (12), drawn, with sliders for its period τ, shift s and open ratio r_on.
// Everything is computed here: in the built page there is no kernel to ask.

import { html, line, mount, number, slider, svgNode, text, traits } from "./page.js";

/** Openness k(t), equation (12), with a floored mod: rnnreport.cells.temporal_gate for one number. */
export function temporalGate(t, tau, s, rOn) {
  let sinceOpening = (t - s) % tau;
  if (sinceOpening < 0) sinceOpening += tau;
  const phi = sinceOpening / tau;
  if (phi < rOn / 2) return (2 * phi) / rOn;
  if (phi < rOn) return 2 - (2 * phi) / rOn;
  return 0;
}

/** The corners [t, k] of the piecewise linear k(t) from t = 0 to t = steps. */
export function corners({ tau, s, r_on, steps }) {
  const inside = [];
  const every = Math.ceil(steps / tau / 1000); // of more than 1000 periods some: they are narrower than a pixel
  for (let n = Math.floor(-s / tau); s + n * tau < steps; n += every) {
    const opens = s + n * tau;
    inside.push([opens, 0], [opens + (tau * r_on) / 2, 1], [opens + tau * r_on, 0]);
  }
  const end = (t) => [t, temporalGate(t, tau, s, r_on)];
  return [end(0), ...inside.filter(([t]) => 0 < t && t < steps), end(steps)];
}

/** What the drawing shows, in words: at which whole steps the gate is open, and how far. */
export function describe({ tau, s, r_on, steps }) {
  const open = [];
  let largest = 0;
  for (let t = 1; t <= steps; t++) {
    const k = temporalGate(t, tau, s, r_on);
    if (k > 1e-9) open.push(t); // less is the rounding of t - s
    largest = Math.max(largest, k);
  }
  if (open.length === 0) {
    return `The gate is open at none of the whole steps 1 to ${steps}: a network that counts in whole steps would not ` +
      "update this unit once, although in continuous time k peaks at 1.";
  }
  const list = [open.slice(0, -1).join(", "), open.at(-1)].filter(String).join(" and ");
  const when =
    open.length === steps ? `all ${steps} whole steps`
    : open.length > 8 ? `${open.length} of the ${steps} whole steps`
    : open.length > 1 ? `the whole steps ${list}`
    : `the whole step ${list}`;
  const reached =
    largest > 1 - 1e-9 ? "k reaches 1 there"
    : largest < 0.01 ? "k stays below 0.01 there, although in continuous time it peaks at 1"
    : `the largest k there is ${number(Math.min(largest, 0.99))}, although in continuous time it peaks at 1`;
  return `The gate is open at ${when}; ${reached}.`;
}

const HEIGHT = 272;
const MARGIN = { top: 78, right: 14, bottom: 42, left: 34 };
const ROWS = { tau: 12, s: 35, open: 58 }; // where the three dimensions are drawn, above the curve

/** The drawing, `width` pixels wide, as the children of an <svg>. */
function drawing(state, width) {
  const { tau, s, r_on, steps } = state;
  const [left, right, top, bottom] = [MARGIN.left, width - MARGIN.right, MARGIN.top, HEIGHT - MARGIN.bottom];
  const x = (t) => left + (t / steps) * (right - left);
  const y = (k) => bottom - k * (bottom - top);
  const nodes = [];

  // Axes: time steps below, k at the left.
  const between = [1, 2, 4, 6, 12, 24, 50, 100, 200, 500, 1000].find((step) => x(step) - x(0) >= 26) ?? steps;
  for (let t = 0; t <= steps; t += between) {
    nodes.push(line("tick", x(t), bottom, x(t), bottom + 5), text(x(t), bottom + 18, "middle", String(t)));
  }
  for (const k of [0, 0.5, 1]) {
    nodes.push(line(k ? "grid" : "axis", left, y(k), right, y(k)), text(left - 6, y(k) + 4, "end", String(k)));
  }
  nodes.push(text(left - 6, top - 12, "end", "k(t)"), text(right, HEIGHT - 6, "end", "time step t"));

  // τ, s and τ·r_on as dimensions, from the first opening that is in view.
  const start = s >= 0 && s <= steps ? s : s - Math.floor(s / tau) * tau;
  const dimension = (row, from, to, label, length) => {
    const [x1, x2] = [x(from), x(Math.min(to, steps))];
    for (const end of to <= steps ? [x1, x2] : [x1]) {
      nodes.unshift(line("guide", end, row, end, bottom)); // below everything
      nodes.push(line("dimension", end, row - 5, end, row + 5));
    }
    const [room, middle] = [7 * length, (x1 + x2) / 2];
    if (x2 - x1 > room + 24) {
      nodes.push(line("dimension", x1, row, middle - room / 2, row), line("dimension", middle + room / 2, row, x2, row));
      nodes.push(text(middle, row + 4, "middle", ...label));
    } else {
      const fits = x2 + 8 + room < width;
      nodes.push(line("dimension", x1, row, x2, row));
      nodes.push(fits ? text(x2 + 8, row + 4, "start", ...label) : text(x1 - 8, row + 4, "end", ...label));
    }
  };
  const part = (attributes, words) => svgNode("tspan", attributes, words);
  const [is, was, lasts] = [tau, s, tau * r_on].map((value) => ` = ${number(value)}`);
  if (start <= steps) {
    dimension(ROWS.tau, start, start + tau, ["τ", is], 1 + is.length);
    const on = [part({ dy: 3, class: "small" }, "on"), part({ dy: -3 }, lasts)];
    dimension(ROWS.open, start, start + tau * r_on, ["τ·r", ...on], 5 + lasts.length);
  }
  if (start === s) dimension(ROWS.s, 0, s, ["s", was], 1 + was.length);
  else nodes.push(text(left, ROWS.s + 4, "start", "s", was, " (not in view)"));

  // The curve, and what a network that counts in whole steps sees of it.
  const path = corners(state).map(([t, k]) => `${x(t).toFixed(2)},${y(k).toFixed(2)}`).join(" L");
  nodes.push(svgNode("path", { class: "area", d: `M${left},${bottom} L${path} L${right},${bottom} Z` }));
  nodes.push(svgNode("path", { class: "curve", d: `M${path}` }));
  for (let t = 1; t <= steps; t++) {
    const k = temporalGate(t, tau, s, r_on);
    const r = Math.min(4, Math.max(1.5, (x(1) - x(0)) / 2.5));
    nodes.push(svgNode("circle", { class: k > 1e-9 ? "open" : "closed", cx: x(t), cy: y(k), r }));
  }
  return nodes;
}

function render({ model, el }) {
  const names = ["tau", "s", "r_on", "steps"];
  const { state, set, reset } = traits(model, names);
  const onInput = (name, value) => set({ [name]: value });
  const half = state().steps / 2; // τ and s up to here keep the first whole period in view
  const sliders = {
    tau: slider(["period τ"], { name: "tau", min: Math.min(1, half), max: half, step: 0.1, unit: "steps" }, onInput),
    s: slider(["shift s"], { name: "s", min: 0, max: half, step: 0.1, unit: "steps" }, onInput),
    r_on: slider(
      ["open ratio r", html("sub", {}, "on")],
      { name: "r_on", min: 0.01, max: 1, step: 0.01, unit: "of the period" },
      onInput,
    ),
  };
  const svg = svgNode("svg", { role: "img", height: HEIGHT });
  const sentence = html("p", { role: "status" });
  const rows = Object.values(sliders).flatMap(({ row }) => row);
  const controls = html("div", { className: "controls" }, ...rows, reset);

  return mount({ model, el }, names, [svg, controls, sentence], (width) => {
    const now = state();
    for (const [name, { show }] of Object.entries(sliders)) show(now[name]);
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    svg.setAttribute(
      "aria-label",
      `Openness k of the temporal gate over time t from 0 to ${now.steps}, for τ = ${number(now.tau)}, ` +
        `s = ${number(now.s)}, r_on = ${number(now.r_on)}: triangles of height 1, ` +
        `${number(now.tau * now.r_on)} steps wide, that start at t = ${number(now.s)} and every ${number(now.tau)} steps.`,
    );
    svg.replaceChildren(...drawing(now, width));
    sentence.textContent = describe(now);
  });
}

export default { render };

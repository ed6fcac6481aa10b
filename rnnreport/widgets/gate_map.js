// The map that shows at which steps many units are open.

import { isDead, shade, temporalGate, unitsOpen } from "./gate.js";
import { html, lay, line, number, svgNode, text } from "./page.js";

const MAP = { top: 24, right: 6, bottom: 98, left: 38 };
const COUNTS = { top: 26, height: 30 }; // below the map: the number of open units
const GREEN = [0, 158, 115]; // --curve
const FAINTEST = 0.4; // opacity of the least open steps

const rowHeight = (units) => Math.max(1, Math.round(256 / units)); // whole pixels, or some rows come out larger

/**
 * Paints units (rows) by steps (columns), each step as strong as k there. If there are more steps than columns, a
 * column shows the strongest of its steps, so that none is lost. strengths: how strong each unit is drawn, from 0 to 1.
 */
function paint(canvas, gates, opens, strengths, length, pixels) {
  const columns = Math.min(length, Math.max(1, Math.round(pixels)));
  [canvas.width, canvas.height] = [columns, gates.length];
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, gates.length);
  gates.forEach(({ tau, s, r_on }, row) => {
    for (const t of opens[row]) {
      const at = 4 * (row * columns + Math.floor(((t - 1) * columns) / length));
      const share = FAINTEST + (1 - FAINTEST) * temporalGate(t, tau, s, r_on);
      const opacity = Math.round(255 * share * strengths[row]);
      if (opacity <= image.data[at + 3]) continue;
      for (let part = 0; part < 3; part++) image.data[at + part] = GREEN[part];
      image.data[at + 3] = opacity;
    }
  });
  context.putImageData(image, 0, 0);
}

const NICE = [-2, -1, 0, 1, 2, 3, 4].flatMap((power) => [1, 2, 5].map((digit) => Number(`${digit}e${power}`)));

/** Everything around and over the map, as the children of an <svg>. periods: of the rows, from the shortest on. */
function frame(periods, opens, length, loud, { width, height, names }) {
  const [left, right, top, bottom] = [MAP.left, width - MAP.right, MAP.top, MAP.top + height];
  const x = (t) => left + (t / length) * (right - left);
  const y = (row) => top + (row / periods.length) * height;
  const floor = bottom + COUNTS.top + COUNTS.height;
  const nodes = [
    shade(loud, (t) => x(t - 0.5), top, bottom),
    shade(loud, (t) => x(t - 0.5), floor - COUNTS.height, floor),
    svgNode("path", { class: "border", d: `M${left},${top} H${right} V${bottom} H${left} Z` }),
  ];
  const dead = opens.flatMap((open, row) => (isDead(open) ? [`M${left},${y(row + 0.5).toFixed(2)} H${right}`] : []));
  nodes.push(svgNode("path", { class: "dead", d: dead.join(" "), "stroke-width": Math.max(0.8, 0.6 * y(1) - 0.6 * top) }));

  let last = -Infinity; // the place of the last label: the next keeps a distance
  for (const period of NICE) {
    const row = periods.findIndex((tau) => tau >= period);
    if (row < 0 || (row === 0 && period < periods[0]) || y(row) - last < 15) continue;
    last = y(row);
    nodes.push(line("tick", left - 4, last, left, last), text(left - 7, last + 4, "end", number(period)));
  }
  nodes.push(text(2, 13, "start", names));

  // How many are open at each step, and the time steps below.
  const counts = unitsOpen(opens, length);
  const most = Math.max(1, ...counts);
  const height_of = (count) => (floor - (count / most) * COUNTS.height).toFixed(2);
  const stairs = counts.map((count, at) => `V${height_of(count)} H${x(at + 1).toFixed(2)}`).join(" ");
  nodes.push(svgNode("path", { class: "counts", d: `M${left},${floor} ${stairs} V${floor} Z` }));
  nodes.push(line("axis", left, floor, right, floor), text(left - 7, floor - COUNTS.height + 9, "end", String(most)));
  nodes.push(text(2, bottom + 17, "start", "units open at the step"), text(left - 7, floor + 4, "end", "0"));
  const between = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((every) => every * (x(1) - left) >= 30) ?? length;
  for (let t = between; t <= length; t += between) {
    const at = x(t - 0.5);
    nodes.push(line("tick", at, floor, at, floor + 4));
    nodes.push(text(Math.min(at, width - 4 * String(t).length), floor + 17, "middle", String(t)));
  }
  nodes.push(text(right, floor + 33, "end", "time step t"));
  return nodes;
}

/** The map: { node, show }. One row per unit, ordered as `gates` and `periods`; names: of rows; loud: shaded steps. */
export function gateMap(names) {
  const canvas = html("canvas", {});
  canvas.setAttribute("role", "img");
  const overlay = svgNode("svg", { "aria-hidden": "true" });
  const node = html("div", { className: "heat" }, canvas, overlay);
  const show = ({ gates, opens, periods, length, strengths = gates.map(() => 1), loud = [], label }, width) => {
    const height = gates.length * rowHeight(gates.length);
    const across = width - MAP.left - MAP.right;
    paint(canvas, gates, opens, strengths, length, across * (window.devicePixelRatio || 1));
    canvas.setAttribute("aria-label", label);
    const whole = MAP.top + height + MAP.bottom;
    lay(canvas, { left: MAP.left, top: MAP.top, width: across, height }, { width, height: whole });
    overlay.setAttribute("viewBox", `0 0 ${width} ${whole}`);
    overlay.replaceChildren(...frame(periods, opens, length, loud, { width, height, names }));
  };
  return { node, show };
}

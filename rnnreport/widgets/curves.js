// Axes and lines of what is drawn over the steps of a training.

import { line, svgNode, text } from "./page.js";

const SIDE = { left: 42, right: 14, top: 26, bottom: 38 };

/** Round numbers for an axis from 0 to `most`, at most five. */
export function ticks(most) {
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, place) => place * step);
}

/** Axes of a drawing, and the scales: { nodes, x, y }. yTicks: [value, words]. */
export function axes({ width, height, xFrom = 0, xTo, xTicks = ticks(xTo), yFrom = 0, yTo = 1, yTicks, title, below }) {
  const [left, right, top, bottom] = [SIDE.left, width - SIDE.right, SIDE.top, height - SIDE.bottom];
  const x = (value) => left + ((value - xFrom) / (xTo - xFrom || 1)) * (right - left);
  const y = (value) => bottom - ((value - yFrom) / (yTo - yFrom)) * (bottom - top);
  const nodes = yTicks.flatMap(([value, words]) => [
    line("grid", left, y(value), right, y(value)),
    text(left - 6, y(value) + 4, "end", words),
  ]);
  nodes.push(line("axis", left, bottom, right, bottom));
  for (const value of xTicks)
    nodes.push(line("tick", x(value), bottom, x(value), bottom + 4), text(x(value), bottom + 17, "middle", value.toLocaleString("en")));
  nodes.push(text(0, 12, "start", title), text(right, height - 4, "end", below));
  return { nodes, x, y };
}

export const path = (kind, places) =>
  svgNode("path", { class: kind, d: places.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)},${y.toFixed(1)}`).join("") });

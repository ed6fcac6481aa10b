// The temporal gate, and counts over many gates.

import { percent, svgNode } from "./page.js";

/** Openness k(t), equation (12), with a floored mod and a leak: rnnreport.cells.temporal_gate for one number. */
export function temporalGate(t, tau, s, rOn, leak = 0) {
  let sinceOpening = (t - s) % tau;
  if (sinceOpening < 0) sinceOpening += tau;
  const phi = sinceOpening / tau;
  if (phi < rOn / 2) return (2 * phi) / rOn;
  if (phi < rOn) return 2 - (2 * phi) / rOn;
  return leak * phi;
}

/** The whole steps from 1 to length at which a gate is open; a leak does not count. */
export function openSteps({ tau, s, r_on }, length) {
  const open = [];
  for (let t = 1; t <= length; t++) if (temporalGate(t, tau, s, r_on) > 1e-9) open.push(t); // less is rounding of t - s
  return open;
}

/** A shade over these whole steps, half a step to either side. x: the place of a time; top, bottom: its ends. */
export function shade(steps, x, top, bottom) {
  const bars = steps.map((t) => `M${x(t - 0.5).toFixed(2)},${top} H${x(t + 0.5).toFixed(2)} V${bottom} H${x(t - 0.5).toFixed(2)} Z`);
  return svgNode("path", { class: "loud", d: bars.join(" ") });
}

/** How many units are open at how many of the steps from 1 to length. opens: for each unit its open steps. */
export function unitsOpen(opens, length) {
  const counts = new Array(length).fill(0);
  for (const steps of opens) for (const t of steps) counts[t - 1]++;
  return counts;
}

export const isDead = (open) => open.length === 0;

/** "31 of 128 units (24%)". */
export function outOf(count, all, things) {
  const share = count % all ? percent(count / all) : `${(100 * count) / all}%`;
  return `${count} of ${all} ${things} (${share})`;
}

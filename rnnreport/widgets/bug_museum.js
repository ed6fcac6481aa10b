// A mistake to be guessed from its curve: one exhibit at a time, with the right curve, four names and, once one is
// picked, the answer. Curves and words come with the page; nothing is trained here.

import { axes, path, ticks } from "./curves.js";
import { button, html, mount, number, slider, svgNode, swatch, traits } from "./page.js";

/** Whether the picked name of an exhibit is its own; undefined where none is picked. */
export const isRight = ({ options, name }, pick) => (pick < 0 ? undefined : options[pick] === name);

/** How many names are picked, and how many of them rightly. */
export function score(exhibits, picked) {
  const guesses = exhibits.map((exhibit, at) => isRight(exhibit, picked[at])).filter((right) => right !== undefined);
  return `${guesses.filter(Boolean).length} of ${guesses.length} guessed right.`;
}

/** What is said of an exhibit: before a name is picked the experiment, then the answer. */
export function answered(exhibit, pick) {
  const { name, what, shows, seen } = exhibit;
  if (pick < 0) return `${shows} Which mistake moves the solid curve?`;
  const verdict = isRight(exhibit, pick) ? "Right" : "Not that one";
  return `${verdict}: ${name}. ${what}${seen ? ` Seen ${seen}.` : ""}`;
}

const PANEL = 240;

/** The finite points of a curve. */
const known = (curve) => curve.filter(([, value]) => Number.isFinite(value));

/** Both curves on common axes, which reach down to zero where that is near. */
function drawn({ right, wrong, x, y }, width) {
  const both = [...known(right), ...known(wrong)];
  const values = both.map(([, value]) => value);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const step = ticks(most - least || 1)[1];
  const yFrom = 0 < least && least < most / 2 ? 0 : step * Math.floor(least / step);
  const yTo = step * Math.ceil((most + step / 10) / step);
  const yTicks = ticks(yTo - yFrom).map((above) => [yFrom + above, number(yFrom + above).replace("-", "−")]);
  const scale = axes({ width, height: PANEL, xTo: Math.max(...both.map(([at]) => at)), yFrom, yTo, yTicks, title: y, below: x });
  const placed = (curve) => known(curve).map(([at, value]) => [scale.x(at), scale.y(value)]);
  return [...scale.nodes, path("curve rnn", placed(wrong)), path("bound", placed(right))];
}

/** A curve in words: where it begins and ends, and its least and largest value. */
function inWords(curve) {
  const values = known(curve).map(([, value]) => value);
  return `from ${number(values[0])} to ${number(values.at(-1))}, between ${number(Math.min(...values))} and ${number(Math.max(...values))}`;
}

function render({ model, el }) {
  const { exhibits } = traits(model, ["exhibits"]).state();
  const names = ["exhibit", "picked"];
  const { state, set, reset } = traits(model, names);
  const pick = (one) => {
    const { exhibit, picked } = state();
    if (picked[exhibit] < 0) set({ picked: picked.with(exhibit, one) });
  };
  // Buttons, since the arrow keys pick among radio buttons before the reader has read them all.
  const options = exhibits[0].options.map((_, one) => button("", () => pick(one)));
  const guesses = html("div", { className: "buttons" }, ...options);
  guesses.setAttribute("role", "group");
  guesses.setAttribute("aria-label", "Which mistake is it?");
  const next = button("Next exhibit", () => set({ exhibit: (state().exhibit + 1) % exhibits.length }));
  const ends = { name: "exhibit", min: 1, max: exhibits.length, step: 1, unit: `of ${exhibits.length}` };
  const place = slider(["exhibit"], ends, (name, value) => set({ [name]: value - 1 }));
  const controls = html("div", { className: "controls" }, ...place.row);
  const buttons = html("div", { className: "buttons" }, next, reset);
  const guessed = html("p", { className: "key" });
  const svg = svgNode("svg", { role: "img", height: PANEL });
  const key = html(
    "p",
    { className: "key kinds" },
    html("span", {}, swatch("curve rnn"), "with the mistake"),
    html("span", {}, swatch("bound"), "this library"),
  );
  const sentence = html("p", { role: "status" });
  const fix = html("pre", { tabIndex: 0 });
  fix.setAttribute("aria-label", "The fix: lines with a minus sign are the mistake, lines with a plus sign are right");
  const test = html("p", { className: "key" });

  const nodes = [controls, svg, key, sentence, guesses, fix, test, buttons, guessed];
  return mount({ model, el }, names, nodes, (width) => {
    const { exhibit, picked } = state();
    const now = exhibits[exhibit];
    const isPicked = picked[exhibit] >= 0;
    place.show(exhibit + 1);
    guessed.textContent = score(exhibits, picked);
    svg.setAttribute("viewBox", `0 0 ${width} ${PANEL}`);
    svg.setAttribute("aria-label", `${now.y} by ${now.x}. This library: ${inWords(now.right)}. With the mistake: ${inWords(now.wrong)}.`);
    svg.replaceChildren(...drawn(now, width));
    sentence.textContent = answered(now, picked[exhibit]);
    options.forEach((option, at) => {
      const isOwn = now.options[at] === now.name;
      option.textContent = `${isPicked && isOwn ? "✓ " : picked[exhibit] === at ? "✗ " : ""}${now.options[at]}`;
      option.setAttribute("aria-pressed", picked[exhibit] === at);
    });
    fix.hidden = test.hidden = !isPicked;
    fix.textContent = now.fix;
    test.textContent = `In rnnreport/${now.file}; found by ${now.test}.`;
  });
}

export default { render };

// What the widgets share in which the reader trains networks: presets and buttons, the curve, and what is told in words.

import { base64, button, choice, html, mount, number, svgNode, traits } from "./page.js";
import { accuracyCurves, trainings } from "./trainings.js";

const CALM = 1500; // milliseconds between two sentences, which a screen reader reads out, and between two drawings
// if the reader has asked for less motion
const TALL = 230;

const percentOf = (accuracy) => `${(100 * accuracy).toFixed(accuracy > 0.99 && accuracy < 1 ? 1 : 0)}%`;

/** What a run has come to, in a sentence. */
export function told({ label, settings, points, step, seconds, solved, failed, state }) {
  const name = label[0].toUpperCase() + label.slice(1);
  if (failed) return `${name}: ${failed}`;
  if (!points.length) return `${name}: ${state === "waiting" ? "waiting for its turn" : "starting"}.`;
  const right = percentOf(points.at(-1).accuracy);
  if (state === "running") return `${name}: step ${step}, ${right} right.`;
  if (solved !== undefined) return `${name} solved T = ${settings.T} after ${solved} steps, ${number(seconds)} s.`;
  const chance = settings.task === "bursts" ? "one in two" : "one in ten";
  return `${name}: ${right} right after ${step} steps, ${number(seconds)} s; ${chance} is chance.`;
}

/** The same of many runs, in one sentence. */
export function toldTogether(runs) {
  if (runs.length <= 4) return runs.map(told).join(" ");
  const ended = runs.filter(({ state }) => state === "done");
  const solved = ended.filter(({ solved }) => solved !== undefined);
  const steps = solved.map((run) => run.solved).sort((a, b) => a - b);
  const spread = steps.length ? `, after ${steps[0]} to ${steps.at(-1)} steps` : "";
  return `${ended.length} of ${runs.length} have ended; ${solved.length} of them solved T = ${runs[0].settings.T}${spread}.`;
}

export const SEED = { min: 0, max: 2 ** 32 - 1, whole: true };

/**
 * The settings in a link to this page, such as "#learn-palindromes:length=15&seed=3": { values, refused }.
 *
 * name: the widget's. allowed: by setting, a list of values, or { min, max, whole }. refused: names of those not allowed.
 */
export function linked(hash, name, allowed) {
  const [values, refused] = [{}, []];
  if (!hash.startsWith(`#${name}:`)) return { values, refused };
  for (const [setting, given] of new URLSearchParams(hash.slice(name.length + 2))) {
    const rule = Object.hasOwn(allowed, setting) ? allowed[setting] : [];
    const number = given.trim() ? Number(given) : NaN;
    const isWithin = number >= rule.min && number <= rule.max && (!rule.whole || Number.isInteger(number));
    const value = Array.isArray(rule) ? rule.find((each) => String(each) === given) : isWithin ? number : undefined;
    if (value === undefined) refused.push(setting.slice(0, 20));
    else values[setting] = value;
  }
  return { values, refused };
}

/** The same settings as such a link. */
export const link = (name, settings) => `#${name}:${new URLSearchParams(settings)}`;

const PLAIN =
  "This browser does not let the page use WebAssembly, so the networks learn by plain JavaScript, some ten times slower; " +
  "it rounds otherwise, so that a seed draws another curve than elsewhere.";

/**
 * A widget in which networks learn: presets, controls, buttons, a sentence, the curve of accuracy, and what `below` adds.
 *
 * name: in links to the settings; allowed: of every trait that is a setting, see `linked`; fixed: the names of those that
 * no control changes. presets: { name, watch, set, ... }; set: settings that it starts from. controls(set): { nodes,
 * show(settings) }. plan(settings, preset): the trainings, as trainings.js starts them. below(all): { nodes, draw(runs,
 * settings, width) }. isCompact: without what a first look does
 * not need. Returns a stop function.
 */
export function lesson({ model, el }, { name, allowed, fixed, presets, introduction, controls, plan, below, isCompact }) {
  const names = Object.keys(allowed);
  const { state, set, reset } = traits(model, names);
  const settings = () => ({ ...traits(model, fixed).state(), ...state() });
  let [by, said, drawn, watched, width, frame] = ["step", -CALM, -CALM, "", 640, undefined];
  let isLinked = true; // whether a link to the settings says all of what was trained
  const all = trainings(model.get("_esm"), (isTold) => {
    if (isTold) report();
    again(isTold);
  });

  /** Takes over the settings of a link to this page, if it is one. */
  function follow() {
    const { values, refused } = linked(location.hash, name, allowed);
    watched = refused.length ? `The link asks for what cannot be set, and was not followed in: ${refused.join(", ")}.` : "";
    if (Object.keys(values).length) {
      set(values);
      for (const node of own.nodes) if (node.tagName === "DETAILS") node.open = true;
      el.scrollIntoView?.();
    }
    again(true);
  }

  function begin(preset) {
    watched = preset?.watch ?? "";
    isLinked = !preset?.vary;
    if (preset) set(preset.set);
    all.start(plan(settings(), preset));
  }

  /** Tells Python how far the trainings are, and of those that have ended the weights. */
  function report() {
    const progress = {};
    for (const { label, step, seconds, points, state, failed } of all.current())
      progress[label] = { step, seconds, accuracy: points.at(-1)?.accuracy ?? 0, state: failed ? "failed" : state };
    const ended = all.current().filter(({ weights }) => weights);
    model.set("progress", progress);
    model.set("trained", ended.map(({ label, settings, weights }) => ({ label, settings, weights: packed(weights) })));
    model.save_changes();
  }

  const train = button("Train", () => begin());
  train.classList.add("primary");
  const pause = button("Pause", () => all.pause(!all.isPaused));
  const stop = button("Stop", all.stop);
  const clear = button("Clear", all.clear);
  const next = button("Next seed", () => {
    set({ seed: (state().seed + 1) % 2 ** 32 });
    begin();
  });
  reset.addEventListener("click", () => (watched = ""));
  const seed = html("span", { className: "caption" });
  const here = html("a", { className: "caption" }, "link to these settings");
  const tries = presets.map((preset) => button(preset.name, () => begin(preset)));
  const own = controls(set);
  const further = below(all);
  const axis = choice("by", { short: "x axis", long: "What the curves are drawn over" }, { step: "steps", seconds: "seconds" }, (value) => {
    by = value;
    again();
  });
  const watch = html("p", { className: "key" });
  const sentence = html("p", { role: "status" });
  const note = html("p", { className: "key" }, PLAIN);
  const curves = svgNode("svg", { role: "img", height: TALL });
  const nodes = [
    ...(introduction ? [html("p", { className: "key" }, introduction)] : []),
    ...(tries.length ? [html("div", { className: "buttons presets" }, html("span", {}, "Try:"), ...tries)] : []),
    ...own.nodes,
    html("div", { className: "buttons" }, train, pause, stop, next, clear, ...(isCompact ? [] : [reset]), seed, here),
    ...[watch, sentence, curves, ...(isCompact ? [] : [axis.node]), ...further.nodes, note],
  ];

  /** Draws soon, at most once a frame; isTold: the sentence changes at once, and not only at a calm pace. */
  function again(isTold = false) {
    if (isTold) [said, drawn] = [-CALM, -CALM];
    frame ??= requestAnimationFrame(() => {
      frame = undefined;
      draw();
    });
  }

  function draw() {
    const [now, current, running] = [settings(), all.current(), all.isRunning()];
    own.show(now);
    axis.show(by);
    seed.textContent = `seed ${now.seed}`;
    here.href = link(name, state());
    train.textContent = current.length ? "Train anew" : "Train";
    pause.textContent = all.isPaused ? "Go on" : "Pause";
    for (const [node, isOff] of [[pause, !running], [stop, !running], [clear, !all.runs.length]]) {
      if (isOff && node === document.activeElement) train.focus(); // else the focus would be nowhere
      node.disabled = isOff;
    }
    here.hidden = isCompact || !isLinked;
    watch.textContent = watched;
    watch.hidden = !watched;
    const time = performance.now();
    if (time - said >= CALM) {
      // What is read out: how it starts and each end; in between only what one sees goes on.
      if (running && said !== -CALM) sentence.setAttribute("aria-live", "off");
      else sentence.removeAttribute("aria-live");
      said = time;
      sentence.textContent = current.length ? (all.isPaused ? "Paused. " : "") + toldTogether(current) : "Nothing is trained yet.";
    }
    if (matchMedia("(prefers-reduced-motion: reduce)").matches && time - drawn < CALM) return;
    drawn = time;
    const isBursts = (current[0]?.settings.task ?? now.task) === "bursts";
    curves.setAttribute("viewBox", `0 0 ${width} ${TALL}`);
    curves.replaceChildren(...accuracyCurves(all.runs, { width, height: TALL, by, chance: isBursts ? 0.5 : 0.1 }));
    curves.setAttribute("aria-label", `Accuracy on fresh sequences while training. ${toldTogether(current)}`);
    further.draw(current, now, width);
    note.hidden = !current.some(({ kernels }) => kernels === "plain JavaScript");
  }

  const stopShowing = mount({ model, el }, names, nodes, (whole) => {
    width = whole;
    drawn = -CALM;
    draw();
  });
  window.addEventListener("hashchange", follow);
  follow();
  return () => {
    window.removeEventListener("hashchange", follow);
    cancelAnimationFrame(frame);
    all.end();
    stopShowing();
  };
}

/** Weights for Python: by name, float32 in base64. */
export function packed(weights) {
  const bytes = (values) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return Object.fromEntries(Object.entries(weights).map(([name, values]) => [name, base64(bytes(values))]));
}

/** Two drawings, beside each other where there is room: { node, fit }. */
export function pair(...drawings) {
  const node = html("div", { className: "pairs" }, ...drawings);
  /** The width that each of them has; isSingle: only one of them is shown. */
  const fit = (whole, isSingle = false) => {
    const isWide = whole >= 560 && !isSingle;
    node.style.gridTemplateColumns = isWide ? "repeat(2, minmax(0, 1fr))" : "minmax(0, 1fr)";
    return isWide ? (whole - 24) / 2 : whole;
  };
  return { node, fit };
}

/** Settings of one trait as radio buttons, { node, show }. */
export const pick = (set, name, short, long, options, convert = (value) => value) =>
  choice(name, { short, long }, options, (value) => set({ [name]: convert(value) }));

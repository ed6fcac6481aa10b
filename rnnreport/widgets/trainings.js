// Several trainings at a time, each in a worker of its own, and how their curves are drawn.

import { axes, path } from "./curves.js";
import { line, svgNode, tenTo, text } from "./page.js";
import { trainer } from "./trainer.js";
import { training } from "./training.js";

const MOST = Math.max(2, Math.min(4, (globalThis.navigator?.hardwareConcurrency ?? 2) - 1)); // at a time
const ALIVE = 3; // of a batch this small the networks stay, to be asked
const TINTS = ["lstm", "rnn", "gated", "other"];

/**
 * The trainings of a widget: { runs, start, pause, stop, clear, ask, end, isRunning, isPaused }.
 *
 * start(list): of { label, settings }; what ran before stays as `earlier`. A run is { label, settings, tint, points,
 * step, seconds, norms, gate, solved, failed, weights, answers, state, isEarlier }; state: "waiting", "running", "done".
 * changed(isTold) is called when any of it has changed; with true when a run has started, ended or answered.
 */
export function trainings(source, changed) {
  const all = { runs: [], isPaused: false };
  const current = () => all.runs.filter((run) => !run.isEarlier);

  function pump() {
    const running = all.runs.filter(({ state }) => state === "running").length;
    const next = all.runs.filter(({ state }) => state === "waiting").slice(0, Math.max(0, MOST - running));
    for (const run of next) {
      if (run.state !== "waiting") continue; // one that ended at once has started it
      run.state = "running";
      run.trainer = trainer(source, training, (news) => hear(run, news));
      run.trainer.send({ start: run.settings });
      if (all.isPaused) run.trainer.pause(true);
    }
  }

  function hear(run, { points = [], answer, done, ...news }) {
    if (answer) run.answers = answer;
    else Object.assign(run, news);
    run.points.push(...points);
    if (done && run.state === "running") {
      run.state = "done";
      if (current().length > ALIVE || run.failed) {
        run.trainer.end();
        run.trainer = undefined;
      }
      pump();
    }
    changed(Boolean(done || answer));
  }

  const finish = (run) => {
    run.trainer?.end();
    run.trainer = undefined;
    if (run.state !== "done") run.state = run.points.length ? "done" : "gone";
  };

  return Object.assign(all, {
    start(list) {
      for (const run of all.runs) finish(run), (run.isEarlier = true), delete run.weights;
      const ofModel = (model) => list.filter(({ settings }) => settings.model === model).length;
      const own = { rnn: "rnn", lstm: "lstm", "temporal-gate": "gated" };
      list.forEach(({ label, settings }, place) => {
        const isOne = ofModel(settings.model) === 1 || list.length > TINTS.length;
        const tint = isOne ? own[settings.model] : TINTS[place];
        all.runs.push({ label, settings, tint, points: [], step: 0, seconds: 0, state: "waiting", isEarlier: false });
      });
      all.runs = all.runs.filter(({ state }) => state !== "gone");
      all.isPaused = false;
      pump();
      changed(true);
    },
    pause(isPaused) {
      all.isPaused = isPaused;
      for (const { trainer, state } of all.runs) if (state === "running") trainer?.pause(isPaused);
      changed(true);
    },
    /** Ends what runs, after it has said how far it came; what waits is not started. */
    stop() {
      all.runs = all.runs.filter(({ state }) => state !== "waiting");
      all.isPaused = false;
      for (const { trainer, state } of all.runs) if (state === "running") trainer?.send({ stop: true });
    },
    clear() {
      all.runs.forEach(finish);
      Object.assign(all, { runs: [], isPaused: false });
      changed(true);
    },
    ask: (question) => current().forEach(({ trainer, state }) => state === "done" && trainer?.send({ ask: question })),
    end: () => all.runs.forEach(finish),
    current,
    isRunning: () => all.runs.some(({ state }) => state === "running" || state === "waiting"),
  });
}

/** Names at the ends of curves, moved apart where they would cover each other; places: [{ x, y, words, kind }]. */
function names(places, gap = 15) {
  const sorted = [...places].sort((a, b) => a.y - b.y);
  sorted.forEach((place, i) => (place.at = i ? Math.max(place.y, sorted[i - 1].at + gap) : place.y));
  return sorted.map(({ x, at, words, kind }) => {
    const node = text(x, at + 4, x < 140 ? "start" : "end", words);
    node.setAttribute("class", `label ${kind}`);
    return node;
  });
}

const SETTINGS = {
  T: (value) => `T = ${value}`,
  H: (value) => `${value} units`,
  memory: (value) => (value === "chrono" ? "chrono" : `forget bias ${value}`),
  encoding: (value) => value,
  initialisation: (value) => `${value} weights`,
  optimizer: (value) => value,
  rate: (value) => `learning rate ${value}`,
  clip: (value) => `clipped at ${value}`,
  seed: (value) => `seed ${value}`,
};

/** A run's name and, in words, its settings; only those that differ from another run's, if there is one. */
export function named({ label, settings }, other) {
  const has = (name) => settings[name] !== undefined && (name !== "memory" || settings.model !== "rnn");
  const told = Object.keys(SETTINGS).filter((name) => has(name) && settings[name] !== other?.settings[name]);
  return [label, ...told.map((name) => SETTINGS[name](settings[name]))].join(", ");
}

/** Accuracy on fresh sequences over steps, or seconds; what ran earlier is pale. chance: of a right answer. */
export function accuracyCurves(runs, { width, height, by, chance }) {
  const most = Math.max(...runs.map(({ points }) => points.at(-1)?.[by] ?? 0), by === "step" ? 100 : 1);
  const yTicks = [0, 0.5, 1].map((share) => [share, String(share)]);
  const below = by === "step" ? "training steps" : "seconds of computing";
  const { nodes, x, y } = axes({ width, height, xTo: most, yTicks, title: "accuracy on fresh sequences", below });
  nodes.push(line("guide", x(0), y(chance), x(most), y(chance)), text(x(most), y(chance) - 5, "end", "chance"));
  const shown = [...runs.filter((run) => run.isEarlier), ...runs.filter((run) => !run.isEarlier)];
  const labels = [];
  const alike = ({ label }) => runs.findLast((run) => run.label === label && !run.isEarlier) ?? runs.at(-1);
  for (const run of shown) {
    const { points, tint, label, isEarlier } = run;
    if (!points.length) continue;
    const curve = path(`curve ${tint} ${isEarlier ? "earlier" : ""}`, points.map((point) => [x(point[by]), y(point.accuracy)]));
    curve.append(svgNode("title", {}, named(run)));
    nodes.push(curve);
    const words = isEarlier ? named(run, alike(run)) : label;
    labels.push({ y: y(points.at(-1).accuracy), words, kind: isEarlier ? `${tint} earlier` : tint, x: x(points.at(-1)[by]) });
  }
  const beside = labels.map((place) => ({ ...place, y: place.y + (place.y < 60 ? 14 : -10) }));
  return [...nodes, ...(labels.length <= 4 ? names(beside) : [])];
}

const MOST_DECADES = { above: 6, below: -12 }; // of the drawing of gradients

/** How much of the loss's gradient reaches the state at each step, as a share of that at the last step. */
export function reachCurves(runs, { width, height, steps }) {
  const measured = runs.filter(({ norms }) => norms?.at(-1));
  const within = (decade) => Math.max(MOST_DECADES.below, Math.min(MOST_DECADES.above, decade));
  const curves = measured.map(({ norms }) => Array.from(norms, (norm) => within(Math.log10(norm / norms.at(-1)))));
  const least = Math.min(-2, ...curves.flat().map((decade) => 2 * Math.floor(decade / 2)));
  const most = Math.max(0, ...curves.flat().map((decade) => 2 * Math.ceil(decade / 2)));
  const decades = Array.from({ length: 1 + (most - least) / 2 }, (_, place) => least + 2 * place);
  const { nodes, x, y } = axes({
    ...{ width, height, xFrom: 1, xTo: steps, yFrom: least, yTo: most + 0.3 },
    yTicks: decades.map((decade) => [decade, decade === 0 ? "1" : tenTo(decade)]),
    xTicks: [...new Set([1, Math.round((steps + 1) / 2), steps])],
    title: "gradient at step t, relative to the last step",
    below: "step t; the first digit is at 1",
  });
  measured.forEach(({ tint }, place) => {
    nodes.push(path(`curve ${tint}`, curves[place].map((decade, t) => [x(t + 1), y(decade)])));
  });
  const starts = measured.map(({ label, tint }, place) => ({ x: x(1) + 6, y: y(curves[place][0]) - 8, words: label, kind: tint }));
  return [...nodes, ...names(starts)];
}

/** The accuracy of trained networks at other lengths than that they were trained at. */
export function lengthCurves(runs, { width, height, T }) {
  const asked = runs.filter(({ answers }) => answers);
  const lengths = asked[0]?.answers.map((answer) => answer.T) ?? [T - 1, T + 1];
  const yTicks = [0, 0.5, 1].map((share) => [share, String(share)]);
  const { nodes, x, y } = axes({
    ...{ width, height, xFrom: lengths[0], xTo: lengths.at(-1), xTicks: lengths, yTicks },
    title: "accuracy when asked other lengths",
    below: "T of the palindromes it is asked",
  });
  nodes.push(line("guide", x(T), y(0), x(T), y(1)));
  for (const { answers, tint } of asked) {
    const places = answers.map((answer) => [x(answer.T), y(answer.accuracy)]);
    nodes.push(path(`curve ${tint}`, places));
    for (const [cx, cy] of places) nodes.push(svgNode("circle", { class: `open ${tint}`, cx, cy, r: 3.5 }));
  }
  return nodes;
}

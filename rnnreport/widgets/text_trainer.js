// An LSTM that learns a text of the reader's while the reader watches: the bits that a character costs, on training windows
// and on held-out text, and what the network writes. The text stays in the page.

import { axes, path } from "./curves.js";
import { slowly } from "./network.js";
import { base64, button, choice, html, line, mount, slider, svgNode, swatch, text, traits } from "./page.js";
import { called, visible } from "./shown.js";
import { problem, textTraining } from "./text_training.js";
import { serve, trainer } from "./trainer.js";

serve(textTraining);

const STEPS = 20_000; // a training ends here, if it is not stopped
const LONG = 20_000; // characters; of a longer text the box shows the beginning
const BEGINNING = 1_000;
const LARGEST = 5_000_000; // bytes of a file, of a text or of weights
const PACE = 5_000; // milliseconds between two sentences that a screen reader reads out
const CALM = 1_200; // between two changes of the picture, if the reader has asked for less motion
const TALL = 220;
const LISTED = 8; // unknown characters that are named

const count = (value) => value.toLocaleString("en");
const inBits = (bits) => bits.toFixed(2);

/** How far a training is, in words; points: of training windows, or of held-out text, { step, bits } each. */
export function stage({ points, heldOut, chance }) {
  const [bits, held] = [points.at(-1)?.bits, heldOut.at(-1)?.bits];
  if (bits === undefined || bits > (chance.none + chance.alone) / 2) return "It knows next to nothing of the text yet.";
  const best = heldOut.reduce((least, point) => (point.bits < least.bits ? point : least), { bits: Infinity });
  if (held > best.bits + 0.15)
    return `It learns its windows by heart: held-out text cost least, ${inBits(best.bits)} bits, at step ${count(best.step)}.`;
  if (bits > 0.97 * chance.alone) return "It knows how common each character is.";
  if (bits > chance.afterOne) return "It learns which character likes to follow which.";
  return "It spells: a look at one character before would not get so far.";
}

/** What has come of a training, in sentences. */
export function told(run, state) {
  if (run.failed) return run.failed;
  const { points, heldOut, step, seconds, chance, shape } = run;
  if (!shape) return state === "running" ? "It reads the text." : "Nothing is trained yet.";
  const how = { paused: "Paused at step", done: "Stopped at step", running: "Step" }[state];
  const begins = state === "opened" ? "These weights are open." : `${how} ${count(step)}, ${Math.round(seconds)} s.`;
  const costs = [];
  if (points.length) costs.push(`${inBits(points.at(-1).bits)} bits in its training windows`);
  if (heldOut.length) costs.push(`${inBits(heldOut.at(-1).bits)} bits in held-out text`);
  const cost = costs.length ? ` A character costs it ${costs.join(" and ")}; a blind guess costs ${inBits(chance.none)}.` : "";
  return `${begins}${cost}${state === "opened" ? "" : ` ${stage(run)}`}`;
}

/** The curves of a training as the children of an <svg>. */
function curves({ points, heldOut, chance }, width) {
  const none = chance?.none ?? 6;
  const highest = Math.max(1, Math.ceil(Math.max(none, ...heldOut.map(({ bits }) => Math.min(bits, 2 * none)))));
  const most = Math.max(100, points.at(-1)?.step ?? 0, heldOut.at(-1)?.step ?? 0);
  const yTicks = Array.from({ length: highest + 1 }, (_, bits) => [bits, String(bits)]);
  const names = { title: "bits per character", below: "training steps" };
  const { nodes, x, y } = axes({ width, height: TALL, xTo: most, yTo: highest, yTicks, ...names });
  const drawn = (kind, curve) => path(`curve ${kind}`, curve.map(({ step, bits }) => [x(step), y(Math.min(bits, highest))]));
  if (chance) nodes.push(line("guide", x(0), y(none), x(most), y(none)));
  if (points.length) nodes.push(drawn("lstm", points));
  if (heldOut.length) nodes.push(drawn("rnn", heldOut));
  for (const { step, bits } of heldOut.length < 2 ? heldOut : [])
    nodes.push(svgNode("circle", { class: "open rnn", cx: x(step), cy: y(Math.min(bits, highest)), r: 3.5 }));
  if (chance) nodes.push(text(x(0) + 4, y(none) + 14, "start", "a blind guess")); // with its halo, over the curves
  return nodes;
}

/** The two curves' names, apart from the drawing, where nothing can cover them. */
function legend() {
  const item = (kind, words) => html("span", {}, swatch(`curve ${kind}`), words);
  return html("div", { className: "kinds" }, item("lstm", "training windows"), item("rnn", "held-out text"));
}

/** A file's bytes as a text; a text as it is learned, with newlines as in Unix. */
const decoded = (bytes) => new TextDecoder("utf-8", { fatal: true }).decode(bytes);
const unix = (words) => words.replace(/\r\n?/g, "\n");

/** The text to learn, typed, pasted, dropped or opened: { nodes, value, show }. onText is called with one that can be learned. */
function textField(onText) {
  let [current, isLong] = ["", false];
  const box = html("textarea", { rows: 6, spellcheck: false, autocomplete: "off" });
  const note = html("span", { className: "note", id: `text-${Math.random().toString(36).slice(2)}` });
  note.setAttribute("aria-live", "polite");
  box.setAttribute("aria-describedby", note.id);
  const about = html("span", { className: "caption" });
  const picker = html("input", { type: "file", accept: ".txt,.md,.tex,text/*", hidden: true });
  const open = button("Open a text", () => picker.click());
  const type = button("Type one instead", () => {
    show("");
    box.focus();
  });
  const say = (wrong) => (note.textContent = wrong);
  const check = () => {
    const wrong = problem(current);
    say(wrong && `The text ${wrong}`);
    return !wrong;
  };
  function show(words, name = "") {
    current = words;
    isLong = name !== "" || words.length > LONG;
    box.value = isLong ? [...words.slice(0, BEGINNING)].join("") + (words.length > BEGINNING ? " …" : "") : words;
    box.readOnly = isLong;
    type.hidden = !isLong;
    about.textContent = isLong ? `${visible(name) || "a long text"}: ${count(words.length)} characters` : "";
    say("");
  }
  /** Takes a text that came whole. */
  function take(words, name) {
    const wrong = problem(words);
    if (wrong) return say(`${name ? visible(name) : "The text"} ${wrong}`);
    show(words, name);
    onText(words);
  }
  async function read(file) {
    if (file.size > LARGEST) return say(`${visible(file.name)} is larger than 5 MB.`);
    let words;
    try {
      words = unix(decoded(await file.arrayBuffer()));
    } catch {
      return say(`${visible(file.name)} is not a UTF-8 text file.`);
    }
    await new Promise((resolve) => setTimeout(resolve)); // the page may draw in between
    take(words, file.name);
  }
  picker.addEventListener("change", () => {
    if (picker.files[0]) read(picker.files[0]);
    picker.value = ""; // so that the same file can be opened again
  });
  box.addEventListener("input", () => {
    current = box.value;
    if (note.textContent) check();
  });
  box.addEventListener("change", () => {
    if (!isLong && check()) onText(current);
  });
  box.addEventListener("paste", (event) => {
    const words = event.clipboardData?.getData("text/plain") ?? "";
    if (words.length <= LONG || isLong) return;
    event.preventDefault(); // a box with a whole book in it makes a page slow
    take(unix(words), "the pasted text");
  });
  box.addEventListener("dragover", (event) => event.preventDefault());
  box.addEventListener("drop", (event) => {
    const [file] = event.dataTransfer.files;
    if (!file) return; // words dragged from elsewhere
    event.preventDefault();
    read(file);
  });
  const label = html("label", {}, html("span", {}, "text to learn"), box);
  const buttons = html("div", { className: "buttons" }, open, type, about, picker);
  const nodes = [html("div", { className: "typed learned" }, label), note, buttons];
  return { nodes, show, check, value: () => current };
}

function render({ model, el }) {
  const names = ["text", "hidden_size", "temperature"];
  const { state, set } = traits(model, names);
  let run = { points: [], heldOut: [] }; // all that was heard of a training
  let phase = "idle"; // idle, running, paused, done, opened
  let place, file, frame, shownText, asked; // file: the weights, once they stand still; asked: the temperature
  let taught; // the text of the last training
  let [width, said, drawn, isSaving, isGone] = [640, -PACE, -CALM, false, false];

  /** Sends a training, from a file of weights if there is one, to a place of its own. onNews hears what it says. */
  function sent(settings, onNews) {
    const mine = trainer(model.get("_esm"), textTraining, (news) => isGone || mine.isOver || onNews(news, mine));
    asked = state().temperature;
    const common = { text: field.value(), H: state().hidden_size, seed: model.get("seed"), temperature: asked };
    mine.send({ start: { ...common, ...settings } });
    return mine;
  }

  /** From now on this place is heard, and no other. */
  function adopt(mine) {
    if (place) place.isOver = true;
    place?.end();
    place = mine;
  }

  /** Trains the text in the box: a new network, or the one that stands still. */
  function begin(goesOn) {
    refuse("");
    if (!field.check()) return;
    set({ text: (taught = field.value()) });
    const { points, heldOut, step, seconds } = run;
    adopt(undefined);
    run = goesOn ? { points, heldOut, step, seconds } : { points: [], heldOut: [] };
    isSaving = false;
    if (!goesOn) file = undefined;
    phase = "running";
    const settings = goesOn ? { file, before: { step, seconds } } : {};
    place = sent({ ...settings, steps: STEPS }, (news) => hear(news, "done"));
    again(true);
  }

  /** Looks at a file of weights; a training in progress gives way only to one that can be read. */
  async function openWeights(chosen) {
    refuse("");
    if (chosen.size > LARGEST) return refuse(`${visible(chosen.name)} is larger than 5 MB.`);
    const bytes = new Uint8Array(await chosen.arrayBuffer());
    sent({ file: bytes, steps: 0 }, (news, mine) => {
      if (news.failed) {
        mine.end();
        return refuse(`${visible(chosen.name)} could not be opened. ${news.failed}`);
      }
      if (mine !== place) {
        adopt(mine);
        [run, phase] = [{ points: [], heldOut: [] }, "running"];
      }
      hear(news, "opened");
    });
  }

  function hear({ points = [], heldOut = [], answer, done, ...news }, ended) {
    const isFirst = !run.shape;
    if (answer?.sample) run.sample = answer.sample;
    if (answer?.file) {
      file = answer.file;
      if (isSaving) keep(file);
      isSaving = false;
    }
    run.points.push(...points);
    run.heldOut.push(...heldOut);
    Object.assign(run, news);
    if (news.file) file = news.file;
    if (done) phase = run.failed ? "idle" : ended;
    if (heldOut.length || done || answer?.file) report();
    again(isFirst || Boolean(done || answer?.file));
  }

  /** Tells Python how far it is, and the weights once they stand still. */
  function report() {
    const { step = 0, seconds = 0, points, heldOut, failed } = run;
    const bits = { bits: points.at(-1)?.bits ?? null, held_out_bits: heldOut.at(-1)?.bits ?? null };
    model.set("progress", { state: failed ? "failed" : phase, step, seconds, ...bits });
    if (phase !== "running" && file) model.set("weights", base64(file));
    model.save_changes();
  }

  /** Offers the weights as a file to be kept. */
  function keep(bytes) {
    const address = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
    html("a", { href: address, download: "weights.safetensors" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  }

  const refuse = (words) => (opening.textContent = words);
  const field = textField((words) => set({ text: words }));
  const label = { short: "units", long: "How many units the layer has" };
  const sizes = { 64: "64", 128: "128", 256: "256" };
  const units = choice("units", label, sizes, (value) => set({ hidden_size: Number(value) }));
  const temperature = slider(
    ["temperature"],
    { name: "temperature", min: 0, max: 1.5, step: 0.05, unit: "" },
    (_, value) => set({ temperature: value }),
  );
  const isLive = () => phase === "running" || phase === "paused";
  const train = button("Train", () => begin(Boolean(file)));
  train.classList.add("primary");
  const pause = button("Pause", () => {
    phase = phase === "paused" ? "running" : "paused";
    place.pause(phase === "paused");
    if (phase === "paused") place.send({ ask: { save: true } }); // for Python
    again(true);
  });
  const stop = button("Stop", () => {
    place.pause(false);
    place.send({ stop: true });
  });
  const anew = button("Start anew", () => begin(false));
  const save = button("Save the weights", () => {
    if (!isLive()) return keep(file);
    isSaving = true;
    place.send({ ask: { save: true } });
  });
  const picker = html("input", { type: "file", accept: ".safetensors", hidden: true });
  picker.addEventListener("change", () => {
    if (picker.files[0]) openWeights(picker.files[0]);
    picker.value = "";
  });
  const open = button("Open weights", () => picker.click());
  const opening = html("span", { className: "note" });
  opening.setAttribute("aria-live", "polite");

  const changed = html("p", { className: "key" }, CHANGED);
  const sentence = html("p", { role: "status" });
  const chart = svgNode("svg", { role: "img", height: TALL });
  const [before, sample] = [html("strong", {}), html("span", {})];
  const box = html("div", { className: "written taught", tabIndex: 0 }, before, sample);
  box.setAttribute("role", "group");
  box.setAttribute("aria-live", "off");
  box.setAttribute("aria-label", "What the network writes");
  const heading = html("p", { className: "key" });
  const note = html("p", { className: "key" });
  const nodes = [
    html("p", { className: "key" }, INTRODUCTION),
    ...field.nodes,
    units.node,
    html("div", { className: "buttons" }, train, pause, stop, anew, save, open, picker),
    ...[changed, opening, sentence, legend(), chart],
    html("div", { className: "controls" }, ...temperature.row),
    ...[heading, box, note],
  ];

  /** Draws soon, at most once a frame; isTold: the sentence changes at once, and not only at a calm pace. */
  function again(isTold = false) {
    if (isTold) [said, drawn] = [-PACE, -CALM];
    frame ??= requestAnimationFrame(() => {
      frame = undefined;
      draw();
    });
  }

  function draw() {
    const [now, time] = [state(), performance.now()];
    units.show(String(now.hidden_size));
    temperature.show(now.temperature);
    train.textContent = file && !isLive() ? "Train on" : "Train";
    pause.textContent = phase === "paused" ? "Go on" : "Pause";
    train.disabled = isLive();
    pause.disabled = stop.disabled = !isLive();
    anew.disabled = !run.shape && !run.failed;
    save.disabled = isLive() ? !run.shape : !file;
    changed.hidden = !file || isLive() || phase === "opened" || field.value() === taught;
    if (time - said >= PACE) {
      said = time;
      sentence.textContent = told(run, phase);
      note.textContent = notes(run);
    }
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (calm && time - drawn < CALM) return;
    drawn = time;
    chart.setAttribute("viewBox", `0 0 ${width} ${TALL}`);
    chart.replaceChildren(...curves(run, width));
    chart.setAttribute("aria-label", `Bits per character over the steps. ${told(run, phase)}`);
    const { step, end = "", written = "" } = run.sample ?? {};
    const reads = end ? "it reads the end of the text, in bold, and writes on:" : "it writes:";
    heading.textContent = run.sample ? `At step ${count(step)} ${reads}` : "What it writes comes here.";
    before.textContent = lines(end);
    sample.textContent = lines(written);
  }

  const stopShowing = mount({ model, el }, names, nodes, (whole) => {
    width = whole;
    const now = state();
    if (now.text !== shownText && now.text !== field.value()) field.show(now.text); // set from Python
    shownText = now.text;
    if (place && asked !== now.temperature) place.send({ ask: { temperature: (asked = now.temperature) } });
    [said, drawn] = [-PACE, -CALM];
    draw();
  });
  return () => {
    isGone = true;
    cancelAnimationFrame(frame);
    place?.end();
    stopShowing();
  };
}

const lines = (words) => visible(words).replaceAll("⏎", "⏎\n");

/** What else there is to say of a network: what it leaves out, and how slow its arithmetic is. */
function notes({ shape, unknown = [], kernels }) {
  if (!shape) return "";
  const more = unknown.length > LISTED ? [`${unknown.length - LISTED} more`] : [];
  const listed = [...unknown.slice(0, LISTED).map(called), ...more].join(", ");
  const out = listed && ` It leaves out of the text what it does not know: ${listed}.`;
  const layers = shape.L === 1 ? "one layer" : `${shape.L} layers`;
  const how = `it learns in this page${slowly({ name: kernels })}, from windows of 40 characters and a zero state`;
  const held = "Held-out text it reads in one go, which can cost less at first.";
  return `The network has ${layers} of ${shape.H} units and knows ${shape.V} characters; ${how}. ${held}${out}`;
}

const CHANGED =
  "The text has changed. Train on keeps this network and the characters that it knows; Start anew learns the text from scratch.";

const INTRODUCTION =
  "Paste a text, drop a file on the box or open one: it is learned in this page and goes nowhere else. The last tenth " +
  "is held out. A short text is soon known by heart; longer ones, from 50,000 characters on, teach more.";

export default { render };

// A text that one or two trained character models continue, side by side: LSTMs that run in the page, one character at
// a time, with their state carried. The weights come with the page; a network's are decoded when it is first used.

import { chosenKernels, slowly } from "./network.js";
import { button, choice, generator, html, mount, slider, svgNode, text, traits } from "./page.js";
import { called, NAMES, visible } from "./shown.js";
import { decode } from "./weights.js";
import { choose, distribution, surprise, writer } from "./writer.js";

/** A network's weights by the names of network.js, from what pack in character_writer.py made of them. */
export function unpack({ units: H, layers, format, weights }, characters) {
  const numbers = decode(weights, format);
  let at = 0;
  const take = (count) => numbers.subarray(at, (at += count));
  const named = {};
  for (let l = 0; l < layers; l++) {
    named[`weight_ih_l${l}`] = take(4 * H * (l ? H : characters));
    named[`weight_hh_l${l}`] = take(4 * H * H);
    named[`bias_l${l}`] = take(4 * H);
  }
  return { ...named, head_weight: take(characters * H), head_bias: take(characters) };
}

const MAX_PROMPT = 500;
const LISTED = 12; // unknown characters that are named

/** The content of a text field as a prompt that can be read, and a note on what was left out. */
export function cleaned(typed, vocabulary) {
  const characters = [...typed];
  const known = characters.filter((character) => vocabulary.includes(character));
  const unknown = [...new Set(characters)].filter((character) => !vocabulary.includes(character));
  const more = unknown.length > LISTED ? [`${unknown.length - LISTED} more`] : [];
  const listed = [...unknown.slice(0, LISTED).map(called), ...more].join(", ");
  const notes = [];
  if (unknown.length) notes.push(`The network leaves out what it does not know: ${listed}.`);
  if (known.length > MAX_PROMPT) notes.push(`At most ${MAX_PROMPT} characters are read; the rest was left out.`);
  if (!known.length) notes.push("Type at least one character that the network knows.");
  return { prompt: known.slice(0, MAX_PROMPT).join(""), note: notes.join(" ") };
}

const inPercent = (share) =>
  share === 1 ? "100%"
  : share > 0.995 ? "over 99%"
  : share < LEAST ? "under 0.01%"
  : `${Number((100 * share).toPrecision(2))}%`;

const ROWS = 12;
const LEAST = 1e-4; // a smaller share has no row of its own

/** The likeliest characters, [character, share] each; how many others are possible, and their share together. */
export function ranked(shares, vocabulary) {
  const possible = [...shares.keys()].filter((symbol) => shares[symbol] > 0);
  const order = possible.sort((one, other) => shares[other] - shares[one]);
  const first = order.slice(0, ROWS).filter((symbol) => shares[symbol] >= LEAST);
  const rest = order.slice(first.length);
  return {
    first: first.map((symbol) => [vocabulary[symbol], shares[symbol]]),
    others: rest.length,
    share: rest.reduce((sum, symbol) => sum + shares[symbol], 0),
  };
}

const counted = (number) => number.toLocaleString("en");

/** In words: what was read and written, how surprising the network found its text, and what comes next. */
export function describe(name, { read, written, mean, most }, { first }) {
  const next = first.slice(0, 3).map(([character, share]) => `${called(character)} (${inPercent(share)})`);
  const characters = read === 1 ? "character" : "characters";
  const [character, bits] = most ?? [];
  const surprised = written
    ? ` Surprise: ${mean.toFixed(1)} bits a character, at most ${bits.toFixed(1)}, of ${called(character)}.`
    : "";
  return (
    `${name}: ${counted(read)} ${characters} read, ${counted(written)} written.${surprised} Next: ${next.join(", ")}.`
  );
}

const KEPT = 2000; // characters that are shown, and that another network reads again
const MOST_BITS = 8; // a surprise of one chance in 256 or less has the strongest background
const LEVELS = 8; // of the background, so that equal neighbours can share an element

/** The level of the background of a character with this surprise in bits. */
export const level = (bits) => Math.round((LEVELS * Math.min(bits, MOST_BITS)) / MOST_BITS);

/** A text that a network continues with its state carried, each a writer of writer.js. Call start first. */
function session(vocabulary) {
  const places = new Map(vocabulary.map((character, symbol) => [character, symbol]));
  const shares = new Float64Array(vocabulary.length);
  let network, draw, symbols, surprises, read, written; // surprises in bits
  const follow = (symbol) => {
    const isFirst = !symbols.length; // nothing was expected before it
    surprises.push(isFirst ? 0 : surprise(network.logits, symbol));
    symbols.push(symbol);
    if (symbols.length > 2 * KEPT) [symbols, surprises] = [symbols.slice(-KEPT), surprises.slice(-KEPT)];
    network.read(symbol);
  };
  return {
    /** Reads the prompt from a state of zeros. */
    start(chosen, prompt, seed) {
      [network, draw, written] = [chosen, generator(seed), 0];
      network.reset();
      [symbols, surprises] = [[], []];
      const characters = [...prompt];
      for (const character of characters) follow(places.get(character));
      read = characters.length;
    },
    /** Another network reads the text so far, from a state of zeros. */
    hand(chosen) {
      network = chosen;
      network.reset();
      const again = symbols.slice(-KEPT);
      [symbols, surprises] = [[], []];
      for (const symbol of again) follow(symbol);
    },
    /** Writes a character. */
    write(temperature, top_k) {
      follow(choose(distribution(network.logits, temperature, top_k, shares), draw()));
      written += 1;
    },
    /** The probability that each character is next. */
    next: (temperature, top_k) => distribution(network.logits, temperature, top_k, shares),
    /** How much was read and written, and the mean and greatest surprise, in bits, of the written text that is kept. */
    counts() {
      const from = Math.max(0, symbols.length - Math.min(written, KEPT));
      const bits = surprises.slice(from);
      const greatest = bits.reduce((best, value, at) => (value > bits[best] ? at : best), 0);
      const mean = bits.reduce((sum, value) => sum + value, 0) / bits.length;
      return { read, written, mean, most: written ? [vocabulary[symbols[from + greatest]], bits[greatest]] : undefined };
    },
    /** The end of the text in two parts, the rest of the prompt and what was written: each as runs of equal level. */
    text() {
      const from = Math.max(0, symbols.length - KEPT);
      const middle = Math.max(from, symbols.length - written);
      const runs = (start, end) => {
        const found = [];
        for (let at = start; at < end; at++) {
          const spelled = visible(vocabulary[symbols[at]]).replace("⏎", "⏎\n");
          const last = found.at(-1);
          const step = level(surprises[at]);
          if (last?.step === step) last.spelled += spelled;
          else found.push({ step, spelled });
        }
        return found;
      };
      return [runs(from, middle), runs(middle, symbols.length)];
    },
  };
}

const BAR = { height: 19, left: 76, right: 74 };
const BARS = 280; // pixels across, beside the text
const GAP = 20; // between two networks

/** One bar for each of the likeliest characters and one for all others, as the children of an <svg>. */
function bars({ first, others, share }, width) {
  const x = (part) => BAR.left + part * (width - BAR.left - BAR.right);
  const row = (words, part, place, kind) => {
    const [top, middle] = [place * BAR.height, (place + 0.5) * BAR.height];
    const d = `M${BAR.left},${top + 3} H${x(part).toFixed(2)} V${top + BAR.height - 3} H${BAR.left} Z`;
    const label = text(BAR.left - 8, middle + 4.5, "end", words);
    if (kind === "bar lstm") label.setAttribute("class", "now");
    return [svgNode("path", { class: kind, d }), label, text(x(part) + 6, middle + 4.5, "start", inPercent(part))];
  };
  const likely = first.map(([character, part], place) => row(NAMES[character] ?? visible(character), part, place, "bar lstm"));
  return [...likely, others ? row(`${others} others`, share, first.length, "counts") : []].flat();
}

const describeBars = ({ first, others, share }) =>
  `The next character: ${first.map(([character, part]) => `${called(character)} ${inPercent(part)}`).join(", ")}` +
  (others ? `; ${others} others together ${inPercent(share)}.` : ".");

/** The text field: { nodes, show, settle }; onPrompt is called with every text that can be read. */
function promptField(vocabulary, state, onPrompt) {
  const field = html("textarea", { rows: 2, spellcheck: false, autocomplete: "off" });
  const note = html("span", { className: "note" });
  note.setAttribute("aria-live", "polite");
  let drawn; // what was typed stays, with unknown characters, until the prompt changes in another way
  field.addEventListener("input", () => {
    const { prompt, note: words } = cleaned(field.value, vocabulary);
    note.textContent = words;
    if (prompt) onPrompt((drawn = prompt));
  });
  const settle = () => {
    drawn = field.value = state().prompt;
    note.textContent = "";
  };
  const show = ({ prompt }) => {
    if (drawn !== prompt) settle();
  };
  const label = html("label", {}, html("span", {}, "prompt"), field);
  return { nodes: [html("div", { className: "typed" }, label), note], show, settle };
}

const inBits = (step) => `${(step * MOST_BITS) / LEVELS}${step === LEVELS ? " bits or more" : step === 1 ? " bit" : " bits"}`;

/** A run of the text, with the background of its surprise as in rnnreport.figures.text.coloured, and underlined. */
const ground = (step, spelled) => {
  const span = html("span", { title: `surprise: ${inBits(step)}` }, spelled);
  if (step) span.style.background = `rgba(213, 94, 0, ${((0.65 * step) / LEVELS).toFixed(2)})`;
  if (step > 1) span.style.textDecoration = `underline ${(0.4 * step).toFixed(1)}px`;
  return span;
};

/** The meaning of the backgrounds, with one sample each. */
function scale() {
  const samples = [0, 2, 4, 6, 8].map((step) => ground(step, step === LEVELS ? `${MOST_BITS} or more` : inBits(step).split(" ")[0]));
  for (const sample of samples) sample.className = "sample";
  return html("p", { className: "key surprises" }, "surprise in bits:", ...samples);
}

/** The text box: { node, show }. If the reader has scrolled up, it stays there. */
function textBox() {
  const [prompt, written] = [html("strong", {}), html("span", {})];
  const node = html("div", { className: "written", tabIndex: 0 }, prompt, written);
  node.setAttribute("role", "group");
  node.setAttribute("aria-live", "off");
  const show = (parts) => {
    const isAtEnd = node.scrollTop + node.clientHeight > node.scrollHeight - 8;
    for (const [part, runs] of [[prompt, parts[0]], [written, parts[1]]]) {
      part.replaceChildren(...runs.map(({ step, spelled }) => ground(step, spelled)));
    }
    if (isAtEnd) node.scrollTop = node.scrollHeight;
  };
  return { node, show };
}

const PACE = 25; // characters per second, to read along
const BUDGET = 13; // milliseconds of a frame for writing, when fast
const FLICKER = 150; // milliseconds between two updates when fast: nobody can read along
const CALM = 1200; // the same at any speed, if the reader has asked for less motion

/**
 * Calls write() at a speed to read along or as often as time allows, and show() in between and at the end:
 * { button, speed, isWriting, pause }.
 */
function typist(write, show) {
  let frame, last, shown;
  let due = 0; // characters
  let isFast = false;
  const pause = () => {
    if (frame === undefined) return;
    cancelAnimationFrame(frame);
    frame = undefined;
    node.textContent = "Write";
    show();
  };
  const go = (now) => {
    frame = requestAnimationFrame(go);
    const between = matchMedia("(prefers-reduced-motion: reduce)").matches ? CALM : isFast ? FLICKER : 0;
    const isDue = now - shown >= between;
    if (isFast && !isDue) {
      const until = performance.now() + BUDGET; // not in a frame that draws
      do write();
      while (performance.now() < until);
    } else if (!isFast) {
      for (due += (Math.min(now - last, 200) * PACE) / 1000; due >= 1; due--) write(); // hidden pages get no frames
    }
    last = now;
    if (!isDue) return;
    shown = now;
    show();
  };
  const node = button("Write", () => {
    if (frame !== undefined) return pause();
    node.textContent = "Pause";
    last = shown = performance.now();
    frame = requestAnimationFrame(go);
    show();
  });
  node.className = "write";
  const label = { short: "speed", long: "How fast it writes" };
  const speed = choice("speed", label, { slow: "to read along", fast: "fast" }, (value) => (isFast = value === "fast"));
  speed.show("slow");
  return { button: node, speed: speed.node, isWriting: () => frame !== undefined, pause };
}

/** One network on the page, its text and what comes next: { node, writing, open, fit, show }. */
function panel(vocabulary, { make }) {
  const writing = session(vocabulary);
  const networks = new Map(); // those used so far: each holds a state, so that no other panel can use it
  const open = (packed) => {
    if (!networks.has(packed)) {
      const network = writer(make, { V: vocabulary.length, H: packed.units, L: packed.layers });
      network.load(unpack(packed, vocabulary.length));
      networks.set(packed, network);
    }
    return networks.get(packed);
  };
  const box = textBox();
  const chart = svgNode("svg", { role: "img", height: BAR.height * (Math.min(ROWS, vocabulary.length) + 1) });
  const title = html("b", {});
  const said = html("span", { className: "caption" });
  const body = html("div", { className: "writing" }, box.node, chart);
  const node = html("div", { className: "network" }, html("div", { className: "heading" }, title, said), body);
  node.setAttribute("role", "group");
  let width;
  /** Puts the bars beside the text if there is room, else below it. */
  const fit = (whole, isNarrow) => {
    width = isNarrow ? whole : BARS;
    body.style.gridTemplateColumns = isNarrow ? "minmax(0, 1fr)" : `minmax(0, 1fr) ${BARS}px`;
    chart.setAttribute("viewBox", `0 0 ${width} ${chart.getAttribute("height")}`);
  };
  /** Shows the text as it is now, and returns its description. */
  const show = ({ name, words }, { temperature, top_k }) => {
    const next = ranked(writing.next(temperature, top_k), vocabulary);
    node.setAttribute("aria-label", name);
    title.textContent = name;
    box.node.setAttribute("aria-label", `The text of ${name}`);
    said.textContent = words;
    box.show(writing.text());
    chart.replaceChildren(...bars(next, width));
    chart.setAttribute("aria-label", describeBars(next));
    return describe(name, writing.counts(), next);
  };
  return { node, writing, open, fit, show };
}

const options = (keys, words) => Object.fromEntries(keys.map((key) => [key, words(key)]));

function render({ model, el }) {
  const data = traits(model, ["models", "vocabulary"]).state();
  const vocabulary = [...data.vocabulary];
  const packed = new Map(data.models.map((each) => [each.name, each]));
  const kernels = chosenKernels();
  const names = ["prompt", "temperature", "top_k", "checkpoint", "beside", "seed"];
  const { state, set, reset } = traits(model, names);
  let now = state();

  const panels = [panel(vocabulary, kernels), panel(vocabulary, kernels)];
  /** The panels in use, each with the name of its network. */
  const inUse = ({ checkpoint, beside }) => [checkpoint, beside].flatMap((name, at) => (name ? [[panels[at], name]] : []));
  const start = () => 
    inUse(now).forEach(([{ writing, open }, name]) => writing.start(open(packed.get(name)), now.prompt, now.seed));
  const restart = () => {
    start();
    show();
  };
  const sentence = html("p", { role: "status" });
  const show = () => {
    const said = inUse(now).map(([{ show }, name]) => show(packed.get(name), now));
    if (typing.isWriting()) {
      sentence.setAttribute("aria-live", "off");
      sentence.textContent = `${inUse(now).map(([, name]) => name).join(" and ")}: writing …`;
    } else {
      sentence.removeAttribute("aria-live");
      sentence.textContent = said.join(" ");
    }
  };
  const write = () => inUse(now).forEach(([{ writing }]) => writing.write(now.temperature, now.top_k));
  const typing = typist(write, show);

  const field = promptField(vocabulary, state, (prompt) => {
    typing.pause();
    set({ prompt });
  });
  const temperature = slider(
    ["temperature"],
    { name: "temperature", min: 0, max: 2, step: 0.05, unit: "" },
    (_, value) => set({ temperature: value }),
  );
  const sizes = [0, 3, 10, 30, now.top_k].filter((k) => k < vocabulary.length);
  const top_k = choice(
    "top_k",
    { short: "top k", long: "How many of the likeliest characters are drawn from" },
    options(sizes, (k) => (k ? String(k) : "all")),
    (k) => set({ top_k: Number(k) }),
  );
  const checkpoint = choice(
    "checkpoint",
    { short: "network", long: "Which network writes" },
    options([...packed.keys()], (name) => name),
    (name) => set({ checkpoint: name }),
  );
  const beside = choice(
    "beside",
    { short: "beside it", long: "Beside it" },
    options(["", ...packed.keys()], (name) => name || "none"),
    (name) => set({ beside: name }),
  );

  const one = button("Step", () => {
    typing.pause();
    write();
    show();
  });
  const again = button("Start again", restart);
  const other = button("New draw", () => set({ seed: (now.seed + 1) % 2 ** 32 }));
  const seed = html("span", { className: "caption" });
  for (const act of [typing.pause, field.settle, restart]) reset.addEventListener("click", act);
  const explanation =
    `The networks run in this page${slowly(kernels)}. Bold is the prompt, which they read first, from a state of ` +
    `zeros. A network that is chosen later reads the text so far, at most its last ${counted(KEPT)} characters, from a ` +
    "state of zeros before it writes on. The same prompt, settings and seed give the same text, and two networks get the same random numbers. " +
    "The more bits a character cost the network, its surprise, the stronger its ground and its underline.";

  const rows = html("div", { className: "networks" });
  const choices = packed.size > 1 ? [checkpoint.node, beside.node] : [];
  const nodes = [
    ...field.nodes,
    html("div", { className: "controls" }, ...temperature.row),
    html("div", { className: "choices" }, top_k.node, typing.speed, ...choices),
    html("div", { className: "buttons" }, typing.button, one, again, other, reset, seed),
    scale(),
    rows,
    sentence,
    html("p", { className: "key" }, explanation),
  ];
  let shown = {}; // the traits that the text was written with
  const stop = mount({ model, el }, names, nodes, (whole) => {
    now = state();
    if (now.prompt !== shown.prompt || now.seed !== shown.seed || (now.beside && !shown.beside)) start();
    else {
      const hand = ({ writing, open }, name) => writing.hand(open(packed.get(name)));
      if (now.checkpoint !== shown.checkpoint) hand(panels[0], now.checkpoint);
      if (now.beside && now.beside !== shown.beside) hand(panels[1], now.beside);
    }
    shown = now;
    const columns = now.beside && whole >= 560 ? 2 : 1;
    const used = inUse(now).map(([{ node }]) => node);
    if (rows.childElementCount !== used.length) rows.replaceChildren(...used);
    rows.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    const width = (whole - GAP * (columns - 1)) / columns;
    for (const { fit } of panels) fit(width, width < 560);
    field.show(now);
    temperature.show(now.temperature);
    top_k.show(String(now.top_k % vocabulary.length)); // all: none is left out
    checkpoint.show(now.checkpoint);
    beside.show(now.beside);
    seed.textContent = `seed ${now.seed}`;
    show();
  });
  return () => {
    typing.pause();
    stop();
  };
}

export default { render };

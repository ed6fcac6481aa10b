// A character LSTM that learns a text in the page: windows of the text from a seed, the bits a held-out character costs,
// and what it writes.

import { draws } from "./chance.js";
import { chosenKernels, initialise, network } from "./network.js";
import { generator } from "./page.js";
import { MOST, opened, Refused, written } from "./safetensors.js";
import { choose, distribution, surprise, writer } from "./writer.js";

export const LEAST_CHARACTERS = 200;
export const MOST_CHARACTERS = 5_000_000;
const [T, B] = [40, 32]; // characters of a window, and windows of a step
const RECIPE = { optimizer: "adam", rate: 0.01, clip: 5 };
const MEMORY = 1; // added to the forget gate's bias
const HELD_OUT = 2000; // characters that are read, at most, of the text's last tenth
const SAMPLE = 300;
const EVERY = 10; // steps in a point of the curve
const LOOK = 1; // seconds of training between two looks at held-out text and at a sample
const SLICE = 50; // characters of a look before a turn may end
const END = 40; // characters of the text that are shown before a sample

const numeral = (count) => count.toLocaleString("en");

/** What is wrong with a text, as the end of a sentence that begins with its name; "" if it can be learned. */
export function problem(text) {
  let [count, different, isHalf] = [0, 0, false];
  const seen = new Uint8Array(0x110000);
  for (let at = 0; at < text.length; at++, count++) {
    const character = text.codePointAt(at);
    if (character > 0xffff) at++;
    else if (character >= 0xd800 && character < 0xe000) isHalf = true;
    if (!seen[character]) (seen[character] = 1), different++;
  }
  if (count < LEAST_CHARACTERS || count > MOST_CHARACTERS)
    return `must be ${LEAST_CHARACTERS} to ${numeral(MOST_CHARACTERS)} characters long, not ${numeral(count)}.`;
  if (seen[0]) return "must be text, and holds a NUL character.";
  if (isHalf) return "must be text, and holds half a character (a lone surrogate).";
  if (different < 2 || different > MOST.characters)
    return `must hold 2 to ${MOST.characters} different characters, not ${numeral(different)}.`;
  return "";
}

/** Every character of a text, sorted as in rnnreport.corpora. */
export function vocabularyOf(text) {
  const seen = new Set();
  for (const character of text) seen.add(character);
  return [...seen].sort((one, other) => one.codePointAt(0) - other.codePointAt(0));
}

/** The entropy in bits of a character, and of one after a known one, by the counts in the symbols. */
export function entropies(symbols, V) {
  const [single, pairs] = [new Float64Array(V), new Float64Array(V * V)];
  for (let t = 0; t + 1 < symbols.length; t++) single[symbols[t]]++, pairs[V * symbols[t] + symbols[t + 1]]++;
  const n = symbols.length - 1;
  const bits = (counts) => counts.reduce((sum, count) => (count ? sum - (count / n) * Math.log2(count / n) : sum), 0);
  return { alone: bits(single), afterOne: bits(pairs) - bits(single) };
}

/**
 * Opens a training, as trainer.js runs it.
 *
 * settings: { text, H, seed, temperature, steps, file, before, isPlain }; with a file of weights the network goes on from
 * it, and leaves out of the text what is not in its vocabulary; before: { step, seconds } of its earlier training. What
 * turn() returns: { points, heldOut, sample, step, seconds, kernels, shape, chance, unknown, done, failed, file }; a point
 * is { step, bits } on training windows, or on held-out text. ask({ temperature }) writes a sample at that temperature,
 * ask({ save: true }) gives the file of the weights as they are.
 */
export function textTraining(settings) {
  try {
    return begun(settings);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { turn: () => ({ failed: error.message, done: true }), ask: () => ({}), end: () => ({}) };
  }
}

function begun({ text, H: units, seed, temperature, steps, file, before = {}, isPlain }) {
  const kernels = chosenKernels(isPlain ? "" : undefined);
  const from = file && opened(file);
  const vocabulary = from?.vocabulary ?? vocabularyOf(text);
  const { V, H, L } = from ?? { V: vocabulary.length, H: units, L: 1 };
  const places = new Map(vocabulary.map((character, symbol) => [character, symbol]));
  const unknown = new Set();
  const all = new Uint8Array(text.length);
  let count = 0;
  for (const character of text) {
    const symbol = places.get(character);
    if (symbol === undefined) unknown.add(character);
    else all[count++] = symbol;
  }
  const symbols = all.subarray(0, count);
  if (steps && symbols.length < LEAST_CHARACTERS)
    throw new Refused(`Of this text the network knows ${symbols.length} characters, fewer than ${LEAST_CHARACTERS}.`);
  if (steps && 2 * count < [...text].length) {
    const known = new Set(symbols).size;
    throw new Refused(`This network knows only ${known} of the ${known + unknown.size} characters in the text. Start anew to learn it.`);
  }
  const learned = symbols.subarray(0, Math.floor(0.9 * symbols.length));
  const heldOut = symbols.subarray(learned.length).slice(-HELD_OUT);

  const net = network(kernels.make, { model: "lstm", H, B, S: T, D: V, K: V, layers: L, everyStep: true });
  if (from) net.load(from.weights);
  else initialise(net, { memory: MEMORY }, draws(seed, 1));
  const starts = draws(seed, 2 + (before.step ?? 0)); // not the same windows again
  const draw = generator(seed);
  const reader = writer(kernels.make, { V, H, L });
  const [inputs, targets, shares] = [new Uint8Array(T * B), new Uint8Array(T * B), new Float64Array(V)];
  const chance = { none: Math.log2(V), ...entropies(learned, V) };

  let { step = 0, seconds = 0 } = before;
  let [sum, summed, looked, last] = [0, 0, seconds, step + steps];
  let job = look();

  function train() {
    for (let b = 0; b < B; b++) {
      const start = starts.integer(learned.length - T);
      for (let t = 0; t < T; t++) (inputs[t * B + b] = learned[start + t]), (targets[t * B + b] = learned[start + t + 1]);
    }
    step++;
    return net.step({ steps: T, inputs, targets }, RECIPE);
  }

  /** Reads held-out text from a zero state and writes on where it ends, in slices. */
  function* look(read = heldOut) {
    reader.load(net.weights());
    reader.reset();
    let bits = 0;
    for (let t = 0; t < read.length; t++) {
      if (t) bits += surprise(reader.logits, read[t]);
      reader.read(read[t]);
      if (t % SLICE === 0) yield;
    }
    let sample = "";
    for (let t = 0; t < SAMPLE; t++) {
      const symbol = choose(distribution(reader.logits, temperature, 0, shares), draw());
      sample += vocabulary[symbol];
      reader.read(symbol);
      if (t % SLICE === 0) yield;
    }
    const end = Array.from(read.slice(-END), (symbol) => vocabulary[symbol]).join("");
    return { sample: { step, end, written: sample }, bits: bits / (read.length - 1) };
  }

  const now = () => ({ step, seconds, kernels: kernels.name, shape: { V, H, L }, chance, unknown: [...unknown] });
  const save = () => ({ file: written(net.weights(), vocabulary) });
  return {
    turn(milliseconds) {
      const [begun, before] = [performance.now(), seconds];
      const news = { points: [], heldOut: [] };
      do {
        if (job) {
          const { done, value } = job.next();
          if (done) {
            if (heldOut.length > 1 && Number.isFinite(value.bits)) news.heldOut.push({ step, bits: value.bits });
            news.sample = value.sample;
            [job, looked] = [undefined, seconds];
          }
        } else if (step >= last) return { ...news, ...now(), ...save(), done: true };
        else {
          const { loss, norm } = train();
          if (!Number.isFinite(loss + norm))
            return { ...news, ...now(), failed: `The training broke down at step ${step}: its loss became ${loss}.`, done: true };
          sum += loss / Math.LN2;
          summed++;
          if (step % EVERY === 0) {
            news.points.push({ step, bits: sum / summed });
            [sum, summed] = [0, 0];
          }
          seconds = before + (performance.now() - begun) / 1000;
          if (seconds - looked > LOOK || step >= last) job = look();
        }
        seconds = before + (performance.now() - begun) / 1000;
      } while (1000 * (seconds - before) < milliseconds);
      return { ...news, ...now() };
    },
    ask(question) {
      if (question.save) return save();
      temperature = question.temperature;
      const looking = look(heldOut.slice(-5 * END)); // at once, as a slider moves
      let result = looking.next();
      while (!result.done) result = looking.next();
      job = undefined; // the reader has gone on
      return { sample: result.value.sample };
    },
    end: () => ({ points: [], heldOut: [], ...now(), ...save() }),
  };
}

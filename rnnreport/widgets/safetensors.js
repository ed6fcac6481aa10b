// Files of a character model's weights, as rnnreport.training writes them: safetensors, with the vocabulary and a hash.

/** Why a file or a text is not taken, in a sentence for the reader. */
export class Refused extends Error {}

export const MOST = { layers: 2, units: 256, characters: 200 }; // of a network that a page trains

/** The tensors of L layers of H units over V characters: [name in the file, name here, shape], sorted by their names. */
function tensors({ V, H, L }) {
  const layers = Array.from({ length: L }, (_, l) => l);
  return [
    ["head.bias", "head_bias", [V]],
    ["head.weight", "head_weight", [V, H]],
    ...layers.map((l) => [`lstm.bias_l${l}`, `bias_l${l}`, [4 * H]]),
    ...layers.map((l) => [`lstm.weight_hh_l${l}`, `weight_hh_l${l}`, [4 * H, H]]),
    ...layers.map((l) => [`lstm.weight_ih_l${l}`, `weight_ih_l${l}`, [4 * H, l ? H : V]]),
  ];
}

/** A file of a network's weights, by the names of network.js, and its vocabulary, an array: a Uint8Array. */
export function written(weights, vocabulary) {
  const V = vocabulary.length;
  const H = weights.head_weight.length / V;
  const L = Object.keys(weights).filter((name) => name.startsWith("bias_l")).length;
  const words = { vocabulary: asPython(vocabulary.join("")) };
  const parts = tensors({ V, H, L }).map(([name, ours, shape]) => [name, shape, bytesOf(weights[ours])]);
  let end = 0;
  const places = Object.fromEntries(
    parts.map(([name, shape, { length }]) => [name, { dtype: "F32", shape, data_offsets: [end, (end += length)] }]),
  );
  const head = encoder.encode(JSON.stringify({ __metadata__: { sha256: digest(parts, words), ...words }, ...places }));
  const size = 8 * Math.ceil(head.length / 8);
  const file = new Uint8Array(8 + size + end).fill(32, 8, 8 + size); // the header ends in spaces
  new DataView(file.buffer).setUint32(0, size, true);
  file.set(head, 8);
  for (const [name, , bytes] of parts) file.set(bytes, 8 + size + places[name].data_offsets[0]);
  return file;
}

/** What such a file holds: { vocabulary, weights, V, H, L }. Throws Refused for any other, and for a changed one. */
export function opened(file) {
  const isWhole = file.length > 8 && 8 + lengthOf(file) <= file.length;
  if (!isWhole) throw new Refused("It is not a complete safetensors file.");
  const start = 8 + lengthOf(file);
  let head, words, vocabulary;
  try {
    ({ __metadata__: words = {}, ...head } = JSON.parse(decoder.decode(file.subarray(8, start))));
    vocabulary = JSON.parse(words.vocabulary).match(/./gsu) ?? []; // what is no string fails
  } catch {
    throw new Refused("This file has no header with a vocabulary, as a character model's has.");
  }
  const V = vocabulary.length;
  const shape = (name) => (Array.isArray(head[name]?.shape) ? head[name].shape : []);
  const [H, L] = [shape("head.weight")[1], Object.keys(head).filter((name) => name.startsWith("lstm.bias_l")).length];
  const isOurs = Number.isInteger(H) && H > 0 && new Set(vocabulary).size === V && V > 0;
  if (!isOurs || H > MOST.units || L > MOST.layers || V > MOST.characters) {
    const most = `${MOST.layers} layers of ${MOST.units} units and ${MOST.characters} characters`;
    throw new Refused(`This file holds no LSTM that a page can train, of at most ${most}.`);
  }
  const wanted = tensors({ V, H, L });
  const parts = wanted.map(([name, , sizes]) => {
    const [from, to] = Array.isArray(head[name]?.data_offsets) ? head[name].data_offsets : [];
    const isIt = head[name]?.dtype === "F32" && String(shape(name)) === String(sizes) && Number.isInteger(from) && from >= 0;
    const size = 4 * sizes.reduce((product, part) => product * part, 1);
    if (!isIt || to - from !== size) throw new Refused(`This file's ${name} is not ${sizes.join(" by ")} numbers of float32.`);
    if (start + to > file.length) throw new Refused("This file is not whole: its end is missing.");
    return [name, sizes, file.slice(start + from, start + to)];
  });
  if (Object.keys(head).length > wanted.length) throw new Refused("This file holds more than a character model's weights.");
  const { sha256: said, ...rest } = words;
  if (said !== digest(parts, rest)) throw new Refused("This file was changed after it was written: its content has another hash.");
  const arrays = parts.map(([, , bytes], place) => [wanted[place][1], new Float32Array(bytes.buffer)]);
  if (!arrays.every(([, values]) => values.every(Number.isFinite))) throw new Refused("This file holds numbers that are not finite.");
  return { vocabulary, weights: Object.fromEntries(arrays), V, H, L };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });
const bytesOf = ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength);
const lengthOf = (file) => Number(new DataView(file.buffer, file.byteOffset, 8).getBigUint64(0, true));

/** A string or a flat object as Python's json.dumps writes it. */
function asPython(value) {
  const plain = (string) =>
    JSON.stringify(string).replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  if (typeof value === "string") return plain(value);
  return `{${Object.keys(value).sort().map((name) => `${plain(name)}: ${plain(value[name])}`).join(", ")}}`;
}

/** The hash of the tensors, in the order of their names, and of the words beside them, as rnnreport.training takes it. */
function digest(parts, words) {
  const all = [encoder.encode(asPython(words)), ...parts.flatMap(([name, , bytes]) => [encoder.encode(name), bytes])];
  const whole = new Uint8Array(all.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const bytes of all) whole.set(bytes, at), (at += bytes.length);
  return sha256(whole);
}

/** The SHA-256 of bytes, in hexadecimal. (The browser's own is only for pages that came over https.) */
export function sha256(bytes) {
  const padded = new Uint8Array(64 * (((bytes.length + 8) >> 6) + 1));
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, bytes.length / 2 ** 29);
  view.setUint32(padded.length - 4, 8 * bytes.length);
  const primes = [2];
  for (let n = 3; primes.length < 64; n += 2) if (primes.every((prime) => n % prime)) primes.push(n);
  const fraction = (root) => ((root % 1) * 2 ** 32) | 0;
  const constants = Int32Array.from(primes, (prime) => fraction(Math.cbrt(prime)));
  const state = Int32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime)));
  const turned = (x, n) => (x >>> n) | (x << (32 - n));
  const w = new Int32Array(64);
  for (let at = 0; at < padded.length; at += 64) {
    for (let t = 0; t < 16; t++) w[t] = view.getInt32(at + 4 * t);
    for (let t = 16; t < 64; t++) {
      const [x, y] = [w[t - 15], w[t - 2]];
      w[t] = (turned(x, 7) ^ turned(x, 18) ^ (x >>> 3)) + (turned(y, 17) ^ turned(y, 19) ^ (y >>> 10)) + w[t - 7] + w[t - 16];
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let t = 0; t < 64; t++) {
      const one = (h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + ((e & f) ^ (~e & g)) + constants[t] + w[t]) | 0;
      const two = ((turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g, g = f, f = e, e = (d + one) | 0, d = c, c = b, b = a, a = (one + two) | 0;
    }
    [a, b, c, d, e, f, g, h].forEach((value, place) => (state[place] += value));
  }
  return Array.from(state, (value) => (value >>> 0).toString(16).padStart(8, "0")).join("");
}

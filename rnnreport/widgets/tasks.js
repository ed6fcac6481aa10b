// What the networks of the page learn: the palindromes of chapter 2 and the bursts of chapter 3, from a seeded generator.

/** Palindromes of T digits, the last of which is the target: digits (T - 1, B), or as numbers (T - 1, 1, B). */
export function palindromes(T, B, encoding, draw) {
  const digits = new Uint8Array(T * B);
  for (let place = 0; place < Math.ceil(T / 2) * B; place++) digits[place] = draw.integer(10);
  for (let t = Math.ceil(T / 2); t < T; t++) digits.copyWithin(t * B, (T - 1 - t) * B, (T - t) * B);
  const read = digits.subarray(0, (T - 1) * B);
  const inputs = encoding === "one-hot" ? read : Float32Array.from(read);
  return { steps: T - 1, inputs, targets: digits.subarray((T - 1) * B) };
}

/** Is a weak signal up or down under bursts of noise? See rnnreport.sequences.Bursts, whose defaults these are. */
export function bursts(T, B, draw, { period = 20, burstLength = 16, level = 0.4, loudness = 2 } = {}) {
  const targets = Uint8Array.from({ length: B }, () => draw.integer(2));
  const inputs = new Float32Array(T * B);
  for (let t = 1; t <= T; t++)
    for (let b = 0; b < B; b++) {
      const noise = draw.normal();
      inputs[(t - 1) * B + b] = t % period < burstLength ? loudness * noise : level * (2 * targets[b] - 1) + noise;
    }
  return { steps: T, inputs, targets };
}

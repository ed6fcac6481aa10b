// Reads the numbers that come with a page, as Python packed them.

/** Numbers of int16, float16, float24 or float32, little-endian, from base64: a Float64Array. */
export function decode(base64, format) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  if (format === "int16") return Float64Array.from(new Int16Array(bytes.buffer));
  if (format === "float16") return Float64Array.from(new Uint16Array(bytes.buffer), float16);
  return Float64Array.from(new Float32Array((format === "float24" ? widened(bytes) : bytes).buffer));
}

/** Numbers of float32, as bytes, from the upper three bytes of each. */
function widened(bytes) {
  const all = new Uint8Array((bytes.length / 3) * 4);
  bytes.forEach((byte, place) => (all[place + Math.floor(place / 3) + 1] = byte));
  return all;
}

function float16(bits) {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const size =
    exponent === 0 ? fraction * 2 ** -24 // zero and the subnormal numbers
    : exponent < 31 ? (1024 + fraction) * 2 ** (exponent - 25)
    : fraction ? NaN : Infinity;
  return bits >> 15 ? -size : size;
}

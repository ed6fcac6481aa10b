// The numbers that come with a page, as they were packed in Python.

/** Numbers of float16 or float32, little-endian, from base64: a Float64Array. */
export function decode(base64, format) {
  const { buffer } = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  return format === "float32"
    ? Float64Array.from(new Float32Array(buffer))
    : Float64Array.from(new Uint16Array(buffer), float16);
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

// Foreign text made safe to show, as in rnnreport/shown.py.

const HIDDEN =
  /[\0-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\p{NChar}]/gu;

/** A text with a sign for each invisible character, as in rnnreport.shown.visible. */
export const visible = (characters) =>
  characters.replace(HIDDEN, (hidden) => {
    const number = hidden.codePointAt(0);
    if (number < 0x20) return hidden === "\n" ? "⏎" : String.fromCharCode(0x2400 + number);
    return number === 0x7f ? "␡" : `⟨U+${number.toString(16).toUpperCase().padStart(4, "0")}⟩`;
  });

/** What a character is called: its name if it leaves no mark. */
export const called = (character) => NAMES[character] ?? `“${visible(character)}”`;
export const NAMES = { "\n": "newline", " ": "space", "\t": "tab", "\u00a0": "no-break space" };

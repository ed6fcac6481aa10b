// Paper is white: a page is printed in the light theme, whatever its reader has chosen or their system says. All colours
// of both themes, ours included, hang on one attribute. Printing is announced; a mere look at it, in a browser's tools, is a
// change of media alone.
{
  const { dataset } = document.documentElement;
  let onScreen; // the theme, while a page is printed
  const printing = (starts) => {
    if (starts === (onScreen !== undefined)) return;
    [dataset.theme, onScreen] = starts ? ["light", dataset.theme ?? ""] : [onScreen, undefined];
  };
  addEventListener("beforeprint", () => printing(true));
  addEventListener("afterprint", () => printing(false));
  matchMedia("print").addEventListener("change", ({ matches }) => printing(matches));
}

// Between require.js and embed-amd.js, on pages with widgets: the widgets' modules come from this folder alone.
(() => {
  requirejs.config({ baseUrl: new URL("vendor/", document.currentScript.src).href }); // "anywidget": vendor/anywidget.js

  // embed-amd.js typesets labels through MathJax 2's interface; the page has MathJax 3.
  addEventListener("load", () => {
    const mathjax = window.MathJax;
    if (!mathjax || mathjax.Hub) return;
    mathjax.Hub = { Queue: ([, , element]) => mathjax.typesetPromise?.([element]) };
  });
})();

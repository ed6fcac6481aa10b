// What the theme leaves unsaid to a screen reader, and what scrolls but cannot be reached by keyboard.
{
  const every = (selector, change) => document.querySelectorAll(selector).forEach(change);
  const name = () => {
    every("i[class*='fa-']", (icon) => {
      icon.setAttribute("aria-hidden", "true");
      icon.removeAttribute("title"); // the button around it has a name
    });
    every(".search-button-field", (button) => button.removeAttribute("aria-label")); // its name is what stands in it
    every("summary:has(.toctree-toggle)", (summary) => {
      const page = summary.closest("li").querySelector("a").textContent.trim();
      summary.setAttribute("aria-label", `Pages below ${page}`);
    });
    every(".citation-list", (list) => list.removeAttribute("role"));
    every(".citation[role]", (entry) => entry.removeAttribute("role"));
  };
  const reach = () =>
    every("mjx-container[display], .bd-article :is(pre, .output, .picture, .pst-scrollable-table-container)", (box) => {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    });
  addEventListener("DOMContentLoaded", () => {
    name();
    addEventListener("resize", reach);
    addEventListener("load", () => (window.MathJax?.startup?.promise ?? Promise.resolve()).then(reach));
  });
}

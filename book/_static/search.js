// Sphinx's search finds pages and orders them. What is shown of a hit is made here: the section that it leads to, some of
// its words, and marks on the page. Sphinx would fetch the page for its excerpt, which a browser refuses at file://, and
// it marks nothing where a theme loads the search on every page, as ours does. Texts: book/_ext/search_texts.py.
{
  const PARAMETER = "found"; // in the address of a page that a hit leads to: the words to mark, with "|" between

  /** A pattern for any of these words or phrases, whole. */
  const anyOf = (words) => {
    const either = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/\s+/g, "\\s+"));
    return new RegExp(`(?<![\\p{L}\\p{N}_])(?:${either.join("|") || "(?!)"})(?![\\p{L}\\p{N}_])`, "giu");
  };

  /** The text as nodes, in which what matches is marked. */
  const marked = (text, pattern) => {
    const nodes = [];
    let end = 0;
    for (const { 0: found, index } of text.matchAll(pattern)) {
      nodes.push(text.slice(end, index), Object.assign(document.createElement("mark"), { textContent: found }));
      end = index + found.length;
    }
    return [...nodes, text.slice(end)];
  };

  /** On a page that a hit leads to: mark the words, and show the first of them in the section. */
  const markFound = () => {
    const url = new URL(location);
    const words = url.searchParams.get(PARAMETER);
    if (!words) return;
    url.searchParams.delete(PARAMETER);
    history.replaceState({}, "", url);
    const pattern = anyOf(words.split("|"));
    const walker = document.createTreeWalker(document.querySelector(".bd-article"), NodeFilter.SHOW_TEXT);
    const texts = [];
    while (walker.nextNode()) texts.push(walker.currentNode);
    for (const text of texts)
      if (!text.parentElement.closest("script, style, .math") && text.data.search(pattern) >= 0)
        text.replaceWith(...marked(text.data, pattern));
    const place = url.hash && document.getElementById(decodeURIComponent(url.hash.slice(1)));
    const first = place && place.closest("section").querySelector("mark");
    for (let node = first; node; node = node.parentElement) if (node.matches("details")) node.open = true;
    if (first && place.matches("section")) addEventListener("load", () => first.scrollIntoView({ block: "center" }));
  };
  SphinxHighlight.hideSearchWords = () => // on Escape
    document.querySelectorAll(".bd-article mark").forEach((mark) => mark.replaceWith(...mark.childNodes));

  /** The section that has most of the words, in its title rather than below it, and of several the first. */
  const best = (sections, patterns) => {
    const rank = ({ title, text }) =>
      patterns.reduce((sum, pattern) => sum + (title.search(pattern) >= 0 ? 2 : text.search(pattern) >= 0), 0);
    return sections.reduce((best, section) => (rank(section) > rank(best) ? section : best));
  };

  /** Some words around the character at that place. */
  const excerpt = (text, at) => {
    const from = at > 80 ? text.indexOf(" ", at - 80) + 1 : 0;
    const to = from + 240 < text.length ? text.lastIndexOf(" ", from + 240) : text.length;
    return `${from ? "… " : ""}${text.slice(from, to)}${to < text.length ? " …" : ""}`;
  };

  /** For a hit as Sphinx has it, the section that it leads to, and its item of the list. words: what was asked for. */
  const item = ([page, title, anchor], words) => {
    const sections = SEARCH_TEXTS[page];
    const id = anchor.slice(1);
    const here = ([number, there]) => there === id && Search._index.docnames[number] === page;
    const entries = Object.entries(Search._index.indexentries).filter(([, places]) => places.some(here));
    const all = [...new Set(sections.flatMap(({ title, text }) => splitQuery(`${title} ${text}`.toLowerCase())))];
    const stemmer = new Stemmer();
    const forms = words.map((word) => {
      const stem = stemmer.stemWord(word);
      return all.filter((other) => stemmer.stemWord(other) === stem || (word.length > 2 && other.includes(word)));
    });
    const found = [...new Set([...entries.map(([entry]) => entry), ...forms.flat()])];
    const pattern = anyOf(found.sort((a, b) => b.length - a.length)); // of two that begin alike the longer one
    const section =
      sections.find((section) => section.id === id || id in section.places) ?? best(sections, forms.map(anyOf));
    const link = document.createElement("a");
    link.href = `${page}.html?${new URLSearchParams({ [PARAMETER]: found.slice(0, 20).join("|") })}#${id || section.id}`;
    link.innerHTML = title; // it comes as HTML
    if (section.id !== id && section !== sections[0]) link.append(` > ${section.title}`);
    const context = Object.assign(document.createElement("p"), { className: "context" });
    const at = section.places[id] ?? section.text.search(pattern);
    context.append(...marked(excerpt(section.text, at), pattern));
    const node = document.createElement("li");
    node.append(link, context);
    return [section, node];
  };

  const show = (query) => {
    const [whole, stems, excluded, words, objects] = Search._parseQuery(query);
    localStorage.removeItem("sphinx_highlight_terms"); // left for the next page by Sphinx
    const hits = Search._performSearch(whole, stems, excluded, words, objects).reverse();
    const items = new Map();
    for (const [section, node] of hits.map((hit) => item(hit, [...words])))
      if (!items.has(section)) items.set(section, node);
    Search.output.append(...items.values());
    _finishSearch(items.size);
  };

  document.addEventListener("DOMContentLoaded", () => {
    if (!document.getElementById("search-results")) return markFound();
    Search.query = (query) => {
      const texts = document.createElement("script");
      texts.src = `${document.documentElement.dataset.content_root}_static/search-texts.js`;
      texts.addEventListener("load", () => show(query));
      document.head.append(texts);
    };
  });
}

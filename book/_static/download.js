// Save the notebook that the page carries (book/_ext/downloads.py): what a link to it would open in a tab at file://.
addEventListener("DOMContentLoaded", () => {
  const notebook = document.querySelector("script[type='application/x-ipynb+json']");
  document.querySelector(".btn-download-source-button")?.addEventListener("click", (event) => {
    if (!notebook) return;
    event.preventDefault();
    const address = URL.createObjectURL(new Blob([notebook.textContent], { type: notebook.type }));
    Object.assign(document.createElement("a"), { href: address, download: notebook.id }).click();
    URL.revokeObjectURL(address);
  });
});

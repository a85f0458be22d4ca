// What a page can do beyond its forms and links; all of it works without this file, less smoothly.

// Copy buttons are there only where they work.
function offerCopies(root) {
  for (const button of root.querySelectorAll("button.copy[hidden]")) {
    button.hidden = false;
    const text = button.firstChild;
    button.addEventListener("click", async () => {
      const code = button.parentElement.querySelector("code").textContent;
      try {
        await navigator.clipboard.writeText(code);
        text.data = "Copied";
      } catch {  // no right to the clipboard: mark the code, so that a key copies it
        getSelection().selectAllChildren(button.parentElement.querySelector("code"));
        text.data = "Marked";
      }
      setTimeout(() => { text.data = "Copy"; }, 2000);
    });
  }
}

// The columns of a chosen CSV file are offered as targets; the file is read here, not sent.
async function offerColumns(input) {
  const list = document.getElementById("columns");
  const file = input.files[0];
  if (!list) return;
  list.replaceChildren();
  if (!file || !/\.(csv|tsv)$/i.test(file.name)) return;
  const first = (await file.slice(0, 65536).text()).split(/\r?\n/, 1)[0];
  const mark = /\.tsv$/i.test(file.name) ? "\t" : [",", ";", "\t"].sort((a, b) => first.split(b).length - first.split(a).length)[0];
  for (const name of first.split(mark).slice(0, 1000)) {
    const option = document.createElement("option");
    option.value = name.trim().replace(/^"(.*)"$/, "$1");
    list.append(option);
  }
}

document.addEventListener("change", (event) => {
  if (event.target.id === "file") offerColumns(event.target);
});
for (const [kind, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
  document.addEventListener(kind, (event) => {
    if (event.target.classList?.contains("drop")) event.target.classList.toggle("over", over);
  });
}

// An answer that came without a new page: it is shown, and a screen reader begins at it.
new MutationObserver((changes) => {
  for (const change of changes) {
    for (const node of change.addedNodes) {
      if (node.nodeType !== Node.ELEMENT_NODE) continue;
      offerCopies(node);
      if (node.id === "answer" && node.hasAttribute("tabindex")) {
        node.focus({ preventScroll: true });
        node.scrollIntoView({ block: "start" });
      }
    }
  }
}).observe(document.body, { childList: true, subtree: true });
offerCopies(document);

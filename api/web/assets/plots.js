// Draws the Vega-Lite specifications that a page holds, in the page's own colours. Expressions are
// interpreted, never compiled, so the page allows no eval.

const { expressionInterpreter } = await import(document.getElementById("plots").dataset.interpreter);
const { vega, vegaLite } = globalThis;
const dark = matchMedia("(prefers-color-scheme: dark)");
const drawn = new Map();  // figure to its view

function look() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  const text = { labelColor: of("soft"), titleColor: of("soft"), labelFontSize: 12, titleFontSize: 13 };
  return {
    of,
    config: {
      background: null,
      font: getComputedStyle(document.body).fontFamily,
      view: { stroke: null },
      axis: { ...text, titleFontWeight: 500, gridColor: of("line"), domainColor: of("edge"), tickColor: of("edge"), titlePadding: 10 },
      legend: { ...text, titleFontWeight: 500 },
      title: { color: of("ink"), subtitleColor: of("soft"), anchor: "start", fontWeight: 600 },
      range: { category: ["c0", "c1", "c2", "c3", "c4", "c5"].map(of), ramp: [of("line"), of("c0")] },
      mark: { color: of("c0") },
      bar: { color: of("c0") }, line: { color: of("c0") }, point: { color: of("c0") },
      rule: { color: of("ink") }, text: { color: of("soft") },
    },
  };
}

// Specifications that are made for paper name colours of paper.
function recoloured(text, of) {
  const paper = {
    "#444444": "soft", "#000000": "ink", "#e6e6e6": "line", "#8a8a8a": "edge", "white": "page", "#ffffff": "page",
    "#8FB8D9": "bar", "#0072B2": "c0", "#D55E00": "c1", "#009E73": "c2", "#CC79A7": "c3", "#E69F00": "c4", "#56B4E9": "c5",
  };
  return text.replace(/"(#[0-9a-fA-F]{6}|white)"/g, (whole, colour) => (paper[colour] ? JSON.stringify(of(paper[colour])) : whole));
}

// What the pointer is at, as plain text.
const hint = document.createElement("div");
hint.className = "hint";
hint.hidden = true;
document.body.append(hint);
function tell(handler, event, item, value) {
  hint.hidden = value == null || value === "";
  if (hint.hidden) return;
  const shown = (one) => (one && typeof one === "object" && "signal" in one ? "" : String(one));
  hint.textContent = typeof value === "object"
    ? Object.entries(value).map(([name, one]) => `${name}: ${shown(one)}`).join("\n") : String(value);
  const box = hint.getBoundingClientRect();
  hint.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 8))}px`;
  hint.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - box.height - 8))}px`;
}

async function draw(figure) {
  const place = figure.querySelector(".drawing");
  const { of, config } = look();
  const spec = JSON.parse(recoloured(figure.querySelector("script[type='application/json']").textContent, of));
  delete spec.config;
  drawn.get(figure)?.finalize();
  place.replaceChildren();
  try {
    const runtime = vega.parse(vegaLite.compile(spec, { config }).spec, null, { ast: true });
    const view = new vega.View(runtime, { expr: expressionInterpreter, renderer: "svg", container: place, hover: true, loader: { load: () => Promise.reject(new Error("plots load nothing")) } });
    drawn.set(figure, view.tooltip(tell));
    await view.runAsync();
    // The figure has a name and a table; a screen reader is not led through every mark.
    for (const node of place.querySelectorAll("svg, svg [role]")) {
      for (const name of ["role", "aria-roledescription", "aria-label", "aria-hidden"]) node.removeAttribute(name);
    }
    place.querySelector("svg")?.setAttribute("aria-hidden", "true");
  } catch (error) {
    place.textContent = "This could not be drawn; the table has the same numbers.";
    console.error(error);
  }
  figure.dataset.drawn = "yes";
}

function drawAll(root) {
  for (const figure of root.querySelectorAll("figure.plot:not([data-drawn])")) draw(figure);
}

drawAll(document);
dark.addEventListener("change", () => { for (const figure of document.querySelectorAll("figure.plot")) draw(figure); });
new MutationObserver((changes) => {
  for (const figure of drawn.keys()) {
    if (!figure.isConnected) { drawn.get(figure).finalize(); drawn.delete(figure); }
  }
  for (const change of changes) {
    for (const node of change.addedNodes) if (node.nodeType === Node.ELEMENT_NODE) drawAll(node.parentElement ?? node);
  }
}).observe(document.getElementById("main"), { childList: true, subtree: true });

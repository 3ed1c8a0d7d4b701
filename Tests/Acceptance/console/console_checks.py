"""What is asked of every page: names for all controls, no sideways scrolling, readable colours, nothing from elsewhere."""

import json
from pathlib import Path

# A small check of our own, so that it holds without any package; axe-core (PyPI's axe-core-python) asks much more.
CHECKS = """
(() => {
  const problems = [];
  const seen = (e) => e.getClientRects().length > 0 && getComputedStyle(e).visibility !== "hidden";
  const dialog = [...document.querySelectorAll("dialog[open]")].pop();
  const root = dialog || document;
  const show = (e) => e.outerHTML.slice(0, 160);
  const name = (e) => {
    const by = (e.getAttribute("aria-labelledby") || "").split(" ").filter(Boolean).map((id) => document.getElementById(id)?.textContent || "").join(" ");
    return (e.getAttribute("aria-label") || by || [...(e.labels || [])].map((l) => l.textContent).join(" ") || e.textContent || e.title || "").trim();
  };
  for (const e of root.querySelectorAll("a[href], button, input, select, textarea, summary, [role=button], [role=listbox], [tabindex='0']")) {
    if (seen(e) && !name(e)) problems.push(`no name: ${show(e)}`);
    if (e.tabIndex > 0) problems.push(`positive tabindex: ${show(e)}`);
  }
  const ids = new Map();
  for (const e of document.querySelectorAll("[id]")) ids.set(e.id, (ids.get(e.id) || 0) + 1);
  for (const [id, times] of ids) if (times > 1) problems.push(`id ${id} is there ${times} times`);
  for (const e of document.querySelectorAll("[aria-controls], [aria-labelledby], [aria-describedby]")) {
    for (const attribute of ["aria-controls", "aria-labelledby", "aria-describedby"]) {
      for (const id of (e.getAttribute(attribute) || "").split(" ").filter(Boolean)) if (!ids.has(id)) problems.push(`${attribute} names nothing: ${show(e)}`);
    }
  }
  if (document.querySelectorAll("main h1").length !== 1) problems.push(`${document.querySelectorAll("main h1").length} headings of the first level`);
  for (const e of document.querySelectorAll("table")) if (!e.getAttribute("aria-label") || [...e.querySelectorAll("th")].some((th) => !th.scope)) problems.push(`table without a name or scopes: ${show(e)}`);
  for (const e of document.querySelectorAll("svg:not([aria-hidden])")) if (!e.getAttribute("aria-label") && e.getAttribute("role") !== null) problems.push(`picture without a name: ${show(e)}`);
  for (const e of document.querySelectorAll("*")) for (const a of e.attributes) if (/^on/i.test(a.name)) problems.push(`handler in HTML: ${show(e)}`);

  // Contrast of texts: 4.5 to 1, of large ones 3 to 1.
  const context = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  const memory = new Map();
  const rgba = (text) => {
    if (!memory.has(text)) {
      context.clearRect(0, 0, 1, 1);
      context.fillStyle = text;
      context.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
      memory.set(text, [r, g, b, a / 255]);
    }
    return memory.get(text);
  };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (e) => {
    const layers = [];
    for (let at = e; at; at = at.parentElement) { const c = rgba(getComputedStyle(at).backgroundColor); layers.push(c); if (c[3] > 0.99) break; }
    return layers.reverse().reduce((under, [r, g, b, a]) => [r * a + under[0] * (1 - a), g * a + under[1] * (1 - a), b * a + under[2] * (1 - a)], [255, 255, 255]);
  };
  const done = new Set();
  const walker = document.createTreeWalker(dialog || document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || done.has(e) || !seen(e) || e.closest(".sr, .skip, svg, textarea, select, :disabled, [aria-disabled=true], noscript")) continue;
    done.add(e);
    const style = getComputedStyle(e);
    const a = light(behind(e));
    const b = light(rgba(style.color));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) problems.push(`contrast ${ratio.toFixed(2)}: ${show(e)}`);
  }
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (wide > 0) {
    const inner = document.documentElement.clientWidth;
    const out = [...document.querySelectorAll("body *")].filter((e) => { const r = e.getBoundingClientRect(); return r.right > inner + 1 && r.width > 0; }).slice(0, 4);
    problems.push(`scrolls sideways by ${wide} px: ${out.map(show).join(" | ")}`);
  }
  return problems;
})()
"""


def check(page):
    """Raises with all that is wrong with the page as it is now."""
    problems = page.js(CHECKS)
    assert not problems, f"{page.js('location.pathname + location.search')} at {page.width} px:\n" + "\n".join(problems)


def check_quiet(page, expected=()):
    """Nothing was complained about, and nothing was asked from elsewhere."""
    page.browser.listen(0.05)
    complaints = [text for text in page.complaints if not any(part in text for part in expected)]
    assert not complaints, f"{page.js('location.href')}:\n" + "\n".join(complaints)
    place = page.base.split("://")[1]
    foreign = [url for url in page.requests if not url.startswith((page.base, f"ws://{place}", "about:", "data:"))]
    assert not foreign, f"asked from elsewhere: {foreign}"
    assert page.js("window.hacked === undefined && !document.querySelector('img, iframe, object, embed')"), "foreign markup came alive"


def axe(page, rules_off=()):
    """Violations that axe-core finds, in one line each; None where the package is not there."""
    try:
        import axe_core_python
    except ImportError:
        return None
    source = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text()
    page.js(f"(() => {{ if (!window.axe) {{ {source} }} return true; }})()")
    off = json.dumps({name: {"enabled": False} for name in rules_off})
    found = page.js(f"axe.run(document, {{ rules: {off}, resultTypes: ['violations'] }}).then((r) => r.violations.map((v) => [v.id, v.impact, v.help, v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160))]))")
    return [f"{kind} ({impact}): {text} {nodes}" for kind, impact, text, nodes in found]

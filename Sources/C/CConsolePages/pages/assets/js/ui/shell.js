// The frame: navigation, theme, the pulse of the platform, shortcuts.
import { aboutServer } from "../api.js";
import { add, fill, h } from "../dom.js";
import { rate } from "../format.js";
import { watchConnection, watchRates } from "../live.js";
import { brandMark, icon } from "./icons.js";
import { startShortcuts } from "./shortcuts.js";

const byId = (id) => document.getElementById(id);

function startTheme() {
  const button = byId("theme");
  const order = ["auto", "light", "dark"];
  const names = { auto: "as the system", light: "light", dark: "dark" };
  const icons = { auto: "auto", light: "sun", dark: "moon" };
  let theme = document.documentElement.dataset.theme ?? "auto";
  const show = () => {
    fill(button, icon(icons[theme]));
    button.setAttribute("aria-label", `Colours: ${names[theme]}. Change`);
    button.title = `Colours: ${names[theme]}`;
  };
  button.addEventListener("click", () => {
    theme = order[(order.indexOf(theme) + 1) % order.length];
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    try { localStorage.setItem("swiftwater.theme", theme); } catch { /* kept for this visit only */ }
    show();
  });
  show();
}

function startMenu() {
  const button = byId("menu");
  const nav = byId("nav");
  add(button, icon("menu"));
  const set = (open) => {
    document.body.classList.toggle("nav-open", open);
    button.setAttribute("aria-expanded", String(open));
    if (open) nav.querySelector("a")?.focus();
  };
  button.addEventListener("click", () => set(!document.body.classList.contains("nav-open")));
  nav.addEventListener("click", (event) => { if (event.target.closest("a")) set(false); });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && document.body.classList.contains("nav-open")) { set(false); button.focus(); }
  });
  byId("main").addEventListener("pointerdown", () => set(false));
}

function showPulse() {
  const pulse = byId("pulse");
  // The rate changes each second: screen readers hear only whether there is a connection.
  pulse.removeAttribute("role");
  add(pulse, h("span", { class: "dot", "aria-hidden": "true" }), h("span", { class: "pulse-text" }, "connecting…"));
}

function startPulse() {
  const pulse = byId("pulse");
  const text = pulse.querySelector(".pulse-text");
  watchRates((data) => { pulse.dataset.state = "on"; text.textContent = `${rate(data.messages_in_per_s)} in`; });
  watchConnection((state) => {
    pulse.dataset.state = state;
    if (state === "off") text.textContent = "reconnecting…";
  });
}

async function showAbout() {
  try {
    const about = await aboutServer();
    byId("about").textContent = `Swiftwater ${about.version}`;
    byId("about").title = [about.build, about.cluster_id && `cluster ${about.cluster_id}`].filter(Boolean).join(", ");
  } catch { /* the page says what is wrong */ }
}

export function markNavigation() {
  const section = `/${location.pathname.split("/")[1] || "overview"}`;
  const key = section === "/queries" ? "/sql" : section;
  for (const link of byId("nav").querySelectorAll("a")) {
    if (link.getAttribute("href") === key) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

export function startShell() {
  add(document.querySelector(".brand-mark"), brandMark());
  add(document.querySelector(".search-icon"), icon("search"));
  add(byId("help"), icon("help"));
  for (const link of byId("nav").querySelectorAll("a")) link.prepend(icon(link.dataset.icon));
  startTheme();
  startMenu();
  startShortcuts();
  showPulse();
}

let started = false;
/** What of the frame asks the server: once the page itself is there. */
export function startFigures() {
  if (started) return;
  started = true;
  startPulse();
  showAbout();
}

// The console: what came in at either vendor's APIs, live. Everything is asked for once a second of the intake that
// served this page; nothing comes from anywhere else.

import { Arrivals } from "./arrivals.js";
import { show as showDetail } from "./detail.js";
import { ask, at, element } from "./dom.js";
import * as faults from "./faults.js";
import * as ledger from "./ledger.js";
import * as plots from "./plots.js";
import { VENDORS } from "./vendors.js";

const EVERY = 1000;
const VIEWS = [...VENDORS.map(vendor => vendor.name), "Plots", "Ledger"];

const arrivals = new Arrivals(showDetail);
let view = 0;

function choose(i) {
  view = i;
  [...at("tabs").children].forEach((tab, at) => (at === i ? tab.setAttribute("aria-current", "page") : tab.removeAttribute("aria-current")));
  at("arrivals").hidden = at("sums").hidden = i >= VENDORS.length;
  at("hold").hidden = i >= VENDORS.length;
  at("plots").hidden = VIEWS[i] !== "Plots";
  at("books").hidden = VIEWS[i] !== "Ledger";
  if (i < VENDORS.length) arrivals.choose(VENDORS[i]);
  else arrivals.deselect();
  history.replaceState(null, "", `#${encodeURIComponent(VIEWS[i])}`);
  look();
}

async function look() {
  try {
    const all = await ask("/intake/stats");
    await faults.show(all.faults);
    if (view < VENDORS.length) {
      arrivals.count(all);
      await arrivals.fill();
    } else {
      await (VIEWS[view] === "Plots" ? plots : ledger).draw(all);
    }
    at("state").textContent = "";
  } catch {
    at("state").textContent = "the intake cannot be reached";
  }
}

async function go() {
  if (!document.hidden) await look();
  setTimeout(go, EVERY);
}

// -- keys ---------------------------------------------------------------------------------------------------------------

function hold() {
  const held = at("hold").getAttribute("aria-pressed") !== "true";
  at("hold").setAttribute("aria-pressed", held);
  arrivals.hold(held);
}

function theme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.style.colorScheme || (dark ? "dark" : "light");
  const other = now === "dark" ? "light" : "dark";
  document.documentElement.style.colorScheme = other;
  localStorage.setItem("theme", other);
}

function escape() {
  if (document.activeElement?.matches("input, select")) document.activeElement.blur();
  else if (!at("detail").hidden) showDetail(null);
  else arrivals.deselect();
}

const KEYS = {
  "/": () => (at("arrivals").hidden ? at("metric") : at("filter")).focus(),
  j: () => arrivals.move(1),
  k: () => arrivals.move(-1),
  Enter: () => arrivals.open(),
  Escape: escape,
  p: hold,
  f: () => at("switches").querySelector("input").focus(),
  t: theme,
  "?": () => at("keys").showModal(),
};

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || at("keys").open) return;
  const typing = event.target.matches("input:not([type=checkbox]), select"), pressing = event.target.matches("button, summary");
  if ((typing && event.key !== "Escape") || (pressing && event.key === "Enter")) return;
  const i = "123456".indexOf(event.key);
  const act = i >= 0 ? () => choose(i) : KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

// -- the start ----------------------------------------------------------------------------------------------------------

document.documentElement.style.colorScheme = localStorage.getItem("theme") ?? "";
at("tabs").append(...VIEWS.map((name, i) => {
  const tab = element("button", { type: "button", title: `${name} (${i + 1})` }, name);
  tab.addEventListener("click", () => choose(i));
  return tab;
}));
at("hold").addEventListener("click", hold);
at("theme").addEventListener("click", theme);
at("help").addEventListener("click", KEYS["?"]);
at("detail").addEventListener("dismissed", escape);
plots.start();
ledger.start();
choose(Math.max(VIEWS.indexOf(decodeURIComponent(location.hash.slice(1))), 0));
setTimeout(go, EVERY);

// One arrival in full: every field beside the rule that shaped it. The rules are `rules.json`; the first whose name fits
// a field holds, and a `*` in it stands for the rest.

import { ask, at, element } from "./dom.js";

const OPENED = ["resource", "resource.labels", "labels"]; // whose members have rules of their own
const FIRST = ["textPayload", "jsonPayload", "message", "severity", "status", "timestamp"]; // what is looked for most
const SPLIT = "ddtags";

let rules = null;
let turn = 0;

/** Show `arrival` of `vendor`; null closes. */
export async function show(arrival, vendor) {
  const panel = at("detail"), mine = ++turn;
  if (arrival !== null) rules ??= await ask("/console/rules.json");
  if (mine !== turn) return; // something else was opened or closed meanwhile
  panel.hidden = arrival === null;
  document.querySelector("main").classList.toggle("reading", arrival !== null);
  if (arrival === null) return keepInView();
  at("beside").scrollTop = 0;
  const whole = vendor.whole(arrival), known = rules[vendor.rules] ?? [];
  const { seq, timeSeries, log, point, ...marks } = arrival;
  const beside = whole === arrival ? [] : Object.entries(marks);
  const close = element("button", { type: "button" }, "Close");
  close.addEventListener("click", () => panel.dispatchEvent(new Event("dismissed", { bubbles: true })));
  const copy = element("button", { type: "button" }, "Copy");
  copy.addEventListener("click", () => navigator.clipboard.writeText(JSON.stringify(whole, null, 2)));
  const fields = whole === arrival ? Object.fromEntries(Object.entries(whole).filter(([key]) => key !== "seq")) : whole;
  panel.replaceChildren(
    element("header", {}, element("h2", {}, `${vendor.name}, arrival ${seq}`), copy, close),
    known.length ? table(fields, known) : element("pre", {}, JSON.stringify(fields, null, 2)),
    ...beside.map(([key, value]) => element("p", { class: "dim" }, `${key}: ${value}`)),
    ...(known.length ? [element("details", {}, element("summary", {}, "As JSON"), element("pre", {}, JSON.stringify(fields, null, 2)))] : []),
  );
  keepInView();
}

/** The columns have another width now. Where there is only one, what was opened stands above the list. */
function keepInView() {
  const opened = matchMedia("(max-width: 60rem)").matches && !at("detail").hidden;
  const shown = opened ? at("detail") : document.querySelector("#list tr[aria-selected=true]");
  shown?.scrollIntoView({ block: opened ? "start" : "nearest" });
}

function table(fields, known) {
  const head = ["Field", "Value", "The rule"].map(text => element("th", { scope: "col" }, text));
  const place = ([name]) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
  const rows = flat(fields).sort((a, b) => place(a) - place(b)).map(([name, value]) => {
    const rule = known.find(({ field }) => fits(field, name));
    return element("tr", {},
      element("th", { scope: "row" }, name),
      element("td", { class: "value" }, typeof value === "string" ? value : JSON.stringify(value, null, 2)),
      element("td", { class: "rule" }, ...(rule ? [rule.rule, source(rule)] : [])));
  });
  return element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows));
}

/** Where a rule stands, and the cases that prove it. */
function source({ page, part, cases = [] }) {
  return element("small", {}, page ? [`docs/${page}#${part}`, ...cases].join("  ") : "");
}

/** Pairs of a field's path and its value. */
function flat(fields, path = "") {
  return Object.entries(fields).flatMap(([key, value]) => {
    const name = path ? `${path}.${key}` : key;
    if (OPENED.includes(name)) return flat(value, name);
    return [[name, name === SPLIT ? value.split(",").join("\n") : value]];
  });
}

function fits(pattern, name) {
  const star = pattern.indexOf("*");
  return star < 0 ? pattern === name : name.startsWith(pattern.slice(0, star));
}

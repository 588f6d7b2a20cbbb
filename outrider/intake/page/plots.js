// Metrics as curves, each one under its name at Datadog and, beside it, at Google. What is a pair the checks know; what
// has no partner, or whose partner has not come, stands alone.

import { ask, at, count, element, polyline, short } from "./dom.js";

const SHOWN = 20; // rows
const EVERY = 3000; // milliseconds between two looks at the curves

let names = null;
let looked = 0;

export function start() {
  at("metric").addEventListener("input", () => { looked = 0; });
  at("choose").addEventListener("submit", event => event.preventDefault());
}

/** Draw what is there by now. `all` are the intake's counters. */
export async function draw(all) {
  if (Date.now() - looked < EVERY) return;
  looked = Date.now();
  names ??= await ask("/intake/names");
  const words = at("metric").value.toLowerCase().split(/\s+/);
  const rows = paired(all.datadog_metrics.metrics, all.monitoring.types)
    .filter(([one, , other]) => words.every(word => `${one} ${other}`.toLowerCase().includes(word)));
  const shown = rows.slice(0, SHOWN);
  const wanted = new Set(shown.flatMap(([one, , other]) => [one, other]).filter(Boolean));
  const plots = shown.length ? await ask(`/intake/plots?${new URLSearchParams([...wanted].map(name => ["metric", name]))}`) : {};
  at("metric-count").textContent = rows.length > SHOWN ? `${SHOWN} of ${count(rows.length)} shown` : count(rows.length);
  at("nothing-plotted").hidden = rows.length > 0;
  at("pairs").replaceChildren(...shown.map(([datadog, tags, google, labels]) => element("div", { class: "pair" },
    figure("Datadog", datadog, tags, plots[datadog]), figure("Google", google, labels, plots[google]))));
}

/** [Datadog's name, its tags, Google's, its labels] of everything that has come; a name that has not come is "". */
function paired(datadog, google) {
  const both = names.filter(([one, , other]) => one in datadog || other in google)
    .map(([one, tags, other, labels]) => [one in datadog ? one : "", tags, other in google ? other : "", labels]);
  const seen = new Set(both.flatMap(([one, , other]) => [one, other]));
  const alone = [...Object.keys(datadog).map(name => [name, [], "", []]), ...Object.keys(google).map(name => ["", [], name, []])]
    .filter(([one, , other]) => !seen.has(one || other));
  const half = ([one, , other]) => Number(!one || !other), name = ([one, , other]) => one || other;
  return [...both, ...alone].sort((a, b) => half(a) - half(b) || name(a).localeCompare(name(b)));
}

/** The curves of one metric, of those of its name that have these `labels`. */
function figure(vendor, name, labels, plot) {
  if (!name) return element("figure", {}, element("figcaption", {}, `${vendor}: nothing has come under its name there`));
  const curves = plot?.curves.filter(curve => labels.every(label => curve.labels.includes(label))) ?? [];
  const points = curves.flatMap(curve => curve.points);
  const unit = [plot?.unit, plot?.rate ? "per second" : ""].filter(Boolean).join(" ");
  const caption = element("figcaption", {}, `${vendor}: `, element("b", {}, [name, ...labels].join(" ")), unit ? ` (${unit})` : "");
  if (!points.length) return element("figure", {}, caption, element("p", { class: "dim" }, "no two points yet"));
  const times = points.map(([time]) => time), values = points.map(([, value]) => value);
  const [from, to] = [Math.min(...times), Math.max(...times)], [low, high] = [Math.min(...values), Math.max(...values)];
  const x = time => (to > from ? (100 * (time - from)) / (to - from) : 100);
  const y = value => (high > low ? 96 - (92 * (value - low)) / (high - low) : 50);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 100 100");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${name}: from ${short(low)} to ${short(high)}`);
  for (const curve of curves) {
    const [first] = curve.points;
    const drawn = curve.points.map(([time, value]) => [x(time), y(value)]);
    const line = polyline(drawn.length > 1 ? drawn : first ? [[0, y(first[1])], [100, y(first[1])]] : []);
    const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
    const last = curve.points.at(-1);
    title.textContent = `${curve.labels.join(" ")}: ${last ? short(last[1]) : "–"}`;
    line.append(title);
    svg.append(line);
  }
  const last = curves.map(curve => curve.points.at(-1)).filter(Boolean).map(([, value]) => short(value));
  const more = plot.more ? `, ${plot.more} curves more` : "";
  const ends = [`${short(low)} … ${short(high)}`, `now ${last.slice(0, 3).join(", ")}${last.length > 3 ? ", …" : ""}${more}`, `over ${Math.round(to - from)} s`];
  return element("figure", {}, caption, svg, element("div", { class: "span" }, ...ends.map(text => element("span", {}, text))));
}

// What became of everything: what came in here, by what was made of it, and the ledgers of collectors on this machine.
// A balance that is not zero is bytes or records of which nobody knows what became of them.

import { ask, at, count, element, size } from "./dom.js";

const STREAMS = 20;
const EVERY = 2000; // milliseconds between two questions to the collectors
const HEAD = ["stream", "disk", "skipped", "acked", "flying", "lost", "behind", "balance", "records", "accepted", "rejected", "left out", "flying", "balance"];

let asked = 0;

export function start() {
  at("ask").addEventListener("submit", async event => {
    event.preventDefault();
    try {
      await ask("/intake/collectors", { collectors: at("collector").value.split(/[\s,]+/).filter(Boolean) });
      at("ask-trouble").textContent = "";
      asked = 0;
    } catch (trouble) {
      at("ask-trouble").textContent = trouble.message;
    }
  });
}

/** Show it as it is now. `all` are the intake's counters. */
export async function draw(all) {
  here(all);
  if (Date.now() - asked < EVERY) return;
  asked = Date.now();
  const ledgers = await ask("/intake/ledgers");
  if (!at("collector").value && document.activeElement !== at("collector")) {
    at("collector").value = ledgers.map(one => one.url).join(" ");
  }
  at("collectors").replaceChildren(...ledgers.flatMap(({ url, trouble, ledger }) => [
    element("h3", {}, `The collector at ${url}`),
    ...(trouble ? [element("p", { class: "trouble" }, trouble)] : followed(ledger)),
  ]));
}

const total = object => Object.values(object).reduce((all, one) => all + one, 0);

function here(all) {
  const logs = all.datadog, series = all.monitoring, points = all.datadog_metrics;
  const rows = [
    ["Cloud Logging", "entries", all.received, { "new": all.unique, "repeats": all.repeated }, all.rejected],
    ["Datadog logs", "logs", logs.accepted, { "new": logs.unique, "repeats": logs.repeated, "dropped": total(logs.dropped) }, total(logs.refused)],
    ["Cloud Monitoring", "points", series.written, { "new": series.written }, total(series.refused)],
    ["Datadog metrics", "points", points.accepted, { "new": points.stored, "dropped": points.accepted - points.stored }, total(points.refused)],
  ];
  at("here").replaceChildren(
    element("thead", {}, element("tr", {}, ...[["API"], ["came in", "n"], [""], ["of which"], ["refused", "n"]].map(([text, kind]) => element("th", { scope: "col", class: kind }, text)))),
    element("tbody", {}, ...rows.map(([name, what, n, parts, refused]) => element("tr", {},
      element("th", { scope: "row" }, name), element("td", { class: "n" }, count(n)), element("td", {}, what),
      element("td", {}, Object.entries(parts).map(([part, k]) => `${count(k)} ${part}`).join(" + ")), element("td", { class: "n" }, count(refused))))));
}

function followed({ exporters }) {
  const found = Object.entries(exporters).flatMap(books);
  return found.length ? found : [element("p", { class: "dim" }, "It follows no logs.")];
}

function books([name, { streams, trouble }]) {
  const ranked = streams.map(stream => [stream, ...balances(stream)])
    .sort((a, b) => Boolean(b[1] || b[2]) - Boolean(a[1] || a[2]) || b[0].behind_seconds - a[0].behind_seconds);
  const off = ranked.filter(([, bytes, records]) => bytes || records).length;
  const verdict = off ? `${off} of ${count(streams.length)} streams do not balance` : `all ${count(streams.length)} streams balance`;
  const rows = ranked.slice(0, Math.max(STREAMS, off)).map(([stream]) => row(label(stream), stream));
  const sums = row(`total of ${count(streams.length)} streams`, streams.reduce(added, EMPTY()));
  sums.classList.add("total");
  return [
    element("h4", {}, name, " ", element("span", { class: off ? "trouble" : "balanced" }, verdict)),
    ...(trouble ? [element("p", { class: "trouble" }, trouble)] : []),
    element("div", { class: "wide" }, element("table", {},
      element("thead", {}, element("tr", {}, ...HEAD.map((text, i) => element("th", { scope: "col", class: i ? "n" : undefined }, text)))),
      element("tbody", {}, ...rows, sums))),
  ];
}

const label = ({ namespace, pod, container, restart }) => `${namespace}/${pod}/${container}/${restart}`;
const EMPTY = () => ({
  bytes: { disk: 0, read: 0, skipped: 0, acknowledged: 0, in_flight: 0, lost: {}, behind: 0 },
  records: { read: 0, in_flight: 0, accepted: 0, rejected: 0, left_out: 0 },
});

function added(sums, { bytes, records }) {
  for (const key of Object.keys(sums.bytes)) if (key !== "lost") sums.bytes[key] += bytes[key];
  for (const key of Object.keys(sums.records)) sums.records[key] += records[key];
  for (const [cause, n] of Object.entries(bytes.lost)) sums.bytes.lost[cause] = (sums.bytes.lost[cause] ?? 0) + n;
  return sums;
}

function balances({ bytes: b, records: r }) {
  const away = b.disk - b.skipped - b.acknowledged - b.in_flight - total(b.lost) - b.behind;
  return [away || b.read - b.acknowledged - b.in_flight, r.read - r.in_flight - r.accepted - r.rejected - r.left_out];
}

function row(name, stream) {
  const { bytes: b, records: r } = stream, [bytes, records] = balances(stream);
  const cells = [b.disk, b.skipped, b.acknowledged, b.in_flight, total(b.lost), b.behind].map(size);
  cells.push(bytes, ...[r.read, r.accepted, r.rejected, r.left_out, r.in_flight].map(count), records);
  return element("tr", { class: bytes || records ? "off" : undefined },
    element("td", {}, name), ...cells.map(text => element("td", { class: "n" }, text)));
}

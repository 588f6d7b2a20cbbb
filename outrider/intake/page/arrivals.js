// The live list of one API. It asks for what is new among the newest that the filter takes, and stands still while it is
// held or something is selected; so nothing runs away under the cursor, and what was missed is there when it goes on.

import { ask, at, count, element, polyline, size } from "./dom.js";

const SHOWN = 100;
const LONGEST = 600; // characters of a row

export class Arrivals {
  constructor(opened) {
    this.opened = opened; // called with an arrival that is to be shown in full, or null
    this.held = false;
    this.filters = new Map();
    at("filter").addEventListener("input", () => this.look());
    at("level").addEventListener("change", () => this.#add(this.vendor.level(at("level").value)));
    at("look").addEventListener("submit", event => event.preventDefault());
    at("list").tBodies[0].addEventListener("click", event => {
      const row = event.target.closest("tr");
      if (row) this.#select(row, true);
    });
  }

  /** Show another API from its newest on. */
  choose(vendor) {
    if (this.vendor) this.filters.set(this.vendor, at("filter").value);
    this.vendor = vendor;
    at("arrivals-title").textContent = vendor.name;
    at("level-head").textContent = vendor.head;
    at("by").textContent = vendor.by;
    at("filter").placeholder = vendor.hint;
    at("filter").value = this.filters.get(vendor) ?? "";
    at("level").setAttribute("aria-label", vendor.head);
    at("level").replaceChildren(element("option", { value: "" }, vendor.any), ...vendor.levels.map(one => element("option", {}, one)));
    this.look();
  }

  /** Look anew, with the filter as it stands now. */
  look() {
    clearTimeout(this.soon);
    this.again = (this.again ?? 0) + 1; // answers to what was asked before are not for this list
    this.last = this.known = 0;
    this.deselect();
    at("list").tBodies[0].replaceChildren();
    at("nothing").hidden = true;
    this.soon = setTimeout(() => this.fill(), 150);
  }

  /** Put what is new on top. */
  async fill() {
    if (this.#still()) return;
    const { vendor, again, known } = this;
    const query = new URLSearchParams({ since: this.last, newest: SHOWN, filter: at("filter").value });
    let found = [];
    try {
      found = await ask(`${vendor.path}?${query}`);
    } catch (trouble) {
      if (again === this.again) at("filter-trouble").textContent = trouble.message;
      return;
    }
    if (again !== this.again || this.#still()) return;
    at("filter-trouble").textContent = "";
    const body = at("list").tBodies[0];
    for (const one of found.filter(({ seq }) => seq > this.last)) { // two answers may have the same
      body.prepend(this.#row(one));
      this.last = one.seq;
    }
    this.last = Math.max(this.last, known); // up to there everything was looked at
    while (body.rows.length > SHOWN) body.deleteRow(-1);
    at("nothing").textContent = at("filter").value ? "Nothing has arrived that this filter takes."
      : `Nothing has arrived yet. An exporter sends it here with ${vendor.endpoint}: ${location.origin}`;
    at("nothing").hidden = body.rows.length > 0;
  }

  /** Does it stand still? An empty list has nothing that could run away. */
  #still() {
    return (this.held || this.selected) && at("list").tBodies[0].rows.length > 0;
  }

  /** The numbers beside the list. */
  count(all) {
    const { vendor } = this, stats = vendor.stats(all);
    const lag = stats.lag < 120 ? `${stats.lag.toFixed(2)} s` : `${Math.round(stats.lag / 60)} min`;
    const counts = Object.entries(vendor.counts(stats)).map(([name, value]) => [name, count(value)]);
    const tiles = [
      ["per second", stats.rate.toFixed(stats.rate < 10 ? 1 : 0)], ["lag", lag], ...counts,
      ["on the wire", size(stats.bytes.compressed)], ["uncompressed", size(stats.bytes.uncompressed)],
    ];
    at("tiles").replaceChildren(...tiles.map(([name, value]) =>
      element("div", {}, element("dd", {}, value), element("dt", {}, name))));
    pace("arrivals", stats.per_second);
    pace("requests", stats.requests_per_second);
    this.#groups(vendor.groups(stats));
    pairs("outcomes", stats.requests);
    pairs("reasons", vendor.reasons(stats));
    this.known = stats.last_seq;
    const newer = stats.last_seq - this.last;
    at("held").textContent = this.held || this.selected ? `held; ${count(Math.max(newer, 0))} have come since` : "";
  }

  hold(held) {
    this.held = held;
    if (!held) this.fill();
  }

  /** Select the row `step` further down. */
  move(step) {
    const rows = [...at("list").tBodies[0].rows];
    const next = this.selected ? rows.indexOf(this.selected) + step : 0;
    if (rows.length) this.#select(rows[Math.min(Math.max(next, 0), rows.length - 1)], !at("detail").hidden);
  }

  open() {
    if (this.selected) this.opened(this.selected.arrival, this.vendor);
  }

  deselect() {
    this.selected?.removeAttribute("aria-selected");
    this.selected = null;
    this.opened(null);
  }

  #select(row, open) {
    this.selected?.removeAttribute("aria-selected");
    this.selected = row;
    row.setAttribute("aria-selected", "true");
    row.scrollIntoView({ block: "nearest" });
    if (open) this.open();
  }

  #row(one) {
    const { time, level, from, what, again } = this.vendor.row(one);
    const name = String(level).toUpperCase();
    const row = element("tr", { class: again ? "again" : undefined },
      element("td", {}, time.slice(11, 23).replace("Z", "")), element("td", { class: name }, name), element("td", {}, from),
      element("td", {}, what.length > LONGEST ? `${what.slice(0, LONGEST)}…` : what));
    row.arrival = one;
    return row;
  }

  #groups(groups) {
    const rows = Object.entries(groups).slice(0, 20).map(([name, n]) => {
      const button = element("button", { type: "button", title: "Add it to the filter" }, name || "(none)");
      button.addEventListener("click", () => this.#add(this.vendor.group(name)));
      return element("tr", {}, element("td", {}, button), element("td", { class: "n" }, count(n)));
    });
    // Not while one of them has the focus, which would be lost.
    if (!at("groups").contains(document.activeElement)) at("groups").replaceChildren(...rows);
  }

  #add(words) {
    const before = at("filter").value.trim();
    at("level").value = "";
    at("filter").value = before ? before + this.vendor.and + words : words;
    this.look();
  }
}

/** The running second comes last, and is left out: it would always look like a fall. */
function pace(name, perSecond) {
  const values = perSecond.slice(0, -1);
  const peak = Math.max(...values);
  at(`${name}-peak`).textContent = count(peak);
  at(`${name}-pace`).replaceChildren(polyline(values.map((value, x) => [x, 98 - (95 * value) / (peak || 1)])));
}

function pairs(id, object) {
  at(id).replaceChildren(...Object.entries(object).slice(0, 20).map(([key, value]) =>
    element("tr", {}, element("td", {}, key), element("td", { class: "n" }, count(value)))));
}

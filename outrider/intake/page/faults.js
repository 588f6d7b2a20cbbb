// Faults, switched by hand. What is in force is asked of the intake each time, for others may switch them, too.

import { ask, at, element } from "./dom.js";

const CHANCES = [1, 0.5, 0.2, 0.05, 0.01];
const WORDS = {
  "401": "who writes is not known", "403": "who writes may not", "408": "too slow; Datadog", "413": "too large; Datadog",
  "429": "too often", "500": "an error inside", "503": "not available", "504": "out of time; Cloud Monitoring",
  "partial": "half is written; Cloud Monitoring", "hang": "no answer ever", "reset": "the connection breaks",
  "lost-ack": "written, the answer is lost",
};

/** Show the faults in force. `specs` are theirs as the counters have them. */
export async function show(specs) {
  if (!at("switches").children.length) make((await ask("/intake/faults")).known);
  const chances = new Map(specs.map(spec => spec.split(":")).map(([name, chance]) => [name, Number(chance ?? 1)]));
  for (const row of at("switches").children) {
    const { box, chance, name } = row, on = chances.has(name);
    if (row.contains(document.activeElement) && row.busy) continue;
    box.checked = on;
    row.classList.toggle("on", on);
    if (!on) continue;
    const value = String(chances.get(name));
    if (![...chance.options].some(option => option.value === value)) chance.append(option(Number(value)));
    chance.value = value;
  }
}

function make(known) {
  at("switches").replaceChildren(...known.map(name => {
    const box = element("input", { type: "checkbox" });
    const chance = element("select", { "aria-label": `How often ${name}` }, ...CHANCES.map(option));
    const row = element("div", { class: "switch" }, element("label", {}, box, ` ${name} `, element("small", {}, WORDS[name] ?? "")), chance);
    Object.assign(row, { box, chance, name });
    box.addEventListener("change", () => set(row));
    chance.addEventListener("change", () => { if (box.checked) set(row); });
    return row;
  }));
}

function option(chance) {
  return element("option", { value: String(chance) }, chance === 1 ? "always" : `${chance * 100} %`);
}

async function set(row) {
  const on = [...at("switches").children].filter(one => one.box.checked);
  const wanted = on.map(({ name, chance }) => (chance.value === "1" ? name : `${name}:${chance.value}`));
  row.busy = true;
  try {
    await show((await ask("/intake/faults", { faults: wanted })).faults);
    at("faults-trouble").textContent = "";
  } catch (trouble) {
    at("faults-trouble").textContent = trouble.message;
  }
  row.busy = false;
}

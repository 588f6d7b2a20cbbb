// The little that all parts need of the page. Whatever came from outside is only ever set as text.

export const at = id => document.getElementById(id);

/** An element with attributes (`class`, `type`, …; what is undefined is left out) and children, texts among them. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.map(child => (child instanceof Node ? child : String(child))));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** A line through points of [x, y]. */
export function polyline(points) {
  const line = document.createElementNS(SVG, "polyline");
  line.setAttribute("points", points.map(([x, y]) => `${x.toFixed(2)},${y.toFixed(2)}`).join(" "));
  return line;
}

const whole = new Intl.NumberFormat("en");
export const count = n => whole.format(n);

/** A number for eyes: whole ones to the digit, others to four. */
export function short(value) {
  if (Number.isInteger(value) || Math.abs(value) >= 1e5) return count(Math.round(value));
  return String(Number(value.toPrecision(4)));
}

export function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let step = 0;
  for (; Math.abs(bytes) >= 1024 && step < 4; step++) bytes /= 1024;
  return `${bytes.toFixed(step ? 1 : 0)} ${units[step]}`;
}

/** The JSON that a path of the intake answers. Throws an Error with the intake's words if it refuses. */
export async function ask(path, body) {
  const answer = await fetch(path, body && { method: "POST", body: JSON.stringify(body) });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error?.message ?? told.errors?.[0]?.detail ?? told.errors?.[0] ?? answer.status);
  return told;
}

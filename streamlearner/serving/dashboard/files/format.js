/* Numbers and times as a person reads them, and small ways to build the page. Labels come from the stream: they are
   only ever text. */
export const $ = (id) => document.getElementById(id);
export const known = (value) => typeof value === "number" && Number.isFinite(value);
export const percent = (value, digits = 1) => (known(value) ? (100 * value).toFixed(digits) + " %" : "–");
export const whole = (value) => (known(value) ? Math.round(value).toLocaleString("en") : "–");
export const show = (place, text) => {
  const at = typeof place === "string" ? $(place) : place;
  if (at.textContent !== text) at.textContent = text;
};
export const joined = (parts) => parts.filter(Boolean).join(" · ");

/* a label: a text, a number, or a value by factor */
export const named = (label) =>
  label !== null && typeof label === "object"
    ? Object.entries(label)
        .map(([key, value]) => key + "=" + value)
        .join(", ")
    : String(label);
export const byName = (a, b) => a.localeCompare(b, "en", { numeric: true });

export function amount(value) {
  if (!known(value)) return "–";
  if (value === 0 || Math.abs(value) >= 100) return whole(value);
  return value.toPrecision(2).replace(/\.0$/, "");
}

export function size(bits) {
  if (!known(bits)) return "–";
  const bytes = bits / 8,
    units = ["B", "KiB", "MiB", "GiB"];
  const unit = Math.max(0, Math.min(3, Math.floor(Math.log2(Math.max(bytes, 1)) / 10)));
  const value = bytes / 1024 ** unit;
  return value.toFixed(unit && value < 100 ? 1 : 0) + " " + units[unit];
}

export function duration(seconds) {
  if (!known(seconds)) return "–";
  if (seconds < 1) return amount(1000 * seconds) + " ms";
  const [length, unit] = [
    [86400, "d"],
    [3600, "h"],
    [60, "min"],
    [1, "s"],
  ].find(([each]) => seconds >= each);
  return Math.floor(seconds / length) + " " + unit;
}

export const clock = (seconds) => new Date(1000 * seconds).toLocaleTimeString("en-GB");
export function moment(seconds) {
  if (!known(seconds)) return "–";
  const at = new Date(1000 * seconds),
    today = new Date().toDateString() === at.toDateString();
  return (
    (today ? "" : at.toLocaleDateString("en-GB", { day: "numeric", month: "short" }) + " ") +
    at.toLocaleTimeString("en-GB")
  );
}

export function make(kind, { text, name, ...more } = {}, ...children) {
  const made = Object.assign(document.createElement(kind), more);
  if (text !== undefined) made.textContent = text;
  if (name) made.className = name;
  made.append(...children);
  return made;
}

export const line = (cells, kind = "td") =>
  make("tr", {}, ...cells.map((cell) => (cell instanceof Node ? cell : make(kind, { text: cell }))));

/* new content, and the focus where it was: on what has the same name */
export function replaced(place, ...children) {
  const name = (one) => one.getAttribute("aria-label") || one.closest("[data-reason]")?.dataset.reason;
  const former = place.contains(document.activeElement) && name(document.activeElement);
  place.replaceChildren(...children);
  if (former) [...place.querySelectorAll("button, summary")].find((one) => name(one) === former)?.focus();
}

/* rows: {name, share (0 to 1), text, low, press, title}. Rows stay where they are, so that focus and what was opened stay. */
export function bars(list, rows) {
  const former = new Map([...list.children].map((row) => [row.dataset.name, row]));
  rows.forEach(({ name, share, text, low, press }, place) => {
    let row = former.get(name);
    if (!row) {
      const fill = make("span", { name: "fill" }),
        track = make("span", { name: "track" }, fill);
      track.setAttribute("aria-hidden", "true");
      row = make(
        "li",
        {},
        make(press ? "button" : "span", { name: "name", text: name, title: name }),
        track,
        make("span", { name: "value" }),
      );
      row.dataset.name = name;
      if (press) {
        row.firstChild.type = "button";
        row.firstChild.setAttribute("aria-expanded", "false");
        row.firstChild.addEventListener("click", () => press(row));
      }
    }
    former.delete(name);
    if (list.children[place] !== row) list.insertBefore(row, list.children[place] || null);
    row.children[1].firstChild.style.width = 100 * Math.max(0, Math.min(1, share)) + "%";
    row.children[1].firstChild.classList.toggle("low", Boolean(low));
    show(row.children[2], text);
  });
  former.forEach((row) => row.remove());
}

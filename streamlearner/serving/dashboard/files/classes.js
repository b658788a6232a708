/* Retention by class with the exam examples behind each bar, what is taken for what, and what is remembered of each. */
import { read } from "./api.js";
import { $, bars, byName, known, line, make, named, percent, show, whole } from "./format.js";
import { decoded, picture, profile, spread } from "./inputs.js";
import { heat } from "./tiles.js";

const MOST_ROWS = 100,
  MOST_CONFUSED = 20,
  SHOWN = 12,
  SEEN_LATELY = 1000;
let byClass = {},
  lastSeen = {};

const order = () =>
  $("order").value === "name"
    ? ([a], [b]) => byName(a, b)
    : ([a, left], [b, right]) => left - right || byName(a, b);

export function retention(found) {
  [byClass, lastSeen] = [found.by_class || {}, found.last_seen || {}];
  classes();
}

function classes() {
  const all = Object.entries(byClass)
      .filter(([, share]) => known(share))
      .sort(order()),
    shown = all.slice(0, MOST_ROWS);
  show(
    "classes-note",
    all.length > MOST_ROWS
      ? "the first " + MOST_ROWS + " of " + all.length
      : all.length
        ? all.length + "; choose one to see its exam"
        : "",
  );
  const ago = (label) =>
    known(lastSeen[label]) && lastSeen[label] >= SEEN_LATELY ? " · " + whole(lastSeen[label]) + " ago" : "";
  bars(
    $("classes"),
    shown.map(([name, share]) => ({
      name,
      share,
      text: percent(share) + ago(name),
      low: share < 0.5,
      press: examples,
    })),
  );
  $("classes-empty").hidden = all.length > 0;
}

/* opens or closes what is behind a bar */
async function examples(row) {
  const button = row.firstChild,
    open = row.querySelector(".examples");
  button.setAttribute("aria-expanded", String(!open));
  if (open) return open.remove();
  const place = make("div", { name: "examples", text: "…" });
  row.append(place);
  try {
    const found = await read("/v1/exam?most=24&label=" + encodeURIComponent(row.dataset.name));
    place.replaceChildren(...found.examples.sort((a, b) => a.right - b.right).map(example));
  } catch (error) {
    place.textContent = error.message;
  }
}

function example({ input, answer, right, probability, period }) {
  const one = decoded(input),
    says = named(answer) + " " + percent(probability, 0);
  const drawn = one.isPicture ? picture(one, { side: 52 }) : vector([one.values]);
  drawn.setAttribute("role", "img");
  drawn.setAttribute("aria-label", "answered " + says + ", " + (right ? "right" : "wrong"));
  return make(
    "div",
    { name: right ? "example" : "example wrong", title: "withheld in period " + period },
    drawn,
    make("span", { text: (right ? "✓ " : "✕ ") + says }),
  );
}

function vector(vectors, bounds) {
  const found = spread(vectors),
    low = Math.min(...found.mean),
    high = Math.max(...found.mean);
  return profile(found, bounds || { low, high, width: 120, height: 60 });
}

export async function confusion() {
  let found;
  try {
    found = await read("/v1/confusion");
  } catch (error) {
    $("confusion").replaceChildren();
    $("confusion-empty").hidden = false;
    return show("confusion-empty", error.message);
  }
  const counts = found.counts,
    labels = found.labels.map(named),
    total = (i) => counts[i].reduce((sum, count) => sum + count, 0),
    mistakes = (i) => total(i) - counts[i][i];
  let places = labels.map((_, i) => i).sort((a, b) => byName(labels[a], labels[b]));
  if (places.length > MOST_CONFUSED)
    places = places
      .sort((a, b) => mistakes(b) - mistakes(a))
      .slice(0, MOST_CONFUSED)
      .sort((a, b) => byName(labels[a], labels[b]));
  const head = line(
    ["is ↓ answered →", ...places.map((i) => labels[i])].map((text) =>
      make("th", { text, title: text, scope: "col" }),
    ),
  );
  $("confusion").replaceChildren(
    head,
    ...places.map((i) =>
      line([
        make("th", { text: labels[i], title: labels[i], scope: "row" }),
        ...places.map((j) =>
          heat(counts[i][j] / Math.max(1, total(i)), counts[i][j] || "·", i === j ? "--main" : "--second"),
        ),
      ]),
    ),
  );
  $("confusion-empty").hidden = true;
  const all = counts.flat().reduce((sum, count) => sum + count, 0);
  show(
    "confusion-note",
    whole(all) +
      " of the exam, by version " +
      found.model_version.split(".")[0] +
      (labels.length > MOST_CONFUSED ? "; the " + MOST_CONFUSED + " most mistaken classes" : ""),
  );
}

export async function gallery() {
  let found = [];
  try {
    found = (await read("/v1/recollections?format=json&per_class=" + SHOWN)).recollections.filter(
      ({ inputs }) => inputs.length,
    );
    show("gallery-empty", "Nothing is remembered yet.");
  } catch (error) {
    show("gallery-empty", error.message);
  }
  $("gallery-empty").hidden = found.length > 0;
  const classes = found.map(({ label, inputs }) => ({ name: named(label), inputs: inputs.map(decoded) }));
  classes.sort((a, b) => order()([a.name, byClass[a.name] ?? 2], [b.name, byClass[b.name] ?? 2]));
  const profiles = classes.map(({ inputs }) =>
    inputs[0].isPicture ? null : spread(inputs.map(({ values }) => values)),
  );
  const edge = (sign) =>
    Math.max(
      ...profiles.flatMap((one) =>
        one ? [...one.mean].map((value, i) => sign * value + one.deviation[i]) : [],
      ),
    );
  const bounds = { low: -edge(-1), high: edge(1) };
  $("gallery").replaceChildren(
    ...classes.slice(0, MOST_ROWS).map(({ name, inputs }, i) => {
      const caption = make(
        "figcaption",
        { title: name },
        make("b", { text: name }),
        known(byClass[name]) ? " retention " + percent(byClass[name]) : "",
      );
      return make(
        "figure",
        {},
        caption,
        profiles[i]
          ? profile(profiles[i], bounds)
          : make("div", { name: "pictures" }, ...inputs.map((one) => picture(one))),
      );
    }),
  );
  show(
    "gallery-note",
    classes.length && profiles[0]
      ? "means and spreads of the " + classes[0].inputs[0].shape[0] + " features of up to " + SHOWN + ", decoded from memory"
      : "decoded from memory",
  );
}

$("order").addEventListener("change", () => {
  classes();
  gallery();
});

/* The curves: which there are, which time they show, and what happened in it. */
import { read } from "./api.js";
import { Chart, SIGNS, signOf } from "./charts.js";
import { $, amount, byName, clock, duration, line, make, percent, show, size, whole } from "./format.js";

const SPANS = [
  ["15 min", 900],
  ["1 h", 3600],
  ["6 h", 21600],
  ["24 h", 86400],
  ["7 d", 604800],
  ["30 d", 2592000],
  ["1 y", 31536000],
];
const MOST_LINES = 8,
  POINTS = 300,
  SHORTEST_S = 20,
  KEPT = "streamlearner-span";
let first = -Infinity,
  ahead = 0, // the daemon's clock, of this one
  step = 0,
  span = Number(localStorage.getItem(KEPT)) || 3600,
  charts = null;

const some = (all) => (series) => all.filter(({ name }) => series[name]);
const group =
  (prefix, more = {}) =>
  (series) =>
    Object.keys(series)
      .filter((name) => name.startsWith(prefix))
      .sort(byName)
      .map((name) => ({ name, title: name.slice(prefix.length).replaceAll("_", " "), ...more }));

/* of many classes those that are weakest now */
function weakest(series) {
  const last = ({ name }) => series[name].findLast((value) => value !== null) ?? 1;
  const all = group("retention/")(series);
  return all.length <= MOST_LINES
    ? all
    : all
        .sort((a, b) => last(a) - last(b))
        .slice(0, MOST_LINES)
        .sort((a, b) => byName(a.name, b.name));
}

const share = { format: (value) => percent(value, 0), range: [0, 1.02] };
const rate = (value) => amount(value) + "/s";
const CHARTS = [
  {
    title: "Retention and accuracy",
    ...share,
    lines: some([
      { name: "retention", title: "retention", strong: true },
      { name: "prequential_accuracy", title: "prequential" },
      { name: "answered_accuracy", title: "answers given (1 h)" },
      { name: "readout", title: "readout" },
      { name: "forgetting", title: "forgetting" },
    ]),
  },
  { title: "Retention by class", ...share, lines: weakest },
  {
    title: "Learning",
    format: rate,
    right: whole,
    lines: some([
      { name: "examples_per_s", title: "examples" },
      { name: "lag_highest", title: "lag (highest)", axis: "right" },
    ]),
  },
  {
    title: "Predictions",
    format: rate,
    right: duration,
    lines: some([
      { name: "predictions_per_s", title: "predictions" },
      { name: "predict_p50_s", title: "p50", axis: "right" },
      { name: "predict_p99_s", title: "p99", axis: "right" },
    ]),
  },
  {
    title: "Memory",
    format: size,
    lines: (series) => [
      ...some([{ name: "memory_budget_bits", title: "budget" }])(series),
      ...group("memory_bits/")(series),
    ],
  },
  { title: "Rejects a second, by reason", format: rate, lines: group("rejects_per_s/") },
  {
    title: "Age of the last checkpoint",
    format: duration,
    lines: some([{ name: "checkpoint_age_s", title: "age" }]),
  },
];

/* a mark in words */
export function described(mark) {
  const change = "exam " + percent(mark.before) + " before, " + percent(mark.after) + " after";
  const losses = Object.entries(mark.losses || {})
    .slice(0, 3)
    .map(([label, one]) => label + " " + percent(one.before, 0) + " to " + percent(one.after, 0));
  const lost = losses.length
    ? "; " +
      (mark.outcome === "refused" ? "it would have lost " : "lower: ") +
      losses.join(", ") +
      (mark.classes_losing > losses.length ? " and " + (mark.classes_losing - losses.length) + " more" : "")
    : "";
  const kind = mark.kind === "transplant" ? "Transplant" + (mark.to ? " to " + mark.to : "") : "Sleep";
  if (mark.kind === "rollback") return "Rolled back to version " + mark.version;
  if (mark.kind === "started") return "The daemon started";
  if (mark.kind === "erased") return "Examples were erased";
  if (mark.kind === "labels_changed") return "Labels changed their meaning";
  if (mark.kind === "accuracy_fell")
    return (
      "Accuracy " +
      (mark.label === null ? "overall" : "of " + mark.label) +
      " fell from " +
      percent(mark.before) +
      " to " +
      percent(mark.after)
    );
  if (mark.outcome === "interrupted") return kind + " interrupted (" + mark.reason + ")";
  return kind + " " + mark.outcome + " (" + mark.reason + "), version " + mark.version + ": " + change + lost;
}

function marks(found) {
  const rows = found.marks
    .slice(-200)
    .reverse()
    .map((mark) => line([clock(mark.at_s), (SIGNS[signOf(mark)] || "•") + " " + described(mark)]));
  $("marks").replaceChildren(...rows);
  const count = (outcome) => found.marks.filter((mark) => mark.outcome === outcome).length;
  show(
    "marks-note",
    found.marks.length
      ? found.marks.length +
          " in the time shown: ▲ " +
          count("adopted") +
          " adopted, ✕ " +
          count("refused") +
          " refused"
      : "nothing in the time shown",
  );
}

/* the newest figures of the history, for the tiles */
export let latest = {};

export async function refresh() {
  let found;
  try {
    // a history of ten minutes fills the room of an hour
    const now = Date.now() / 1000 + ahead,
      wanted = now - first < span ? "since_s=" + Math.min(first - 1, now - SHORTEST_S) : "last_s=" + span;
    found = await read("/v1/history?" + wanted + "&points=" + POINTS);
  } catch (error) {
    $("history-empty").hidden = false;
    show("history-empty", error.message);
    return;
  }
  const place = $("charts"),
    former = first;
  ahead = found.as_of_s - Date.now() / 1000;
  first = found.first_s ?? -Infinity;
  if (former === -Infinity && found.as_of_s - first < span) return refresh();
  if (charts === null) charts = CHARTS.map((one) => new Chart(place, one));
  charts.forEach((chart) => chart.update(found, described));
  marks(found);
  step = found.step_s;
  latest = Object.fromEntries(Object.entries(found.series).map(([name, values]) => [name, values.at(-1)]));
  $("history-empty").hidden = found.times.length > 0 && !found.failing;
  show(
    "history-empty",
    found.failing
      ? "The history's disk takes no more: " + found.failing
      : "The first curve begins in some seconds.",
  );
  show(
    "span",
    "as of " +
      clock(found.as_of_s) +
      ", a point for each " +
      duration(found.step_s) +
      (found.first_s
        ? ", kept since " +
          new Date(1000 * found.first_s).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" })
        : "") +
      ", " +
      size(found.stored_bits) +
      " of " +
      size(found.budget_bits),
  );
}

/* as often as there is a new point */
export const pause = () => Math.min(60, Math.max(5, step));

$("spans").append(
  ...SPANS.map(([text, seconds]) => {
    const input = make("input", { type: "radio", value: seconds, checked: seconds === span });
    input.name = "span";
    input.addEventListener("change", () => {
      span = seconds;
      localStorage.setItem(KEPT, String(seconds));
      refresh();
    });
    return make("label", {}, input, document.createTextNode(text));
  }),
);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts && refresh());

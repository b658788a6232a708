/* The figures of now. */
import {
  $,
  amount,
  bars,
  duration,
  joined,
  known,
  line,
  make,
  percent,
  show,
  size,
  whole,
} from "./format.js";
import { latest } from "./history.js";

const TILES = [
  ["retention", "Retention"],
  ["prequential", "Prequential accuracy"],
  ["answered", "Answers given"],
  ["learned", "Examples learned"],
  ["lag", "Lag"],
  ["predictions", "Predictions"],
  ["used", "Memory used"],
  ["saved", "Last checkpoint"],
  ["sleeps", "Sleeps"],
  ["version", "Model version"],
];
const OWN_BUDGETS = {
  exam: "exam_budget_bits",
  dream: "dream_budget_bits",
  predictions: "predictions_budget_bits",
};
const MOST_PERIODS = 12;

$("tiles").append(
  ...TILES.map(([id, title]) =>
    make(
      "div",
      { name: "card tile" },
      make("dt", { text: title }),
      make("dd", { id, text: "–" }),
      make("dd", { name: "note", id: id + "-note" }),
    ),
  ),
);

function tile(id, value, ...notes) {
  show(id, value);
  show(id + "-note", joined(notes));
}

export function status(found) {
  const examples = found.examples || {},
    sleeps = found.sleeps || {},
    answered = found.answered || {},
    pace = found.pace || {},
    labelled = answered.labelled || 0;
  show("method", [found.method, found.network].filter(Boolean).join(" · ").replaceAll("_", " "));
  tile(
    "prequential",
    percent(found.prequential_accuracy),
    "answered rightly before learning · no change " + percent(found.no_change_accuracy),
  );
  tile(
    "answered",
    labelled ? percent(answered.overall) : "–",
    labelled
      ? "right, by " + whole(labelled) + " labels that came later"
      : answered.waiting
        ? whole(answered.waiting) + " wait for labels"
        : "no label came later",
  );
  const lag = Object.values(found.lag || {})
    .filter(known)
    .reduce((sum, value) => sum + value, 0);
  tile(
    "learned",
    whole(examples.learned),
    known(latest.examples_per_s) && amount(latest.examples_per_s) + "/s",
    examples.withheld && whole(examples.withheld) + " withheld",
    examples.rejected && whole(examples.rejected) + " rejected",
    pace.without_steps && whole(pace.without_steps) + " without a step",
  );
  tile(
    "lag",
    known(examples.learned) ? whole(lag) : "–",
    found.connected === false ? "the source does not answer" : lag ? "messages wait" : "up to date",
    pace.one_in > 1 && "one example in " + whole(pace.one_in) + " gets steps",
    found.gaps && whole(found.gaps) + " lost",
  );
  tile(
    "predictions",
    known(latest.predictions_per_s) ? amount(latest.predictions_per_s) + "/s" : "–",
    known(latest.predict_p50_s) && "p50 " + duration(latest.predict_p50_s),
    known(latest.predict_p99_s) && "p99 " + duration(latest.predict_p99_s),
  );
  tile(
    "saved",
    known(latest.checkpoint_age_s) ? duration(latest.checkpoint_age_s) + " ago" : "–",
    found.waiting_for_checkpoint ? "none can be written: the stream waits" : "",
  );
  tile(
    "sleeps",
    known(sleeps.adopted) ? whole(sleeps.adopted + sleeps.refused) : "–",
    known(sleeps.adopted) && whole(sleeps.adopted) + " adopted",
    sleeps.refused && whole(sleeps.refused) + " refused",
  );
  const version = String(found.model_version ?? "–").split(".");
  tile(
    "version",
    version[0],
    version[1] && "answers with " + whole(Number(version[1])) + " learned",
    found.route && "by " + found.route,
  );
  show("uptime", known(found.uptime_s) ? "up " + duration(found.uptime_s) : "");
  const doubts = Object.values(found.doubts || {});
  $("doubts").hidden = !doubts.length;
  show("doubts", doubts.join("\n"));
  const transplant = found.transplant || {};
  $("asleep").hidden = !found.asleep;
  show(
    "asleep",
    transplant.outcome === "running"
      ? "teaching " + transplant.to + ": " + percent(transplant.done / transplant.steps, 0)
      : "asleep: consolidating",
  );
  show("as-of", "as of " + new Date().toLocaleTimeString("en-GB"));
}

export function retention(found) {
  tile(
    "retention",
    percent(found.overall),
    known(found.forgetting) && "forgetting " + percent(found.forgetting),
    known((found.readout || {}).overall) && "readout " + percent(found.readout.overall),
    known(found.as_of) ? "as of " + whole(found.as_of) + " learned" : "accuracy on the exam",
  );
  document.title = (known(found.overall) ? percent(found.overall) + " · " : "") + "streamlearner";
  periods(found.matrix || [], found.first_period || 0);
}

function periods(rows, first) {
  const from = Math.max(0, rows.length - MOST_PERIODS),
    widest = Math.max(0, ...rows.map((row) => row.length)),
    left = Math.max(0, widest - MOST_PERIODS);
  const head = ["period", ...Array.from({ length: widest - left }, (_, j) => String(first + left + j))].map(
    (text) => make("th", { text, scope: "col" }),
  );
  const body = rows
    .slice(from)
    .map((row, i) =>
      line([
        make("th", { text: "sleep " + (first + from + i + 1), scope: "row" }),
        ...row.slice(left).map((share) => heat(share, known(share) ? (100 * share).toFixed(0) : "")),
      ]),
    );
  $("periods").replaceChildren(...(rows.length ? [line(head), ...body] : []));
  $("periods-empty").hidden = rows.length > 0;
  show("periods-note", rows.length ? "accuracy in % on each period, after each sleep" : "");
}

export function heat(share, text, tint = "--main") {
  const cell = make("td", { text });
  if (known(share) && share > 0)
    cell.style.background =
      "color-mix(in srgb, var(" + tint + ") " + Math.round(8 + 52 * share) + "%, transparent)";
  return cell;
}

export function memory(found) {
  const stores = Object.entries(found.stored_bits || {}).filter(([, bits]) => known(bits));
  const budget = (name) => (OWN_BUDGETS[name] ? found[OWN_BUDGETS[name]] : found.budget_bits);
  const used = stores.filter(([name]) => !OWN_BUDGETS[name]).reduce((sum, [, bits]) => sum + bits, 0);
  tile(
    "used",
    stores.length ? percent(used / found.budget_bits) : "–",
    stores.length && size(used) + " of " + size(found.budget_bits),
  );
  show(
    "memory-note",
    joined([
      known(found.recollections) && whole(found.recollections) + " recollections",
      known(found.bits_per_example) && found.bits_per_example.toFixed(1) + " bits for each example seen",
    ]),
  );
  bars(
    $("memory"),
    stores.map(([name, bits]) => ({
      name: name.replaceAll("_", " "),
      share: bits / (budget(name) || found.budget_bits),
      text: size(bits) + (budget(name) ? " of " + size(budget(name)) : ""),
    })),
  );
  $("memory-empty").hidden = stores.length > 0;
  const modules = Object.entries(found.parameter_bits || {}).filter(([, bits]) => known(bits) && bits > 0);
  $("h-parameters").hidden = !modules.length;
  $("parameters").replaceChildren(
    ...modules.map(([name, bits]) =>
      make("div", {}, make("dt", { text: name.replaceAll("_", " ") }), make("dd", { text: size(bits) })),
    ),
  );
}

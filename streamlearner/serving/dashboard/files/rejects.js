/* Messages that could not become examples: how many by reason, and the last of each. */
import { read } from "./api.js";
import { $, make, moment, replaced, show, whole } from "./format.js";

export async function refresh(counts) {
  const reasons = Object.keys(counts)
    .filter((reason) => counts[reason])
    .sort((a, b) => counts[b] - counts[a]);
  $("rejects-empty").hidden = reasons.length > 0;
  const total = reasons.reduce((sum, reason) => sum + counts[reason], 0);
  show("rejects-note", total ? whole(total) + " in all; each is in the dead letters" : "");
  const { rejects } = reasons.length ? await read("/v1/rejects") : { rejects: {} };
  const open = new Set([...$("rejects").querySelectorAll("details[open]")].map((one) => one.dataset.reason));
  replaced(
    $("rejects"),
    ...reasons.map((reason) => {
      const last = rejects[reason] || [],
        head = make("summary", {}, make("b", { text: reason }), " " + whole(counts[reason]));
      const shown = last.length
        ? last.map(sample)
        : [make("li", { text: "None since this daemon started." })];
      const part = make(
        "details",
        { name: "reject", open: open.has(reason) },
        head,
        make("ul", {}, ...shown),
      );
      part.dataset.reason = reason;
      return part;
    }),
  );
}

function sample({ at_s, where, detail, size, beginning, headers }) {
  const given = headers.map(([name, value]) => name + ": " + value).join(", ");
  const message =
    size === null
      ? "no value"
      : beginning + (beginning.length < size ? " … (" + whole(size) + " bytes)" : "");
  return make(
    "li",
    {},
    moment(at_s) + " " + where + ": " + detail,
    make("code", { text: message + (given ? "\n" + given : "") }),
  );
}

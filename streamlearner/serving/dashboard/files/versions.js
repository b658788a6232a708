/* Model versions: what the exam said of each, two of them compared, the way back; and the other things an operator asks for. */
import { act, confirmed, read } from "./api.js";
import { $, bars, byName, known, line, make, moment, percent, replaced, show } from "./format.js";

let versions = [];

async function operate(path, body, done) {
  $("operated").dataset.state = "";
  try {
    const answer = await act(path, { role: "operate", body });
    if (answer) show("operated", done);
  } catch (error) {
    $("operated").dataset.state = "bad";
    show("operated", error.message);
  }
  refresh();
}

async function rollBack(version) {
  const text =
    "Version " +
    version +
    " answers and learns on; the stream goes on where it is. A sleep under way is given up.";
  if ((await confirmed("Roll back to version " + version + "?", text, { yes: "Roll back" })) === null) return;
  await operate("/v1/rollback", { version }, "Asked to roll back to version " + version + ".");
}

$("sleep").addEventListener("click", () => operate("/v1/sleep", {}, "Asked for a sleep."));
$("checkpoint").addEventListener("click", () => operate("/v1/checkpoint", {}, "Asked for a checkpoint."));

export async function refresh() {
  try {
    versions = (await read("/v1/versions")).versions.filter(
      ({ version, kept, answers }) => version > 0 || kept || answers,
    );
  } catch (error) {
    return show("versions-note", error.message);
  }
  const head = line(["version", "since", "exam then", "exam last", "network", ""], "th");
  replaced(
    $("versions"),
    head,
    ...versions.toReversed().map((one) => {
      const { version, kept, answers, first, last } = one,
        button = make("button", { type: "button", text: "Roll back", disabled: answers });
      button.setAttribute("aria-label", "Roll back to version " + version);
      button.addEventListener("click", () => rollBack(version));
      const grade = (found) => (found ? percent(found.overall) : "–");
      return line([
        version + (answers ? " answers" : ""),
        first ? moment(first.at_s) : "–",
        grade(first),
        grade(last),
        last?.network || "–",
        make("td", {}, kept ? button : answers ? "" : "not kept"),
      ]);
    }),
  );
  show("versions-note", versions.some(({ kept }) => kept) ? "" : "the first is adopted after a sleep");
  compared();
}

function compared() {
  const known = versions.filter(({ last }) => last).map(({ version }) => String(version)),
    [a, b] = [$("compare-a"), $("compare-b")];
  $("compare").hidden = known.length < 2;
  if (known.length < 2) return;
  const chosen = [
    known.includes(a.value) ? a.value : known.at(-2),
    known.includes(b.value) ? b.value : known.at(-1),
  ];
  if ([...a.options].map(({ value }) => value).join() !== known.join())
    for (const select of [a, b])
      select.replaceChildren(...known.map((value) => make("option", { value, text: "version " + value })));
  [a.value, b.value] = chosen;
  differences();
}

function differences() {
  const grades = (select) =>
    versions.find(({ version }) => String(version) === select.value)?.last.by_class || {};
  const [from, to] = [grades($("compare-a")), grades($("compare-b"))],
    names = Object.keys(to).filter((name) => known(from[name]) && known(to[name]));
  const rows = names.map((name) => ({
    name,
    change: to[name] - from[name],
    text: percent(from[name], 0) + " to " + percent(to[name], 0),
  }));
  rows.sort((x, y) => x.change - y.change || byName(x.name, y.name));
  bars(
    $("differences"),
    rows.map(({ name, change, text }) => ({
      name,
      share: Math.abs(change) / 2,
      low: change < 0,
      text: (change < 0 ? "▼ " : change > 0 ? "▲ " : "= ") + text,
    })),
  );
  for (const track of $("differences").querySelectorAll(".track")) track.classList.add("diverging");
}

for (const select of ["compare-a", "compare-b"]) $(select).addEventListener("change", differences);

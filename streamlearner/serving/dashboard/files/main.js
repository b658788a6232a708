/* Asks for what the page shows, each part as often as it changes, and only while somebody looks. */
import { onToken, read } from "./api.js";
import * as classes from "./classes.js";
import { $, show } from "./format.js";
import * as history from "./history.js";
import * as rejects from "./rejects.js";
import * as tiles from "./tiles.js";
import * as tryIt from "./try.js";
import * as versions from "./versions.js";

const POLL_S = 1.5,
  SEEN_S = 12;
let counts = {};

async function readiness() {
  const answer = await fetch("/readyz", { cache: "no-store" }),
    found = await answer.json();
  show("state", answer.ok ? "ready" : Object.values(found.reasons || {})[0] || "not ready");
  $("state").dataset.state = answer.ok ? "good" : "bad";
}

async function figures() {
  await readiness();
  const [status, retention, memory] = await Promise.all(
    ["/v1/status", "/v1/retention", "/v1/memory"].map(read),
  );
  counts = status.rejects || {};
  tiles.status(status);
  tryIt.status(status);
  tiles.retention(retention);
  tiles.memory(memory);
  classes.retention(retention);
}

const seen = () =>
  Promise.all([classes.confusion(), classes.gallery(), versions.refresh(), rejects.refresh(counts)]);

/* `work` again and again; what fails is tried again, and said */
async function often(work, pause) {
  if (!document.hidden) {
    try {
      await work();
    } catch (error) {
      if (error.status === undefined) {
        show("state", "the daemon does not answer");
        $("state").dataset.state = "bad";
      }
    }
  }
  setTimeout(() => often(work, pause), 1000 * pause());
}

async function all() {
  await figures();
  await Promise.all([history.refresh(), seen()]);
}

onToken(() => all().catch(() => {}));
await all().catch(() => {});
often(figures, () => POLL_S);
setTimeout(() => often(history.refresh, history.pause), 1000 * history.pause());
setTimeout(() => often(seen, () => SEEN_S), 1000 * SEEN_S);

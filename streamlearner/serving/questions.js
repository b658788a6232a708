"use strict";
const ROUND = 10, LOOK_MS = 5000, MOST_SKIPPED = 60, KEYS = "1234567890abcdefghijklmnopqrstuvwxyz";
const $ = (id) => document.getElementById(id);
const make = (tag, text, kind) => { const one = document.createElement(tag); if (text !== undefined) one.textContent = text; if (kind) one.className = kind; return one; };
const svg = (tag, attributes) => { const one = document.createElementNS("http://www.w3.org/2000/svg", tag); for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value); return one; };
const percent = (value) => typeof value === "number" ? (100 * value).toFixed(value > 0.995 || value < 0.095 ? 1 : 0) + " %" : "";
const written = (label) => label !== null && typeof label === "object" ? Object.entries(label).map(([factor, value]) => factor + " " + value).join(", ") : String(label);

let round = [], place = 0, classes = [], skipped = [], sending = false, busy = false;
/* of one question: `label` is chosen (of factors, in part), `skipped`, or nothing yet */

/* the token stays in this tab, and goes to this daemon only; the dashboard has those of other roles beside it */
const KEY = "streamlearner-token-teach";
let token = sessionStorage.getItem(KEY) || sessionStorage.getItem("streamlearner-token-read") || "";
async function ask(path, body) {
  const headers = token ? { authorization: "Bearer " + token } : {};
  if (body) headers["content-type"] = "application/json";
  const answer = await fetch(path, { cache: "no-store", headers, ...(body ? { method: "POST", body: JSON.stringify(body) } : {}) });
  const refused = answer.status === 401 || answer.status === 403;
  if (refused) $("login-note").textContent = token ? await reason(answer.clone()) : "";
  $("login").hidden = !refused;
  return answer;
}
async function reason(answer) {
  try { const found = await answer.json(); return found.error || found.detail || found.title || answer.statusText; } catch { return answer.status + " " + answer.statusText; }
}
$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  sessionStorage.setItem(KEY, token);
  $("token").value = "";
  fetchRound();
});

function say(text, bad) {
  $("note").hidden = !text;
  $("note").textContent = text;
  $("note").dataset.state = bad ? "bad" : "good";
}

async function fetchRound() {
  if (busy) return;
  busy = true;
  try {
    const query = new URLSearchParams([["n", ROUND], ...skipped.map((id) => ["without", id])]);
    const answer = await ask("/v1/questions?" + query);
    if (!answer.ok) {
      $("asking").hidden = true;
      $("waiting").textContent = "no questions";
      $("empty").hidden = !$("login").hidden;
      $("empty").textContent = await reason(answer);
      return;
    }
    const found = await answer.json();
    classes = found.classes;
    round = found.questions.map((question) => ({ question, label: undefined, skipped: false }));
    place = 0;
    $("waiting").textContent = found.waiting.toLocaleString("en") + (found.waiting === 1 ? " waits" : " wait") + " for a label";
    $("version").textContent = "answers by model version " + found.model_version;
    $("known").replaceChildren(...classes.map((label) => Object.assign(make("option"), { value: label })));
    $("empty").hidden = round.length > 0;
    $("empty").textContent = skipped.length && found.waiting ? "All that is left was skipped, or is like it." : "Nothing to ask: no prediction waits for its label. This page looks again every few seconds.";
    show();
  } catch { say("the daemon does not answer", true); } finally { busy = false; }
}

/* pictures */
function picture(input) {
  if (Array.isArray(input)) return bars(input);
  if (input.image) return Object.assign(make("img"), { src: "data:image/png;base64," + input.image, alt: "" });
  const [height, width, channels = 1] = input.shape, bytes = atob(input.b64), canvas = Object.assign(make("canvas"), { width, height });
  const drawn = canvas.getContext("2d"), image = drawn.createImageData(width, height);
  for (let i = 0; i < width * height; i++) image.data.set([0, 1, 2].map(() => bytes.charCodeAt(i * channels)).concat(255), 4 * i);
  drawn.putImageData(image, 0, 0);
  return canvas;
}
function bars(values) {
  const known = values.filter((value) => value !== null), low = Math.min(0, ...known), high = Math.max(0, ...known), size = high - low || 1;
  const drawn = svg("svg", { viewBox: "0 0 " + values.length + " 100", preserveAspectRatio: "none", "aria-hidden": "true" });
  values.forEach((value, i) => {
    if (value === null) return;
    const top = 100 * (high - Math.max(value, 0)) / size, tall = 100 * Math.abs(value) / size;
    drawn.append(svg("rect", { x: i + 0.1, width: 0.8, y: top, height: Math.max(tall, 0.4) }));
  });
  drawn.append(svg("line", { x1: 0, x2: values.length, y1: 100 * high / size, y2: 100 * high / size }));
  return drawn;
}
function described(input) {
  if (!Array.isArray(input)) return "";
  const known = input.filter((value) => value !== null), least = Math.min(...known), most = Math.max(...known);
  return input.length + " values from " + Number(least.toPrecision(3)) + " to " + Number(most.toPrecision(3));
}

/* what is chosen among now: all classes, or those of the first factor that has none yet */
function factorNow(one) {
  const label = one.question.answer.label;
  if (label === null || typeof label !== "object") return undefined;
  return Object.keys(label).find((factor) => !(factor in (one.label || {})));
}
function offered(one) {
  const factor = factorNow(one), all = one.question.answer.probabilities;
  if (factor !== undefined) return Object.keys(all[factor] || {}).sort();
  return complete(one) && typeof one.label === "object" ? [] : classes;
}
const complete = (one) => one.label !== undefined && factorNow(one) === undefined;
function keyed(labels) {
  const keys = new Map(), free = new Set(KEYS);
  for (const label of labels) { const own = String(label); if (own.length === 1 && free.has(own)) { keys.set(label, own); free.delete(own); } }
  for (const label of labels) { if (keys.has(label)) continue; const [next] = free; if (!next) break; keys.set(label, next); free.delete(next); }
  return keys;
}

function show() {
  $("asking").hidden = !round.length;
  if (!round.length) return;
  const one = round[place], { question } = one, { answer } = question, factor = factorNow(one);
  const probabilities = factor === undefined ? answer.probabilities : answer.probabilities[factor] || {};
  $("h-question").textContent = "Question " + (place + 1) + " of " + round.length;
  const shown = picture(question.input);
  $("shown").replaceChildren(shown);
  $("shown").setAttribute("role", "img");
  $("shown").setAttribute("aria-label", "question " + (place + 1) + ": " + (described(question.input) || "a picture") + ", answered " + written(answer.label));
  const fact = (name, value) => { const found = make("span", name + " "); found.append(make("b", value)); return found; };
  const hours = Math.max(0, (question.expires_s - Date.now() / 1000) / 3600);
  $("facts").replaceChildren(...[fact("present answer", written(answer.label)), question.task ? fact("task", question.task) : "", described(question.input) ? make("span", described(question.input)) : "",
    fact("uncertainty", percent(question.uncertainty)), question.novelty === null ? "" : fact("novelty", percent(question.novelty)), fact("expires in", hours >= 1 ? Math.floor(hours) + " h" : Math.floor(60 * hours) + " min")].filter(Boolean));
  $("factor").textContent = factor === undefined ? "" : factor;
  let labels = offered(one);
  if (labels.length > KEYS.length) labels = [...labels].sort((a, b) => (probabilities[b] ?? -1) - (probabilities[a] ?? -1)).slice(0, KEYS.length);
  const keys = keyed(labels);
  $("classes").replaceChildren(...labels.map((label) => {
    const item = make("li"), button = item.appendChild(make("button")), share = probabilities[label], fill = make("span", "", "fill");
    button.append(make("kbd", keys.get(label)), make("span", String(label), "name"), make("span", percent(share), "share"), fill);
    button.title = String(label);
    button.dataset.key = keys.get(label);
    fill.style.width = 100 * (share || 0) + "%";
    button.setAttribute("aria-pressed", String(one.label === label));
    button.addEventListener("click", () => choose(label));
    return item;
  }));
  const ready = round.filter(complete).length;
  $("undo").disabled = sending || !round.some((each) => each.label !== undefined || each.skipped);
  $("skip").disabled = sending;
  $("send").disabled = sending || !(ready || round.every((each) => each.skipped));
  $("send-text").textContent = sending ? "Sending" : ready ? "Send " + ready + (ready === 1 ? " label" : " labels") : "Next round";
  $("strip").replaceChildren(...round.map((each, number) => {
    const item = make("li"), button = item.appendChild(make("button"));
    button.append(picture(each.question.input), make("span", complete(each) ? written(each.label) : each.skipped ? "skipped" : "–", complete(each) ? "done" : ""));
    button.setAttribute("aria-current", String(number === place));
    button.setAttribute("aria-label", "question " + (number + 1) + ", " + (complete(each) ? written(each.label) : each.skipped ? "skipped" : "open"));
    button.addEventListener("click", () => { place = number; show(); });
    return item;
  }));
}

const order = [];  /* places in the order in which they were decided */
function decided() {
  order.push(place);
  const next = round.findIndex((each, number) => number > place && each.label === undefined && !each.skipped);
  const open = next >= 0 ? next : round.findIndex((each) => each.label === undefined && !each.skipped);
  if (open >= 0) place = open;
  show();
  if (open < 0) $("send").focus();
}
function choose(label) {
  if (sending || !round.length) return;
  const one = round[place], factor = factorNow(one);
  say("");
  one.skipped = false;
  if (factor === undefined && one.label !== undefined && typeof one.label === "object") return;
  one.label = factor === undefined ? label : { ...one.label, [factor]: label };
  complete(one) ? decided() : show();
}
function skip() {
  if (sending || !round.length) return;
  Object.assign(round[place], { skipped: true, label: undefined });
  decided();
}
function undo() {
  if (sending || !round.length) return;
  const partly = round[place].label !== undefined && !complete(round[place]);
  if (!partly && order.length) place = order.pop();
  Object.assign(round[place], { skipped: false, label: undefined });
  show();
}
$("skip").addEventListener("click", skip);
$("undo").addEventListener("click", undo);
$("send").addEventListener("click", send);
$("other").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("name").value;
  if (!text) return;
  const known = classes.find((label) => String(label) === text);
  if (known === undefined && factorNow(round[place]) === undefined && !classes.includes(text)) classes = [...classes, text];
  $("name").value = "";
  $("name").blur();
  choose(known === undefined ? text : known);
});

async function send() {
  if (sending || $("send").disabled) return;
  sending = true;
  show();
  const counts = { taken: 0, others: [] };
  let held = "";
  for (const one of round.filter(complete)) {
    try {
      const answer = await ask("/v1/labels", { prediction_id: one.question.prediction_id, label: one.label });
      if (answer.ok) counts.taken++;
      else if ([404, 409, 410, 400].includes(answer.status)) counts.others.push(await reason(answer));
      else { held = await reason(answer); break; }
      one.sent = true;
    } catch { held = "the daemon does not answer"; break; }
  }
  sending = false;
  const taken = counts.taken + (counts.taken === 1 ? " label was" : " labels were") + " taken";
  say([taken, ...counts.others, held && held + ": send again"].filter(Boolean).join(". "), Boolean(held || counts.others.length));
  if (held) { round = round.filter((one) => !one.sent); place = Math.max(0, Math.min(place, round.length - 1)); order.length = 0; return show(); }
  skipped = [...skipped, ...round.filter((one) => one.skipped).map((one) => one.question.prediction_id)].slice(-MOST_SKIPPED);
  order.length = 0;
  document.activeElement?.blur();
  await fetchRound();
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("asking").hidden || !$("login").hidden) return;
  if (event.target instanceof HTMLInputElement) { if (event.key === "Escape") event.target.blur(); return; }
  const onButton = event.target instanceof HTMLButtonElement || event.target instanceof HTMLAnchorElement;
  if (event.key === " " && !onButton) { event.preventDefault(); return skip(); }
  if (event.key === "Backspace") { event.preventDefault(); return undo(); }
  if (event.key === "Enter" && !onButton) { event.preventDefault(); return void send(); }
  if (event.key === "+") { event.preventDefault(); return $("name").focus(); }
  if (event.key === "ArrowRight" || event.key === "ArrowLeft") { place = Math.max(0, Math.min(round.length - 1, place + (event.key === "ArrowRight" ? 1 : -1))); return show(); }
  const one = event.key.length === 1 && [...document.querySelectorAll("#classes button")].find((button) => button.dataset.key === event.key.toLowerCase());
  if (one && !event.repeat) { event.preventDefault(); one.click(); }
});
addEventListener("beforeunload", (event) => { if (round.some(complete)) event.preventDefault(); });
setInterval(() => { if (!document.hidden && !round.length && $("login").hidden) fetchRound(); }, LOOK_MS);
fetchRound();

/* Asking the daemon. Tokens stay in this tab, and go to this daemon only. */
import { $, show } from "./format.js";

const KEY = "streamlearner-token";
const kept = (role) =>
  sessionStorage.getItem(KEY + "-" + role) || sessionStorage.getItem(KEY + "-read") || "";

export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function problem(answer) {
  try {
    const found = await answer.json();
    return found.detail || found.error || answer.statusText;
  } catch (error) {
    return answer.status + " " + answer.statusText;
  }
}

async function send(path, { role = "read", ...more } = {}) {
  const token = kept(role),
    headers = { ...more.headers, ...(token ? { authorization: "Bearer " + token } : {}) };
  return fetch(path, { cache: "no-store", ...more, headers });
}

/* what can be read; a token is asked for once, above the figures */
export async function read(path) {
  const answer = await send(path),
    closed = answer.status === 401 || answer.status === 403;
  if (closed) show("login-note", kept("read") ? await problem(answer.clone()) : "");
  $("login").hidden = !closed;
  if (!answer.ok) throw new Refused(answer.status, await problem(answer));
  return answer.json();
}

/* what needs another role: asks for its token where it is needed, and again while it is the wrong one. null: given up */
export async function act(path, { role, body, type = "application/json" }) {
  const request = {
    role,
    method: "POST",
    body: type === "application/json" ? JSON.stringify(body) : body,
    headers: { "content-type": type },
  };
  let answer = await send(path, request);
  while (answer.status === 401 || answer.status === 403) {
    const given = await confirmed(
      "Token with the role " + role,
      kept(role) ? await problem(answer) : "It stays in this tab.",
      { token: true, yes: "Use it" },
    );
    if (given === null) return null;
    sessionStorage.setItem(KEY + "-" + role, given);
    answer = await send(path, request);
  }
  if (!answer.ok) throw new Refused(answer.status, await problem(answer));
  return answer.json();
}

/* a question before something is done: "" or the token for yes, null for no */
export function confirmed(title, text, { token = false, yes = "Go on" } = {}) {
  const dialog = $("asking"),
    input = $("asking-token");
  show("h-asking", title);
  show("asking-text", text);
  show("asking-yes", yes);
  input.value = "";
  input.required = token;
  input.hidden = $("asking-label").hidden = !token;
  dialog.returnValue = "no";
  dialog.showModal();
  (token ? input : $("asking-yes")).focus();
  return new Promise((resolve) =>
    dialog.addEventListener(
      "close",
      () => {
        resolve(dialog.returnValue === "yes" ? input.value.trim() : null);
        input.value = "";
      },
      { once: true },
    ),
  );
}

$("asking").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.target !== $("asking-token")) return;
  event.preventDefault(); // else the first button of the form, which cancels, is pressed
  $("asking-yes").click();
});

export function onToken(then) {
  $("login").addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem(KEY + "-read", $("token").value.trim());
    $("token").value = "";
    then();
  });
}

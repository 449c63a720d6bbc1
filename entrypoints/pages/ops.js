const place = (id) => document.getElementById(id);

async function call(path, body, headers = {}) {
  const answer = await fetch(`/ops${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: {
      Accept: "application/json",
      "Content-Type": "application/json",
      Authorization: `Bearer ${sessionStorage.getItem("operator")}`,
      ...headers,
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const data = await answer.json();
  if (!answer.ok) throw new Error(data.detail || `The service answered ${answer.status}.`);
  return data;
}

function say(text, kind = "") {
  place("note").textContent = text;
  place("note").className = `note ${kind}`;
}

function row(...cells) {
  const made = document.createElement("tr");
  for (const cell of cells) {
    const column = document.createElement("td");
    column.append(cell ?? "");
    made.append(column);
  }
  return made;
}

function doing(label, work) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = label;
  button.addEventListener("click", () => attempt(button, work));
  return button;
}

async function attempt(button, work) {
  button.disabled = true;
  try {
    await work();
    await show();
  } catch (problem) {
    say(problem.message, "bad");
  }
  button.disabled = false;
}

function waiting(event) {
  const owner = document.createElement("input");
  owner.setAttribute("aria-label", `Owner of ${event.id}`);
  const claim = doing("Claim", async () => {
    const outcome = await call(`/parked/${encodeURIComponent(event.id)}/claim`, { user_id: owner.value.trim() });
    const why = outcome.reason ? `: ${outcome.reason}` : "";
    say(`${event.id} is ${outcome.status}${why}, ${outcome.credits} credits.`, outcome.reason ? "bad" : "good");
  });
  const form = document.createElement("div");
  form.className = "bar";
  form.append(owner, claim);
  const why = document.createElement("span");
  why.textContent = event.reason;
  why.title = event.hint || "";
  return row(event.id, why, String(event.attempts), new Date(event.received_at).toLocaleString(), form);
}

function failed(message) {
  const about = Object.values(message.payload).join(", ");
  const again = doing("Retry", () => call(`/outbox/${message.id}/retry`, {}));
  return row(message.topic, about, message.error, again);
}

async function show() {
  const [backlog, parked, failures] = await Promise.all([
    call("/backlog"),
    call("/parked?limit=200"),
    call("/outbox/failures"),
  ]);
  const count = Object.values(backlog.events).reduce((sum, events) => sum + events, 0);
  place("summary").textContent = `${count} parked · ${backlog.messages_failed} failed`;
  place("parked").replaceChildren(...parked.events.map(waiting));
  place("failures").replaceChildren(...failures.map(failed));
  place("work").hidden = false;
}

// What was asked for and not yet answered keeps its key, so that pressing the button again grants nothing twice.
const operation = { content: "", key: "" };

async function give() {
  const kind = place("kind").value;
  const asked = {
    credits: Number(place("credits").value),
    reason: place("reason").value,
    operator: place("operator").value,
    ...(kind === "adjustment" ? {} : { kind }),
  };
  const user = encodeURIComponent(place("gifted").value.trim());
  const path = `/accounts/${user}/${kind === "adjustment" ? "adjustments" : "grants"}`;
  const content = JSON.stringify([path, asked]);
  if (operation.content !== content) {
    const chance = crypto.getRandomValues(new Uint8Array(16));
    operation.content = content;
    operation.key = `ops-${Array.from(chance, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  }
  const done = await call(path, asked, { "Idempotency-Key": operation.key });
  operation.content = "";
  place("credits").value = "";
  say(`${done.kind} of ${done.credits} credits: ${done.available} are available now.`, "good");
}

place("gift").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(event.submitter, give);
});
place("entrance").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("operator", place("key").value);
  say("");
  attempt(event.submitter, async () => {});
});
place("retry").addEventListener("click", (event) =>
  attempt(event.target, async () => {
    const outcomes = await call("/parked/retry", {});
    say(`Retried ${outcomes.length}.`);
  }),
);
place("check").addEventListener("click", (event) =>
  attempt(event.target, async () => {
    const found = await call("/consistency");
    const ledger = found.ledger.map((one) => row(one.user_id, one.problem, `entry ${one.entry_id}`));
    const cache = found.cache.map((one) => row(one.user_id, one.problem, `credits:${one.user_id}`));
    place("wrong").replaceChildren(...ledger, ...cache);
    say(found.consistent ? "Everything agrees." : "Something disagrees.", found.consistent ? "good" : "bad");
  }),
);
if (sessionStorage.getItem("operator")) show().catch((problem) => say(problem.message, "bad"));

// Who the visitor is. In the demonstration the address names them (?user=<uuid>&email=...); a product's own page
// sends its Supabase access token instead.
const asked = new URLSearchParams(location.search);
for (const name of ["user", "email"]) {
  if (asked.get(name)) sessionStorage.setItem(name, asked.get(name));
}
const user = sessionStorage.getItem("user");

export const isNamed = Boolean(user);

export async function call(path, options = {}) {
  const headers = { Accept: "application/json", ...(options.headers || {}) };
  if (user) headers["x-user-id"] = user;
  if (sessionStorage.getItem("email")) headers["x-user-email"] = sessionStorage.getItem("email");
  const answer = await fetch(path, { ...options, headers }).catch(() => {
    throw new Error("The service cannot be reached. Please try again in a moment.");
  });
  // What stands between the page and the service may answer without JSON.
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    const problem = new Error(body.detail || `The service answered ${answer.status}. Please try again in a moment.`);
    problem.type = body.type;
    throw problem;
  }
  return body;
}

export async function showAccount() {
  const place = document.getElementById("account");
  if (!isNamed) return;
  try {
    const quota = await call("/quota");
    place.replaceChildren(sessionStorage.getItem("email") || "Signed in", document.createElement("br"));
    const balance = document.createElement("b");
    balance.textContent = `${quota.available.toLocaleString()} credits`;
    place.append(balance);
  } catch (problem) {
    place.textContent = problem.message;
  }
}

import { call, isNamed, showAccount } from "/pages/session.js";

const note = document.getElementById("note");

function money(minor, currency) {
  const format = new Intl.NumberFormat(undefined, { style: "currency", currency });
  return format.format(minor / 10 ** format.resolvedOptions().maximumFractionDigits);
}

function complain(message) {
  note.textContent = message;
  note.className = "note bad";
}

async function buy(plan, button) {
  button.disabled = true;
  try {
    const checkout = await call("/checkout/sessions", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ plan: plan.id }),
    });
    location.assign(checkout.url);
  } catch (problem) {
    complain(problem.message);
    button.disabled = false;
  }
}

function card(plan) {
  const item = document.createElement("li");
  item.className = "plan";
  const name = document.createElement("h2");
  name.textContent = plan.name;
  const price = document.createElement("p");
  price.className = "price";
  price.textContent = money(plan.price, plan.currency) + (plan.interval ? ` a ${plan.interval}` : "");
  const each = document.createElement("p");
  each.className = "each";
  each.textContent = `${plan.credits.toLocaleString()} credits${plan.interval ? ` each ${plan.interval}` : ", spend them whenever you like"}`;
  const button = document.createElement("button");
  button.textContent = `Buy ${plan.name}`;
  button.dataset.plan = plan.id;
  button.addEventListener("click", () => buy(plan, button));
  item.append(name, price, each, button);
  return item;
}

try {
  const { plans } = await call("/plans");
  document.getElementById("plans").replaceChildren(...plans.map(card));
  if (!isNamed) complain("Nobody is signed in: open this page with ?user=<a user id>.");
} catch (problem) {
  complain(problem.message);
}
await showAccount();
// A page that the browser restored (Back from the checkout) shows the buttons as they were left.
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("button")) button.disabled = false;
});

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

async function buy(plan, button, choices) {
  button.disabled = true;
  try {
    const checkout = await call("/checkout/sessions", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ plan: plan.id, ...chosen(choices) }),
    });
    if (checkout.url) return location.assign(checkout.url);
    complain("This plan is paid inside of your own page, with Stripe.js and the checkout's client_secret.");
  } catch (problem) {
    complain(problem.message);
  }
  button.disabled = false;
}

async function manage(event) {
  const button = event.currentTarget;
  button.disabled = true;
  try {
    const portal = await call("/portal", { method: "POST" });
    return location.assign(portal.url);
  } catch (problem) {
    const isNotSetUp = problem.type === "urn:credence:portal-not-set-up";
    complain(isNotSetUp ? "Subscriptions can't be managed here yet. Please contact us instead." : problem.message);
  }
  button.disabled = false;
}

// The amount is entered as people write it, and sent in minor units.
function chosen({ quantity, amount, currency }) {
  const code = currency?.value;
  return {
    ...(quantity && { quantity: quantity.valueAsNumber }),
    ...(amount && { amount: Math.round(amount.valueAsNumber * 10 ** digits(code)) }),
    ...(currency && { currency: code }),
  };
}

function digits(currency) {
  return new Intl.NumberFormat(undefined, { style: "currency", currency }).resolvedOptions().maximumFractionDigits;
}

function field(plan, label, input) {
  const named = document.createElement("label");
  input.setAttribute("aria-label", `${label} of ${plan.name}`);
  named.append(`${label} `, input);
  return named;
}

function number(value, min, max, step = 1) {
  const input = document.createElement("input");
  Object.assign(input, { type: "number", min, max, step, value });
  return input;
}

function select(words) {
  const input = document.createElement("select");
  input.append(...words.map((word) => new Option(word.toUpperCase(), word)));
  return input;
}

function choicesOf(plan) {
  const currencies = plan.amounts.length ? plan.amounts.map((one) => one.currency) : Object.keys(plan.prices);
  const choices = {};
  if (plan.quantity) choices.quantity = number(plan.quantity.min, plan.quantity.min, plan.quantity.max);
  if (plan.amounts.length) {
    const { currency, min, max } = plan.amounts[0];
    const unit = 10 ** digits(currency);
    choices.amount = number(min / unit, min / unit, max / unit, 1 / unit);
  }
  if (plan.amounts.length || currencies.length > 1) choices.currency = select(currencies);
  return choices;
}

function every({ interval, interval_count: count }) {
  return count > 1 ? `every ${count} ${interval}s` : `a ${interval}`;
}

function card(plan) {
  const item = document.createElement("li");
  item.className = "plan";
  const name = document.createElement("h2");
  name.textContent = plan.name;
  const price = document.createElement("p");
  price.className = "price";
  price.textContent = money(plan.price, plan.currency) + (plan.interval ? ` ${every(plan)}` : "");
  const each = document.createElement("p");
  each.className = "each";
  each.textContent = `${plan.credits.toLocaleString()} credits${plan.interval ? ` ${every(plan)}` : ", spend them whenever you like"}`;
  if (plan.amounts.length) {
    price.textContent = `from ${price.textContent}`;
    each.textContent = `${each.textContent}; more for more`;
  }
  const choices = choicesOf(plan);
  if (choices.currency && !plan.amounts.length) {
    choices.currency.addEventListener("change", () => {
      const code = choices.currency.value;
      price.textContent = money(plan.prices[code], code) + (plan.interval ? ` ${every(plan)}` : "");
    });
  }
  const labels = { quantity: "Quantity", amount: "Amount", currency: "Currency" };
  const button = document.createElement("button");
  button.textContent = `Buy ${plan.name}`;
  button.dataset.plan = plan.id;
  button.addEventListener("click", () => buy(plan, button, choices));
  const fields = Object.entries(choices).map(([key, input]) => field(plan, labels[key], input));
  item.append(name, price, each, ...fields, button);
  return item;
}

try {
  const { plans } = await call("/plans");
  document.getElementById("plans").replaceChildren(...plans.map(card));
  document.getElementById("manage").hidden = !isNamed;
  document.getElementById("portal").addEventListener("click", manage);
  if (!isNamed) complain("Nobody is signed in: open this page with ?user=<a user id>.");
} catch (problem) {
  complain(problem.message);
}
await showAccount();
// A page that the browser restored (Back from the checkout or the portal) shows the buttons as they were left.
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("button")) button.disabled = false;
});

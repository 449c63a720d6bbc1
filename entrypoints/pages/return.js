import { call, isNamed, showAccount } from "/pages/session.js";

const title = document.getElementById("title");
const note = document.getElementById("note");
const balance = document.getElementById("balance");
const words = {
  open: ["Not paid yet", "The checkout is still open; nothing was charged."],
  processing: ["Payment on its way", "Your payment is still processing. Credits are added automatically when it clears."],
  credited: ["Thank you!", "Your credits are on your account."],
  trial_started: ["Your trial has started", "Credits are added with the first payment, when the trial ends."],
  nothing_due: ["All done", "This checkout adds no credits: a free plan, for instance, adds them only once."],
  taken_back: ["No credits left of this purchase", "The payment was refunded or disputed, so its credits were taken back."],
  credits_expired: ["These credits have expired", "They were added after your payment and have expired since."],
  failed: ["The payment failed", "Nothing was charged, and no credits were added."],
  expired: ["The checkout expired", "Nothing was charged."],
  under_review: ["Under review", "A person reviews the payment before the credits are added. No action is needed."],
};

async function follow() {
  const session = new URLSearchParams(location.search).get("session_id");
  if (!isNamed || !session) {
    title.textContent = "Thank you!";
    note.textContent = "Your credits appear on your account within moments.";
    return;
  }
  try {
    const checkout = await call(`/checkout/sessions/${encodeURIComponent(session)}`);
    const [heading, text] = words[checkout.status] ?? words.processing;
    title.textContent = heading;
    title.className = checkout.status === "credited" ? "good" : "";
    note.textContent = checkout.credits ? `${checkout.credits.toLocaleString()} credits were added.` : text;
    balance.textContent = checkout.balance.toLocaleString();
    if (checkout.status === "processing") setTimeout(follow, 3000);
  } catch (problem) {
    title.textContent = "Please reload in a moment";
    note.textContent = problem.message;
    note.className = "note bad";
  }
}

await follow();
await showAccount();

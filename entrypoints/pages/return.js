import { call, isNamed, showAccount } from "/pages/session.js";

const title = document.getElementById("title");
const note = document.getElementById("note");
const balance = document.getElementById("balance");
const words = {
  open: ["Not paid yet", "The checkout is still open; nothing was charged."],
  processing: ["Payment on its way", "Your bank takes its time. Your credits arrive by themselves once it is done."],
  credited: ["Thank you!", "Your credits are on your account."],
  failed: ["The payment failed", "Nothing was charged, and no credits were added."],
  expired: ["The checkout expired", "Nothing was charged."],
  under_review: ["Payment received", "It needs a look by a person before the credits are added. You need do nothing."],
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
    const [heading, text] = words[checkout.status];
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

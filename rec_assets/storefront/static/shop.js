// The page's few moving parts: it asks for fragments (escaped by the server) and reports what the visitor does.
"use strict";

const $ = (id) => document.getElementById(id);
const NEWCOMERS = 1_000_000_000; // above the ids of any shop this page is for

// The visitor's clock starts at the chosen time and runs on from there.
let started = { at: Number(document.body.dataset.at), clock: Date.now() };
const now = () => started.at + Math.floor((Date.now() - started.clock) / 1000);
const setClock = (at) => { started = { at, clock: Date.now() }; };
const showClock = () => { $("at").value = new Date(1000 * now()).toISOString().slice(0, 16); };

const user = () => $("user").value;
const device = () => document.querySelector("input[name=device]:checked").value;

function say(text, bad = false) {
  $("notice").textContent = text;
  $("notice").classList.toggle("bad", bad);
  $("notice").hidden = !text;
}

async function fragment(address, into) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(answer.status === 422 ? "The shopper or the time is not one that can be." : `The page answered ${answer.status}.`);
  into.innerHTML = await answer.text();
}

const order = () => [...document.querySelectorAll("#mine .card")].map((card) => card.dataset.item);

// Says how far each item came, where the same shopper is asked again.
function showMoves(before) {
  const then = new Map(before.map((item, place) => [item, place]));
  document.querySelectorAll("#mine .card").forEach((card, place) => {
    const was = then.get(card.dataset.item);
    card.querySelector(".move").textContent = was === undefined ? "new" : was > place ? `▲ ${was - place}` : "";
  });
}

let asked = 0;
async function refresh({ moves = false } = {}) {
  const mine = ++asked, before = order(), list = $("list");
  list.setAttribute("aria-busy", "true");
  const query = new URLSearchParams({ user: user(), device: device(), at: now() });
  query.set("diversity", $("diversity").checked);
  query.set("cold", $("cold").checked);
  try {
    const next = document.createElement("main");
    await fragment(`/list?${query}`, next);
    if (mine !== asked) return; // a later question is under way
    list.replaceChildren(...next.childNodes);
    if (moves) showMoves(before);
  } catch (error) {
    say(`${error.message} Is the storefront still running?`, true);
  } finally {
    if (mine === asked) list.setAttribute("aria-busy", "false");
  }
}

const popular = () => fragment(`/trending?${new URLSearchParams($("category").value ? { category: $("category").value } : {})}`, $("trending")).catch((error) => say(error.message, true));

async function report(event) {
  try {
    const answer = await fetch("/events", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(event) });
    const said = await answer.json();
    if (answer.ok && said.applied) say(`Applied in ${said.milliseconds.toFixed(0)} ms.`);
    else if (answer.ok) say("Taken, and waiting for a worker to apply it.");
    else say(said.problem ? `${said.problem} → ${said.next_step}` : "That is not something a shopper can do: choose a shopper with an id from 0.", true);
    return answer.ok;
  } catch {
    say("The storefront does not answer any more.", true);
    return false;
  }
}

async function choose(button) {
  const at = now();
  if (!await report({ user_id: Number(user()), item_id: Number(button.dataset.item), at, kind: button.dataset.kind, device_type: Number(device()) })) return;
  button.closest(".card").classList.add("gone");
  if (now() <= at) setClock(at + 1); // a history is what was before the question
  await Promise.all([refresh({ moves: true }), popular()]);
}

async function forget() {
  if (await report({ user_id: Number(user()), at: now(), kind: "flushed" })) await refresh({ moves: true });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("#mine button[data-item]");
  if (button) choose(button);
  if (event.target.id === "flush") forget();
});
$("visitor").addEventListener("submit", (event) => { event.preventDefault(); say(""); refresh(); });
$("visitor").addEventListener("change", (event) => {
  if (event.target.id === "at" && event.target.value) setClock(Math.floor(Date.parse(`${event.target.value}Z`) / 1000));
  if (!$("visitor").reportValidity()) return;
  say("");
  refresh();
});
$("another")?.addEventListener("click", ({ target }) => {
  const users = target.dataset.users.split(" ");
  $("user").value = users[(users.indexOf(user()) + 1) % users.length];
  say("");
  refresh();
});
$("newcomer").addEventListener("click", () => {
  $("user").value = NEWCOMERS + Math.floor(Math.random() * 1_000_000_000);
  say("");
  refresh();
});
$("category").addEventListener("change", popular);

showClock();
refresh();
popular();

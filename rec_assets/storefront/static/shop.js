// Loads the page's fragments, which the server escapes, and sends events.
"use strict";

const $ = (id) => document.getElementById(id);
const NEW_USERS = 1_000_000_000; // larger than the user ids of the sources

// The page's clock starts at the selected time.
let started = { at: Number(document.body.dataset.at), clock: Date.now() };
const now = () => started.at + Math.floor((Date.now() - started.clock) / 1000);
const setClock = (at) => { started = { at, clock: Date.now() }; };
const showClock = () => { $("at").value = new Date(1000 * now()).toISOString().slice(0, 16); };

const user = () => $("user").value;
const device = () => document.querySelector("input[name=device]:checked").value;

function notify(text, bad = false) {
  $("notice").textContent = text;
  $("notice").classList.toggle("bad", bad);
  $("notice").hidden = !text;
}

async function fragment(address, into) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(answer.status === 422 ? "The user or the time is invalid. Choose another one." : `The storefront answered with status ${answer.status}.`);
  into.innerHTML = await answer.text();
}

const order = () => [...document.querySelectorAll("#mine .card")].map((card) => card.dataset.item);

// Shows by how many positions each item moved up since the user's previous list.
function showMoves(before) {
  const positions = new Map(before.map((item, position) => [item, position]));
  document.querySelectorAll("#mine .card").forEach((card, position) => {
    const was = positions.get(card.dataset.item);
    card.querySelector(".move").textContent = was === undefined ? "new" : was > position ? `▲ ${was - position}` : "";
  });
}

let lastRequest = 0;
async function refresh({ moves = false } = {}) {
  const request = ++lastRequest, before = order(), list = $("list");
  list.setAttribute("aria-busy", "true");
  const query = new URLSearchParams({ user: user(), at: now() });
  if (device()) query.set("device", device());
  query.set("diversity", $("diversity").checked);
  query.set("cold", $("cold").checked);
  try {
    const next = document.createElement("main");
    await fragment(`/list?${query}`, next);
    if (request !== lastRequest) return; // a later request is running
    list.replaceChildren(...next.childNodes);
    if (moves) showMoves(before);
  } catch (error) {
    notify(`${error.message} Check that the storefront is running.`, true);
  } finally {
    if (request === lastRequest) list.setAttribute("aria-busy", "false");
  }
}

const popular = () => fragment(`/trending?${new URLSearchParams($("category").value ? { category: $("category").value } : {})}`, $("trending")).catch((error) => notify(error.message, true));

async function around(item) {
  try {
    await fragment(`/around?${new URLSearchParams({ item, user: user() })}`, $("around"));
    $("around").hidden = false;
  } catch (error) {
    notify(error.message, true);
  }
}

async function report(address, body) {
  try {
    const answer = await fetch(address, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    const result = await answer.json();
    if (answer.ok && result.applied) notify(`Applied in ${result.milliseconds.toFixed(0)} ms.`);
    else if (answer.ok) notify("Recorded, and waiting for a worker.");
    else notify(result.problem ? `${result.problem} → ${result.next_step}` : "The event is invalid. Choose a user of the shop.", true);
    return answer.ok;
  } catch {
    notify("The storefront does not answer. Start it again.", true);
    return false;
  }
}

async function interact(button) {
  const at = now();
  const click = { user_id: user(), item_id: button.dataset.item, at, kind: button.dataset.kind, device: device() || null };
  if (!await report("/events", click)) return;
  button.closest(".card").classList.add("gone");
  if (now() <= at) setClock(at + 1); // a request uses only the history before its time
  await Promise.all([refresh({ moves: true }), popular(), around(button.dataset.item)]);
}

async function forget() {
  if (await report("/forget", { user_id: user() })) await refresh({ moves: true });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("#mine button[data-item]");
  if (button) interact(button);
  if (event.target.id === "flush") forget();
});
$("visitor").addEventListener("submit", (event) => { event.preventDefault(); notify(""); refresh(); });
$("visitor").addEventListener("change", (event) => {
  if (event.target.id === "at" && event.target.value) setClock(Math.floor(Date.parse(`${event.target.value}Z`) / 1000));
  if (!$("visitor").reportValidity()) return;
  notify("");
  refresh();
});
$("another")?.addEventListener("click", ({ target }) => {
  const users = JSON.parse(target.dataset.users);
  $("user").value = users[(users.indexOf(user()) + 1) % users.length];
  notify("");
  refresh();
});
$("newcomer")?.addEventListener("click", () => {
  $("user").value = NEW_USERS + Math.floor(Math.random() * 1_000_000_000);
  notify("");
  refresh();
});
$("category").addEventListener("change", popular);

showClock();
refresh();
popular();

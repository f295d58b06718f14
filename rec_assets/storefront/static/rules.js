// Compares, saves and undoes the owner's draft of the rules.
"use strict";

const $ = (id) => document.getElementById(id);
const buttons = ["compare", "save", "undo"].map($);

function notify(text, bad = false) {
  $("notice").textContent = text;
  $("notice").classList.toggle("bad", bad);
  $("notice").hidden = !text;
}

const send = (address) => fetch(address, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ text: $("text").value, version: Number(document.body.dataset.version) }),
});

// Disables the buttons while an action runs, and shows its error.
async function act(action) {
  const were = buttons.map((button) => button.disabled);
  buttons.forEach((button) => { button.disabled = true; });
  $("trial").setAttribute("aria-busy", "true");
  try {
    await action();
  } catch (error) {
    notify(`${error.message} Check that the storefront is running.`, true);
  } finally {
    buttons.forEach((button, number) => { button.disabled = were[number]; });
    $("trial").setAttribute("aria-busy", "false");
  }
}

async function compare() {
  notify("Comparing: this takes some seconds.");
  const answer = await send("/rules/try");
  if (!answer.ok) throw new Error(`The storefront answered with status ${answer.status}.`);
  $("trial").innerHTML = await answer.text(); // the server escapes it
  notify("");
}

async function change(address) {
  const answer = await send(address), made = await answer.json();
  if (answer.ok) return window.location.reload();
  notify(made.problem ? `${made.problem} ${made.next_step}` : `The storefront answered with status ${answer.status}.`, true);
}

$("compare").addEventListener("click", () => act(compare));
$("save").addEventListener("click", () => act(() => change("/rules")));
$("undo").addEventListener("click", () => act(() => change("/rules/undo")));
$("draft").addEventListener("submit", (event) => event.preventDefault());
$("file").addEventListener("change", async () => {
  if ($("file").files.length) $("text").value = await $("file").files[0].text();
});

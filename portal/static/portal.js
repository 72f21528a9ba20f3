// What makes the pages better where there is a script. None of it is needed: every key is a
// submit button, every rule is judged by the server.
"use strict";

const root = document.documentElement;

function send(form, button, signal) {
  const body = new URLSearchParams(new FormData(form, button));
  return fetch(form.action, { method: "POST", body, signal });
}

// --- The keypad: positions are gathered here instead of being sent one by one. ---

const LONGEST = 8;

class Keypad {
  constructor(box, form) {
    this.box = box;
    this.form = form;
    this.keys = [...box.querySelectorAll(".keys .key")];
    this.entries = [...box.querySelectorAll("[data-entry]")].map((element) => ({
      name: element.dataset.entry,
      element,
      field: element.querySelector("input[type=hidden]"),
      typed: box.querySelector(`[data-typed="${element.dataset.entry}"]`),
    }));
    this.explained = form.querySelector("[data-typing]");
    for (const key of this.keys) {
      key.type = "button";
      key.addEventListener("click", () => this.press(key));
    }
    const erase = box.querySelector(".erase");
    erase.type = "button";
    erase.addEventListener("click", () => this.erase());
    box.addEventListener("keydown", (event) => this.onKey(event));
    for (const entry of this.entries) {
      entry.typed.addEventListener("input", () => this.explain());
    }
    // A browser may bring back what the fields held; nobody's secret waits in a page.
    if (performance.getEntriesByType("navigation")[0]?.type === "back_forward") this.empty();
    this.show();
  }

  get active() {
    return this.entries.find((entry) => entry.field.value.length < LONGEST)
      ?? this.entries[this.entries.length - 1];
  }

  digits(entry) {
    return entry.typed.value
      || [...entry.field.value].map((position) => this.keys[position].textContent.trim()).join("");
  }

  press(key) {
    const field = this.active.field;
    if (field.value.length < LONGEST) field.value += this.keys.indexOf(key);
    this.show();
  }

  erase() {
    const last = [...this.entries].reverse().find((entry) => entry.field.value);
    if (last) last.field.value = "";
    this.show();
  }

  empty() {
    for (const entry of this.entries) entry.field.value = entry.typed.value = "";
  }

  // Somebody at the keys may also type: a digit is its key, wherever that is.
  onKey(event) {
    if (event.target.matches("input") || event.ctrlKey || event.altKey || event.metaKey) return;
    const key = this.keys.find((each) => each.textContent.trim() === event.key);
    if (key) this.press(key);
    else if (event.key === "Backspace") {
      const last = [...this.entries].reverse().find((entry) => entry.field.value);
      if (last) last.field.value = last.field.value.slice(0, -1);
      this.show();
    } else return;
    event.preventDefault();
  }

  show() {
    for (const entry of this.entries) {
      const count = entry.field.value.length;
      const dots = entry.element.querySelectorAll(".dot");
      dots.forEach((dot, slot) => dot.classList.toggle("on", slot < count));
      entry.element.classList.toggle("active", this.entries.length > 1 && entry === this.active);
      const status = entry.element.querySelector("[role=status]");
      const text = status.dataset.count.replace("{count}", count);
      if (!status.textContent.endsWith(text)) status.textContent = text;
    }
    this.explain();
  }

  // Identical and successive digits, and two entries that differ: nothing else is told on typing.
  explain() {
    if (!this.explained) return;
    const [fresh, again] = this.entries.slice(-2).map((entry) => this.digits(entry));
    const told = [];
    if (fresh.length >= 4) {
      const step = (Number(fresh[1]) - Number(fresh[0]) + 10) % 10;
      const even = [...fresh].every((digit, place) =>
        Number(digit) === (Number(fresh[0]) + place * step) % 10);
      if (even && step === 0) told.push(this.explained.dataset.identical);
      if (even && (step === 1 || step === 9)) told.push(this.explained.dataset.successive);
    }
    if (again.length === LONGEST) {
      told.push(again === fresh ? this.explained.dataset.same : this.explained.dataset.different);
    }
    if (this.explained.textContent.trim() === told.join("")) return;
    this.explained.replaceChildren(...told.map((text) => {
      const line = document.createElement("p");
      line.textContent = text;
      return line;
    }));
  }
}

// --- The number pad of a kiosk, for the fields: there is no keyboard. ---

function enlivenPad(pad) {
  const fields = [...pad.closest("[data-fields]").querySelectorAll("input[data-length]")];
  let current = fields[0];
  for (const field of fields) field.addEventListener("focus", () => { current = field; });
  pad.hidden = false;
  pad.addEventListener("click", (event) => {
    const digit = event.target.dataset?.digit;
    if (digit === undefined) return;
    current.value = digit === "" ? "" : (current.value + digit).slice(0, current.dataset.length);
    const next = fields[fields.indexOf(current) + 1];
    if (current.value.length === Number(current.dataset.length) && next) current = next;
    current.focus();
  });
}

// --- Configurer: at once, and kept by the server. ---

const comfort = document.getElementById("comfort");
function enlivenOpener(opener) {
  opener.setAttribute("role", "button");
  opener.addEventListener("click", (event) => {
    event.preventDefault();
    comfort.showModal();
  });
  opener.addEventListener("keydown", (event) => {
    if (event.key === " ") {
      event.preventDefault();
      comfort.showModal();
    }
  });
}

const comfortForm = comfort.querySelector("form");
comfortForm.addEventListener("change", (event) => {
  root.dataset[event.target.name] = event.target.value;
  send(comfortForm);
});
comfortForm.addEventListener("submit", (event) => {
  event.preventDefault();
  comfort.close();
});

// --- The voice: what is touched is read. ---

const spoken = "button, a, summary, label, h1, h2, .notice, .typing p, .service, td";

// Only by a voice of this machine: others send what they read, digits and payments, elsewhere.
function say(text) {
  if (root.dataset.voice !== "on" || !window.speechSynthesis || !text) return;
  speechSynthesis.cancel();
  const voice = speechSynthesis.getVoices()
    .find((each) => each.localService && each.lang.startsWith(root.lang));
  if (!voice) return;
  const utterance = new SpeechSynthesisUtterance(text);
  utterance.voice = voice;
  utterance.lang = voice.lang;
  speechSynthesis.speak(utterance);
}

function textOf(element) {
  if (element.matches("input")) return element.labels?.[0]?.textContent.trim() ?? "";
  return element.closest(spoken)?.textContent.replace(/\s+/g, " ").trim() ?? "";
}

document.addEventListener("focusin", (event) => say(textOf(event.target)));
document.addEventListener("pointerover", (event) => {
  if (event.pointerType === "mouse") say(textOf(event.target));
});

// --- The kiosk: alone for a minute, it forgets everything. ---

const idle = document.getElementById("idle");
if (idle) {
  const limit = Number(idle.dataset.seconds) * 1000;
  const warnedBefore = Math.min(20000, limit / 3);
  const countdown = idle.querySelector(".countdown");
  const asFound = { contrast: "normal", size: "normal", voice: "off" };
  let last = performance.now();
  let told = last;

  const alive = () => {
    last = performance.now();
    if (idle.dataset.signedIn === "1" && last - told > limit / 4) {
      told = last;
      fetch("/encore", { method: "POST", redirect: "manual" });
    }
  };
  for (const kind of ["pointerdown", "keydown", "wheel", "input"]) {
    document.addEventListener(kind, () => { if (!idle.open) alive(); }, { passive: true });
  }
  idle.querySelector("button").addEventListener("click", () => { idle.close(); alive(); });
  idle.addEventListener("close", alive);

  const untouched = () => idle.dataset.signedIn !== "1"
    && root.lang === "fr"
    && Object.entries(asFound).every(([name, value]) => root.dataset[name] === value)
    && [...document.querySelectorAll("input:not([type=radio]):not([name=token]):not([name=retour])")]
      .every((field) => !field.value);

  const watch = setInterval(() => {
    const left = limit - (performance.now() - last);
    if (left > warnedBefore || (untouched() && location.pathname === "/")) return;
    if (left <= 0) {
      clearInterval(watch);
      for (const form of document.forms) form.reset();
      document.querySelector("main").replaceChildren(); // at once, whatever the server does
      const out = document.getElementById("logout");
      const leave = () => location.replace("/?kiosk");
      if (out) send(out, null, AbortSignal.timeout(2000)).then(leave, leave);
      else leave();
      return;
    }
    countdown.textContent = Math.ceil(left / 1000);
    if (!idle.open) idle.showModal();
  }, 500);

  // No history: pages take each other's place.
  document.addEventListener("submit", async (event) => {
    if (event.defaultPrevented) return;
    event.preventDefault();
    const answer = await send(event.target, event.submitter);
    if (answer.redirected) location.replace(answer.url);
    else show(await answer.text());
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href^='/']");
    if (!link || event.defaultPrevented) return;
    event.preventDefault();
    location.replace(link.href);
  });
}

// A page that the browser kept is asked for again.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

// --- What was said above, for the page and for what takes its place. ---

function enliven() {
  for (const box of document.querySelectorAll("[data-keypad]")) new Keypad(box, box.closest("form"));
  for (const pad of document.querySelectorAll("[data-pad]")) enlivenPad(pad);
  for (const opener of document.querySelectorAll("[data-opens=comfort]")) enlivenOpener(opener);
  document.querySelector("[data-focus]")?.focus();
}

function show(source) {
  const page = new DOMParser().parseFromString(source, "text/html");
  document.title = page.title;
  document.querySelector("main").replaceWith(page.querySelector("main"));
  scrollTo(0, 0);
  enliven();
}

enliven();

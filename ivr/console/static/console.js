// What changes comes by server-sent events: {id: html}. Elements are changed in place, not replaced,
// so that the keyboard's focus and a screen reader's place stay where they are.
"use strict";

const connection = document.getElementById("connection");
const pause = document.getElementById("pause");

function follow(element, wanted) {
  for (const { name } of [...element.attributes]) {
    if (!wanted.hasAttribute(name) && !(name === "open" && element.tagName === "DETAILS")) {
      element.removeAttribute(name);
    }
  }
  for (const { name, value } of wanted.attributes) {
    if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  }
  followChildren(element, wanted);
}

function followChildren(element, wanted) {
  const named = new Map();
  for (const child of element.children) if (child.id) named.set(child.id, child);
  const kept = new Set([...wanted.children].map((child) => child.id).filter(Boolean));
  let place = element.firstChild;
  for (const next of [...wanted.childNodes]) {
    const same = next.id ? named.get(next.id) : counterpart(place, next);
    if (!same) {
      element.insertBefore(next, place);
      continue;
    }
    // What is gone goes first: an element that is moved would lose the focus.
    while (place !== same && !kept.has(place.id)) place = without(place);
    if (same === place) place = place.nextSibling;
    else element.insertBefore(same, place);
    if (next.nodeType === Node.TEXT_NODE) {
      if (same.data !== next.data) same.data = next.data;
    } else if (!same.dataset || !same.dataset.since || same.dataset.since !== next.dataset.since) {
      follow(same, next);
    }
  }
  while (place) place = without(place);
}

function without(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

// A page's parts are indented otherwise than a message's: text before an element is no reason to replace it.
function counterpart(place, wanted) {
  while (place && place.nodeType === Node.TEXT_NODE && wanted.nodeType !== Node.TEXT_NODE) place = place.nextSibling;
  return place && !place.id && place.nodeName === wanted.nodeName ? place : null;
}

function show(parts) {
  for (const [id, html] of Object.entries(parts)) {
    const template = document.createElement("template");
    template.innerHTML = html;
    const element = document.getElementById(id);
    if (element) followChildren(element, template.content);
  }
  tick();
  mark();
}

// Callers at each step of the flow's picture: those who are there, and those who left.
function mark() {
  for (const badge of document.querySelectorAll(".flow .badge")) badge.remove();
  for (const { dataset } of document.querySelectorAll("tr[data-node]")) {
    const node = document.getElementById(`node-${dataset.node}`);
    const shape = node && node.querySelector("rect, polygon");
    if (!shape) continue;
    const { x, y, width, height } = shape.getBBox();
    if (dataset.here !== "0") put(node, "here", x + width, y, dataset.here);
    if (dataset.left !== "0") put(node, "left", x + width, y + height, dataset.left);
  }
}

function put(node, look, x, y, text) {
  const badge = node.appendChild(document.createElementNS(node.namespaceURI, "g"));
  badge.setAttribute("class", `badge ${look}`);
  const size = Math.max(22, 9 * text.length + 10);
  const plate = badge.appendChild(document.createElementNS(node.namespaceURI, "rect"));
  for (const [name, value] of Object.entries({ x: x - size / 2, y: y - 11, width: size, height: 22, rx: 11 })) {
    plate.setAttribute(name, value);
  }
  const word = badge.appendChild(document.createElementNS(node.namespaceURI, "text"));
  word.setAttribute("x", x);
  word.setAttribute("y", y + 5);
  word.setAttribute("text-anchor", "middle");
  word.textContent = text;
}

// A flow that is so wide that one would not see where calls begin is opened there; else at its left,
// where its colours are explained.
function begin() {
  const first = document.querySelector(".flow .start");
  if (!first) return;
  const [flow, box] = [first.closest(".flow"), first.getBoundingClientRect()];
  const left = box.left - flow.getBoundingClientRect().left - flow.clientLeft;
  if (left >= 0 && left + box.width <= flow.clientWidth) return;
  flow.scrollLeft += left + box.width / 2 - flow.clientWidth / 2;
}

function tick() {
  const now = Math.floor(Date.now() / 1000);
  for (const element of document.querySelectorAll("[data-since]")) {
    const seconds = Math.max(0, now - Number(element.dataset.since));
    const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
    const rest = String(seconds % 60).padStart(2, "0");
    const text = hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
    if (element.textContent !== text) element.textContent = text;
  }
}

function tell(state) {
  connection.dataset.state = state;
  if (connection.textContent !== connection.dataset[state]) connection.textContent = connection.dataset[state];
}

function listen() {
  const source = new EventSource(location.pathname + location.search);
  source.onopen = () => tell("live");
  source.onmessage = (event) => show(JSON.parse(event.data));
  source.onerror = () => tell("lost");
  source.addEventListener("over", () => location.reload());
  return source;
}

tick();
mark();
begin();
setInterval(tick, 1000);
if (connection) {
  let source = listen();
  pause.hidden = false;
  pause.addEventListener("click", () => {
    if (source) {
      source.close();
      source = null;
      tell("paused");
    } else {
      source = listen();
    }
    pause.textContent = source ? pause.dataset.pause : pause.dataset.resume;
  });
}

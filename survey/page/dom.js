// Elements without markup: every text enters as text, so a name can never become a tag.
const SVG = "http://www.w3.org/2000/svg";

export function el(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(node, props, children) {
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked" || key === "disabled") node[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function button(text, act, props = {}) {
  return el("button", { type: "button", onclick: act, ...props }, text);
}

export function field(label, input) {
  return el("label", {}, label, input);
}

// Replaces what a list shows, keeping nodes by key so that focus and scrolling stay.
export function keyed(parent, items, key, make, update) {
  const have = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  items.forEach((item, place) => {
    const name = String(key(item));
    let node = have.get(name);
    if (!node) {
      node = make(item);
      node.dataset.key = name;
    }
    have.delete(name);
    if (parent.children[place] !== node) parent.insertBefore(node, parent.children[place] || null);
    if (update) update(node, item);
  });
  for (const node of have.values()) node.remove();
}

export function percent(share) {
  return share === null || share === undefined ? "–" : `${Math.round(100 * share)} %`;
}

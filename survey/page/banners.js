// What went wrong, or ended: each line stays while its cause lasts, and can be closed.
import { button, el, keyed } from "./dom.js";

export class Banners {
  constructor(node) {
    this.node = node;
    this.closed = new Set();
    this.refused = "";
    this.notes = [];
  }

  // What the server refused; "" when the next command was carried out.
  refuse(text) {
    this.refused = text;
    this.show();
  }

  say(notes, act) {
    this.notes = notes;
    this.act = act;
    const there = new Set(notes.map(name));
    for (const one of this.closed) if (!there.has(one)) this.closed.delete(one);
    this.show();
  }

  show() {
    const lines = this.notes.filter((one) => !this.closed.has(name(one)));
    if (this.refused) lines.unshift({ about: "", text: this.refused, kind: "bad" });
    this.node.hidden = !lines.length;
    keyed(this.node, lines, name, (one) => this.line(one));
  }

  line(one) {
    const again = one.kind === "info" && this.act ? button("Play again", () => this.act(one.about)) : null;
    return el("p", { class: one.kind }, el("span", {}, one.text), again,
      button("×", () => this.close(one), { class: "close", "aria-label": `Close: ${one.text}` }));
  }

  close(one) {
    if (!one.about) this.refused = "";
    else this.closed.add(name(one));
    this.show();
  }
}

function name(one) {
  return `${one.about} ${one.text}`;
}

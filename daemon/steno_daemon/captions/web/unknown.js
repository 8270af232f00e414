/** What a word is that no lexicon holds: the reader takes a candidate or types it. */

const byId = (id) => document.getElementById(id);

export class UnknownWords {
  #confirm;
  #menu = byId("unknown");
  #asked = null; // {event, mark}

  /** confirm(event, text): says what it is; returns whether the daemon was told. */
  constructor(confirm) {
    this.#confirm = confirm;
    byId("unknown-form").addEventListener("submit", (submitted) => {
      submitted.preventDefault();
      this.#choose(byId("unknown-text").value.trim());
    });
  }

  /** Let a mark in the captions ask what its word is. */
  watch(mark, event) {
    mark.title = "This word is new. What is it?";
    mark.setAttribute("aria-haspopup", "dialog");
    mark.addEventListener("click", () => this.#ask(mark, event));
  }

  #ask(mark, event) {
    this.#asked = { mark, event };
    byId("unknown-heard").textContent = event.phones.toLowerCase();
    byId("unknown-none").hidden = event.candidates?.length > 0;
    byId("unknown-candidates").replaceChildren(
      ...(event.candidates ?? []).map((candidate) => this.#button(candidate)),
    );
    byId("unknown-text").value = "";
    this.#menu.showPopover();
    (this.#menu.querySelector("#unknown-candidates button") ?? byId("unknown-text")).focus();
  }

  #button({ text, score }) {
    const button = document.createElement("button");
    const word = document.createElement("span");
    const share = document.createElement("small");
    button.type = "button";
    word.textContent = text;
    share.textContent = `${Math.round(100 * score)} %`;
    button.append(word, share);
    button.addEventListener("click", () => this.#choose(text));
    return button;
  }

  #choose(text) {
    if (text === "" || this.#asked === null) {
      return;
    }
    const { mark, event } = this.#asked;
    if (this.#confirm(event, text)) {
      mark.textContent = text;
      mark.classList.add("confirmed");
    }
    this.#menu.hidePopover();
    mark.focus();
  }
}

/** Where words stand in a text, as [begin, end], whatever marks and capitals it has; or null. */
export function placeOf(words, text) {
  const inside = "[\\p{L}\\p{N}']";
  const between = "[^\\p{L}\\p{N}]+";
  const escaped = words.split(" ").map((word) => word.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
  const whole = `(?<!${inside})${escaped.join(between)}(?!${inside})`;
  const found = new RegExp(whole, "iu").exec(text);
  return found && [found.index, found.index + found[0].length];
}

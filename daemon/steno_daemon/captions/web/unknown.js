/** What a word is that no lexicon holds: the reader takes a candidate or types it. */

const byId = (id) => document.getElementById(id);

export class UnknownWords {
  #confirm;
  #tell;
  #menu = byId("unknown");
  #asked = null; // {event, mark}
  #said = new Map(); // by text, {event, mark}: what the daemon has not answered yet

  /**
   * confirm(event, text): says what it is; returns whether there is a session to hear it.
   * tell(text): what became of it.
   */
  constructor({ confirm, tell }) {
    this.#confirm = confirm;
    this.#tell = tell;
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

  /** Take what the daemon says of words: whether they are known now, or why not. */
  answered({ refused = [] }) {
    for (const [text, { mark, event }] of this.#said) {
      const fault = refused.find((one) => one.text === text);
      if (fault !== undefined) {
        mark.textContent = event.text;
        mark.classList.remove("confirmed");
      }
      const outcome = fault ? `cannot be learnt: ${fault.reason}` : "is known from now on";
      this.#tell(`“${text}” ${outcome}`);
    }
    this.#said.clear();
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
      this.#said.set(text, { mark, event });
    } else {
      this.#tell("No session is there to learn it");
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

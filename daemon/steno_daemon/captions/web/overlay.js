/**
 * Captions over a picture, for OBS and other mixers: the last lines, nothing where nobody speaks.
 *
 *     /overlay?session=live&lines=2
 *
 * session   an id or `live` (that); label is not shown
 * lines     1 … 6 (2)
 * expire    seconds after which captions go when nothing new comes (6)
 * open      words that may still change: `show` (that), `same` colour as the rest, or `hide`
 * position  top, middle or bottom (that)
 * size font weight line-height spacing case colour open-colour background outline outline-colour
 * shadow padding radius width margin align fade
 *           each sets the variable of that name in overlay.css; size, outline, margin … without a
 *           unit are pixels, colours may do without their `#`
 *
 * What goes wrong is never shown on air: the page tries again for ever.
 */

import { query, takeToken } from "./address.js";
import { Viewing, Watcher } from "./watch.js";

const AGAIN_MS = 5_000;
const ROLL_MS = 140;
const LINES_MAX = 6;
const EXPIRE_S = 6;
const LENGTHS = ["size", "outline", "padding", "radius", "width", "margin", "spacing"];
const COLOURS = ["colour", "open-colour", "background", "outline-colour"];
const OTHERS = {
  font: "font-family",
  weight: "font-weight",
  "line-height": "line-height",
  case: "text-transform",
  align: "text-align",
  shadow: "text-shadow",
};
const POSITIONS = { top: "flex-start", middle: "center", bottom: "flex-end" };
const root = document.documentElement.style;

class Overlay {
  #box = document.getElementById("box");
  #lines = document.getElementById("lines");
  #live = new Map(); // the paragraphs of what is being said, by channel
  #historySeq = -1; // what came up to this event was said before we looked
  #session = "";
  #expireMs;
  #hidesOpen;
  #expiry = null;
  #height = 0;
  #roll = null;

  constructor({ expireS, hidesOpen }) {
    this.#expireMs = 1000 * expireS;
    this.#hidesOpen = hidesOpen;
    new ResizeObserver(() => this.#trim()).observe(this.#box);
  }

  /** Show an event. */
  take(event) {
    if (event.type === "watching") {
      if (event.session !== this.#session) {
        this.#session = event.session;
        this.#historySeq = event.seq;
      }
    } else if (event.type === "partial") {
      this.#partial(event);
    } else if (event.type === "final" && event.seq > this.#historySeq) {
      this.#paragraph(event.channel ?? 0).show(event.written ?? event.text, "");
      this.#live.delete(event.channel ?? 0);
      this.#changed();
    } else if (event.type === "endpoint" || event.type === "closed") {
      this.#dropLive(event.channel);
    }
  }

  #partial({ channel = 0, text, stable_chars: stableChars }) {
    const stable = text.slice(0, stableChars);
    const open = this.#hidesOpen ? "" : text.slice(stableChars);
    if (stable + open === "" && !this.#live.has(channel)) {
      return;
    }
    if (this.#paragraph(channel).show(stable, open)) {
      this.#changed();
    }
  }

  /** The paragraph that a channel fills now, a new one at the end if it has none. */
  #paragraph(channel) {
    if (!this.#live.has(channel)) {
      const paragraph = new Paragraph();
      this.#live.set(channel, paragraph);
      this.#lines.append(paragraph.element);
    }
    return this.#live.get(channel);
  }

  /** Take away what never became final, of one channel or of all. */
  #dropLive(channel) {
    for (const [name, paragraph] of this.#live) {
      if (channel === undefined || channel === name) {
        paragraph.element.remove();
        this.#live.delete(name);
      }
    }
    this.#height = this.#lines.offsetHeight;
  }

  /** Something new is on the screen: show it for its time. */
  #changed() {
    this.#lines.classList.remove("gone");
    this.#rollUp();
    this.#trim();
    clearTimeout(this.#expiry);
    this.#expiry = setTimeout(() => this.#expire(), this.#expireMs);
  }

  #expire() {
    this.#lines.classList.add("gone");
    const fadeS = Number.parseFloat(getComputedStyle(this.#lines).transitionDuration) || 0;
    this.#expiry = setTimeout(() => {
      this.#lines.replaceChildren();
      this.#live.clear();
      this.#height = 0;
    }, 1000 * fadeS);
  }

  #rollUp() {
    this.#roll?.cancel();
    const grown = this.#lines.offsetHeight - this.#height;
    const line = Number.parseFloat(getComputedStyle(this.#box).lineHeight);
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (this.#height > 0 && grown > 0 && grown < 2 * line && !still) {
      const from = { transform: `translateY(${grown}px)` };
      const timing = { duration: ROLL_MS, easing: "ease-out" };
      this.#roll = this.#lines.animate([from, { transform: "none" }], timing);
    }
    this.#height = this.#lines.offsetHeight;
  }

  /** Forget whole utterances above the box; half of one would break the lines anew. */
  #trim() {
    const room = this.#box.clientHeight;
    while (this.#lines.childElementCount > 1) {
      const first = this.#lines.firstElementChild;
      const isLive = [...this.#live.values()].some(({ element }) => element === first);
      if (isLive || this.#lines.offsetHeight - first.offsetHeight < room) {
        break;
      }
      first.remove();
      this.#height = this.#lines.offsetHeight;
    }
  }
}

/** One utterance. */
class Paragraph {
  element = document.createElement("p");
  #stable = document.createElement("span");
  #open = document.createElement("span");

  constructor() {
    const words = document.createElement("span");
    words.className = "words";
    this.#open.className = "unstable";
    words.append(this.#stable, this.#open);
    this.element.append(words);
  }

  /** Show words that stay and words that may change; returns whether the text is another one. */
  show(stable, open) {
    const before = this.element.textContent;
    this.#stable.textContent = stable;
    this.#open.textContent = open;
    this.element.hidden = stable + open === "";
    return before !== stable + open;
  }
}

/** Look as the address asks. */
function dress(asked) {
  for (const [name, given] of asked) {
    if (LENGTHS.includes(name)) {
      set(name, /^-?[\d.]+$/.test(given) ? `${given}px` : given, "width");
    } else if (COLOURS.includes(name)) {
      set(name, /^([\da-f]{3,4}){1,2}$/i.test(given) ? `#${given}` : given, "color");
    } else if (Object.hasOwn(OTHERS, name)) {
      set(name, given, OTHERS[name]);
    }
  }
  set("lines", String(clamp(Number(asked.get("lines") ?? 2), 1, LINES_MAX)), "line-height");
  set("position", POSITIONS[asked.get("position")] ?? POSITIONS.bottom, "justify-content");
  set("fade", `${clamp(Number(asked.get("fade") ?? 0.3), 0, 5)}s`, "transition-duration");
  if (asked.get("open") === "same") {
    root.setProperty("--steno-open-colour", "var(--steno-colour)");
  }
}

/** Set a variable that the address names, if it is a value that the property takes. */
function set(name, value, property) {
  if (asks.has(name) && (CSS.supports(property, value) || name === "spacing")) {
    root.setProperty(`--steno-${name}`, value);
  }
}

function clamp(value, low, high) {
  return Number.isFinite(value) ? Math.max(low, Math.min(high, value)) : low;
}

/**
 * Let the custom CSS of a mixer hold.
 *
 * It comes as a `style` element, which this page's security policy does not apply; here it can do
 * no more than look different.
 */
function adoptStyles() {
  const adopt = (node) => {
    if (node instanceof HTMLStyleElement && node.sheet === null) {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(node.textContent);
      document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    }
  };
  document.querySelectorAll("style").forEach(adopt);
  const watch = new MutationObserver((changes) =>
    changes.forEach(({ addedNodes }) => addedNodes.forEach(adopt)),
  );
  watch.observe(document.documentElement, { childList: true, subtree: true });
}

function watch(session, overlay) {
  const watcher = new Watcher({
    session,
    last: 0,
    tell: ({ state, event }) => {
      if (event !== undefined) {
        overlay.take(event);
      } else if (state === Viewing.CLOSED) {
        setTimeout(() => watch(session, overlay), AGAIN_MS);
      }
    },
  });
  watcher.open();
  addEventListener("online", () => watcher.hurry());
}

takeToken();
const asks = query();
dress(asks);
adoptStyles();
watch(
  asks.get("session") || "live",
  new Overlay({
    expireS: clamp(Number(asks.get("expire") ?? EXPIRE_S), 0.5, 3600),
    hidesOpen: asks.get("open") === "hide",
  }),
);

/**
 * Captions on the screen: finals as a log, and what is being said below it.
 *
 * A final stands exactly where its partial stood. The newest line is at the bottom and stays in
 * view until the reader scrolls up, and again from when the reader comes back.
 */

import { isFree } from "./keys.js";
import { shortClock } from "./transcript.js";
import { placeOf } from "./unknown.js";

const AT_END_PX = 24;
const LINES_MAX = 4000;
const ALOUD_MAX = 3; // finals at once that a screen reader shall read; more are history
const ROLL_MS = 160;
const ALOUD_AGAIN_MS = 1000;

export class View {
  #scroller;
  #page;
  #log;
  #live;
  #newer;
  #sticks = true;
  #unread = 0;
  #pending = [];
  #scheduled = false;
  #channels = new Map();
  #newest = new Map(); // the words of each channel's newest final
  #several = false;
  #height = 0;
  #rolls = [];

  /** The elements: what scrolls, what is in it, the log, the live lines, the way back down. */
  constructor({ scroller, page, log, live, newer }) {
    this.#scroller = scroller;
    this.#page = page;
    this.#log = log;
    this.#live = live;
    this.#newer = newer;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    newer.addEventListener("click", () => this.toEnd());
    document.addEventListener("keydown", (event) => {
      if (event.key === "End" && isFree(event)) {
        event.preventDefault(); // gliding there, it would arrive where the end was
        this.toEnd();
      }
    });
    const watch = new ResizeObserver(() => this.#sticks && this.#down());
    watch.observe(scroller);
    watch.observe(page);
  }

  /** Show the words of a partial, the promised and the open ones. */
  partial({ channel = 0, text, stable_chars: stableChars, start }) {
    this.#later(() => {
      const line = this.#channels.get(channel) ?? this.#openLive(channel);
      line.time.textContent = shortClock(start);
      const border = text[stableChars] === " " ? stableChars + 1 : stableChars; // no dots there
      line.stable.textContent = text.slice(0, border);
      line.unstable.textContent = text.slice(border);
      line.element.hidden = text === "";
    });
  }

  /** Put the words of a final into the log, in place of the channel's partial. */
  final({ channel = 0, text, start }) {
    this.#later(() => {
      this.#closeLive(channel);
      const { element, time, words } = newLine(this.#nameOf(channel));
      time.textContent = shortClock(start);
      words.textContent = text;
      this.#log.append(element);
      this.#newest.set(channel, words);
      this.#unread += 1;
      return "aloud";
    });
  }

  /** Mark a word of the channel's newest final that no lexicon holds; watch(mark) sees to it. */
  unknown({ channel = 0, text }, watch) {
    this.#later(() => {
      const words = this.#newest.get(channel);
      const node = [...(words?.childNodes ?? [])].find(
        (one) => one.nodeType === Node.TEXT_NODE && placeOf(text, one.data),
      );
      if (node === undefined) {
        return; // written otherwise, as a figure is
      }
      const [begin, end] = placeOf(text, node.data);
      const word = node.splitText(begin);
      word.splitText(end - begin);
      const mark = document.createElement("button");
      mark.type = "button";
      mark.className = "unknown";
      mark.textContent = word.data;
      word.replaceWith(mark);
      watch(mark);
    });
  }

  /** Take a channel's partial away: its segment ended. */
  endpoint({ channel = 0 }) {
    this.#later(() => this.#closeLive(channel));
  }

  /** Take all partials away. */
  clearLive() {
    this.#later(() => [...this.#channels.keys()].forEach((channel) => this.#closeLive(channel)));
  }

  /** Say that something else begins here. */
  divider(text) {
    this.#later(() => {
      const element = document.createElement("p");
      element.className = "divider";
      element.textContent = text;
      this.#log.append(element);
    });
  }

  /** Empty the screen. */
  clear() {
    this.#pending = [];
    this.#channels.clear();
    this.#newest.clear();
    this.#log.replaceChildren();
    this.#live.replaceChildren();
    this.#height = 0;
    this.toEnd();
    this.#later(() => {}); // an empty screen looks different
  }

  /** Let every line from now on say which channel it is of, if there are several. */
  setChannels(channels) {
    this.#several = channels > 1;
  }

  /** Go to the newest line and stay there. */
  toEnd() {
    this.#sticks = true;
    this.#down();
    this.#showNewer();
  }

  #later(change) {
    this.#pending.push(change);
    if (this.#scheduled) {
      return;
    }
    this.#scheduled = true;
    if (document.visibilityState === "visible") {
      requestAnimationFrame(() => this.#flush());
    } else {
      setTimeout(() => this.#flush(), ROLL_MS); // no frames are drawn in the background
    }
  }

  /** Make all changes since the last frame, with one look at the layout. */
  #flush() {
    this.#scheduled = false;
    const changes = this.#pending.splice(0);
    const finals = changes.map((change) => change()).filter((told) => told === "aloud");
    if (finals.length > ALOUD_MAX) {
      this.#hush();
    }
    this.#page.classList.toggle("empty", !this.#log.hasChildNodes() && this.#channels.size === 0);
    if (this.#sticks) {
      this.#forgetOldest();
      this.#rollUp();
    }
    this.#showNewer();
  }

  /** Let no screen reader read a whole history aloud; it was added in this very task. */
  #hush() {
    this.#log.setAttribute("aria-live", "off");
    setTimeout(() => this.#log.setAttribute("aria-live", "polite"), ALOUD_AGAIN_MS);
  }

  #forgetOldest() {
    while (this.#log.childElementCount > LINES_MAX) {
      this.#log.firstElementChild.remove();
    }
  }

  /** Move to the end, smoothly where that is a line or two; the page clips what is below it. */
  #rollUp() {
    this.#rolls.forEach((roll) => roll.cancel());
    const height = this.#page.offsetHeight;
    const grown = height - this.#height;
    const line = parseFloat(getComputedStyle(this.#page).lineHeight);
    this.#height = height;
    this.#down();
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (!still && grown > 0 && grown < 3 * line) {
      const from = { transform: `translateY(${grown}px)` };
      const timing = { duration: ROLL_MS, easing: "ease-out" };
      const way = [from, { transform: "none" }];
      this.#rolls = [this.#log, this.#live].map((part) => part.animate(way, timing));
    }
  }

  #down() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    this.#sticks = scrollHeight - scrollTop - clientHeight < AT_END_PX;
    this.#showNewer();
  }

  #showNewer() {
    if (this.#sticks) {
      this.#unread = 0;
    }
    this.#newer.hidden = this.#sticks;
    const count = this.#unread > 99 ? "99+" : this.#unread;
    this.#newer.querySelector(".count").textContent = this.#unread > 0 ? `${count} new` : "Newest";
  }

  #openLive(channel) {
    const { element, time, words } = newLine(this.#nameOf(channel));
    const [stable, unstable] = [document.createElement("span"), document.createElement("span")];
    stable.className = "stable";
    unstable.className = "unstable";
    words.append(stable, unstable);
    const line = { element, time, stable, unstable };
    this.#channels.set(channel, line);
    this.#live.append(element);
    return line;
  }

  #closeLive(channel) {
    this.#channels.get(channel)?.element.remove();
    this.#channels.delete(channel);
  }

  #nameOf(channel) {
    return this.#several ? String(channel + 1) : "";
  }
}

function newLine(channel) {
  const element = document.createElement("p");
  const time = document.createElement("span");
  const words = document.createElement("span");
  element.className = "line";
  time.className = "time";
  words.className = "words";
  element.append(time);
  if (channel !== "") {
    const name = document.createElement("span");
    name.className = "channel";
    name.textContent = channel;
    element.append(name);
  }
  element.append(words);
  return { element, time, words };
}

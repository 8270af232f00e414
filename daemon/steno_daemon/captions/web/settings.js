/** How the page looks: text size, theme, times. Kept in this browser; the address goes over it. */

import { query } from "./address.js";

const SIZES_REM = [1.125, 1.375, 1.75, 2.25, 2.75, 3.5, 4.5, 6, 8];
const SIZE_PHONE = 3;
const SIZE_DESK = 5;
const PHONE_PX = 640;
const THEMES = ["auto", "light", "dark", "contrast"];
const DARK = matchMedia("(prefers-color-scheme: dark)");
const MORE = matchMedia("(prefers-contrast: more)");
const root = document.documentElement;

export class Settings {
  #size;
  #theme;
  #times;
  #keys;
  #changed;

  /** changed(): called after every change, and once for the beginning. */
  constructor(changed) {
    this.#changed = changed;
    const usual = innerWidth < PHONE_PX ? SIZE_PHONE : SIZE_DESK;
    this.#size = number(query().get("size")) ?? number(stored("size")) ?? usual;
    this.#theme = [query().get("theme"), stored("theme")].find((t) => THEMES.includes(t)) ?? "auto";
    this.#times = stored("times") === "on";
    this.#keys = stored("keys") !== "off";
    DARK.addEventListener("change", () => this.#show());
    MORE.addEventListener("change", () => this.#show());
    this.#show();
  }

  get size() {
    return this.#size;
  }

  /** 1 … 9. */
  set size(value) {
    this.#size = Math.max(1, Math.min(SIZES_REM.length, value));
    store("size", this.#size);
    this.#show();
  }

  get largest() {
    return SIZES_REM.length;
  }

  get theme() {
    return this.#theme;
  }

  /** auto, light, dark or contrast. */
  set theme(value) {
    this.#theme = value;
    store("theme", value);
    this.#show();
  }

  /** light, dark or contrast: what is seen now, whoever decided that. */
  get shown() {
    if (this.#theme !== "auto") {
      return this.#theme;
    }
    if (MORE.matches) {
      return "contrast";
    }
    return DARK.matches ? "dark" : "light";
  }

  get times() {
    return this.#times;
  }

  /** Whether every line says when it was spoken. */
  set times(value) {
    this.#times = value;
    store("times", value ? "on" : "off");
    this.#show();
  }

  get keys() {
    return this.#keys;
  }

  /** Whether single keys do something; speech input types them by accident. */
  set keys(value) {
    this.#keys = value;
    store("keys", value ? "on" : "off");
    this.#show();
  }

  #show() {
    root.style.setProperty("--size", `${SIZES_REM[this.#size - 1]}rem`);
    root.dataset.theme = this.shown;
    root.classList.toggle("with-times", this.#times);
    this.#changed(this);
  }
}

function number(text) {
  const value = Number.parseInt(text ?? "", 10);
  return value >= 1 && value <= SIZES_REM.length ? value : undefined;
}

/** What was kept under a name, null if nothing was. */
export function stored(name) {
  try {
    return localStorage.getItem(`steno.${name}`);
  } catch {
    return null;
  }
}

/** Keep a value, if the browser lets us. */
export function store(name, value) {
  try {
    localStorage.setItem(`steno.${name}`, value);
  } catch {
    // Storage is switched off: the choice lasts as long as the page.
  }
}

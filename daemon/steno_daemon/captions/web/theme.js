// Before the first frame is drawn: the theme that was asked for, so that nothing flashes.
"use strict";
(() => {
  let theme = new URLSearchParams(location.search).get("theme");
  try {
    theme ??= localStorage.getItem("steno.theme");
  } catch {
    // Storage is switched off: the system's theme.
  }
  if (!["light", "dark", "contrast"].includes(theme)) {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const more = matchMedia("(prefers-contrast: more)").matches;
    theme = more ? "contrast" : dark ? "dark" : "light";
  }
  document.documentElement.dataset.theme = theme;
})();

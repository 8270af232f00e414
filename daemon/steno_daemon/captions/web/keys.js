/** Single keys, for who asks for them: speech input and slips of the hand type them by accident. */

/**
 * Let keys do things, besides those of the page's looks.
 *
 * actions: by what `KeyboardEvent.key` says.
 */
export function listenToKeys(looks, actions) {
  const all = {
    t: () => looks.toggleTheme(),
    f: () => looks.togglePresenting(),
    "+": () => looks.resize(1),
    "=": () => looks.resize(1), // the same key without shift
    "-": () => looks.resize(-1),
    "?": () => looks.openSettings(),
    ...actions,
  };
  document.addEventListener("keydown", (event) => {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const action = all[key];
    if (action && looks.keys && isFree(event)) {
      event.preventDefault();
      action();
    }
  });
}

/** Whether a key means nothing else where it was pressed. */
export function isFree(event) {
  const typing = event.target.closest?.("input, select, textarea, dialog");
  return !event.ctrlKey && !event.metaKey && !event.altKey && !event.repeat && !typing;
}

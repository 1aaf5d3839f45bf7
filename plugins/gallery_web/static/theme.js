// Airflow's light and dark switch counts, not the operating system's: in its frame by its own page's class, else by
// what it keeps. Runs before the page is drawn, so that nothing flashes.
(() => {
  const root = document.documentElement;
  const choose = () => {
    let dark = null;
    try {
      const outer = window.parent === window ? null : window.parent.document.documentElement;
      if (outer && (outer.classList.contains("dark") || outer.classList.contains("light"))) {
        dark = outer.classList.contains("dark");
      } else {
        const kept = localStorage.getItem("theme");
        if (kept === "dark" || kept === "light") dark = kept === "dark";
      }
    } catch { /* another site's frame, or no storage: the system decides */ }
    if (dark === null) dark = matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "dark" : "light";
  };
  choose();
  addEventListener("storage", choose);
  try {
    if (window.parent !== window) {
      new MutationObserver(choose).observe(window.parent.document.documentElement, { attributeFilter: ["class"] });
    }
  } catch { /* another site's frame */ }
})();

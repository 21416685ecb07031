// Light, dark, or as the system says. Runs before the page is drawn, so that nothing flashes.
"use strict";
(() => {
  const root = document.documentElement;
  const kept = {
    read() {
      try { return localStorage.getItem("vitreous-theme"); } catch { return null; } // file:// may refuse
    },
    write(value) {
      try { localStorage.setItem("vitreous-theme", value); } catch { /* it then lasts as long as the page */ }
    },
  };
  const known = ["auto", "light", "dark"];
  root.dataset.theme = known.includes(kept.read()) ? kept.read() : "auto";
  root.classList.add("script");
  document.addEventListener("DOMContentLoaded", () => {
    for (const choice of document.querySelectorAll("input[name=theme]")) {
      choice.checked = choice.value === root.dataset.theme;
      choice.addEventListener("change", () => {
        root.dataset.theme = choice.value;
        kept.write(choice.value);
      });
    }
  });
})();

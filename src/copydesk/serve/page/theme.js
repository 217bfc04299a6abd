// Light or dark, before the first paint: what was chosen here, else what the system prefers.

(() => {
  const KEY = "copydesk-theme";
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => { try { return localStorage.getItem(KEY); } catch { return null; } };
  const isDark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";

  if (["light", "dark"].includes(stored())) root.dataset.theme = stored();

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const show = () => button.setAttribute("aria-pressed", String(isDark()));
    button.addEventListener("click", () => {
      const wanted = isDark() ? "light" : "dark";
      const isSystems = wanted === (system.matches ? "dark" : "light");
      if (isSystems) delete root.dataset.theme;
      else root.dataset.theme = wanted;
      try {
        if (isSystems) localStorage.removeItem(KEY);
        else localStorage.setItem(KEY, wanted);
      } catch { /* it holds until the page is left */ }
      show();
    });
    system.addEventListener("change", show);
    show();
  });
})();

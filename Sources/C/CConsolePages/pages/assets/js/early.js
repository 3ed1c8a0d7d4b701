// Runs before the first paint, so that a chosen colour scheme does not flash.
(function () {
  try {
    const theme = localStorage.getItem("swiftwater.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch { /* storage may be forbidden; then the system's scheme is used */ }
})();

// A formula that is wider than its line is made as much smaller as it takes, but not too small to read; beyond that it scrolls.
window.addEventListener("load", () => {
  const SMALLEST = 14; // pixels
  const fit = (formula) => {
    formula.dataset.size ??= formula.style.fontSize; // what MathJax has chosen
    formula.style.fontSize = formula.dataset.size;
    const ratio = formula.clientWidth / formula.scrollWidth;
    if (ratio > 0 && ratio < 1) {
      const size = parseFloat(getComputedStyle(formula).fontSize);
      formula.style.fontSize = `${Math.max(SMALLEST, Math.floor(10 * size * ratio) / 10)}px`;
    }
  };
  // Also when the window changes, and when an answer is unfolded: until then the formulas in it have no width.
  const lines = new ResizeObserver((entries) =>
    requestAnimationFrame(() => entries.forEach(({ target }) => target.querySelectorAll("mjx-container").forEach(fit))),
  );
  window.MathJax?.startup?.promise.then(() =>
    document.querySelectorAll("article div.math").forEach((line) => lines.observe(line)),
  );
});

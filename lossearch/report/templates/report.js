"use strict";
// Tables are sorted by their headers: up, down, and as they came.
(() => {
  const missing = (text) => text === "" || text === "-";
  const value = (row, at) => row.cells[at].textContent.trim();
  // 0.77, +0.003 (-0.03 to +0.04), 12 of 20, 40 %, (1.2 ± 0.1)e7
  const pattern = /^\(?([+-]?[\d.]+(?:e[+-]?\d+)?)(?:[^)]*\)(e[+-]?\d+))?/;
  const number = (text) => {
    const [, digits, power] = pattern.exec(text);
    return parseFloat(digits + (power ?? ""));
  };

  function compare(rows, at) {
    const texts = rows.map((row) => value(row, at)).filter((text) => !missing(text));
    const numeric = texts.length > 0 && texts.every((text) => pattern.test(text));
    return numeric
      ? (a, b) => number(a) - number(b)
      : (a, b) => a.localeCompare(b, undefined, { numeric: true });
  }

  function sort(table, header, at) {
    const body = table.tBodies[0];
    const rows = (table.asCame ??= [...body.rows]);
    const next = { none: "ascending", ascending: "descending", descending: "none" }[header.getAttribute("aria-sort")];
    for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", next);
    const order = compare(rows, at), sign = next === "descending" ? -1 : 1;
    const sorted = next === "none" ? rows : [...rows].sort((a, b) => {
      const first = value(a, at), second = value(b, at);
      if (missing(first) || missing(second)) return missing(first) - missing(second);
      return sign * order(first, second);
    });
    body.append(...sorted);
  }

  for (const table of document.querySelectorAll("table")) {
    if (table.tBodies[0].rows.length < 2) continue;
    [...table.tHead.rows[0].cells].forEach((header, at) => {
      const button = document.createElement("button");
      button.type = "button";
      button.title = "Sort";
      button.append(...header.childNodes);
      header.append(button);
      header.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => sort(table, header, at));
    });
  }
})();

// Tables sort by the column whose button is pressed: first press the natural order (numbers: largest first), then back.
"use strict";
(() => {
  const status = document.getElementById("status");

  function compare(a, b, numeric) {
    if (!numeric) return a.localeCompare(b, "en", { numeric: true });
    if (a === "" || b === "") return (a === "") - (b === ""); // handled before the direction is: see below
    return Number(a) - Number(b);
  }

  function sort(table, header, index) {
    const numeric = header.dataset.numeric === "yes";
    const now = header.getAttribute("aria-sort");
    const natural = numeric ? "descending" : "ascending";
    const other = numeric ? "ascending" : "descending";
    const order = now === natural ? other : natural;
    const sign = order === "ascending" ? 1 : -1;
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [row, row.cells[index].dataset.by ?? ""]);
    rows.sort(([, a], [, b]) => {
      const undefinedLast = numeric && (a === "" || b === ""); // whichever way
      return compare(a, b, numeric) * (undefinedLast ? 1 : sign);
    });
    body.append(...rows.map(([row]) => row));
    for (const th of table.tHead.rows[0].cells) th.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", order);
    status.textContent = `Sorted by ${header.textContent.trim()}, ${order}.`;
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((header, index) => {
      header.querySelector("button").addEventListener("click", () => sort(table, header, index));
    });
  }
})();

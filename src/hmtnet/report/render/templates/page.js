"use strict";
// Sorts tables by a click, or by Enter or Space, on a heading. Undefined values stay last, and the
// parts of a table (our rows, full-reference and published ones) are never mixed.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.querySelectorAll("thead th")];
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      // Numbers start with the largest, words with the first.
      const words = heading.classList.contains("text");
      const first = words ? "ascending" : "descending";
      const second = words ? "descending" : "ascending";
      const order = heading.getAttribute("aria-sort") === first ? second : first;
      for (const other of headings) other.setAttribute("aria-sort", "none");
      heading.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const valueOf = (row) => row.cells[column].dataset.value;
      for (const body of table.tBodies) {
        const rows = [...body.rows];
        rows.sort((a, b) => {
          const x = valueOf(a);
          const y = valueOf(b);
          if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
          return sign * (words ? x.localeCompare(y) : Number(x) - Number(y));
        });
        body.append(...rows);
      }
    });
  });
}

// Shows the cases of one system at a time; without a script all are shown.
for (const books of document.querySelectorAll(".casebooks")) {
  const choice = books.querySelector("select");
  const show = () => books.querySelectorAll(".casebook").forEach((book, index) => {
    book.hidden = index !== Number(choice.value);
  });
  choice.addEventListener("change", show);
  books.querySelector(".choice").hidden = false;
  show();
}

// A link to settings opens them.
const reveal = () => {
  const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const details = place?.closest("details");
  if (details) {
    details.open = true;
    place.scrollIntoView();
  }
};
addEventListener("hashchange", reveal);
reveal();

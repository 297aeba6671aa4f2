"use strict";
const NUMBER = /^[<+-]?(∞|\d[\d,]*(\.\d+)?(e[+-]?\d+)?)(?=$|[\s%†‡])/i;
const MISSING = ["", "-", "not run"];

function numberIn(text) {
  const found = text.replace(/−/g, "-").match(NUMBER);
  if (!found) return NaN;
  const value = Number(found[0].replace(/[<+,]/g, "").replace("∞", "Infinity"));
  return text.startsWith("<") ? value * (1 - 1e-9) : value;
}

function comparison(texts) {
  const present = texts.filter((text) => !MISSING.includes(text));
  if (present.every((text) => !Number.isNaN(numberIn(text)))) {
    return (a, b) => { const [x, y] = [numberIn(a), numberIn(b)]; return x < y ? -1 : x > y ? 1 : 0; };
  }
  return (a, b) => a.localeCompare(b, "en", { numeric: true });
}

function sortRows(body, rows, column, order) {
  const textOf = new Map(rows.map((row) => [row, row.cells[column].textContent.trim()]));
  const compare = comparison([...textOf.values()]);
  const missing = (row) => MISSING.includes(textOf.get(row));
  const sign = order === "descending" ? -1 : 1;
  const sorted = order === "none" ? rows : [...rows].sort((a, b) =>
    missing(a) - missing(b) || (missing(a) ? 0 : sign * compare(textOf.get(a), textOf.get(b))));
  body.append(...sorted);
}

function nextOrder(heading) {
  const first = heading.dataset.first || "ascending";
  const second = first === "ascending" ? "descending" : "ascending";
  return { none: first, [first]: second, [second]: "none" }[heading.getAttribute("aria-sort")];
}

for (const table of document.querySelectorAll("table")) {
  const blocks = [...table.tBodies].map((body) =>
    [body, [...body.rows].filter((row) => !row.classList.contains("block"))]);
  const headings = [...table.querySelectorAll("th[data-column]")];
  for (const heading of headings) {
    const button = document.createElement("button");
    button.type = "button";
    button.title = "Sort";
    button.append(...heading.childNodes);
    heading.append(button);
    heading.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const order = nextOrder(heading);
      headings.forEach((other) => other.setAttribute("aria-sort", other === heading ? order : "none"));
      blocks.forEach(([body, rows]) => sortRows(body, rows, Number(heading.dataset.column), order));
    });
  }
}

const viewer = document.getElementById("viewer");
const enlarged = viewer.querySelector("img");
for (const picture of document.querySelectorAll(".plot img")) {
  const button = document.createElement("button");
  button.type = "button";
  button.setAttribute("aria-label", `Enlarge ${picture.alt}`);
  picture.replaceWith(button);
  button.append(picture);
  button.addEventListener("click", () => {
    enlarged.src = picture.src;
    enlarged.alt = picture.alt;
    enlarged.classList.remove("actual");
    viewer.showModal();
  });
}
enlarged.addEventListener("click", () => enlarged.classList.toggle("actual"));
viewer.addEventListener("click", (event) => { if (event.target !== enlarged) viewer.close(); });

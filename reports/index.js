// Narrows and orders the list of agencies. Without it the page says all the same. It goes onto the page as one line: comments
// stand on lines of their own, and every statement ends with a semicolon.
(() => {
  "use strict";
  // Fewer are never ranked: in so small a group a place says nothing.
  const RANKED_FROM = 5;
  const table = document.getElementById("list");
  const form = document.getElementById("narrow");
  const told = document.getElementById("told");
  if (!table || !form || !told) return;
  const body = table.tBodies[0];
  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").replace(/[\u0111\u0110]/g, "d").toLowerCase();
  const among = (text) => new Set((text || "").split(" "));
  const rows = Array.from(body.rows, (row, place) => ({
    row,
    place,
    text: plain(row.cells[0].textContent),
    tier: row.dataset.t,
    zones: among(row.dataset.z),
    roles: among(row.dataset.r),
    keys: row.dataset.k.split(" ").map(Number),
  }));
  const heads = Array.from(table.tHead.rows[0].cells).filter((head) => head.dataset.k);
  const NAME = 0;
  let column = -1;
  let down = false;

  const isWanted = (one) => {
    const words = plain(form.elements.words.value).split(/\s+/).filter(Boolean);
    const { tier, zone, role } = form.elements;
    return words.every((word) => one.text.includes(word))
      && (!tier || tier.value === "" || one.tier === tier.value)
      && (!zone || zone.value === "" || one.zones.has(zone.value))
      && (!role || role.value === "" || one.roles.has(role.value));
  };

  const show = () => {
    const wanted = new Set(rows.filter(isWanted));
    const isRanked = wanted.size >= RANKED_FROM;
    const by = column > NAME && !isRanked ? NAME : column;
    const sign = down && by === column ? -1 : 1;
    const ordered = by < 0 ? rows : [...rows].sort((a, b) => sign * (a.keys[by] - b.keys[by]) || a.place - b.place);
    for (const one of rows) one.row.hidden = !wanted.has(one);
    body.append(...ordered.map((one) => one.row));
    table.classList.toggle("flat", by >= 0);
    for (const head of heads) {
      const mine = by >= 0 && Number(head.dataset.k) === by;
      if (mine) head.setAttribute("aria-sort", sign < 0 ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    const { shown, unranked } = form.dataset;
    const count = shown.replace("{n}", wanted.size).replace("{total}", rows.length);
    told.textContent = by === column ? count : `${count} ${unranked}`;
  };

  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const own = Number(head.dataset.k);
      // Names rise first, figures fall first; the third click brings the tree back.
      const first = own !== NAME;
      if (column !== own) [column, down] = [own, first];
      else if (down === first) down = !first;
      else [column, down] = [-1, false];
      show();
    });
  }
  form.addEventListener("input", show);
  form.addEventListener("reset", () => setTimeout(show));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  table.classList.add("live");
  show();
})();

// Filters over the tables of this page. All of it is there without this script, as plain tables.
"use strict";
(() => {
  const STEP = { findings: 100, repositories: 50, problems: 50 };
  const SEVERITY = { e: "error", w: "warning", n: "note", x: "waived" };
  const SIDE = { o: "open", p: "private", u: "unmatched" };
  const form = document.getElementById("filters");
  const facets = document.getElementById("facets");
  const toggle = document.getElementById("more");
  const shown = document.getElementById("shown");
  const number = (value) => value.toLocaleString("en");
  const text = (element) => (element ? element.textContent : "");

  const tables = [...document.querySelectorAll("table[data-kind]")].map((table) => {
    const kind = table.dataset.kind;
    const rows = [...table.tBodies[0].rows].map((element) => {
      const letters = element.className.split(" ");
      return {
        element,
        severity: kind === "findings" ? SEVERITY[letters[0]] : "",
        side: SIDE[letters[letters.length - 1]] || "",
        rule: text(element.querySelector(".r")),
        label: text(element.querySelector(".l")),
        get words() {
          this.lower = this.lower || element.textContent.toLowerCase();
          return this.lower;
        },
      };
    });
    const count = table.closest("section").querySelector(".count");
    return { kind, rows, count, limit: STEP[kind] || Infinity, next: null, table, total: count.textContent };
  });
  const of = (kind) => tables.find((table) => table.kind === kind) || { rows: [] };
  const cards = [...document.querySelectorAll(".card")].map((element) => ({
    element,
    words: element.textContent.toLowerCase(),
    labels: [...element.querySelectorAll("td.l")].map((cell) => cell.firstChild.textContent.trim().toLowerCase()),
    // What is open may be found by its label, too: it is the target of the left box.
    links: [...element.querySelectorAll("a.box")].map((a) => decodeURIComponent(a.getAttribute("href").slice(12)).toLowerCase()),
  }));
  const originals = new Map();

  function fill(list, values) {
    for (const value of values) {
      const option = document.createElement("option");
      option.value = value;
      option.textContent = value;
      list.append(option);
    }
  }
  fill(form.elements.rule, [...new Set([...of("rules").rows, ...of("findings").rows].map((row) => row.rule))].filter(Boolean).sort());
  const labels = of("repositories").rows.map((row) => row.label).sort();
  fill(document.getElementById("labels"), labels);
  const known = new Set(labels.map((label) => label.toLowerCase()));

  function wanted() {
    const data = new FormData(form);
    const repository = data.get("repository").trim().toLowerCase();
    return {
      q: data.get("q").trim().toLowerCase(),
      severity: data.getAll("severity"),
      rule: data.get("rule"),
      side: data.get("side"),
      repository,
      // A name as a whole means that repository; a part of one, all that hold it.
      is: (label) => !repository || (known.has(repository) ? label.toLowerCase() === repository : label.toLowerCase().includes(repository)),
    };
  }

  function apply() {
    const want = wanted();
    const active = Boolean(want.q || want.severity.length || want.rule || want.side || want.repository);
    const about = (row) => want.is(row.label) && (!want.side || row.side === want.side);
    const found = of("findings").rows.filter(
      (row) =>
        about(row) &&
        (!want.severity.length || want.severity.includes(row.severity)) &&
        (!want.rule || row.rule === want.rule) &&
        (!want.q || row.words.includes(want.q)),
    );
    const holders = new Set(found.map((row) => row.label));
    const narrowed = want.severity.length || want.rule;
    const tallies = new Map();
    for (const row of found) {
      const tally = tallies.get(row.rule) || { error: 0, warning: 0, note: 0, labels: new Set() };
      tallies.set(row.rule, tally);
      if (row.severity in tally) tally[row.severity] += 1;
      tally.labels.add(row.label);
    }
    const matches = {
      findings: () => found,
      repositories: (rows) =>
        rows.filter((row) => about(row) && (narrowed || want.q ? holders.has(row.label) || (!narrowed && row.words.includes(want.q)) : true)),
      rules: (rows) => rows.filter((row) => !active || tallies.has(row.rule)),
      problems: (rows) =>
        rows.filter((row) => about(row) && !want.severity.length && (!want.rule || row.rule === want.rule) && (!want.q || row.words.includes(want.q))),
      gone: (rows) => rows.filter((row) => want.is(row.label) && (!want.q || row.words.includes(want.q))),
    };
    for (const table of tables) show(table, matches[table.kind](table.rows), active);
    for (const row of of("rules").rows) recount(row, active ? tallies.get(row.rule) : null);
    picture(want);
    const rows = of("repositories").rows.length;
    const total = of("findings").rows.length;
    shown.textContent = active
      ? `${number(found.length)} of ${number(total)} findings, in ${number(holders.size)} of ${number(rows)} repositories`
      : `${number(total)} findings, ${number(rows)} repositories`;
    toggle.textContent = active ? "Filters (on)" : "Filters";
  }

  function show(table, rows, active) {
    const visible = new Set(rows.slice(0, table.limit));
    for (const row of table.rows) row.element.hidden = !visible.has(row);
    table.count.textContent = active && rows.length !== table.rows.length ? `${number(rows.length)} of ${table.total}` : table.total;
    const rest = rows.length - visible.size;
    if (rest && !table.next) {
      table.next = document.createElement("button");
      table.next.type = "button";
      table.next.className = "next";
      table.next.addEventListener("click", () => {
        table.limit += 5 * STEP[table.kind];
        apply();
      });
      table.table.parentElement.after(table.next);
    }
    if (table.next) {
      table.next.hidden = !rest;
      table.next.textContent = `Show ${number(Math.min(rest, 5 * (STEP[table.kind] || 1)))} more of ${number(rest)}`;
    }
  }

  function recount(row, tally) {
    const cells = [...row.element.querySelectorAll("td.num")];
    if (!originals.has(row)) originals.set(row, cells.map((cell) => cell.textContent));
    const values = tally ? [tally.error, tally.warning, tally.note, tally.labels.size].map(number) : originals.get(row);
    cells.forEach((cell, index) => {
      cell.textContent = values[index];
      cell.classList.toggle("zero", values[index] === "0");
    });
  }

  function picture(want) {
    const narrowed = Boolean(want.q || want.repository);
    let count = 0;
    for (const card of cards) {
      const fits = (!want.q || card.words.includes(want.q)) && (!want.repository || card.labels.some(want.is) || card.links.some(want.is));
      card.element.hidden = !fits;
      count += fits;
    }
    for (const fold of document.querySelectorAll("#boundary > .fold")) {
      if (narrowed && fold.querySelector(".card:not([hidden])")) fold.open = true;
    }
    const total = document.querySelector("#boundary .count");
    total.dataset.total = total.dataset.total || total.textContent;
    total.textContent = narrowed ? `${number(count)} of ${total.dataset.total}` : total.dataset.total;
  }

  // -- the address -------------------------------------------------------------------------------

  const encoded = (value) => encodeURIComponent(value).replace(/%2F/g, "/").replace(/%40/g, "@");

  function write() {
    const parts = [];
    const data = new FormData(form);
    for (const name of ["q", "rule", "repository", "side"]) {
      if (data.get(name).trim()) parts.push(`${name}=${encoded(data.get(name).trim())}`);
    }
    const severities = data.getAll("severity");
    if (severities.length) parts.push(`severity=${severities.join(",")}`);
    history.replaceState(null, "", parts.length ? `#${parts.join("&")}` : `${location.pathname}${location.search}`);
  }

  function decoded(value) {
    try {
      return decodeURIComponent(value);
    } catch {
      return value;
    }
  }

  function clear() {
    for (const box of form.elements.severity) box.checked = false;
    for (const name of ["q", "rule", "repository", "side"]) form.elements[name].value = "";
  }

  function read() {
    const fragment = location.hash.slice(1);
    if (!fragment.includes("=")) return false;
    clear();
    for (const part of fragment.split("&")) {
      const [name, ...rest] = part.split("=");
      const value = decoded(rest.join("="));
      if (name === "severity") {
        for (const box of form.elements.severity) box.checked = value.split(",").includes(box.value);
      } else if (["q", "rule", "repository", "side"].includes(name)) {
        form.elements[name].value = value;
      }
    }
    return true;
  }

  function restart() {
    for (const table of tables) table.limit = STEP[table.kind] || Infinity;
  }

  let timer = 0;
  function changed() {
    restart();
    write();
    apply();
  }
  form.addEventListener("input", (event) => {
    clearTimeout(timer);
    timer = setTimeout(changed, event.target.type === "checkbox" ? 0 : 120);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(changed, 0));
  window.addEventListener("hashchange", () => {
    if (read()) {
      restart();
      apply();
      document.getElementById("findings").scrollIntoView();
    }
  });
  toggle.addEventListener("click", () => {
    toggle.setAttribute("aria-expanded", String(facets.classList.toggle("open")));
  });

  form.hidden = false;
  read();
  apply();
})();

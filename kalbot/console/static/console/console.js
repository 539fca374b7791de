// Shows a part as stale when its server's time has not moved for 20 seconds while the page is open.
(function () {
  const seen = new Map();
  function markStale() {
    if (document.hidden) { seen.clear(); return; }
    document.querySelectorAll("time[data-stale]").forEach(function (time) {
      const part = time.closest("[id]");
      if (!part || !part.hasAttribute("hx-get")) return;
      const last = seen.get(part.id);
      const stamp = time.getAttribute("datetime");
      if (!last || last.stamp !== stamp) seen.set(part.id, { stamp: stamp, at: Date.now() });
      part.classList.toggle("k-stale", Boolean(last && last.stamp === stamp && Date.now() - last.at > 20000));
    });
  }
  setInterval(markStale, 2000);

  // What stands beside the lines of a chart is as easy to read as the text around it, light or dark.
  function ink() {
    if (!window.Chart) return;
    window.Chart.defaults.color = getComputedStyle(document.documentElement).getPropertyValue("--k-dim").trim();
    Object.values(window.Chart.instances).forEach(function (chart) { chart.update(); });
  }
  document.addEventListener("DOMContentLoaded", function () {
    ink();
    new MutationObserver(ink).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
  });

  // Unfold measures its tabs once, and folds them away when that happens before the page has its width: let it measure again.
  window.addEventListener("load", function () {
    setTimeout(function () { for (let n = 0; n < 8; n++) window.dispatchEvent(new Event("resize")); }, 250);
  });

  // Unfold's tabs are anchors without an address: make them reachable and usable by keyboard.
  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("a:not([href])[x-on\\:click]").forEach(function (tab) {
      const around = tab.parentElement;
      const tabs = around.tagName === "NAV" && Array.from(around.children).every(function (one) { return one.tagName === "A" && !one.hasAttribute("href"); });
      if (tabs) around.setAttribute("role", "tablist");
      tab.setAttribute("tabindex", "0");
      tab.setAttribute("role", tabs ? "tab" : "button");
      tab.addEventListener("keydown", function (event) {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); tab.click(); }
      });
    });
  });

  // The libraries' own widgets (choices with a search, lists beside each other) have no name that a screen reader finds.
  window.addEventListener("load", function () {
    setTimeout(function () {
      document.querySelectorAll(".select2-selection[role=combobox], .select2-selection__rendered[role=textbox]").forEach(function (box) {
        const select = box.closest(".select2").previousElementSibling;
        const label = select && select.id ? document.querySelector('label[for="' + select.id + '"]') : null;
        if (label) { box.removeAttribute("aria-labelledby"); box.setAttribute("aria-label", label.textContent.trim()); }
      });
      document.querySelectorAll("span.help-tooltip[aria-label]").forEach(function (hint) { hint.setAttribute("role", "img"); });
    }, 250);
  });

  // On a narrow screen wide tables are lists: each cell then shows the name of its column.
  function name(root) {
    root.querySelectorAll(".k-scroll > .k-table").forEach(function (table) {
      const heads = Array.from(table.querySelectorAll("thead th")).map(function (th) { return th.textContent.trim(); });
      if (heads.length < 4) return;
      table.classList.add("k-stack");
      table.querySelectorAll("tbody tr").forEach(function (row) {
        Array.from(row.cells).forEach(function (cell, place) { 
          if (heads[place]) cell.dataset.label = heads[place];
          cell.classList.toggle("k-no-value", place > 0 && cell.textContent.trim() === "–");
        });
      });
    });
  }
  // On wider screens a table that does not fit is made smaller, and where that does not help a list as well.
  function fit() {
    document.querySelectorAll(".k-scroll > .k-stack").forEach(function (table) {
      const frame = table.parentElement;
      table.classList.remove("k-tight", "k-cards");
      ["k-tight", "k-cards"].forEach(function (way) {
        if (window.innerWidth >= 768 && frame.scrollWidth > frame.clientWidth + 1) table.classList.add(way);
      });
    });
  }
  window.addEventListener("load", fit);
  window.addEventListener("resize", fit);
  // The heading of a column of figures stands over its figures.
  function align(root) {
    root.querySelectorAll("#result_list, [data-inline-formset] table, .tabular table").forEach(function (table) {
      const row = Array.from(table.querySelectorAll("tbody tr")).find(function (one) { return one.querySelector(".k-figure"); });
      if (!row) return;
      const heads = table.querySelectorAll("thead tr:last-child th");
      Array.from(row.cells).forEach(function (cell, place) {
        if (cell.querySelector(".k-figure") && heads[place]) heads[place].classList.add("k-figures");
      });
    });
  }
  // The first cell of a list's row is called like its column, also where another column opens the row.
  function first(root) {
    const head = root.querySelector("#result_list thead tr:last-child th");
    if (!head) return;
    const words = head.cloneNode(true);
    words.querySelectorAll(".material-symbols-outlined").forEach(function (icon) { icon.remove(); });
    root.querySelectorAll("#result_list tbody tr.data-row").forEach(function (row) {
      if (row.cells.length && words.textContent.trim()) row.cells[0].dataset.label = words.textContent.trim();
    });
  }
  document.addEventListener("DOMContentLoaded", function () { name(document); align(document); first(document); fit(); });
  document.addEventListener("htmx:afterSettle", function () { name(document); fit(); });

  // A dialog takes the focus when it opens and gives it back when it closes; Tab stays inside.
  let before = null;
  document.addEventListener("htmx:beforeRequest", function (event) {
    if (!event.detail.target || event.detail.target.id !== "modal-content") return;
    before = event.detail.elt;
    event.detail.target.replaceChildren();  // should this one fail, the dialog before it is not taken for it
  });

  // An answer that is no dialog, or none at all, is said in the dialog: nothing is swapped then, and silence would look like success.
  function sentence(answer) {
    const page = new DOMParser().parseFromString(answer || "", "text/html");
    return Array.from(page.querySelectorAll("main h1, main h1 + p")).map(function (one) { return one.textContent.trim().replace(/\.$/, "") + "."; }).join(" ");
  }
  function alerted(words) {
    const box = document.createElement("p");
    box.className = "k-refusal k-trouble";
    box.setAttribute("role", "alert");
    box.textContent = words;
    return box;
  }
  function trouble(event) {
    const target = event.detail.target, xhr = event.detail.xhr, posted = event.detail.requestConfig.verb === "post";
    if (!target || (target.id !== "modal-content" && target.id !== "dialog")) return;
    const words = sentence(xhr.responseText) || (xhr.status ? "The console answered " + xhr.status + "." : "The console does not answer.");
    const unknown = xhr.status === 0 || xhr.status >= 500;
    const after = !posted ? "" : unknown ? " It may have been done all the same; confirming here again does nothing twice." : " Nothing was done.";
    if (target.id === "dialog") {
      target.querySelectorAll(".k-trouble").forEach(function (one) { one.remove(); });
      target.querySelector(".k-dialog-end").before(alerted(words + after));
      return;
    }
    const dialog = document.createElement("div"), title = document.createElement("h2");
    dialog.id = "dialog"; dialog.className = "k-dialog"; dialog.setAttribute("role", "dialog"); dialog.setAttribute("aria-labelledby", "dialog-title");
    title.id = "dialog-title"; title.className = "k-dialog-title"; title.textContent = "This could not be opened";
    dialog.append(title, alerted(words));
    target.replaceChildren(dialog);
    if (!xhr.status) event.detail.elt.dispatchEvent(new CustomEvent("htmx:after-on-load"));
  }
  ["htmx:responseError", "htmx:sendError", "htmx:timeout"].forEach(function (name) { document.addEventListener(name, trouble); });
  document.addEventListener("htmx:afterSwap", function (event) {
    const dialog = document.querySelector("#modal-content #dialog");
    if (!dialog || !(event.detail.target.id === "modal-content" || event.detail.target.id === "dialog")) return;
    setTimeout(function () {
      const first = dialog.querySelector("[autofocus]") || dialog.querySelector("input:not([type=hidden]), button, a[href]");
      if (first) first.focus();
    }, 30);
  });
  document.addEventListener("keydown", function (event) {
    const dialog = document.querySelector("#modal-content #dialog");
    if (!dialog || dialog.offsetParent === null) return;
    if (event.key === "Escape" && before) { setTimeout(function () { before.focus(); }, 50); return; }
    if (event.key !== "Tab") return;
    const stops = Array.from(dialog.querySelectorAll("a[href], button:not([disabled]), input:not([type=hidden]), select, textarea, [tabindex='0']"));
    if (!stops.length) return;
    const first = stops[0], last = stops[stops.length - 1];
    if (event.shiftKey && document.activeElement === first) { last.focus(); event.preventDefault(); }
    else if (!event.shiftKey && document.activeElement === last) { first.focus(); event.preventDefault(); }
  });
})();

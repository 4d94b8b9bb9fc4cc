(function () {
  "use strict";

  // The number a cell begins with; an undefined one is below all others.
  function key(cell) {
    var words = cell.innerText.trim();
    if (words.charAt(0) === "\u221e") { return Infinity; }
    var value = parseFloat(words.replace(/,(?=\d{3})/g, "").replace("\u2212", "-"));
    return isNaN(value) ? -Infinity : value;
  }

  function sort(table, column, head) {
    var down = head.getAttribute("aria-sort") === "ascending";
    var body = table.tBodies[0];
    var numeric = head.classList.contains("n");
    var rows = Array.prototype.slice.call(body.rows);
    rows.sort(function (one, other) {
      var a = one.cells[column], b = other.cells[column];
      if (!numeric) { return a.innerText.localeCompare(b.innerText, "en", { numeric: true }); }
      var x = key(a), y = key(b);
      return x === y ? 0 : x < y ? -1 : 1;
    });
    if (down) { rows.reverse(); }
    rows.forEach(function (row) { body.appendChild(row); });
    Array.prototype.forEach.call(table.tHead.rows[0].cells, function (cell) { cell.removeAttribute("aria-sort"); });
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
  }

  function plain(cell) { return cell.innerText.replace(/\s+/g, " ").trim(); }

  function download(table, name) {
    var lines = Array.prototype.filter.call(table.rows, function (row) { return !row.hidden; })
      .map(function (row) { return Array.prototype.map.call(row.cells, plain).join("\t"); });
    var link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/tab-separated-values" }));
    link.download = name + ".tsv";
    link.click();
    URL.revokeObjectURL(link.href);
  }

  function button(words, action) {
    var made = document.createElement("button");
    made.type = "button";
    made.textContent = words;
    made.addEventListener("click", action);
    return made;
  }

  function equip(box) {
    var table = box.querySelector("table");
    Array.prototype.forEach.call(table.tHead.rows[0].cells, function (head, column) {
      var made = button("", function () { sort(table, column, head); });
      while (head.firstChild) { made.appendChild(head.firstChild); }
      head.appendChild(made);
    });
    var tools = document.createElement("div");
    tools.className = "tools";
    var filter = document.createElement("input");
    filter.type = "search";
    filter.placeholder = "Filter rows";
    filter.setAttribute("aria-label", "Filter rows");
    var shown = document.createElement("span");
    function count() {
      var rows = Array.prototype.slice.call(table.tBodies[0].rows);
      var visible = rows.filter(function (row) { return !row.hidden; }).length;
      shown.textContent = visible === rows.length ? rows.length + " rows" : visible + " of " + rows.length + " rows";
    }
    filter.addEventListener("input", function () {
      var words = filter.value.toLowerCase();
      Array.prototype.forEach.call(table.tBodies[0].rows, function (row) {
        row.hidden = row.innerText.toLowerCase().indexOf(words) < 0;
      });
      count();
    });
    tools.appendChild(filter);
    tools.appendChild(button("Download TSV", function () { download(table, box.dataset.name); }));
    tools.appendChild(shown);
    box.insertBefore(tools, box.querySelector(".scroll"));
    count();
  }

  function copy(box) {
    var text = box.querySelector(".text");
    var made = button("Copy", function () {
      var range = document.createRange();
      range.selectNodeContents(text);
      var selection = window.getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      made.textContent = document.execCommand("copy") ? "Copied" : "Selected: press Ctrl+C";
    });
    made.className = "copy";
    box.insertBefore(made, text);
  }

  document.querySelectorAll(".sortable").forEach(equip);
  document.querySelectorAll(".copyable").forEach(copy);

  var links = {};
  document.querySelectorAll(".contents a").forEach(function (link) { links[link.hash.slice(1)] = link; });
  if (window.IntersectionObserver) {
    var watcher = new IntersectionObserver(function (entries) {
      entries.forEach(function (entry) {
        if (entry.isIntersecting) {
          document.querySelectorAll(".contents a.here").forEach(function (link) { link.classList.remove("here"); });
          links[entry.target.id].classList.add("here");
        }
      });
    }, { rootMargin: "0px 0px -75% 0px" });
    document.querySelectorAll("main > section").forEach(function (section) { watcher.observe(section); });
  }

  var closed = [];
  window.addEventListener("beforeprint", function () {
    closed = Array.prototype.slice.call(document.querySelectorAll("details:not([open])"));
    closed.forEach(function (one) { one.open = true; });
  });
  window.addEventListener("afterprint", function () { closed.forEach(function (one) { one.open = false; }); });
}());

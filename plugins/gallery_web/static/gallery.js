// Keys answer a review and go to the next, so that a person can go through many of them without the mouse.
document.addEventListener("keydown", (event) => {
  if (viewer.open) return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.closest("input, select, textarea")) return;
  const found = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!found) return;
  event.preventDefault();
  if (found.tagName === "SELECT") found.focus();
  else found.click();
});

// Enter in a note would press the form's first button, and approve.
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches("form[method=post] input:not([type=search])")) event.preventDefault();
});

// A rejection and another take need a reason: asked for before anything is sent.
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-why]");
  const reason = button?.form.elements.reason;
  if (!reason) return;
  const given = reason.value || button.form.elements.note?.value.trim();
  reason.setCustomValidity(given ? "" : "Say why: choose a reason or write a note");
  if (!reason.reportValidity()) event.preventDefault();
});
document.addEventListener("change", (event) => event.target.setCustomValidity?.(""));

// What is final for many pictures at once is asked about.
document.addEventListener("submit", (event) => {
  const { ask: question, counted = "ids" } = event.submitter?.dataset ?? {};
  if (!question) return;
  const count = new FormData(event.target).getAll(counted).length;
  const none = question.includes("{n}") && !count;
  if (none) alert("Tick the pictures first.");
  if (none || !confirm(question.replace("{n}", count))) event.preventDefault();
});

// A slider that was never moved asks for nothing.
for (const slider of document.querySelectorAll("input[data-slider]")) {
  slider.addEventListener("input", () => {
    const name = slider.dataset.slider;
    slider.form.querySelector(`input[type=hidden][name="${name}"]`).value = slider.value;
    slider.form.querySelector(`output[data-for="${name}"]`).textContent = slider.value;
  });
}

for (const all of document.querySelectorAll("input[data-all]")) {
  all.addEventListener("change", () => {
    for (const box of all.form.querySelectorAll(`input[name="${all.dataset.all}"]`)) box.checked = all.checked;
  });
}

// A picture is enlarged in place, so that there is a way back also within Airflow's frame. Beside a picture that is
// judged, another one: both are zoomed and moved together.
const viewer = document.createElement("dialog");
viewer.className = "viewer";
document.body.append(viewer);
const made = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};
const pane = (link) => {
  const image = made("img", { src: link.href, alt: link.querySelector("img").alt });
  return made("figure", {}, made("div", { className: "pane" }, image), made("figcaption", { className: "small" }, image.alt));
};
const view = (links) => {
  const panes = made("div", { className: "panes" }, ...links.map(pane));
  const zoom = made("input", { type: "range", min: 1, max: 8, step: 0.25, value: 1, ariaLabel: "Zoom" });
  zoom.addEventListener("input", () => panes.style.setProperty("--zoom", zoom.value));
  const close = made("button", { textContent: "Close" });
  close.addEventListener("click", () => viewer.close());
  const all = [...panes.querySelectorAll(".pane")];
  for (const each of all) {
    each.addEventListener("scroll", () => {
      for (const other of all) {
        if (other === each) continue;
        other.scrollLeft = each.scrollLeft / each.scrollWidth * other.scrollWidth;
        other.scrollTop = each.scrollTop / each.scrollHeight * other.scrollHeight;
      }
    });
    each.addEventListener("dblclick", () => {
      zoom.value = Number(zoom.value) < 4 ? 2 * zoom.value : 1;
      zoom.dispatchEvent(new Event("input"));
    });
  }
  const tools = made("div", { className: "tools" }, close, made("label", { className: "inline" }, "Zoom ", zoom));
  const main = document.querySelector("a[data-judged]");
  if (main) {
    for (const other of document.querySelectorAll("a[data-zoom]:not([data-judged])")) {
      const button = made("button", { textContent: other.querySelector("img").alt, ariaPressed: String(links.includes(other)) });
      button.addEventListener("click", () => view([main, other]));
      tools.append(button);
    }
  }
  viewer.replaceChildren(tools, panes);
  if (!viewer.open) viewer.showModal();
};
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-zoom]");
  if (!link) return;
  event.preventDefault();
  const main = document.querySelector("a[data-judged]");
  view(main && main !== link ? [main, link] : [link]);
});
for (const button of document.querySelectorAll("button[data-compare]")) {
  button.addEventListener("click", () => view([...document.querySelectorAll("a[data-zoom]")].slice(0, 2)));
}

// The page of a run that goes on renews its pictures and numbers.
const renew = async () => {
  const live = document.querySelector("#live[data-refresh]");
  if (!live) return;
  if (!document.hidden) {
    try {
      const answer = await fetch(location.href);
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#live");
        if (fresh) live.replaceWith(fresh);
      }
    } catch { /* the server restarts: the next time will do */ }
  }
  setTimeout(renew, 1000 * (Number(live.dataset.refresh) || 5));
};
setTimeout(renew, 5000);

// Keys answer a review and go to the next, so that a person can go through many of them without the mouse.
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && zoomed.open) return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.closest("input, select, textarea")) return;
  const found = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!found) return;
  event.preventDefault();
  if (found.tagName === "SELECT") found.focus();
  else found.click();
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

// A picture is enlarged in place, so that there is a way back also within Airflow's frame; a click doubles its size.
const zoomed = document.createElement("dialog");
zoomed.className = "zoomed";
document.body.append(zoomed);
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-zoom]");
  if (!link) return;
  event.preventDefault();
  const image = document.createElement("img");
  image.src = link.href;
  image.alt = link.querySelector("img").alt;
  image.addEventListener("click", () => image.classList.toggle("twice"));
  const close = document.createElement("button");
  close.textContent = "Close";
  close.addEventListener("click", () => zoomed.close());
  zoomed.replaceChildren(close, image);
  zoomed.showModal();
});

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

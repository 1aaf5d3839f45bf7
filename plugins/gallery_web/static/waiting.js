// How many reviews wait, on "Reviews" in Airflow's own navigation. Airflow loads this with every page of its UI and
// mounts what it names; there is nothing to mount, only a rule of style that follows the number.
const rule = document.head.appendChild(document.createElement("style"));
const look = async () => {
  if (!document.hidden) {
    try {
      const answer = await fetch(new URL("gallery/waiting.json", document.baseURI), { credentials: "same-origin" });
      const { waiting } = answer.ok ? await answer.json() : { waiting: 0 };
      rule.textContent = waiting > 0
        ? `a[href$="/plugin/lookbook-reviews"] { position: relative; } a[href$="/plugin/lookbook-reviews"]::after {
            content: "${waiting > 1000 ? "1000+" : Number(waiting)}"; position: absolute; top: 2px; right: 2px; padding: 0 5px; border-radius: 9px;
            background: #8a4b00; color: #fff; font: 600 11px/16px system-ui, sans-serif; }`
        : "";
    } catch { /* the server restarts: the next time will do */ }
  }
  setTimeout(look, 30000);
};
look();
globalThis.AirflowPlugin = () => null;

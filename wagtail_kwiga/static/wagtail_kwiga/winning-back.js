// "Win back unpaid orders": what the form says is shown anew while somebody types. Without this module a button does it.
const PAUSE = 700;
const area = document.querySelector("[data-kwiga-win-back]");
const form = area?.closest("form");

if (form) {
  const outcome = area.querySelector("[data-kwiga-win-back-outcome]");
  form.querySelector("[data-kwiga-win-back-show]").hidden = true;
  let timer;
  let running;

  const show = async () => {
    running?.abort();
    running = new AbortController();
    const sent = new FormData(form);
    sent.set("show", "1");
    try {
      const answer = await fetch(form.action, { method: "POST", body: sent, signal: running.signal });
      if (!answer.ok || answer.redirected) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("[data-kwiga-win-back-outcome]");
      if (fresh) outcome.replaceChildren(...fresh.childNodes);
    } catch (fault) {
      if (fault.name !== "AbortError") throw fault;
    }
  };

  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(show, PAUSE);
  });
}

// Tells when a new mail has come, so that nobody has to reload. Without JavaScript a reload does the same.
const box = document.querySelector("[data-inbox-url]");

async function look() {
  if (document.hidden) return;
  try {
    const answer = await fetch(box.dataset.inboxUrl, { headers: { Accept: "application/json" } });
    if (!answer.ok) return;
    const { count } = await answer.json();
    if (count === Number(box.dataset.inboxCount)) return;
    if (Number(box.dataset.inboxCount) === 0) window.location.reload();
    else box.querySelector("[data-inbox-news]").hidden = false;
  } catch {
    // The demo has been stopped; the next look will tell.
  }
}

if (box) window.setInterval(look, 3000);

// Nothing here is needed: without JavaScript a video is a link to its page, and forms are plain forms.

// A click on a video's poster puts the player there. Until then nothing is asked of anybody else's server.
function play(event) {
  const link = event.target.closest("[data-kwiga-video]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  const frame = document.createElement("div");
  frame.className = link.className;
  frame.dataset.ratio = link.dataset.ratio || "";
  const player = document.createElement("iframe");
  const source = new URL(link.dataset.kwigaVideo);
  source.searchParams.set("autoplay", "1");
  player.src = source;
  player.title = link.dataset.title || link.textContent.trim();
  player.allow = "autoplay; fullscreen; picture-in-picture; encrypted-media";
  player.referrerPolicy = "strict-origin-when-cross-origin";
  frame.append(player);
  link.replaceWith(frame);
  player.focus();
  // The focus went to an empty frame; once the player is in it, it must go there again, or Tab would pass the player by.
  player.addEventListener("load", () => {
    if (document.activeElement !== player) return;
    player.blur();
    player.focus();
  }, { once: true });
}

// One click, one order: a second click while the first is under way does nothing.
function once(event) {
  const form = event.target;
  if (!form.matches("[data-kwiga-once]")) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "1";
  for (const button of form.querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
}

// The browser's Back button may show the page as it was left: let people send the form again.
function again() {
  for (const form of document.querySelectorAll("[data-kwiga-once][data-sent]")) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("button")) button.removeAttribute("aria-disabled");
  }
}

// After a refused form the summary of errors is where reading goes on. Not before the page is loaded: going to the form's
// anchor takes the focus away again.
window.addEventListener("load", () => document.querySelector(".kwiga-errors[tabindex]")?.focus());
document.addEventListener("click", play);
document.addEventListener("submit", once);
window.addEventListener("pageshow", again);

document.documentElement.dataset.studio = "1";

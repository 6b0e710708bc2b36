"""A form as a browser would send it when somebody presses a button without touching anything."""

from html.parser import HTMLParser

SKIPPED = ("submit", "button", "image", "reset", "file")


class Form(HTMLParser):
    """``sent`` holds name → list of values, of whatever stands in the form whose markup has ``mark`` in its start tag."""

    def __init__(self, html, mark=""):
        super().__init__()
        self.mark, self.within = mark, False
        self.sent, self._select, self._options, self._area = {}, None, [], None
        self.feed(html)

    def _add(self, name, value):
        self.sent.setdefault(name, []).append(value)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "form":
            self.within = self.mark in self.get_starttag_text()
        name = given.get("name")
        if not self.within or "disabled" in given:
            return
        kind = given.get("type", "text")
        if tag == "input" and name and kind not in SKIPPED:
            if kind not in ("checkbox", "radio") or "checked" in given:
                self._add(name, given.get("value", "on" if kind in ("checkbox", "radio") else ""))
        elif tag == "textarea" and name:
            self._area = [name, ""]
        elif tag == "select" and name:
            self._select, self._options = (name, "multiple" in given), []
        elif tag == "option" and self._select:
            self._options.append((given.get("value", ""), "selected" in given))

    def handle_data(self, data):
        if self._area:
            self._area[1] += data

    def handle_endtag(self, tag):
        if tag == "form":
            self.within = False
        elif tag == "textarea" and self._area:
            self._add(self._area[0], self._area[1].removeprefix("\n"))
            self._area = None
        elif tag == "select" and self._select:
            name, many = self._select
            chosen = [value for value, selected in self._options if selected]
            if not chosen and not many and self._options:
                chosen = [self._options[0][0]]
            for value in chosen:
                self._add(name, value)
            self._select = None

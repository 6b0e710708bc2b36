"""*Install into an existing site*, step 7: the buyer is let in, and nobody else."""

import json
import sys

from walking import Reader

address = json.loads(sys.argv[1])
PASSWORD = "brush and paper 7"
admin, told = Reader(), {}
admin.log_in("/admin/login/", "admin", "admin")


def made(name, email):
    """A user as an administrator makes one."""
    page = admin.open("/admin/users/new/")
    rest = {"first_name": name, "last_name": name, "password1": PASSWORD, "password2": PASSWORD}
    return admin.fill_in(page, {"Username": name, "Email": email}, rest).text


def visit(name):
    """What somebody sees who goes to the course and logs in on the way."""
    window = Reader()
    page = window.open("/course/")
    page = window.fill_in(page, {"Username": name, "Password": PASSWORD})
    return [page.status, page.path, page.text]


told["made"] = [made("ada", address), made("mallory", "mallory@example.com")]
told["buyer"], told["other"] = visit("ada"), visit("mallory")
told["staff"] = admin.open("/course/").status
print(json.dumps(told))

# Everything a person does here. `make` alone lists it.
#
#   make demo                    a course school on http://localhost:8000   (PORT=8001, KWIGA_DEMO_DIR=/somewhere)
#   make manage ARGS="…"         a management command of the demo site, e.g. ARGS="kwiga_clock +31m"
#   make test                    all tests that this machine can run        (ARGS="-k coupon" is handed to pytest)
#   make test-long               the same with the long ones: hours
#   make properties              only the state machines against the promises      (LONG=1: 100,000 histories and more)
#   make drills                  only the processes killed and the servers stopped (LONG=1: 2,000 runs, 50 kills)
#   make mail-faults             only the mail servers that refuse, hang, and hang up
#   make attacks                 only the hostile input: visitors, staff, mail scanners
#                                (KWIGA_WORKERS=8 uses eight cores where there are two by default)
#   make mutants                 which change to a rule would no test notice?      (ARGS=coupons.eligibility; LONG=1: every change)
#   make lint                    style, import contracts, types
#   make format                  put the style right
#   make docs                    build the documentation, strictly, into site/
#   make wheel                   build the wheel that a site installs, into dist/
#   make api                     docs/reference/api.md anew, from api.toml and the code
#   make messages                collect and compile the translations
#   make bench                   query counts and times
#   make ci                      what continuous integration runs
#   make clean                   forget the virtual environments and everything built
#
# PYTHON=python3.13, WAGTAIL=7.4 and DJANGO=5.2 choose versions; without them: the Python found first, and the newest that pip
# finds for it. Each choice has a virtual environment of its own under .envs.

# The first Python that runs and is new enough. (A version manager may leave a python3.12 about that does not run.)
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
WAGTAIL ?=
DJANGO ?=
ifneq ($(PYTHON),)
PYTHON_VERSION := $(shell $(PYTHON) -c 'import sys; sys.version_info >= (3, 11) and print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
endif
ENV := .envs/py$(PYTHON_VERSION)$(if $(WAGTAIL),-wagtail$(WAGTAIL))$(if $(DJANGO),-django$(DJANGO))
DOCS_ENV := .envs/docs-py$(PYTHON_VERSION)
BUILD_ENV := .envs/build-py$(PYTHON_VERSION)
PY := $(ENV)/bin/python
VERSIONS := $(if $(WAGTAIL),"wagtail~=$(WAGTAIL).0") $(if $(DJANGO),"Django~=$(DJANGO).0")
PIP := $(PY) -m pip install -q --disable-pip-version-check $(VERSIONS)
TELL := $(PY) -c 'import django, sys, wagtail; print("Python %s, Django %s, Wagtail %s" % (sys.version.split()[0], django.__version__, wagtail.__version__))'
LONG ?=
LONGER := $(if $(LONG),--long)
LANGUAGES := -l en -l es -l de -l pl -l uk

.PHONY: help env where env-demo demo manage test test-long properties drills mail-faults attacks mutants lint format docs api wheel messages bench ci clean

help:
	@sed -n 's/^#   //p' Makefile

$(PY) $(DOCS_ENV)/bin/python $(BUILD_ENV)/bin/python:
	@if [ -z "$(PYTHON_VERSION)" ]; then \
		echo "Python 3.11 or newer is needed, and $(or $(PYTHON),none) is not one, or does not run." >&2; \
		echo "Install it, or name one: make PYTHON=/path/to/python3.13 $(MAKECMDGOALS)" >&2; \
		exit 1; fi
	@echo "Making a virtual environment in $(@:/bin/python=)…"
	@$(PYTHON) -m venv $(@:/bin/python=) || { rm -rf $(@:/bin/python=); \
		echo "No virtual environment could be made; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

$(ENV)/.ready: $(PY) pyproject.toml
	@echo "Installing the package and its tools…"
	@$(PIP) -e ".[dev]"
	@$(TELL)
	@touch $@

env: $(ENV)/.ready
where:
	@echo $(ENV)

# The demo has a smaller environment, which is there sooner; where the other one is there already, it does.
DEMO_ENV := $(if $(wildcard $(ENV)/.ready),$(ENV),$(ENV)-demo)
DEMO_PY := $(DEMO_ENV)/bin/python

env-demo:
ifeq ($(PYTHON_VERSION),)
	@$(MAKE) -s $(PY)
endif
	@$(if $(wildcard $(ENV)/.ready),$(MAKE) -s env,$(PYTHON) sandbox/environment.py $(DEMO_ENV) $(VERSIONS))

demo: env-demo
	@$(DEMO_PY) -m sandbox.demo

manage: env-demo
	@$(DEMO_PY) sandbox/manage.py $(ARGS)

test: env
	@.ci/local $(PY) $(ARGS)

test-long: env
	@.ci/local $(PY) --long $(ARGS)

properties: env
	@KWIGA_DIST=worksteal .ci/local $(PY) tests/properties $(LONGER) $(ARGS)

drills: env
	@.ci/local $(PY) tests/drills $(LONGER) $(ARGS)

mail-faults: env
	@.ci/local $(PY) tests/mailing $(LONGER) $(ARGS)

attacks: env
	@.ci/local $(PY) tests/attacks tests/journeys/test_attacks.py tests/offers/test_attacks.py tests/backoffice/test_attacks.py $(LONGER) $(ARGS)

mutants: env
	@$(PY) -m tests.mutants $(LONGER) $(ARGS)

lint: env
	$(ENV)/bin/ruff check .
	$(ENV)/bin/ruff format --check .
	$(ENV)/bin/lint-imports
	$(ENV)/bin/mypy

format: env
	$(ENV)/bin/ruff check --fix .
	$(ENV)/bin/ruff format .

# What builds the documentation knows nothing of the package, and the package nothing of it.
$(DOCS_ENV)/.ready: $(DOCS_ENV)/bin/python pyproject.toml
	@$(DOCS_ENV)/bin/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"], sep="\n")' >$(DOCS_ENV)/requirements.txt
	@$(DOCS_ENV)/bin/python -m pip install -q --disable-pip-version-check -r $(DOCS_ENV)/requirements.txt
	@touch $@

docs: $(DOCS_ENV)/.ready
	$(DOCS_ENV)/bin/properdocs build --strict --quiet --site-dir site

api: env
	@$(PY) -m tests.architecture.api_page

wheel: $(BUILD_ENV)/bin/python
	@rm -f dist/wagtail_kwiga-*.whl
	@$(BUILD_ENV)/bin/python -m pip wheel -q --disable-pip-version-check --no-deps --wheel-dir dist .
	@ls dist/wagtail_kwiga-*.whl

messages: env
	cd wagtail_kwiga && ../$(PY) -m django makemessages $(LANGUAGES) --no-obsolete --add-location file
	@# One line a text, whatever version of gettext there is: a change then shows what has changed.
	@$(PY) -c 'import glob, polib; [polib.pofile(p, wrapwidth=0).save() for p in glob.glob("wagtail_kwiga/locale/*/*/django.po")]'
	cd wagtail_kwiga && ../$(PY) -m django compilemessages

bench: env
	@$(PY) -m benchmarks $(ARGS)

ci:
	bash .ci/run

clean:
	rm -rf .envs dist build site .mypy_cache .ruff_cache .import_linter_cache .hypothesis

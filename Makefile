# Bootstraps uv into .venv from PyPI, then calls it. The same steps without make stand in the README.
PYTHON ?= python3
UV := .venv/bin/uv
RUN := $(UV) run --frozen --all-extras

.PHONY: demo dev test check bench

demo: $(UV)
	$(RUN) python -m simulators demo

dev: $(UV)
	$(RUN) python -m simulators dev

test: $(UV) node_modules/.installed
	$(RUN) python -m pytest $(ARGS)

check: $(UV)
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) lint-imports

$(UV): uv.lock
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	test -x $(UV) || .venv/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(UV) sync --frozen --all-extras --inexact --quiet
	touch $(UV)

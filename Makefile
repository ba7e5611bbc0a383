# Everything runs in .venv, which scripts/bootstrap.py makes on the first use.
# Options: PYTHON=python3.11 makes .venv with that one.

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow fuzz faults soak load lint tables vehicle-bundle clean

# The first Python that runs; bootstrap.py looks for one that the package supports.
ANY_PYTHON := $(shell for name in $(PYTHON) python3 python3.12 python3.11 python3.10; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 6))' >/dev/null 2>&1 && echo "$$name" && break; done)
BOOTSTRAP = $(if $(ANY_PYTHON),$(ANY_PYTHON) scripts/bootstrap.py,\
	$(error There is no Python 3. On Debian and Ubuntu: sudo apt install python3 python3-venv))
PREPARE = $(BOOTSTRAP) --python '$(PYTHON)'
# As many at once as there are cores: each file's tests in one process, since they share what they made.
# A process that dies fails the run; pytest-xdist would start another one and then wait for ever.
TESTS = $(PREPARE) run,train,test,cluster -- pytest -p xdist.plugin -n auto --maxprocesses 4 --dist loadfile --max-worker-restart 0

help:
	@echo 'make demo       show it: a camera, the segmenter and a recorder, over ROS 2; results in out/demo/'
	@echo '                [VIDEO=file | BAG=folder [TOPIC=name]] [SEED=n] [FRAMES=n]'
	@echo 'make test       run the tests'
	@echo 'make test-slow  run the tests that take minutes or install packages'
	@echo 'make fuzz       send a node hostile messages among good ones [MESSAGES=n]'
	@echo 'make faults     let go wrong what can around a node, and check its counts'
	@echo 'make soak       four cameras for 20 minutes: memory and latency stay flat [MINUTES=n]'
	@echo 'make load       latency and rate of the node beside a plain one; these four write to out/benchmarks/'
	@echo 'make lint       check style (ruff) and types (mypy)'
	@echo 'make tables     write the tables of the documents anew, from the code and from reports of devices'
	@echo 'make vehicle-bundle ARCH=aarch64 PYTHON=3.10'
	@echo '                one tarball for a vehicle without internet, in out/vehicle/: docs/vehicle.md'
	@echo '                [ARCH=x86_64] [PYTHON=3.11 | 3.12] [WHEELS="file ..."] [MODIFIED=1]'
	@echo 'make clean      remove what was built and what the demo wrote; .venv stays'

demo:
	@$(PREPARE) run -- frm demo $(if $(VIDEO),--video '$(VIDEO)') $(if $(BAG),--bag '$(BAG)') \
		$(if $(TOPIC),--topic '$(TOPIC)') $(if $(SEED),--seed '$(SEED)') $(if $(FRAMES),--frames '$(FRAMES)')

test:
	@$(TESTS) -m 'not slow'

test-slow:
	@$(TESTS) -m slow

fuzz:
	@$(PREPARE) run -- python -m benchmarks.fuzz --json out/benchmarks/fuzz.json \
		$(if $(MESSAGES),--messages '$(MESSAGES)')

faults:
	@$(PREPARE) run,bench -- python -m benchmarks.faults --json out/benchmarks/faults.json

soak:
	@$(PREPARE) run -- python -m benchmarks.soak --json out/benchmarks/soak.json \
		$(if $(MINUTES),--minutes '$(MINUTES)')

load:
	@$(PREPARE) run,bench -- python -m benchmarks.load --json out/benchmarks/load.json

lint:
	@$(PREPARE) run,train,test,cluster -- ruff check .
	@$(PREPARE) run,train,test,cluster -- mypy

tables:
	@$(PREPARE) run -- python -m scripts.write_tables

# PYTHON is the vehicle's here, and not that of .venv.
vehicle-bundle:
	@$(if $(ARCH),,$(error ARCH=aarch64 or ARCH=x86_64 is missing: "uname -m" of the vehicle))
	@$(if $(PYTHON),,$(error PYTHON=3.10 (JetPack 6) or PYTHON=3.12 (JetPack 7) is missing: that of the vehicle))
	@$(BOOTSTRAP) run,vehicle -- python -m scripts.vehicle_bundle --arch '$(ARCH)' --python '$(PYTHON)' \
		$(foreach wheel,$(WHEELS),--wheel '$(wheel)') $(if $(MODIFIED),--allow-modified)

clean:
	rm -rf build install log out .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

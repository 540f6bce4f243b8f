# The verbs of this project; `make` alone lists them. What CI runs is what these run.

PYTHON ?= python3
VENV ?= .venv
# More arguments for pytest, as in `make python-test PYTEST='-k adam -n 0'`; -n 0 is one process.
PYTEST ?=
# More arguments for the benchmarks, as in `make bench BENCH='--quick --nets 784-128-10'`.
BENCH ?=

# What is built again is the same byte by byte: files have the time of the last commit.
ifeq ($(SOURCE_DATE_EPOCH),)
SOURCE_DATE_EPOCH := $(shell git log -1 --format=%ct 2>/dev/null || echo 315532800)
endif
export SOURCE_DATE_EPOCH
# Compiled once, not for every process of the tests.
unexport PYTHONDONTWRITEBYTECODE

PY = $(VENV)/bin/python
# Swift's tests multiply with the library that ships.
BLAS = $$(ls $(CURDIR)/$(VENV)/lib/python3.*/site-packages/swiftbackprop/_lib/libscipy_openblas.so)
SWIFT_RUNTIME = $$(swift -print-target-info | sed -n 's/.*"runtimeResourcePath": "\(.*\)".*/\1/p')
ASAN = $(SWIFT_RUNTIME)/clang/lib/linux/libclang_rt.asan-$$(uname -m).so
# Swift's own, which knows of libdispatch.
TSAN = $(SWIFT_RUNTIME)/clang/lib/linux/libclang_rt.tsan-$$(uname -m).so:$(SWIFT_RUNTIME)/linux/libdispatch.so
SWIFT_FILES = Sources Tests Package.swift
C_FILES := $(wildcard Sources/CBridge/*.[ch] Sources/CBridge/include/*.h tests_py/engine/c/*.[ch] trust/*.[ch] play/engine/*.c play/engine/include/*.h benchmarks/native/*.[ch])
# As setup.py has them for the extension.
C_FLAGS = -DSB_PYTHON -DPy_LIMITED_API=0x030b0000 -ISources/CBridge/include \
	-I$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("include"))')
# What the installed package is made from.
SOURCES := Package.swift pyproject.toml setup.py scratch.py $(shell find Sources building python -type f \
	-not -path '*/_lib/*' -not -path '*.egg-info/*' -not -name '*.so' -not -name '*.pyc')

.DELETE_ON_ERROR:
.PHONY: help demo develop test swift-test swift-test-release python-test test-peers test-mpi test-installs test-cpus test-aarch64 test-musl fuzz-sklearn fuzz faults coverage contributing-example lint lint-c lint-types lint-text format bench bench-check docs notebooks play browser wheel wheel-aarch64 wheel-musl sanitize sanitize-packages sanitize-address sanitize-thread sanitize-python-address sanitize-python-thread extras clean check

help: ## list the verbs
	@sed -n 's/^\([a-z0-9-]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 15

demo: $(VENV)/package $(VENV)/extra-plot ## train a network and look inside it (DATA=fashion-mnist: on a larger set)
	$(PY) -m swiftbackprop.demo $(DATA)

develop: $(VENV)/build-system ## an editable install of this CPU's level alone (DEBUG=1: seconds after an edit, but many times slower)
	@# pip would take seconds to install again what is there, unless it has put the package itself there.
	@ls $(VENV)/lib/python3*/site-packages/__editable__*swiftbackprop* >/dev/null 2>&1 || rm -f $(VENV)/editable
	@$(MAKE) --no-print-directory $(VENV)/editable
	$(NATIVE) $(PY) -W ignore setup.py --quiet build_ext --inplace

test: $(VENV)/package ## the tests of Swift, then those of Python
	@# Swift compiles on one core while pip installs what pytest needs.
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target swift-test $(VENV)/extra-test
	@$(MAKE) --no-print-directory python-test

# In debug SwiftPM indexes what it compiles and all that this imports, to find tests of XCTest; the
# system's modules take a fifth of the time. With other flags all would be compiled again.
UNINDEXED = -Xswiftc -index-ignore-system-modules
SWIFT_BUILD = swift build --product SwiftBackprop $(UNINDEXED)

# All are Swift Testing's; XCTest would close on "Executed 0 tests" and leaks.
SWIFT_TEST = SWIFTBACKPROP_BLAS=$(BLAS) swift test --disable-xctest $(UNINDEXED)

# SwiftPM cannot go on with what it made elsewhere.
CLAIM = $(PY) scratch.py .build

swift-test: $(VENV)/package ## the tests in Tests/, in debug
	$(CLAIM)
	$(SWIFT_TEST)

# Python's tests run what ships, which is compiled with optimisations too.
swift-test-release: $(VENV)/package ## the tests in Tests/ with optimisations
	$(CLAIM)
	$(SWIFT_TEST) -c release -Xswiftc -enable-testing --scratch-path .build/release-tests

# One process per core, but no more than 4, for each takes its share of memory.
PROCESSES = --numprocesses auto --maxprocesses 4 --dist worksteal

python-test: $(VENV)/package $(VENV)/extra-test ## the tests in tests_py/ and the examples in the package
	$(CLAIM)
	$(SWIFT_BUILD)
	$(PY) -m pytest $(PROCESSES) --pyargs tests_py swiftbackprop $(PYTEST)

test-peers: $(VENV)/package $(VENV)/extra-test $(VENV)/extra-peers ## the tests beside PyTorch and JAX, and on Fashion-MNIST (Debian: dataset-fashion-mnist)
	$(PY) -m pytest $(PROCESSES) tests_py/peers $(PYTEST)

test-mpi: $(VENV)/package $(VENV)/extra-test $(VENV)/extra-mpi ## training by 2, 3 and 4 processes under mpirun, which it installs
	$(PY) -m pytest tests_py/processes $(PYTEST)

fuzz-sklearn: $(VENV)/package $(VENV)/extra-test ## the estimators beside scikit-learn's: N=1000 random settings from SEED=0 on
	FUZZ_SETTINGS=$(or $(N),1000) FUZZ_SEED=$(or $(SEED),0) \
		$(PY) -m pytest -q -s -n 0 tests_py/estimators/test_sklearn_random.py $(PYTEST)

# Of `make fuzz`: CASE=7 ONLY=public is one case again, call by call.
fuzz: $(VENV)/package $(VENV)/extra-test ## hostile calls and files for SECONDS=120, or N=1000 of each kind, from SEED=0 (ONLY=public,files; CASE=7: one again)
	$(CLAIM)
	$(SWIFT_BUILD)
	$(PY) -m trust fuzz --seed $(or $(SEED),0) --only '$(ONLY)' $(addprefix --seconds=,$(SECONDS)) \
		$(addprefix --cases=,$(N)) $(addprefix --first=,$(FIRST)) $(addprefix --case=,$(CASE))

faults: $(VENV)/package $(VENV)/extra-test ## kills, full disks, little memory, no threads (LONG=1: as before a release; SEED=0, ONLY=kill)
	$(PY) -m trust faults --seed $(or $(SEED),0) --only '$(ONLY)' $(if $(LONG),--long)

# The toolchain's own: those of another version do not read what it writes.
LLVM = $$(dirname $$(readlink -f $$(command -v swift)))
ENGINE_ONLY = --ignore-filename-regex '/(Tests|checkouts|[.]build)/'

coverage: $(VENV)/package $(VENV)-coverage/package ## what no test reaches: Python by branch, Swift and C by line, into build/coverage/
	$(CLAIM)
	rm -rf build/coverage && mkdir -p build/coverage
	LLVM_PROFILE_FILE='$(CURDIR)/build/coverage/%4m.profraw' \
		$(VENV)-coverage/bin/python -m coverage run -m pytest $(PROCESSES) --pyargs tests_py swiftbackprop $(PYTEST) \
		|| touch build/coverage/failed  # the report all the same
	$(VENV)-coverage/bin/python -m coverage combine --quiet
	$(VENV)-coverage/bin/python -m coverage report > build/coverage/python.txt
	$(LLVM)/llvm-profdata merge --sparse build/coverage/*.profraw -o build/coverage/engine.profdata
	$(LLVM)/llvm-cov report --instr-profile build/coverage/engine.profdata $(ENGINE_ONLY) \
		$(VENV)-coverage/lib/python3.*/site-packages/swiftbackprop/_core.abi3.so > build/coverage/engine.txt
	$(SWIFT_TEST) --enable-code-coverage --scratch-path .build/coverage || touch build/coverage/failed
	$(LLVM)/llvm-cov report --instr-profile .build/coverage/debug/codecov/default.profdata $(ENGINE_ONLY) \
		.build/coverage/debug/swiftbackpropPackageTests.xctest > build/coverage/swift-tests.txt
	@tail -n 1 build/coverage/*.txt
	@test ! -e build/coverage/failed || { echo 'tests failed: see above'; exit 1; }

contributing-example: $(VENV)/package $(VENV)/extra-test $(VENV)/extra-lint $(VENV)/build-system ## do what CONTRIBUTING.md says, in a copy of the tree, and test it
	$(PY) .ci/contributing_example.py $(PROCESSES) $(PYTEST)

lint: $(VENV)/extra-lint ## formatting, lint and types, all of them strict
	@# The compiler of C and that of types take a core each.
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint-c lint-types lint-text

lint-c: $(VENV)/extra-lint
	$(VENV)/bin/clang-format --dry-run --Werror $(C_FILES)
	$(VENV)/bin/clang-tidy --quiet $(filter Sources/%.c, $(C_FILES)) -- $(C_FLAGS)

lint-types: export MYPYPATH = $(subst $() ,:,python tests_py $(patsubst %/,%,$(wildcard tests_py/*/)))
lint-types: $(VENV)/extra-lint
	$(PY) -m mypy --exclude tests_py/peers/ python/swiftbackprop benchmarks trust tests_py
	$(PY) -m mypy tests_py/peers
	$(PY) -m mypy tests_browser

lint-text: $(VENV)/extra-lint
	swift format lint --strict --recursive $(SWIFT_FILES)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m codespell_lib
	PYTHONPATH=python $(VENV)/bin/lint-imports

format: $(VENV)/extra-lint ## rewrite the sources in their one format
	swift format --in-place --recursive $(SWIFT_FILES)
	$(VENV)/bin/clang-format -i $(C_FILES)
	$(PY) -m ruff check --fix-only .
	$(PY) -m ruff format .

bench: $(VENV)/package $(VENV)/extra-bench $(VENV)/extra-plot ## us beside our peers and the limits of the machine, into build/bench/
	$(PY) -m benchmarks --json build/bench/results.json --plot build/bench/results.png $(BENCH)

bench-check: $(VENV)/package $(VENV)/extra-bench ## a quick run against benchmarks/expected.json
	$(PY) -m benchmarks --quick --check $(BENCH)

docs: play $(VENV)/package $(VENV)/extra-docs ## this project's pages as a site, into build/docs/
	rm -rf build/docs
	$(PY) -m sphinx --fail-on-warning --keep-going --quiet --fresh-env \
		--conf-dir docs --doctree-dir build/doctrees . build/docs
	cp -r build/play build/docs/play

# PyTorch and JAX, which some set beside the engine, are among what the benchmarks need.
notebooks: $(VENV)/package $(VENV)/extra-notebook $(VENV)/extra-bench ## run every notebook and store its outputs
	unset NOTEBOOKS_QUICK; SWIFTBACKPROP_WIDGETS=0 $(PY) -m nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False \
		notebooks/*.ipynb

play: | check ## the page with the engine as WebAssembly, into build/play/
	@$(PYTHON) -m play.build

# Of the environment BROWSER is what opens links, and nothing to test with.
browser: play $(VENV)/package $(VENV)/extra-browser ## look at the notebooks and the page in Chromium, or BROWSER=firefox, webkit; pictures in build/browser/
	TEST_BROWSER=$(if $(filter command,$(origin BROWSER)),$(BROWSER),chromium) $(PY) -m pytest tests_browser $(PYTEST)

wheel: $(VENV)/extra-wheel ## a wheel for other machines, in wheelhouse/
	rm -rf build/lib* build/bdist* dist wheelhouse/*.whl
	SWIFTBACKPROP_BUILD_LEVELS=all $(PY) -m pip wheel --quiet --no-deps --wheel-dir dist .
	PATH="$(abspath $(VENV))/bin:$$PATH" $(PY) -m auditwheel repair \
		--plat manylinux_2_27_$$(uname -m) --wheel-dir wheelhouse dist/*.whl
	@# threadpoolctl finds the library by its name
	$(PY) -m zipfile --list wheelhouse/*.whl | grep ' *swiftbackprop/_lib/libscipy_openblas\.so '
	$(PY) -m zipfile --list wheelhouse/*.whl | grep '\.dist-info/sboms/swiftbackprop\.cdx\.json '

# Wheels for other machines: $(1) is building/cross.py's name of the target, $(2) the tag of the
# OpenBLAS that goes in, $(3) the wheel's own.
define cross_wheel
	rm -rf build/lib* build/bdist* build/openblas/$(1) dist/$(1) wheelhouse/$(1)
	$(PY) -c 'import tomllib; \
		print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
		| grep scipy-openblas32 | xargs -d '\n' $(PY) -m pip install --quiet --no-deps \
		--only-binary=:all: --platform $(2) --target build/openblas/$(1)
	SWIFTBACKPROP_BUILD_TARGET=$(1) PYTHONPATH=$(CURDIR)/build/openblas/$(1) \
		$(PY) -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist/$(1) .
	PATH="$(abspath $(VENV))/bin:$$PATH" $(PY) -m auditwheel repair \
		--plat auto --wheel-dir wheelhouse/$(1) dist/$(1)/*.whl
	ls wheelhouse/$(1)/*-$(3).whl
endef

wheel-aarch64: $(VENV)/extra-wheel $(VENV)/build-system ## a wheel for Linux on aarch64 (Debian: gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
	$(call cross_wheel,aarch64-linux-gnu,manylinux_2_27_aarch64,manylinux_2_27_aarch64)

wheel-musl: $(VENV)/extra-wheel $(VENV)/build-system ## a wheel for Linux with musl (Debian: musl-dev)
	$(call cross_wheel,x86_64-linux-musl,musllinux_1_2_x86_64,musllinux_1_2_x86_64)

test-aarch64: wheel-aarch64 ## the wheel for aarch64, run by qemu-user (Debian: qemu-user)
	.ci/aarch64 $(PY)

test-musl: wheel-musl ## the engine in C programs linked with musl (Debian: musl-tools; MUSL_ROOT=an Alpine system, MUSL_PYTHON=a CPython)
	.ci/musl $(PY)

test-cpus: wheel $(VENV)/extra-test ## the wheel on other CPUs, as qemu-user makes them up (Debian: qemu-user)
	$(CLAIM)
	$(SWIFT_BUILD)
	.ci/cpus $(PY)

test-installs: $(VENV)/package wheel ## the other ways of installing: sdist, Debian's packages, the static build, each Python, editable
	.ci/installs

# Which of the tests in Python run under AddressSanitizer and UndefinedBehaviorSanitizer: those that
# need no peers and no MPI, which the first environment may have.
SANITIZED ?= tests_py --ignore tests_py/peers --ignore tests_py/processes

# And those that start threads, under ThreadSanitizer.
THREADED ?= $(addprefix tests_py/,engine/test_threads*.py engine/test_hardening.py engine/test_loops.py \
	engine/test_precision_options.py net/test_custom_calls.py net/test_custom_rules.py \
	train/test_stream_ends.py train/test_streams.py estimators/test_sklearn_life.py)

# SwiftPM's --sanitize=undefined is not there on Linux; undefined behaviour is C's, and what reports
# it is in AddressSanitizer's library.
UNDEFINED = -Xcc -fsanitize=undefined -Xcc -fno-sanitize-recover=undefined

sanitize: $(VENV)/package ## the tests under AddressSanitizer with UndefinedBehaviorSanitizer, and under ThreadSanitizer
	$(CLAIM)
	@# What each compiles takes one core for the most part, as do the tests in one process.
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target sanitize-packages sanitize-address sanitize-thread
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target sanitize-python-address sanitize-python-thread

# One after the other, for both build in build/, and pip installs what they need in one environment.
sanitize-packages: | check
	@$(MAKE) --no-print-directory --jobs=1 $(VENV)-address/package $(VENV)-thread/package

sanitize-address:
	$(SWIFT_TEST) --sanitize=address $(UNDEFINED) --scratch-path .build/address

sanitize-thread:
	$(SWIFT_TEST) --sanitize=thread --scratch-path .build/thread

sanitize-python-address: $(VENV)-address/package
	LD_PRELOAD=$(ASAN) ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 PYTHONMALLOC=malloc \
		$(VENV)-address/bin/python -m pytest $(PROCESSES) $(SANITIZED) $(PYTEST)

# In one process, whose exit status tells of races in tests that pass, and with reports let through.
sanitize-python-thread: $(VENV)-thread/package
	LD_PRELOAD=$(TSAN) TSAN_OPTIONS=die_after_fork=0:allocator_may_return_null=1 \
		$(VENV)-thread/bin/python -m pytest --capture=sys -n 0 $(THREADED) $(PYTEST)

clean: ## remove what the other verbs made
	rm -rf .build build dist wheelhouse $(VENV) $(VENV)-address $(VENV)-thread $(VENV)-coverage python/*.egg-info \
		python/swiftbackprop/_lib python/swiftbackprop/*.so .mypy_cache .pytest_cache .ruff_cache

# ------------------------------------------------- files that stand for what is installed

# pip would build from what an earlier build left in build/lib.
$(VENV)/package: $(SOURCES) | $(PY)
	rm -rf build/lib* build/bdist* $(VENV)/editable
	$(PY) -m pip install --quiet .
	@touch $@

NATIVE = env -u SOURCE_DATE_EPOCH SWIFTBACKPROP_BUILD_LEVELS=native \
	$(if $(DEBUG),SWIFTBACKPROP_BUILD_ENGINE=debug)

$(VENV)/editable: pyproject.toml setup.py $(wildcard building/*.py) $(VENV)/build-system
	$(NATIVE) $(PY) -m pip install --quiet --no-build-isolation --editable .
	@rm -f $(VENV)/package
	@touch $@

SITE = import sysconfig; site = sysconfig.get_path("purelib")

$(VENV)-coverage/package: $(VENV)/extra-coverage

# The engines of `make sanitize` and that of `make coverage`, in environments that look for all else
# in the first one, behind their own, and do what its .pth files say: coverage's measures programs that
# tests run.
$(VENV)-address/package $(VENV)-thread/package $(VENV)-coverage/package: $(VENV)-%/package: $(SOURCES) $(VENV)/extra-test $(VENV)/build-system
	$(PY) -m venv --without-pip $(@D)
	$(PY) -c '$(SITE); print(f"import site; site.addsitedir({site!r})")' \
		> $$($(@D)/bin/python -c '$(SITE); print(site)')/first.pth
	rm -rf build/lib* build/bdist*
	SWIFTBACKPROP_BUILD_ENGINE=$* SWIFTBACKPROP_BUILD_LEVELS=native $(PY) -m pip --python $(@D)/bin/python \
		install --quiet --no-compile --no-deps --no-build-isolation .
	@touch $@

# What pip would download for every build.
$(VENV)/build-system: pyproject.toml | $(PY)
	$(PY) -c 'import tomllib; \
		print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
		| xargs -d '\n' $(PY) -m pip install --quiet
	@touch $@

extras: $(VENV)/package ## what pip installs for the verbs that CI runs, to have it beforehand
	@$(MAKE) --no-print-directory --jobs=1 $(patsubst %,$(VENV)/extra-%,test lint mpi peers docs browser wheel)

# The requirements of an extra without the package, which `make lint` can do without. Most of what
# they bring is never imported; Python compiles what is, when it is.
$(VENV)/extra-%: pyproject.toml | $(PY)
	$(PY) -c 'import tomllib; \
		extras = tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]; \
		print(*extras["$*"], sep="\n")' | xargs -d '\n' $(PY) -m pip install --quiet --no-compile
	@touch $@

$(PY): | check
	$(PYTHON) -m venv $(VENV)

check:
	@swift --version 2>/dev/null | grep -Eq 'Swift version (6\.([2-9]|[1-9][0-9])|[7-9]|[1-9][0-9])' || \
		{ echo 'This needs Swift 6.2 or newer on PATH: see swift.org/install.'; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'This needs Python 3.11 or newer: set PYTHON=/path/to/it.'; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo 'This needs venv (on Debian: apt-get install python3-venv).'; exit 1; }
	@test -e "$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" || \
		{ echo 'This needs the C headers of Python (on Debian: apt-get install python3-dev).'; exit 1; }

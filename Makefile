# Needs Python 3.11 with its headers and venv, make and g++; everything else is made by `python3.11 -m tests.environments` and
# cached in $TEST_ENVIRONMENTS_CACHE (default ~/.cache/syncfree/environments), with whichever build of torch pip finds.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
ENVIRONMENTS := $(PYTHON) -m tests.environments
# The Python of an environment, made first: $(call in,NAME) ARGUMENTS, or $(call in,NAME,VARIABLES) ARGUMENTS
in = python="$$($(ENVIRONMENTS) $(1))" && $(2) "$$python"
# Where demos and benchmarks save their pictures; KEEP=1 replaces the documentation's pictures.
PICTURES := $(if $(KEEP),docs/pictures,build/pictures)

.PHONY: help check test audit audit-dry-run demo demo-vllm demo-sglang demo-ab bench bench-ab bench-dp bench-exchange bench-schedulers bench-diffusers bench-preferences bench-vllm bench-vllm-hooks bench-sglang-logprobs bench-gpu gpu-pack docs captures site clean

help:
	@echo "make check        lint, types and unit tests, without torch: under two minutes, environment included"
	@echo "make test         every check, in the sessions of noxfile.py (the first run takes minutes to make the environments)"
	@echo "make test SESSIONS='unit audit'  some of the sessions"
	@echo "make audit        the auditor's own tests, and a check of docs/audit-counts.md"
	@echo "make audit-dry-run  the dry run's own tests in five releases of torch, waits of real engines, and checks of tables: downloads gigabytes"
	@echo "make demo         diffusers: the same video, and what each scheduler costs"
	@echo "make demo-vllm    vLLM: the same tokens and logprobs, and which implementation computed them"
	@echo "make demo-sglang  SGLang diffusion: the same video on two ranks"
	@echo "make demo-ab      a real vLLM server, toggled under load, upstream compared with ours, and the page of it"
	@echo "make bench        cost of dispatching to an implementation"
	@echo "make bench-ab     whether syncfree ab calls A against itself no difference, and 5 % more work slower"
	@echo "make bench-dp     vLLM's coordination of data-parallel ranks: Gloo and shm_mailbox"
	@echo "make bench-exchange  SGLang's exchange of Q, K and V over Gloo: functional, direct, overlapped, packed"
	@echo "make bench-schedulers  host time per step of SGLang's UniPC and FlowUniPC, upstream's code and ours"
	@echo "make bench-preferences  whether the default implementation of each hook is the one that costs least"
	@echo "make bench-vllm   tokens per second of a tiny Llama in vLLM with our hooks and without"
	@echo "make bench-vllm-hooks  host time of vLLM's samplers and LoRA mapping, upstream's functions and ours"
	@echo "make bench-sglang-logprobs  host time of what reads the logprobs of named tokens in SGLang, by number of requests"
	@echo "make bench-diffusers  host time, launches and syncs of diffusers' most used schedulers, upstream's code and ours"
	@echo "make bench-gpu    syncs and times on a CUDA device, with the torch of $(PYTHON)"
	@echo "make gpu-pack     a folder and a zip file for bench-gpu on a machine without a network, for Python 3.12 or PACK=3.11"
	@echo "make bench-diffusers KEEP=1  replace the documentation's picture instead of writing to build/pictures; any bench or demo"
	@echo "make docs         regenerate the generated pages"
	@echo "make captures     run every command again, for docs/captures.md"
	@echo "make site         build the documentation's site in build/site; a broken link is an error"
	@echo "make clean        remove build outputs; the cached environments stay"

check: build/nox/bin/nox
	build/nox/bin/nox --session check

build/nox/bin/nox:
	$(PYTHON) -m venv build/nox
	build/nox/bin/python -m pip install --quiet --constraint tests/environments/locks/dev.txt nox

test:
	$(call in,develop) -m nox $(if $(SESSIONS),--session $(SESSIONS))

audit:
	$(call in,develop) -m nox --session audit
	$(PYTHON) -m tests.audit_counts --check

audit-dry-run:
	$(call in,develop) -m nox --session dry_run_torch dry_run_engines
	$(PYTHON) -m tests.audit_counts --check
	$(call in,develop) -m docs --check

demo: | $(PICTURES)
	$(call in,release diffusers 0.42.1) -m docs.demos.diffusers_unipc --picture $(PICTURES)/diffusers_unipc.png

demo-vllm: | $(PICTURES)
	$(call in,develop) -m docs.demos.vllm_logprobs --picture $(PICTURES)/vllm_logprobs.png

demo-sglang: | $(PICTURES)
	$(call in,develop) -m docs.demos.sglang_wan --picture $(PICTURES)/sglang_wan.png

demo-ab:
	$(call in,develop) -m docs.demos.ab_server

bench:
	$(call in,release sglang 0.5.23) -m tests.bench.dispatch

bench-ab:
	$(call in,develop,OMP_NUM_THREADS=1) -m tests.bench.ab

bench-dp: | $(PICTURES)
	$(call in,develop) -m tests.bench.dp_coordination --picture $(PICTURES)/dp_coordination.png

bench-exchange: | $(PICTURES)
	$(call in,develop) -m tests.bench.sglang_exchange --picture $(PICTURES)/sglang_exchange.png

bench-schedulers: | $(PICTURES)
	$(call in,develop,OMP_NUM_THREADS=1) -m tests.bench.sglang_schedulers --picture $(PICTURES)/sglang_schedulers.png

bench-diffusers: | $(PICTURES)
	$(call in,release diffusers 0.42.1,SYNCFREE=off) -m tests.bench.diffusers_schedulers --picture $(PICTURES)/diffusers_host_time.png

bench-preferences:
	$(call in,develop,OMP_NUM_THREADS=1) -m tests.bench.preferences

bench-vllm:
	$(call in,release vllm 0.32.0,SYNCFREE_SAMPLER_LOGPROB_GATHER=sync_free SYNCFREE_BAD_WORDS_MASK=sync_free OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1) -W ignore -m tests.bench.vllm_tokens
	$(call in,release vllm 0.20.2,OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1) -W ignore -m tests.bench.vllm_tokens

bench-sglang-logprobs:
	$(call in,develop) -m tests.bench.sglang_logprobs

bench-vllm-hooks:
	$(call in,release vllm 0.32.0) -m tests.bench.vllm_hooks

bench-gpu:
	$(PYTHON) -m tests.bench.gpu

gpu-pack:
	$(call in,develop) -m tests.bench.gpu_pack --python $(or $(PACK),3.12)

docs:
	$(call in,develop) -m docs

captures:
	$(call in,develop) -m docs.captures

site:
	$(call in,python site,NO_MKDOCS_2_WARNING=1) -m mkdocs build --quiet --config-file docs/site/mkdocs.yml

clean:
	rm -rf build dist .nox .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks *.egg-info

$(PICTURES):
	mkdir -p $@

"""Load for a vLLM server: ``completions.py ADDRESS [--threads N] [--requests N] [--key KEY]``, until it is ended or has sent so many.

Sends completions that ask for the logprobs of named tokens, each with the time that it took as a line for `syncfree ab --load`.
Ends with status 1 when an answer differs from the first one.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import threading
import time
import urllib.request
from typing import Any

BODY = {
    "model": "tiny",
    "prompt": ["hello world", "lazy dog", "quick fox", "over and out"],
    "temperature": 0,
    "max_tokens": 8,
    "logprobs": 3,
    "logprob_token_ids": [5, 7, 300],
}


def complete(address: str, key: str) -> Any:
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    request = urllib.request.Request(f"{address}/v1/completions", json.dumps(BODY).encode(), headers)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return [(choice["text"], choice["logprobs"]) for choice in json.load(answer)["choices"]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--requests", type=int, default=sys.maxsize)
    parser.add_argument("--key", default="", help="the server's --api-key")
    options = parser.parse_args()
    expected, numbers, wrong = complete(options.address, options.key), itertools.count(), []

    def send() -> None:
        try:
            while not wrong and next(numbers) < options.requests:
                began = time.perf_counter()
                if complete(options.address, options.key) != expected:
                    wrong.append("an answer differs from the first one")
                print(f"syncfree time request={time.perf_counter() - began:.6f}", flush=True)
        except Exception as error:  # noqa: BLE001 - told below, by the thread that is waited for
            wrong.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=send) for _ in range(options.threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for problem in wrong:
        print(problem, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

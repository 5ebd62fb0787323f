"""The walk through README.md ("Talk to it"), block by block, as a newcomer would paste it."""

import re
import subprocess

import harness
from harness import check, check_equal


def run(arguments):
    readme = (harness.REPOSITORY / "README.md").read_text()
    walk = readme.split("## Talk to it")[1].split("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", walk, re.S)
    check(len(blocks) >= 5, f"the README's walk has {len(blocks)} blocks")
    with harness.stack(arguments.bin) as stack:
        # What a block leaves in the background ends with the walk, however that ends.
        script = "set -e\ntrap 'kill $(jobs -p)' EXIT\n" + "\n".join(blocks)
        script = script.replace(".homeport/env", str(stack.state.path("env")))
        result = subprocess.run(["bash", "-c", script], cwd=harness.REPOSITORY, capture_output=True,
                                text=True, timeout=150)
        print(result.stdout + result.stderr)
        check_equal(result.returncode, 0, "exit code of the walk")
        for line, times in (('the device is asked: {"params"', 2), ("OUTCOME_DONE", 2),
                            ("seen bench.value = 7", 1), ("seen bench.value = 8", 1)):
            check(result.stdout.count(line) == times, f"the walk should say {line!r} {times} times")

"""Run rows of the suite on the OpenCL device: `python oclgrind_rows.py F-matmul F-scan`, by how they begin.

Ends with 1 and the rows that did not pass. A process of its own, because Oclgrind comes by way of the loader.
"""

import sys

from gyral.testing import conformance


def main() -> int:
    """Run, report."""
    chosen = [case for case in conformance.cases() if case.id.startswith(tuple(sys.argv[1:]))]
    rows = [conformance.run_case(case, "opencl") for case in chosen]
    bad = [row for row in rows if row.outcome != "pass"]
    for row in bad:
        print(row)
    print(f"{len(rows)} rows")
    return 1 if bad or not rows else 0


if __name__ == "__main__":
    sys.exit(main())

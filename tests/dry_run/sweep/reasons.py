"""The reasons why the two devices differ in operators of the sweep: every difference must be named here."""

from __future__ import annotations

REASONS: dict[str, str] = {
    "isin": "no kernel makes the elements unique in the dry run, so PyTorch's code fails there before it stores a number into an element",
    "linalg.eig": "backward compares eigenvectors, which is skipped under a dispatch mode and, without values, for vectors of zeros",
    "matrix_exp": "the degree depends on norms; the simulated device counts the one wait that every matrix needs",
}

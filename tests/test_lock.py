"""`requirements.lock` belongs to `requirements.txt`, is whole but for torch, and names no place to fetch from."""

from __future__ import annotations

import re
from importlib.metadata import distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "requirements.lock").read_text("utf-8")
LOCKED = {
    canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+) \\$", TEXT, re.MULTILINE)
}
LINES = [line.partition("#")[0].strip() for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines()]
WANTED = [Requirement(line) for line in LINES if line]
OUTSIDE = {"torch"}
INSTALLED = {canonicalize_name(each.name): each.version for each in distributions()}


def needed(name: str) -> set[str]:
    """What an installed package requires on this system, without extras."""
    requirements = map(Requirement, requires(name) or ())
    return {canonicalize_name(r.name) for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})}


def test_every_requirement_is_met():
    for requirement in WANTED:
        if requirement.name not in OUTSIDE:
            assert requirement.specifier.contains(LOCKED[canonicalize_name(requirement.name)]), requirement


def test_torch_stands_outside_and_is_pinned_exactly():
    (torch,) = [requirement for requirement in WANTED if requirement.name == "torch"]
    assert [specifier.operator for specifier in torch.specifier] == ["=="]
    assert not [name for name in LOCKED if re.match(r"torch$|triton|nvidia-|cuda-", name)]


def test_what_is_locked_needs_nothing_else():
    same = [name for name, locked in LOCKED.items() if INSTALLED.get(name) == locked]
    assert len(same) > len(LOCKED) / 2  # else this says nothing: remake the lock, or install from it
    missing = {name: needed(name) - LOCKED.keys() - OUTSIDE for name in same}
    assert {name: others for name, others in missing.items() if others} == {}


@pytest.mark.parametrize("name", LOCKED)
def test_every_package_has_hashes(name):
    block = re.search(
        rf"^{re.escape(name)}==[^\n]*\\\n((?:    --hash=sha256:[0-9a-f]{{64}}(?: \\)?\n)+)", TEXT, re.MULTILINE
    )
    assert block is not None


def test_it_names_no_place():
    lines = [line for line in TEXT.splitlines() if not line.startswith("#")]
    assert not [line for line in lines if "://" in line or line.startswith("-") or " @ " in line]
    assert "://" not in TEXT

"""Faults of policy: a rulebook that cannot be used."""

from __future__ import annotations


class RulebookRefused(Exception):
    """A rulebook is not one; the message names the member and what is wrong with it. `code` is EG-POL-001."""

    code = "EG-POL-001"

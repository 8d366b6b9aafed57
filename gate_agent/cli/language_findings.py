"""Which texts nobody who speaks the language has read, and which are missing: what an operator should know before travellers see them."""

from __future__ import annotations

from collections.abc import Iterator

from gate_agent.cli.findings import Finding
from gate_agent.web.catalogue_findings import AUDIENCES, findings
from gate_agent.web.i18n import CatalogueFault, is_reviewed, read_file

READ_THEM = "Have them read by people who speak the language; docs/languages.md says how that is noted."


def language_findings() -> Iterator[Finding]:
    """Find catalogues that cannot be read, and texts for which English stands in."""
    for audience in AUDIENCES.values():
        try:
            found = list(findings(audience))
        except CatalogueFault as fault:
            yield Finding(audience.name, str(fault), "Install eGate again.")
            continue
        if found:
            yield Finding(audience.name, f"{len(found)} texts are not right: {found[0]}", "Install eGate again.")


def unreviewed() -> str:
    """Return which catalogues are machine-made, by audience; empty when all were reviewed."""
    found = []
    for audience in AUDIENCES.values():
        languages = [one for one in audience.languages if not is_reviewed(read_file(audience.path(one)))]
        if languages:
            found.append(f"{audience.name} ({', '.join(languages)})")
    return f"machine-made, not reviewed: {'; '.join(found)}" if found else ""

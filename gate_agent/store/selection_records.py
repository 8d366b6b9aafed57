"""How a decision came to its corridor, as its record keeps it: the selection and the inputs beside the declaration."""

from __future__ import annotations

from central_sync.selection_parts import CorridorInputsPart, SealStatePart, SelectionPart
from gate_agent.domain.crossing import CorridorInputs
from gate_agent.domain.selection import Selection


def selection_part(selection: Selection) -> SelectionPart:
    """Return what an auditor needs to draw again."""
    draw, counts, standing = selection.draw, selection.counts, selection.standing
    return SelectionPart(
        commitment_id=draw.commitment_id if draw else None,
        draw_number=draw.number if draw else None,
        draw_value=draw.value if draw else None,
        governed_ppm=selection.governed_ppm,
        probability_ppm=selection.probability_ppm,
        crossings=counts.crossings,
        by_rule=counts.by_rule,
        at_random=counts.at_random,
        trust_category=standing.category.value,
        trust_points=standing.points,
        inspections=standing.inspections,
        findings=standing.findings,
        crossings_counted=selection.crossings_counted,
        crossing_days=selection.crossing_days,
        is_frequent=selection.is_frequent,
        selected_by=selection.selected_by.value,
    )


def inputs_part(inputs: CorridorInputs) -> CorridorInputsPart:
    """Return what the corridor was decided from beside the declaration."""
    return CorridorInputsPart(
        mode=inputs.mode.value,
        seals=[
            SealStatePart(
                seal_id=report.seal_id,
                state=report.state.value,
                event=report.event,
                doubt=report.doubt.value if report.doubt else "",
            )
            for report in inputs.seals
        ],
        screening=inputs.screening.verdict.value if inputs.screening else "",
        scan_id=inputs.screening.scan_id if inputs.screening else "",
        is_declared=inputs.is_declared,
        vehicles=inputs.vehicles,
        phones=inputs.phones,
        travellers=inputs.travellers,
    )

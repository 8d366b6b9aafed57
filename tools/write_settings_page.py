"""Write docs/settings.md and docs/devices.md from the settings' and drivers' own declarations, so that pages and code cannot drift apart.

Usage: python tools/write_settings_page.py [-]      (`-` prints the pages instead of writing them)
"""

from __future__ import annotations

import sys
import types
import typing
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from drivers.registry import BUILT_IN
from gate_agent.inspection_settings import CheckSettings
from gate_agent.settings import SITE_FILE, DeviceSettings, LaneSettings, Section, Settings

DOCS = Path(__file__).resolve().parent.parent / "docs"

HEAD = f"""# Settings

One TOML site file per gate, `{SITE_FILE}` by default. Unknown keys are refused; nothing can be changed while a process runs.

Order, the first that speaks wins: command line, environment, site file, default. An environment variable is `EGATE_`, the table,
two underscores and the key in capitals: `EGATE_CONSOLE__PORT=9443`. Relative paths count from the site file's folder. Secrets are
never values here, only paths of files.

`egate check-config FILE` prints the merged result with the origin of each value and says in plain words, with its line, what is wrong.

## Several gates in one file

The gates of a post can stand in one file: what they share is written once, and `[gates.ID]` holds what differs at the gate `ID`. Tables are
merged key by key; a `[[gates.ID.device]]` table changes the shared device of that name and a `[[gates.ID.lane]]` table the lane of
that number, or adds one; any other list is replaced. `EGATE_GATE__GATE_ID` says on each machine which gate it is; `egate check-config` looks
at all of them, or at the one named with `--gate`.

```toml
[gate]
site = "north-bridge"

[[device]]
name = "reader-1"
driver = "mrz_serial"
options = {{ path = "/dev/serial/by-id/usb-reader", baud = 115200 }}

[gates.gate-1]

[gates.gate-2]
gate.travel_mode = "foot"

[[gates.gate-2.device]]
name = "reader-1"
options.path = "/dev/serial/by-id/usb-other-reader"
```

This page is written by `python tools/write_settings_page.py`; a test compares it with the code.
"""

DEVICES_HEAD = """# Devices

Drivers and their options, as they stand in `options` of a `[[device]]` table (see [settings.md](settings.md)). Unknown options are refused.
Bytes are written in hex, such as `"0d0a"`. A driver of another maker is found through the entry-point group `egate.drivers`;
[drivers.md](drivers.md) shows how one is written.

By hand, without the agent: `egate devices discover` (what is plugged in, by stable path), `list --drivers`, `probe`, `watch`, `command`, `record`, `replay`; `egate devices twin DRIVER` plays a
virtual device that speaks the same bytes.

This page is written by `python tools/write_settings_page.py`; a test compares it with the code.
"""

EXAMPLE = """## Example

```toml
[gate]
country = "UTO"
site = "north-bridge"
gate_id = "gate-1"

[[device]]
name = "reader-1"
driver = "mrz_serial"
options = { path = "/dev/serial/by-id/usb-reader" }

[[lane]]
lane_id = 1
direction = "entry"
document_reader = "reader-1"
camera = "camera-1"
barrier = "barrier-1"
```

Each device that a lane names needs its own `[[device]]` table. `egate devices list --drivers` names the drivers and their options, which
stand in [devices.md](devices.md).
"""


def kind_of(annotation: Any) -> str:
    """Name a type as a person who writes the file thinks of it."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return kind_of(get_args(annotation)[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    if origin in {typing.Union, types.UnionType}:
        return " or ".join(kind_of(part) for part in get_args(annotation))
    if origin is tuple:
        return f"list of {kind_of(get_args(annotation)[0])}"
    if origin is dict:
        return "table"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(f"`{member.value}`" for member in annotation)
    names = {
        str: "text",
        bytes: "bytes in hex",
        int: "whole number",
        float: "number",
        bool: "`true` or `false`",
        Path: "path",
    }
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))


def bounds_of(field: FieldInfo) -> str:
    """Name the limits of a value, or nothing."""
    signs = {Ge: "≥", Gt: ">", Le: "≤", Lt: "<"}
    parts = []
    for rule in field.metadata:
        sign = signs.get(type(rule))
        if sign:
            parts.append(f"{sign} {limit_of(rule)}")
        pattern = getattr(rule, "pattern", None)
        if pattern:
            parts.append(f"`{pattern}`")
    return ", ".join(parts).replace("|", "\\|")


def limit_of(rule: Ge | Gt | Le | Lt) -> Any:
    """Return the number of a bound."""
    return next(getattr(rule, name) for name in ("ge", "gt", "le", "lt") if hasattr(rule, name))


def default_of(field: FieldInfo) -> str:
    """Write the default as it would stand in the file."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined or (isinstance(value, (tuple, dict)) and not value):
        return "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Enum):
        return f'`"{value.value}"`'
    if isinstance(value, bytes):
        return f'`"{value.hex()}"`'
    if isinstance(value, BaseModel):
        return "its own defaults"
    return f'`"{value}"`' if isinstance(value, (str, Path)) else f"`{value}`"


def table_of(section: type[BaseModel]) -> str:
    """Return the Markdown table of one section."""
    rows = ["| key | what it means | type | limits | default |", "|---|---|---|---|---|"]
    for name, field in section.model_fields.items():
        limits = bounds_of(field) or "-"
        rows.append(
            f"| `{name}` | {field.description} | {kind_of(field.annotation)} | {limits} | {default_of(field)} |"
        )
    return "\n".join(rows)


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for name, field in Settings.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, Section):
            parts.append(f"## `[{name}]`\n\n{(annotation.__doc__ or '').strip()}\n\n{table_of(annotation)}\n")
    for name, section in (("lane", LaneSettings), ("device", DeviceSettings), ("check", CheckSettings)):
        parts.append(f"## `[[{name}]]`\n\n{(section.__doc__ or '').strip()}\n\n{table_of(section)}\n")
    parts.append(EXAMPLE)
    return "\n".join(parts)


def devices_page() -> str:
    """Return the page of the drivers' options."""
    parts = [DEVICES_HEAD]
    for name, driver in BUILT_IN.items():
        model = driver.options_model()
        parts.append(f"## `{name}`\n\n{driver.summary[:1].upper()}{driver.summary[1:]}.\n\n{table_of(model)}\n")
    return "\n".join(parts)


def main() -> None:
    """Write the pages."""
    for name, text in (("settings.md", page()), ("devices.md", devices_page())):
        if sys.argv[1:] == ["-"]:
            print(text, end="")
        else:
            (DOCS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

"""`egate models build|list|verify|sign|self-test`: convert the weights once, show what there is, check it, accept an operator's own."""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

from gate_agent.cache import models_folder
from gate_agent.cli.model_choice import ModelsFault, add_operator_arguments, console_progress
from models import catalogue
from models.catalogue import BuiltModel
from models.errors import ModelsError

SUMMARY = "build, list or verify the models folder; sign and test an operator's own models"
_DETECTORS_OF_ATTACKS = {"attack_detector", "morph_detector"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions and their options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="build|list|verify|sign|self-test")
    build = actions.add_parser("build", help="convert the installed weights")
    build.add_argument("--int8", action="store_true", help="also the embedder in 8-bit integers")
    listing = actions.add_parser("list", help="every model with its hash, licence and calibration")
    verify = actions.add_parser("verify", help="check hashes, signatures, layouts and self-tests")
    verify.add_argument("--embedder", metavar="MODEL_ID", help="shipped variant used instead of the shipped embedder")
    for action in (build, listing, verify):
        action.add_argument(
            "--models", type=Path, help="folder of built models (default: EGATE_CACHE or ~/.cache/egate, models)"
        )
        action.add_argument("--json", action="store_true", help="one JSON object per model or finding")
    for action in (listing, verify):
        add_operator_arguments(action)
    sign = actions.add_parser("sign", help="sign a manifest, calibration record or cohort: writes FILE.sig")
    sign.add_argument("files", type=Path, nargs="+", metavar="FILE")
    sign.add_argument("--key", type=Path, required=True, help="Ed25519 private key (PEM)")
    test = actions.add_parser(
        "self-test", help="print the [self_test] table for a manifest whose model is accepted here"
    )
    test.add_argument("manifest", type=Path)
    test.add_argument("--seed", type=int, default=1, help="number of the generated pattern")


def run(arguments: argparse.Namespace) -> int:
    """Return 0, or 1 when `list` or `verify` find something wrong. Raises `ModelsFault`."""
    actions = {"build": _build, "list": _list, "verify": _verify, "sign": _sign, "self-test": _self_test}
    try:
        return actions[arguments.action](arguments)
    except ModelsError as error:
        raise ModelsFault(str(error), code=error.code) from error


def _folder(arguments: argparse.Namespace) -> Path:
    folder: Path = arguments.models or models_folder()
    return folder


def _operator(arguments: argparse.Namespace) -> Any:
    """Return the operator's folder, or None when there is none; its keys need a library that building does not load."""
    if arguments.operator is None:
        return None
    from models.operator_folder import OperatorFolder
    from models.signatures import read_public_key

    trusted = tuple(read_public_key(path) for path in arguments.trust)
    return OperatorFolder(arguments.operator, trusted, allow_unsigned=arguments.allow_unsigned)


def _build(arguments: argparse.Namespace) -> int:
    from models.manifest import shipped_variants

    wanted = [name for name, manifest in shipped_variants().items() if arguments.int8 and manifest.precision == "int8"]
    built = catalogue.build(_folder(arguments), console_progress(), wanted)
    variants = [catalogue.recorded_variant(_folder(arguments), model_id) for model_id in wanted]
    _show([*built.values(), *variants], as_json=arguments.json)
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from models.verification import all_models

    try:
        models = all_models(_folder(arguments), _operator(arguments))
    except ModelsError as error:
        return _report([str(error)], arguments)
    _show(models, as_json=arguments.json)
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from models.verification import findings

    return _report(findings(_folder(arguments), _operator(arguments), arguments.embedder), arguments)


def _sign(arguments: argparse.Namespace) -> int:
    from models.signatures import read_private_key, sign_file

    key = read_private_key(arguments.key)
    for path in arguments.files:
        print(sign_file(path, key))
    return 0


def _self_test(arguments: argparse.Namespace) -> int:
    from models.manifest import parse_manifest
    from models.verification import self_test_answer

    path: Path = arguments.manifest
    try:
        manifest = parse_manifest(path.read_text(encoding="utf-8"), path.name)
        content = (path.parent / manifest.file).read_bytes() if manifest.file else b""
    except (OSError, UnicodeDecodeError) as error:
        raise ModelsFault(f"{path}: {error}", code="MD-CAT-003") from error
    if not manifest.file or hashlib.sha256(content).hexdigest() != manifest.sha256:
        raise ModelsFault(f"{path.name} does not name a file of its SHA-256 beside it", code="MD-CAT-003")
    answer = self_test_answer(manifest, content, arguments.seed)
    tolerance = max(1e-3 * max(abs(value) for value in answer), 1e-6)
    expected = ", ".join(f"{value:.6g}" for value in answer)
    print(f"[self_test]\nseed = {arguments.seed}\nexpected = [{expected}]\ntolerance = {tolerance:.3g}")
    return 0


def _rating(model: BuiltModel) -> str | None:
    if model.manifest.role.value not in _DETECTORS_OF_ATTACKS:
        return None
    return "rated" if model.is_rated else "unrated"


def _show(models: list[BuiltModel], *, as_json: bool) -> None:
    for model in models:
        manifest, rating = model.manifest, _rating(model)
        if as_json:
            row = {
                "model_id": manifest.model_id,
                "role": manifest.role.value,
                "sha256": model.sha256,
                "size_bytes": model.size_bytes,
                "source_sha256": manifest.source_sha256 or None,
                "licence": manifest.licence,
                "precision": manifest.precision,
                "calibration": manifest.calibration or None,
                "origin": model.origin.value,
                "rating": rating,
                "path": str(model.path),
            }
            print(json.dumps(row))
        else:
            remark = rating or manifest.calibration or "-"
            print(
                f"{manifest.role:<15} {manifest.model_id:<36} {model.sha256[:16]}… {model.size_bytes:>10}  "
                f"{model.origin:<8}  {remark}"
            )
            print(f"{'':<15} {manifest.licence}")


def _report(found: list[str], arguments: argparse.Namespace) -> int:
    for finding in found:
        print(json.dumps({"finding": finding}) if arguments.json else finding)
    if not found and not arguments.json:
        print(f"{_folder(arguments)}: every model is there and unaltered")
    return 1 if found else 0

"""`make pictures` still makes every picture that the README shows: the fictitious gate behind them fits the real pages."""

import re
from pathlib import Path

import cv2
import pytest

from tools.pictures import take

README = Path(__file__).resolve().parents[2] / "README.md"

pytestmark = pytest.mark.chromium


async def test_every_picture_of_the_readme_is_made_anew(tmp_path: Path) -> None:
    shown = set(re.findall(r"docs/pictures/(\w+\.png)", README.read_text(encoding="utf-8")))
    await take(tmp_path)
    pictures = {path.name: cv2.imread(str(path)) for path in tmp_path.glob("*.png")}
    assert shown
    assert shown == set(pictures)
    for name, picture in pictures.items():
        assert picture.std() > 10, f"{name} shows nothing"

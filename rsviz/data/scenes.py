"""Example photographs that rsviz draws itself: scenes of things that CIFAR-10 has classes for.

They stand in where nobody has a photograph at hand. Whether a network names them right is up to the
network; `tests/data/test_scenes.py` asks the one that photographs go to.
"""

import io
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIZE = (384, 288)  # width and height, in pixels
_SOFT = 1.6  # radius of the blur at the end, as of a lens

Colour = tuple[int, int, int]
Points = Sequence[tuple[float, float]]


def _gradient(top: Colour, bottom: Colour, size: tuple[int, int] = SIZE) -> Image.Image:
    """Return a picture that fades from one colour above to another below."""
    width, height = size
    share_H1 = np.linspace(0, 1, height)[:, None]
    column_HC = (1 - share_H1) * np.array(top) + share_H1 * np.array(bottom)
    return Image.fromarray(np.repeat(column_HC[:, None].round().astype(np.uint8), width, axis=1))


def _sky(haze: Colour = (206, 224, 238)) -> Image.Image:
    return _gradient((92, 150, 214), haze)


def _clouds(scene: Image.Image, seed: int) -> None:
    """Lay soft white clouds over a scene."""
    rng = np.random.default_rng(seed)
    veil = Image.new("L", SIZE)
    draw = ImageDraw.Draw(veil)
    for _ in range(9):
        x, y = rng.uniform(0, SIZE[0]), rng.uniform(0, 0.7 * SIZE[1])
        for _ in range(6):
            dx, dy, r = rng.normal(0, 26), rng.normal(0, 8), rng.uniform(10, 26)
            draw.ellipse((x + dx - r, y + dy - r / 2, x + dx + r, y + dy + r / 2), fill=150)
    scene.paste((255, 255, 255), mask=veil.filter(ImageFilter.GaussianBlur(9)))


def _shaded(scene: Image.Image, outline: Points, top: Colour, bottom: Colour) -> None:
    """Fill an outline with a colour that fades downwards, as lit from above."""
    mask = Image.new("L", SIZE)
    ImageDraw.Draw(mask).polygon(list(outline), fill=255)
    box = mask.getbbox()
    if box is None:
        return
    fill = _gradient(top, bottom, (box[2] - box[0], box[3] - box[1]))
    scene.paste(fill, box, mask.crop(box))


def _airplane() -> Image.Image:
    scene = _sky()
    _clouds(scene, 3)
    grey, dark = (236, 238, 242), (120, 126, 138)
    _shaded(scene, [(150, 128), (112, 62), (138, 62), (226, 134)], (190, 196, 206), dark)
    _shaded(scene, [(66, 112), (46, 66), (72, 66), (112, 122)], grey, (150, 156, 168))
    body = [(48, 118), (90, 112), (290, 120), (330, 132), (340, 146), (318, 158), (250, 164)]
    _shaded(scene, [*body, (110, 152), (60, 134)], grey, (134, 140, 152))
    _shaded(scene, [(160, 150), (236, 152), (128, 226), (98, 226)], (226, 228, 234), dark)
    _shaded(scene, [(62, 128), (104, 130), (62, 160), (42, 160)], (214, 218, 226), dark)
    draw = ImageDraw.Draw(scene)
    for x in range(118, 296, 13):
        draw.ellipse((x, 131, x + 5, 137), fill=(70, 80, 96))
    draw.polygon([(312, 130), (330, 134), (334, 141), (314, 139)], fill=(50, 62, 84))
    draw.ellipse((150, 172, 190, 190), fill=(96, 102, 114))
    return scene


def _sea(scene: Image.Image, horizon: int, seed: int) -> None:
    water = _gradient((66, 110, 150), (22, 58, 96), (SIZE[0], SIZE[1] - horizon))
    scene.paste(water, (0, horizon))
    rng, draw = np.random.default_rng(seed), ImageDraw.Draw(scene)
    for _ in range(160):
        y = horizon + (SIZE[1] - horizon) * rng.uniform() ** 1.5
        x, half = rng.uniform(0, SIZE[0]), 3 + 18 * (y - horizon) / SIZE[1]
        draw.line((x - half, y, x + half, y), fill=(112, 150, 182), width=1)


def _ship() -> Image.Image:
    scene = _sky((214, 226, 234))
    _clouds(scene, 5)
    _sea(scene, 168, 1)
    _shaded(scene, [(34, 162), (352, 156), (318, 216), (66, 216)], (66, 72, 86), (24, 28, 38))
    _shaded(scene, [(40, 200), (326, 200), (318, 218), (66, 218)], (150, 44, 38), (104, 28, 26))
    _shaded(scene, [(72, 128), (262, 128), (276, 160), (66, 162)], (244, 244, 240), (196, 198, 200))
    _shaded(scene, [(92, 98), (220, 98), (232, 128), (88, 128)], (250, 250, 246), (206, 208, 210))
    _shaded(scene, [(128, 48), (166, 48), (170, 98), (124, 98)], (196, 66, 48), (140, 40, 32))
    draw = ImageDraw.Draw(scene)
    draw.rectangle((127, 48, 167, 58), fill=(34, 34, 40))
    draw.line((254, 52, 254, 128), fill=(70, 74, 82), width=3)
    for y, left, right in ((138, 84, 256), (108, 100, 216)):
        for x in range(left, right, 14):
            draw.rectangle((x, y, x + 6, y + 6), fill=(64, 92, 120))
    return scene


def _road(scene: Image.Image, horizon: int) -> None:
    scene.paste(_gradient((120, 148, 96), (92, 122, 74), (SIZE[0], 40)), (0, horizon))
    scene.paste(_gradient((128, 128, 130), (84, 84, 88), (SIZE[0], 400)), (0, horizon + 30))


def _wheel(draw: ImageDraw.ImageDraw, x: float, y: float, r: float) -> None:
    draw.ellipse((x - r, y - r, x + r, y + r), fill=(26, 26, 28))
    draw.ellipse((x - r / 2, y - r / 2, x + r / 2, y + r / 2), fill=(168, 170, 174))


def _truck() -> Image.Image:
    scene = _sky((222, 230, 236))
    _road(scene, 176)
    _shaded(scene, [(24, 62), (248, 62), (248, 212), (24, 212)], (242, 242, 240), (196, 198, 202))
    _shaded(
        scene,
        [(254, 96), (316, 96), (346, 146), (352, 214), (254, 214)],
        (206, 46, 40),
        (136, 24, 22),
    )
    draw = ImageDraw.Draw(scene)
    draw.polygon([(276, 106), (312, 106), (334, 146), (276, 146)], fill=(94, 124, 152))
    draw.rectangle((20, 208, 354, 222), fill=(52, 54, 60))
    draw.rectangle((344, 190, 356, 202), fill=(250, 230, 160))
    for x in range(54, 240, 32):
        draw.line((x, 66, x, 206), fill=(212, 214, 218), width=2)
    draw.ellipse((10, 232, 370, 256), fill=(66, 66, 70))
    for x in (64, 118, 300):
        _wheel(draw, x, 224, 26)
    return scene


def _automobile() -> Image.Image:
    scene = _sky((222, 230, 236))
    _road(scene, 150)
    draw = ImageDraw.Draw(scene)
    draw.ellipse((22, 216, 366, 250), fill=(58, 58, 62))
    roof = [(106, 138), (146, 92), (244, 92), (292, 138)]
    _shaded(scene, roof, (196, 34, 34), (150, 22, 22))
    body = [(30, 160), (52, 142), (106, 136), (292, 136), (348, 152), (360, 180), (356, 214)]
    _shaded(scene, [*body, (32, 214), (26, 190)], (216, 42, 40), (122, 16, 18))
    draw = ImageDraw.Draw(scene)
    draw.polygon([(122, 136), (152, 100), (190, 100), (190, 136)], fill=(88, 112, 134))
    draw.polygon([(200, 136), (200, 100), (238, 100), (272, 136)], fill=(88, 112, 134))
    draw.line((195, 140, 195, 206), fill=(110, 14, 16), width=3)
    draw.ellipse((334, 158, 356, 174), fill=(252, 240, 200))
    draw.rectangle((28, 160, 38, 174), fill=(255, 130, 90))
    for x in (94, 290):
        _wheel(draw, x, 212, 32)
    return scene


def _horse() -> Image.Image:
    scene = _sky((214, 226, 230))
    scene.paste(_gradient((122, 156, 84), (84, 118, 54), (SIZE[0], 130)), (0, 158))
    dark, light = (88, 48, 26), (150, 88, 50)
    for x in (112, 140, 230, 256):
        _shaded(scene, [(x, 160), (x + 20, 160), (x + 13, 252), (x + 3, 252)], light, dark)
    draw = ImageDraw.Draw(scene)
    draw.ellipse((92, 108, 286, 186), fill=(132, 76, 42))
    _shaded(scene, [(236, 128), (280, 56), (304, 66), (286, 160)], (150, 88, 50), (122, 70, 38))
    _shaded(
        scene,
        [(276, 50), (304, 46), (346, 84), (336, 100), (288, 84)],
        (150, 88, 50),
        (110, 62, 34),
    )
    draw = ImageDraw.Draw(scene)
    draw.polygon([(280, 54), (284, 34), (294, 50)], fill=(110, 62, 34))
    draw.polygon([(238, 116), (276, 48), (284, 56), (254, 132)], fill=(44, 26, 16))
    draw.polygon([(98, 124), (78, 128), (66, 210), (80, 212), (96, 150)], fill=(44, 26, 16))
    return scene


def _deer() -> Image.Image:
    scene = _gradient((86, 110, 64), (120, 132, 78))
    rng, draw = np.random.default_rng(2), ImageDraw.Draw(scene)
    for _ in range(40):
        x, w = rng.uniform(0, SIZE[0]), rng.uniform(3, 9)
        draw.rectangle((x, 0, x + w, 170), fill=(64, 66, 46))
    scene = scene.filter(ImageFilter.GaussianBlur(4))
    for x in (130, 152, 226, 246):
        _shaded(
            scene,
            [(x, 170), (x + 13, 170), (x + 8, 258), (x + 2, 258)],
            (158, 112, 70),
            (90, 62, 40),
        )
    draw = ImageDraw.Draw(scene)
    draw.ellipse((112, 124, 270, 186), fill=(164, 116, 72))
    _shaded(scene, [(228, 140), (262, 72), (284, 80), (270, 168)], (176, 126, 80), (150, 106, 66))
    _shaded(
        scene,
        [(258, 66), (284, 62), (316, 92), (306, 102), (268, 92)],
        (176, 126, 80),
        (130, 90, 56),
    )
    draw = ImageDraw.Draw(scene)
    for x in (264, 276):
        draw.line((x, 66, x - 14, 26), fill=(206, 188, 150), width=5)
        draw.line((x - 7, 46, x + 14, 22), fill=(206, 188, 150), width=4)
    return scene


def _bird() -> Image.Image:
    scene = _sky((196, 214, 226))
    _clouds(scene, 11)
    dark = (52, 50, 54)
    _shaded(
        scene,
        [(120, 150), (190, 120), (270, 132), (318, 150), (262, 172), (176, 178)],
        (90, 86, 88),
        dark,
    )
    _shaded(scene, [(186, 132), (120, 40), (170, 62), (246, 136)], (84, 80, 82), dark)
    _shaded(scene, [(196, 150), (156, 240), (206, 214), (250, 160)], (96, 92, 92), dark)
    _shaded(scene, [(128, 146), (60, 128), (56, 168), (126, 166)], (84, 80, 82), dark)
    ImageDraw.Draw(scene).polygon([(312, 144), (340, 152), (312, 158)], fill=(226, 160, 52))
    return scene


_SCENES: dict[str, Callable[[], Image.Image]] = {
    "airplane": _airplane,
    "automobile": _automobile,
    "ship": _ship,
    "truck": _truck,
    "horse": _horse,
    "deer": _deer,
    "bird": _bird,
}
NAMES = tuple(_SCENES)


def draw(name: str) -> Image.Image:
    """Return the example photograph of that name, always the same."""
    return _SCENES[name]().filter(ImageFilter.GaussianBlur(_SOFT))


def png(name: str) -> bytes:
    """Return it as the bytes of a PNG."""
    file = io.BytesIO()
    draw(name).save(file, "PNG")
    return file.getvalue()

"""Every kind of picture file comes out as 8-bit sRGB, or is refused by name."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, TiffImagePlugin

from vitreous.data.pictures import header, read_pages
from vitreous.data.reading import Notes, Reading, Unreadable

GREY = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)


def png(x, y, bits, colour_type, pixels):
    """A PNG byte by byte, for what Pillow reads but does not write."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", x, y, bits, colour_type, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(pixels, 1)) + chunk(b"IEND", b"")


def read(path, **choices):
    (picture,) = read_pages(path, Reading(**choices), Notes())
    return picture


def all_pages(path, notes=None):
    found = header(path, Reading())
    return [p.image for p in read_pages(path, Reading(), notes or Notes(), found.pages)]


@pytest.mark.parametrize("ending", ["png", "tif", "bmp", "webp"])
def test_lossless_formats_give_what_was_saved(tmp_path, scene, save, ending):
    path = save(tmp_path / f"a.{ending}", scene(), **({"lossless": True} if ending == "webp" else {}))
    np.testing.assert_array_equal(read(path).image, scene())
    assert header(path, Reading()).size == (48, 64)


@pytest.mark.parametrize(("ending", "options"), [("png", {}), ("jpg", {}), ("jpg", {"progressive": True})])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_bytes_come_along_when_they_decode_to_the_same(tmp_path, scene, save, ending, options, mode):
    path = save(tmp_path / f"a.{ending}", Image.fromarray(scene()).convert(mode), **options)
    picture = read(path)
    assert picture.encoded == path.read_bytes()
    again = Image.open(io.BytesIO(picture.encoded)).convert("RGB")
    np.testing.assert_array_equal(picture.image, np.asarray(again))


def unusual(scene, profile):
    colour = Image.fromarray(scene)
    clear = colour.convert("RGBA")
    clear.putalpha(Image.fromarray(scene[..., 0]))
    turned = Image.Exif()
    turned[0x0112] = 6
    return {
        "alpha.png": (clear, {}),
        "grey_alpha.png": (clear.convert("LA"), {}),
        "palette.png": (colour.quantize(16), {}),
        "one_bit.png": (colour.convert("1"), {}),
        "deep.png": (Image.fromarray(GREY), {}),
        "colour_key.png": (colour, {"transparency": tuple(int(v) for v in scene[0, 0])}),
        "foreign.png": (colour, {"icc_profile": profile()}),
        "foreign.jpg": (colour, {"icc_profile": profile()}),
        "turned.jpg": (colour, {"exif": turned}),
        "ink.jpg": (colour.convert("CMYK"), {}),
        "plain.webp": (colour, {"lossless": True}),
        "plain.tif": (colour, {}),
        "plain.bmp": (colour, {}),
        "plain.gif": (colour.quantize(16), {}),
    }


def test_bytes_stay_behind_when_another_decoder_might_see_something_else(tmp_path, scene, save, profile):
    for name, (picture, options) in unusual(scene(), profile).items():
        assert read(save(tmp_path / name, picture, **options)).encoded is None, name


def test_an_srgb_profile_changes_nothing(tmp_path, scene, save):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = read(save(tmp_path / "a.png", scene(), icc_profile=srgb))
    np.testing.assert_array_equal(picture.image, scene())
    assert picture.encoded is not None


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_exif_orientation_as_pillow_applies_it(tmp_path, scene, save, orientation, ending):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"exif": exif} if ending != "tif" else {"tiffinfo": {0x0112: orientation}}
    path = save(tmp_path / f"a.{ending}", scene(40, 64), **options)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    np.testing.assert_array_equal(read(path).image, expected)
    assert header(path, Reading()).size == expected.shape[:2] == ((64, 40) if orientation >= 5 else (40, 64))


def test_transparency_shows_white(tmp_path, save):
    red = np.zeros((2, 4, 4), np.uint8)
    red[..., 0], red[..., 3] = 255, [0, 51, 204, 255]
    expected = [[255, 255, 255], [255, 204, 204], [255, 51, 51], [255, 0, 0]]
    np.testing.assert_allclose(read(save(tmp_path / "a.png", red)).image[0], expected, atol=1)
    np.testing.assert_allclose(
        read(save(tmp_path / "a.webp", red, lossless=True, exact=True)).image[0], expected, atol=1
    )
    black = Image.fromarray(red).convert("LA")
    black.paste((0, 0), (0, 0, 1, 2))
    assert read(save(tmp_path / "grey.png", black)).image[0, 0].tolist() == [255, 255, 255]


def test_palette_with_alpha(tmp_path, save):
    picture = Image.new("P", (3, 2), 0)
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    picture.putdata([0, 1, 2, 0, 1, 2])
    path = save(tmp_path / "a.png", picture, transparency=bytes([255, 0, 255]))
    assert read(path).image[0].tolist() == [[255, 0, 0], [255, 255, 255], [0, 0, 255]]
    path = save(tmp_path / "a.gif", picture, transparency=0)
    assert read(path).image[0].tolist() == [[255, 255, 255], [0, 255, 0], [0, 0, 255]]


def test_ink_is_read_as_ink(tmp_path, save):
    path = save(tmp_path / "a.jpg", Image.new("CMYK", (16, 16), (255, 0, 0, 0)), quality=100)  # cyan
    np.testing.assert_allclose(read(path).image[8, 8], [0, 255, 255], atol=3)
    save(tmp_path / "a.tif", Image.new("CMYK", (16, 16), (0, 255, 0, 0)))  # magenta
    assert read(tmp_path / "a.tif").image[8, 8].tolist() == [255, 0, 255]


def test_ink_without_adobes_marker_is_not_inverted(tmp_path, save):
    path = save(tmp_path / "a.jpg", Image.new("CMYK", (16, 16), (255, 0, 0, 255)), quality=100)
    content = path.read_bytes()
    at = content.index(b"\xff\xee")
    assert content[at + 4 : at + 9] == b"Adobe"
    length = int.from_bytes(content[at + 2 : at + 4], "big")
    path.write_bytes(content[:at] + content[at + 2 + length :])
    # stored inverted, so magenta and yellow, no cyan, no black: red, if nothing says that it is inverted
    np.testing.assert_allclose(read(path).image[8, 8], [255, 0, 0], atol=3)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bit_grey(tmp_path, save, ending):
    values = np.array([[0, 128, 257, 4095, 32896, 65535]], np.uint16)
    path = save(tmp_path / f"a.{ending}", Image.fromarray(values))
    assert read(path).image[0, :, 0].tolist() == [0, 0, 1, 16, 128, 255]
    assert read(path, grey_bits=12).image[0, :, 1].tolist() == [0, 8, 16, 255, 255, 255]


def test_sixteen_bit_colour_gives_its_upper_half(tmp_path):
    (tmp_path / "a.png").write_bytes(png(1, 1, 16, 2, struct.pack(">xHHH", 0x12FF, 0x3400, 0xFFFF)))
    picture = read(tmp_path / "a.png")
    assert picture.image.tolist() == [[[0x12, 0x34, 0xFF]]]
    assert picture.encoded is None  # others would read it more finely


def test_dark_sixteen_bit_grey_is_pointed_out(tmp_path, save):
    path, notes = save(tmp_path / "a.png", Image.fromarray(GREY)), Notes()  # up to 3071
    list(read_pages(path, Reading(), notes))
    assert "grey_bits" in notes.lines()[0]
    notes = Notes()
    list(read_pages(path, Reading(grey_bits=12), notes))
    assert notes.lines() == []


def tiff(values, *, bits, photometric=1, kind=1):
    """A grey TIFF byte by byte, for what Pillow reads but does not write."""
    y, x = values.shape
    if bits == 12:
        pixels = bytes(
            byte for a, b in values.reshape(-1, 2).tolist() for byte in (a >> 4, (a & 15) << 4 | b >> 8, b & 255)
        )
    else:
        pixels = values.astype({8: "u1", 16: "<u2", 32: "<i4"}[bits]).tobytes()
    tags = {256: x, 257: y, 258: bits, 259: 1, 262: photometric, 273: 0, 277: 1, 278: y, 279: len(pixels), 339: kind}
    tags[273] = 8 + 2 + 12 * len(tags) + 4
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + directory + bytes(4) + pixels


def test_a_tiff_of_twelve_bits_knows_its_white(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff(np.array([[0, 2048], [4095, 16]]), bits=12))
    assert read(tmp_path / "a.tif").image[..., 0].tolist() == [[0, 128], [255, 1]]


def test_white_can_be_zero(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff(np.array([[0, 65535]]), bits=16, photometric=0))
    assert read(tmp_path / "a.tif").image[..., 0].tolist() == [[255, 0]]


def test_float_grey_from_0_to_1(tmp_path, save):
    path = save(tmp_path / "a.tif", Image.fromarray(np.array([[0, 0.5, 1]], np.float32)))
    assert read(path).image[0, :, 2].tolist() == [0, 128, 255]


@pytest.mark.parametrize("values", [[0.0, 817.5], [-1.0, 0.0], [0.0, np.nan]])
def test_float_grey_without_agreed_brightness_is_refused(tmp_path, save, values):
    path = save(tmp_path / "a.tif", Image.fromarray(np.array([values], np.float32)))
    with pytest.raises(Unreadable, match=r"a\.tif: float grey from .* what is white"):
        read(path)


def test_wide_integers_are_refused(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff(np.array([[0, 100_000]]), bits=32, kind=2))
    with pytest.raises(Unreadable, match="32-bit grey from 0 to 100000"):
        read(tmp_path / "a.tif")


def test_a_foreign_profile_is_converted(tmp_path, save, profile):
    # red and green exchanged: what the file calls red is green
    path = save(tmp_path / "a.png", Image.new("RGB", (4, 4), (255, 0, 0)), icc_profile=profile(swap=True, gamma=2.2))
    np.testing.assert_allclose(read(path).image[0, 0], [0, 255, 0], atol=2)
    # linear light: half the light is 188 in sRGB
    path = save(tmp_path / "b.jpg", Image.new("L", (16, 16), 128), icc_profile=profile(b"GRAY"), quality=100)
    np.testing.assert_allclose(read(path).image[8, 8], [188, 188, 188], atol=1)


def test_a_colour_profile_on_a_grey_picture_works(tmp_path, save, profile):
    path = save(tmp_path / "a.png", Image.new("L", (4, 4), 128), icc_profile=profile())
    np.testing.assert_allclose(read(path).image[0, 0], [188, 188, 188], atol=1)


def test_a_profile_that_cannot_be_used_is_said(tmp_path, save, profile, scene):
    for name, picture, icc in (
        ("broken.png", scene(), b"not a profile"),
        ("ink.tif", Image.new("CMYK", (8, 8)), profile()),
    ):
        notes = Notes()
        path = save(tmp_path / name, picture, icc_profile=icc)
        (found,) = read_pages(path, Reading(), notes)
        assert "profile" in notes.lines()[0]
        assert "sRGB" in notes.lines()[0]
        assert found.image.shape[2] == 3


@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
def test_animations_are_put_together(tmp_path, scene, save, ending):
    frames = [Image.fromarray(scene()) for _ in range(5)]
    for i, frame in enumerate(frames):  # only a corner changes, so encoders store only that corner
        frame.paste((255, 40 * i, 0), (0, 0, 8 + i, 8))
    if ending == "gif":
        frames = [frame.convert("RGB").quantize(64, dither=Image.Dither.NONE) for frame in frames]
    expected = [np.asarray(frame.convert("RGB")) for frame in frames]
    options = {"lossless": True} if ending == "webp" else {}
    path = save(tmp_path / f"a.{ending}", frames[0], save_all=True, append_images=frames[1:], duration=80, **options)
    found = all_pages(path)
    assert len(found) == 5
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_the_default_picture_of_an_apng_is_no_frame(tmp_path, scene, save):
    frames = [Image.fromarray(np.roll(scene(), i, axis=1)) for i in range(3)]
    path = save(tmp_path / "a.png", Image.new("RGB", (64, 48)), save_all=True, default_image=True, append_images=frames)
    found = all_pages(path)
    assert len(found) == 3
    np.testing.assert_array_equal(found[0], scene())


def test_pages_of_a_tiff_are_frames_but_previews_are_not(tmp_path, scene):
    path = tmp_path / "a.tif"
    with TiffImagePlugin.AppendingTiffWriter(str(path), True) as file:
        for i, kind in enumerate((0, 1, 0)):  # the second is a smaller preview
            page = Image.fromarray(np.roll(scene(), i, axis=1))
            page = page.resize((16, 12)) if kind else page
            page.save(file, format="TIFF", tiffinfo={254: kind})
            file.newFrame()
    found = all_pages(path)
    assert len(found) == 2
    np.testing.assert_array_equal(found[1], np.roll(scene(), 2, axis=1))


def test_pages_of_different_size_are_refused(tmp_path, scene, save):
    path = save(tmp_path / "a.tif", scene(), save_all=True, append_images=[Image.fromarray(scene(16, 16))])
    with pytest.raises(Unreadable, match=r"a\.tif: its pictures differ in size: number 1 has 16 x 16 pixels.* 64 x 48"):
        all_pages(path)


def test_content_decides_not_the_ending(tmp_path, scene, save):
    path = save(tmp_path / "a.png", scene()).rename(tmp_path / "a.jpg")
    np.testing.assert_array_equal(read(path).image, scene())


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path):
    (tmp_path / "a.png").write_bytes(png(20_000, 20_000, 8, 0, b""))  # so little of it that decoding would fail
    with pytest.raises(
        Unreadable, match=r"a\.png: 20000 x 20000 pixels are 400\.0 megapixels.*limit is 100\.0"
    ) as told:
        header(tmp_path / "a.png", Reading())
    assert "max_pixels" in str(told.value)
    with pytest.raises(Unreadable, match="400.0 megapixels"):
        read(tmp_path / "a.png")


def test_the_limit_is_ours_not_pillows(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Pillow's would warn from here and refuse from 2000
    (tmp_path / "a.png").write_bytes(png(100, 30, 8, 0, bytes(101 * 30)))
    assert read(tmp_path / "a.png").image.shape == (30, 100, 3)
    with pytest.raises(Unreadable, match="limit is"):
        read(tmp_path / "a.png", max_pixels=2999)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "the file is empty"),
        (b"Dear diary, today", 'text that begins "Dear diary, toda"'),
        (bytes(64), "not a picture"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "broken or cut off"),
        (b"\x89PNG\r\n\x1a\n", "broken or cut off"),
        (b"II*\x00", "broken or cut off"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "broken or cut off"),
        (b"BM", "broken or cut off"),
        (b"GIF89a", "broken or cut off"),
    ],
)
def test_no_picture_at_all_is_named(tmp_path, content, text):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(Unreadable, match=text) as told:
        read(tmp_path / "a.jpg")
    assert str(told.value).startswith(str(tmp_path / "a.jpg"))
    assert "--on-error skip" in str(told.value)


FORMATS = {
    "png": {}, "jpg": {"quality": 80}, "progressive.jpg": {"progressive": True}, "gif": {}, "webp": {}, "bmp": {},
    "raw.tif": {}, "lzw.tif": {"compression": "tiff_lzw"}, "jpeg.tif": {"compression": "jpeg"},
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_a_cut_file_is_refused_or_whole_but_never_padded(tmp_path, scene, save, name):
    path = save(tmp_path / f"a.{name}", scene(), **FORMATS[name])
    content, expected = path.read_bytes(), read(path).image
    kept, refused = 0, 0
    for end in [*range(0, len(content) - 40, max(1, len(content) // 60)), *range(len(content) - 40, len(content))]:
        path.write_bytes(content[:end])
        try:
            np.testing.assert_array_equal(read(path).image, expected)
            kept += 1  # only what comes after the pixels is missing
        except Unreadable:
            refused += 1
    assert refused > 60
    assert kept < 40


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp", "a.tif"])
def test_a_cut_animation_never_passes_for_a_shorter_one(tmp_path, scene, save, name):
    frames = [Image.fromarray(np.roll(scene(16, 16), 5 * i, axis=1)) for i in range(4)]
    path = save(tmp_path / name, frames[0], save_all=True, append_images=frames[1:])
    content, expected = path.read_bytes(), all_pages(path)
    assert len(expected) == 4
    for end in range(0, len(content) - 1, len(content) // 150):
        path.write_bytes(content[:end])
        try:
            found = header(path, Reading())
            pictures = [p.image for p in read_pages(path, Reading(), Notes(), found.pages)]
        except Unreadable:
            continue
        np.testing.assert_array_equal(pictures, expected[: len(pictures)])
        assert found.problem or len(pictures) == 4


@pytest.mark.parametrize("name", [*FORMATS, "animated.gif", "animated.png", "animated.webp"])
def test_rotten_bits_raise_nothing_but_unreadable(tmp_path, scene, save, name):
    options = FORMATS.get(name, {"save_all": True, "append_images": [Image.fromarray(scene(seed=1))]})
    path = save(tmp_path / f"a.{name}", scene(), **options)
    content, rng = path.read_bytes(), np.random.default_rng(0)
    outcomes = set()
    for _ in range(80):
        rotten = bytearray(content)
        for at in rng.integers(0, min(len(content), 400), 2):  # headers are where it hurts
            rotten[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(rotten)
        try:
            found = header(path, Reading(max_pixels=1_000_000))
            list(read_pages(path, Reading(max_pixels=1_000_000), Notes(), found.pages))
            outcomes.add("read")
        except Unreadable:
            outcomes.add("refused")
    assert "refused" in outcomes

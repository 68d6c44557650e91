"""Directories of images as data: classes, parts, sizes, colours, what is left out and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

import lossearch
from lossearch.config import load_config
from lossearch.data import images
from lossearch.data.rows import Draw, RowSource
from lossearch.data.sources import read_data
from lossearch.errors import InputError
from lossearch.tasks.build import make_task

PHOTO = load_sample_images().images[0]  # 427 x 640, RGB


def noise(*shape: int, seed: int = 0, most: int = 256) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, most, shape).astype(np.uint8)


def save(path: Path, pixels: np.ndarray | Image.Image, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


def folder(root: Path, names=("cat", "dog"), rows: int = 12, shape=(9, 7, 3)) -> Path:
    for k, name in enumerate(names):
        for i in range(rows):
            save(root / name / f"{i:02d}.png", noise(*shape, seed=100 * k + i))
    return root


def message(root: Path, **options) -> str:
    with pytest.raises(InputError) as caught:
        read_data(str(root), options=options)
    return str(caught.value)


def notes(root: Path, **options) -> str:
    return "\n".join(read_data(str(root), options=options).notes)


# What is read


def test_directories_are_classes_and_their_images_rows(tmp_path) -> None:
    data = read_data(str(folder(tmp_path / "pets")))
    assert (data.name, data.target, data.classes) == ("pets", "class", ("cat", "dog"))
    assert data.x.shape == (24, 3, 9, 7)
    assert data.x.dtype == np.uint8
    assert np.array_equal(data.y, np.repeat([0, 1], 12))
    assert np.array_equal(
        data.x[12], np.moveaxis(noise(9, 7, 3, seed=100), -1, 0)
    )  # as it was saved, bit by bit


def test_class_names_are_kept_whatever_they_look_like(tmp_path) -> None:
    task = make_task(read_data(str(folder(tmp_path, ("10", "2", "Émile & co", "été"), rows=10))))
    assert task.kind == "multiclass"
    assert task.classes == ("10", "2", "Émile & co", "été")


def test_many_classes_are_classes_still(tmp_path) -> None:
    task = make_task(
        read_data(str(folder(tmp_path, [f"{i}" for i in range(30)], rows=4, shape=(3, 3)))), test=False
    )
    assert (task.kind, len(task.classes)) == ("multiclass", 30)


def test_images_deep_below_and_behind_links_are_found_once(tmp_path) -> None:
    root = folder(tmp_path / "root")
    save(root / "cat" / "more" / "still" / "x.PNG", noise(9, 7, 3, seed=999))
    outside = folder(tmp_path / "elsewhere", ("emu",))
    (root / "emu").symlink_to(outside / "emu")
    (root / "dog" / "round").symlink_to(root)  # which leads back to where it came from
    data = read_data(str(root))
    assert data.classes == ("cat", "dog", "emu")
    assert np.bincount(data.y).tolist() == [13, 12, 12]


def test_given_parts_are_used_as_they_are(tmp_path) -> None:
    for name, rows in (("train", 12), ("Valid", 5), ("test", 4)):
        folder(tmp_path / name, rows=rows)
    task = make_task(read_data(str(tmp_path)))
    assert task.sizes == {"train": 24, "validation": 10, "test": 8}
    assert "test part as given; validation part as given" in task.notes


def test_a_part_that_is_not_given_is_drawn(tmp_path) -> None:
    for name, rows in (("training", 20), ("val", 5)):
        folder(tmp_path / name, rows=rows)
    assert make_task(read_data(str(tmp_path))).sizes == {"train": 32, "validation": 10, "test": 8}


def test_train_among_other_names_is_a_class(tmp_path) -> None:
    data = read_data(str(folder(tmp_path, ("train", "bus", "test"))))
    assert data.classes == ("bus", "test", "train")
    assert data.parts is None


# Sizes and colours


def test_one_small_size_is_kept_and_others_are_scaled(tmp_path) -> None:
    root = folder(tmp_path)
    assert "24 images, 9 x 7, RGB" in notes(root)
    save(root / "cat" / "wide.png", noise(30, 80, 3))
    found = notes(root)
    assert "25 images, 64 x 64, RGB" in found
    assert "images of 2 sizes, 9 x 7 to 30 x 80, are scaled to 64 x 64, cropped at the centre" in found


@pytest.mark.parametrize(("asked", "shape"), [(16, (16, 16)), ([8, 20], (8, 20)), (np.int64(5), (5, 5))])
def test_a_size_that_is_asked_for(tmp_path, asked, shape) -> None:
    assert read_data(str(folder(tmp_path)), options={"image_size": asked}).x.shape[2:] == shape


@pytest.mark.parametrize("asked", [0, -3, 2.5, True, "64", [64], [1, 2, 3], 10**6, [64, 0]])
def test_a_size_that_cannot_be(tmp_path, asked) -> None:
    assert message(folder(tmp_path, rows=2), image_size=asked) == (
        f"image_size is {asked!r}: give the pixels a side, as 64, or (height, width), each from 1 to 4096."
    )


def test_an_unknown_option(tmp_path) -> None:
    assert message(folder(tmp_path, rows=2), imagesize=3).startswith(
        "No option of images named 'imagesize'. Did you mean 'image_size'?"
    )


def test_a_photo_keeps_its_proportions(tmp_path) -> None:
    for name, pixels in (("a", PHOTO), ("b", PHOTO[:, ::-1].copy())):
        for i in range(2):
            save(tmp_path / name / f"{i}.jpg", pixels, quality=95)
    found = read_data(str(tmp_path), options={"image_size": 61}).x[0].astype(float)
    square = Image.fromarray(PHOTO[:, 106:533]).resize((61, 61), Image.Resampling.BILINEAR)
    expected = np.moveaxis(np.asarray(square, dtype=float), -1, 0)
    assert np.abs(found - expected).mean() < 4  # of 255: JPEG was decoded at half its size


def test_a_photo_is_turned_as_its_camera_was_held(tmp_path) -> None:
    upright = noise(8, 5, 3)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    for i in range(3):
        save(tmp_path / "a" / f"{i}.png", upright)
        save(tmp_path / "b" / f"{i}.png", np.rot90(upright).copy(), exif=exif)
    data = read_data(str(tmp_path))
    assert data.x.shape[2:] == (8, 5)
    assert np.array_equal(data.x[0], data.x[3])


def test_grey_images_have_one_channel_where_all_are_grey(tmp_path) -> None:
    root = folder(tmp_path, shape=(6, 6))
    save(root / "cat" / "bits.png", Image.fromarray(noise(6, 6)).convert("1"))
    save(root / "cat" / "alpha.png", Image.fromarray(noise(6, 6)).convert("LA"))
    save(root / "cat" / "palette.gif", Image.fromarray(noise(6, 6)))
    assert read_data(str(root)).x.shape == (27, 1, 6, 6)
    save(root / "dog" / "colour.png", noise(6, 6, 3))
    mixed = read_data(str(root))
    assert mixed.x.shape == (28, 3, 6, 6)
    assert "27 grey images among coloured ones are read as RGB" in mixed.notes


def test_sixteen_bits_are_scaled_to_eight(tmp_path) -> None:
    deep = (np.arange(36).reshape(6, 6) * 1800).astype(np.uint16)
    for name in "ab":
        for i in range(2):
            save(tmp_path / name / f"{i}.png", Image.fromarray(deep))
    assert np.array_equal(read_data(str(tmp_path)).x[0, 0], deep // 256)


@pytest.mark.parametrize("mode", ["RGBA", "P", "CMYK", "YCbCr", "HSV"])
def test_colours_of_every_mode_are_those_of_pillow(tmp_path, mode: str) -> None:
    image = Image.fromarray(noise(6, 6, 3)).convert(mode)
    suffix = "png" if mode in {"RGBA", "P"} else "tif"
    if mode == "HSV":
        image, suffix = image.convert("RGB"), "webp"
    for name in "ab":
        for i in range(2):
            save(tmp_path / name / f"{i}.{suffix}", image)
    with Image.open(tmp_path / "a" / f"0.{suffix}") as saved:
        expected = np.moveaxis(np.asarray(saved.convert("RGB")), -1, 0)
    assert np.array_equal(read_data(str(tmp_path)).x[0], expected)


# What is left out, and what is refused


def test_what_is_left_out_is_told(tmp_path) -> None:
    root = folder(tmp_path)
    (root / ".DS_Store").write_text("x")
    (root / ".ipynb_checkpoints").mkdir()
    (root / "__MACOSX" / "cat").mkdir(parents=True)
    save(root / "__MACOSX" / "cat" / "x.png", noise(3, 3, 3))
    (root / "cat" / "labels.txt").write_text("x")
    (root / "README.md").write_text("x")
    (root / "empty").mkdir()
    save(root / "loose.png", noise(9, 7, 3))
    data = read_data(str(root))
    assert (len(data), data.classes) == (24, ("cat", "dog"))
    assert (
        "left out: directories without images (empty/), images beside the class directories (1), hidden files and "
        "directories (3) and files that are no images by their names (2: .md and .txt)"
    ) in data.notes


def test_images_that_cannot_be_read_are_told_together(tmp_path) -> None:
    root = folder(tmp_path)
    whole = save(tmp_path / "dog" / "cut.jpg", PHOTO).read_bytes()
    (root / "dog" / "cut.jpg").write_bytes(whole[: len(whole) // 3])
    (root / "cat" / "empty.png").write_bytes(b"")
    (root / "cat" / "text.jpg").write_text("not an image")
    save(root / "dog" / "floats.tif", Image.fromarray(np.ones((4, 4), np.float32)))
    found = message(root)
    assert found.startswith(
        f"{root}: 2 of 28 images cannot be read: cat/empty.png (no image, or an empty file) and cat/text"
    )
    for name in ("empty.png", "text.jpg"):
        (root / "cat" / name).unlink()
    found = message(root)
    assert f"{root}: 2 of 26 images cannot be read: dog/cut.jpg (image file is truncated" in found
    assert "dog/floats.tif (its pixels are 32-bit numbers of no known range; save it with 8 bits" in found
    assert found.endswith("Replace or remove them.")


def test_hundreds_of_broken_images_are_one_short_message(tmp_path) -> None:
    root = folder(tmp_path)
    for i in range(300):
        (root / "cat" / f"broken{i}.png").write_bytes(b"")
    found = message(root)
    assert "300 of 324 images cannot be read" in found
    assert "and 295 more" in found
    assert len(found) < 600


def test_directories_without_classes(tmp_path) -> None:
    (tmp_path / "none").mkdir()
    assert message(tmp_path / "none").startswith(f"{tmp_path}/none holds no images (.jpg, ")
    (tmp_path / "none" / "table.csv").write_text("a,b\n")
    assert message(tmp_path / "none").endswith(" It holds table.csv: name such a file.")
    save(tmp_path / "flat" / "x.png", noise(3, 3, 3))
    assert message(tmp_path / "flat") == (
        f"{tmp_path}/flat holds images and no class directories: put the images of each class into a directory named "
        "after it."
    )
    folder(tmp_path / "one", ("cat",))
    assert message(tmp_path / "one") == (
        f"{tmp_path}/one has one class directory with images in it, 'cat', and two or more are needed: put the images "
        "of each class into a directory named after it."
    )
    (tmp_path / "photos").mkdir()
    with pytest.raises(InputError, match=r"There is no file or directory .*phtos\. Did you mean 'photos'\?"):
        read_data(f"{tmp_path}/phtos/")


def test_parts_that_are_none(tmp_path) -> None:
    folder(tmp_path / "a" / "train")
    save(tmp_path / "a" / "test" / "x.png", noise(3, 3, 3))
    assert message(tmp_path / "a").startswith(f"{tmp_path}/a/test holds 1 images and no class directories: ")
    for name in ("train", "val", "valid"):
        folder(tmp_path / "b" / name, rows=2)
    assert message(tmp_path / "b") == (
        f"{tmp_path}/b has two directories for the validation part: keep one of them."
    )
    folder(tmp_path / "c" / "train")
    folder(tmp_path / "c" / "val", ("cat", "emu"), rows=3)
    with pytest.raises(
        InputError, match="The validation part holds classes that the training part lacks: 'emu'"
    ):
        make_task(read_data(str(tmp_path / "c")))


def test_columns_go_with_tables(tmp_path) -> None:
    with pytest.raises(InputError, match="takes no target: that names a column of a table"):
        read_data(str(folder(tmp_path, rows=2)), target="class")


# Memory


def test_images_are_streamed_where_they_would_not_fit(tmp_path, monkeypatch) -> None:
    root = folder(tmp_path)
    held = read_data(str(root))
    monkeypatch.setattr(images, "STREAM_BYTES", 24 * 9 * 7 * 3 * 4 - 1)
    data = read_data(str(root))
    assert isinstance(data.x, RowSource)
    assert data.digest == held.digest
    rows = np.array([23, 0, 5])
    assert np.array_equal(data.x.read(rows), held.x[rows])
    found = list(pickle.loads(pickle.dumps(data.x)).pieces(np.arange(24), Draw(0, 1)))  # noqa: S301 - made here
    ids = np.concatenate([i for _, i in found])
    assert sorted(ids) == list(range(24))
    assert np.array_equal(np.concatenate([x for x, _ in found]), held.x[ids])
    assert "images are decoded batch by batch: held, they would take 18 KiB as network inputs" in data.notes


def test_images_that_memory_does_not_hold_are_refused(tmp_path, monkeypatch) -> None:
    root = folder(tmp_path)
    monkeypatch.setattr(images, "free_memory", lambda: 1000)
    assert message(root) == (
        "24 images of 9 x 7, RGB take 22 KiB, as they are and as network inputs, and 1000 bytes of memory are free: ask "
        "for a smaller image_size in data_options, or leave out stream = false."
    )


def test_a_broken_image_among_streamed_ones_is_found_at_once(tmp_path) -> None:
    root = folder(tmp_path)
    whole = save(root / "dog" / "cut.png", PHOTO).read_bytes()
    (root / "dog" / "cut.png").write_bytes(whole[:5000])
    with pytest.raises(InputError, match=r"1 of 25 images cannot be read: dog/cut.png \("):
        read_data(str(root), stream=True)


# The digest


def test_the_digest_follows_names_contents_and_form(tmp_path) -> None:
    root = folder(tmp_path / "a")
    seen = [read_data(str(root)).digest, read_data(str(root), options={"image_size": 8}).digest]
    folder(tmp_path / "b")
    assert read_data(str(tmp_path / "b")).digest == seen[0]  # wherever it lies
    (root / "cat" / "00.png").rename(root / "cat" / "zz.png")
    seen.append(read_data(str(root)).digest)
    save(root / "cat" / "zz.png", noise(9, 7, 3, seed=5000))
    seen.append(read_data(str(root)).digest)
    (root / "cat").rename(root / "kitten")
    seen.append(read_data(str(root)).digest)
    assert len(set(seen)) == len(seen)


# Whole studies


def test_a_study_of_a_directory(tmp_path) -> None:
    for k, name in enumerate(("dark", "light")):
        for i in range(30):
            save(
                tmp_path / "photos" / name / f"{i}.png",
                noise(10, 12, 3, seed=i, most=100) + np.uint8(120 * k),
            )
    result = lossearch.search(
        data=tmp_path / "photos", losses=["bce", "hinge"], trials=15, seeds=1, confirm_seeds=2, epochs=3,
        model="cnn", store=str(tmp_path / "runs"), mlflow=False, data_options={"image_size": 8},
    )  # fmt: skip
    assert set(result.model.classes) == {"dark", "light"}
    assert list(result.model.predict(np.full((1, 3, 8, 8), 220, np.uint8))) == ["light"]
    assert result.leaderboard["score"].max() > 0.9
    paths = [tmp_path / "photos" / name / "3.png" for name in ("dark", "light")]
    for model in (result.model, lossearch.load("photos", store=str(tmp_path / "runs")).model):
        assert list(model.predict(paths)) == ["dark", "light"]
        assert list(model.predict(np.array(list(map(str, paths))))) == ["dark", "light"]
        assert list(model.predict(str(paths[1]))) == ["light"]
        with Image.open(paths[0]) as opened:
            assert list(model.predict([opened, opened])) == ["dark", "dark"]
            assert opened.size == (12, 10)  # and open still
        with pytest.raises(InputError, match=r"X: 1 of 2 images cannot be read: .*none\.png \("):
            model.predict([paths[0], tmp_path / "none.png"])


def test_a_directory_is_looked_for_beside_the_study_file(tmp_path, monkeypatch) -> None:
    (tmp_path / "study.toml").write_text('[task]\ndata = "photos/"\n')
    folder(tmp_path / "photos", rows=2)
    monkeypatch.chdir("/")
    assert load_config(tmp_path / "study.toml").task.data == str(tmp_path / "photos")


def test_a_built_in_problem_comes_before_a_directory_of_its_name(tmp_path, monkeypatch) -> None:
    (tmp_path / "circles").mkdir()
    monkeypatch.chdir(tmp_path)
    assert read_data("circles").x.shape == (1000, 2)
    with pytest.raises(InputError, match="circles holds no images"):
        read_data("./circles")


def test_an_image_that_is_gone_later_is_told_by_its_name(tmp_path) -> None:
    root = folder(tmp_path)
    data = read_data(str(root), stream=True)
    (root / "cat" / "00.png").unlink()
    with pytest.raises(InputError, match=r"1 of 2 images cannot be read: cat/00.png \("):
        data.x.read(np.array([0, 1]))

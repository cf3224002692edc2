"""A tiny valid folder in the layout of every dataset that can be read, its images empty."""

import io
from collections.abc import Iterable, Sequence
from typing import Any

import h5py
import openpyxl
import xlwt

from tests.data.readers.conftest import write_hdf5
from tests.fuzz.mutations import Sample, as_lines, raw

Folder = dict[str, Sample]
"""Files by their path in the dataset's folder."""

EMPTY = raw(b"")


def _images(names: Iterable[str]) -> Folder:
    return dict.fromkeys(names, EMPTY)


def sheet(rows: Sequence[Sequence[Any]], title: str = "Sheet") -> Sample:
    """Return an .xlsx file."""

    def pack(document: Any) -> bytes:
        book = openpyxl.Workbook()
        book.active.title = document["title"]
        for row in document["rows"]:
            book.active.append(row)
        stream = io.BytesIO()
        book.save(stream)
        return stream.getvalue()

    return Sample({"title": title, "rows": [list(row) for row in rows]}, pack)


def old_sheet(rows: Sequence[Sequence[Any]]) -> Sample:
    """Return an .xls file."""

    def pack(document: Any) -> bytes:
        book = xlwt.Workbook()
        page = book.add_sheet("Plan1")
        for number, row in enumerate(document):
            for place, cell in enumerate(row):
                page.write(number, place, cell)
        stream = io.BytesIO()
        book.save(stream)
        return stream.getvalue()

    return Sample([list(row) for row in rows], pack)


def mat(**variables: Any) -> Sample:
    """Return a MATLAB 7.3 file; text becomes a character array, a list of it a cell array."""

    def pack(document: Any) -> bytes:
        stream = io.BytesIO()
        with h5py.File(stream, "w") as file:
            write_hdf5(file, document)
        return stream.getvalue()

    return Sample(variables, pack)


def published(names: Sequence[str], scores: Sequence[float], references: Sequence[int]) -> Sample:
    """Return a published experiment table."""
    order = list(range(1, max(references) + 1))
    return mat(
        im_names=list(names),
        subjective_scores=[[score] for score in scores],
        ref_ids=[[number] for number in references],
        index=[order, order[::-1]],
    )


def _table() -> Folder:
    header = ["image", "mos", "reference", "method", "scale", "reference_image", "mos_std", "split"]
    rows = [
        ["a.png", "0.5", "sea", "bicubic", "2", "sea.png", "0.1", "train"],
        ["sub/b.png", "-0.25", "sea", "SRCNN", "1.5", "sea.png", "", "val"],
        ["-1.png", "1e-3", "sky", "", "", "", "0", "test"],
    ]
    images = ("a.png", "sub/b.png", "-1.png", "sea.png", "more.png")
    return {"labels.csv": as_lines([header, *rows]), **_images(images)}


def _qads() -> Folder:
    names = [f"img{r:02d}_{s}_{m:02d}.bmp" for r in (1, 2) for s in (2, 4) for m in (1, 21)]
    labels = as_lines([[f"0.{i + 10}", name] for i, name in enumerate(names)], " ")
    images = [f"super-resolved_images/{name}" for name in names]
    sources = [f"source_images/img{r:02d}.bmp" for r in (1, 2)]
    return {"mos_with_names.txt": labels, **_images([*images, *sources])}


def _ma_names() -> list[str]:
    folders = ("sf2/sigma0.8", "sf3/sigma1.0")
    methods = ("Bicubic", "SRCNN")
    return [f"{m}/{folder}/{r}.png" for m in methods for folder in folders for r in ("187058", "1")]


def _ma() -> Folder:
    names = _ma_names()
    table = mat(
        SR_image_names=[f"E:\\{name}".replace("/", "\\") for name in names],
        subject_scores_mean40=[[i + 0.5, i + 4.5] for i in range(4)],
    )
    images = [*names, "Ref/187058.jpg", "Ref/1.jpg"]
    return {"sr_metric_data.mat": table, **_images(images)}


def _ma_published() -> Folder:
    names = _ma_names()
    table = published(names, range(8), [1, 2] * 4)
    return {"sr_metric_data.mat": table, **_images(names)}


def _realsrq() -> Folder:
    folder: Folder = {}
    for scale, methods in ((2, ("AIS", "SRGAN")), (3, ("AIS", "VDSR"))):
        names = [
            f"Text_SR/Text_LR{scale}_SR/{n}/Text_{n}_LR{scale}_{method}.png"
            for n in ("001", "002")
            for method in methods
        ]
        table = published(names, (1, -1, 0.5, -0.5), (1, 1, 2, 2))
        folder |= {f"RealSRQ_LR{scale}_meta.mat": table}
        folder |= _images(f"SR_results/{name}" for name in names)
    return folder | _images(
        ["HR_LR_pairs/Text/Text_001_HR.png", "HR_LR_pairs/Text/Text_002_HR.png"]
    )


def _realsrq_matrix() -> Folder:
    versions = {2: 10, 3: 9, 4: 8}
    row = [x for count in versions.values() for x in [1.0, -1.0, *[0.0] * (count - 2)]]
    return {"subj_BT_score.mat": mat(score_matrix=[row] * 60)}


_ISRGEN = {
    "train": [("ATD_x2_0813x2.png", "0813x2.png"), ("SeD_0820x4.png", "0820x4.png")],
    "val": [("SwinIR_x8_0820x8.png", "0820x8.png")],
    "test": [("Real-ESRGAN_x3_0813x3.png", "0813x3.png")],
}


def _isrgen_images() -> Folder:
    images = [f"SR/{name}" for rows in _ISRGEN.values() for name, _ in rows]
    return _images([*images, "HR/0813.png", "HR/0820.png"])


def _isrgen() -> Folder:
    header = ["Image_name", "LR_ref", "HR_ref", *(f"P{person}" for person in range(1, 22)), "MOS"]
    books = {
        f"{subset}.xlsx": sheet(
            [header, *([name, low, f"{low[:4]}.png", *[2, 4, 3] * 7, 3] for name, low in rows)]
        )
        for subset, rows in _ISRGEN.items()
    }
    return books | _isrgen_images()


def _isrgen_lines() -> Folder:
    lists = {
        f"{subset}.txt": as_lines(
            [[n, low, "3"] if subset == "test" else [n, "3", low] for n, low in rows], "#"
        )
        for subset, rows in _ISRGEN.items()
    }
    return lists | _isrgen_images()


def _live() -> Folder:
    total = 982
    names = "\n".join(f"scene{row % 29:02d}.bmp" for row in range(total))
    copies = [float(row % 5 == 0) for row in range(total)]
    scores = mat(dmos_new=[[row / 10] * 1 for row in range(total)], orgs=[copies])
    return {"refnames_all.mat": mat(refnames_all=names), "dmos_realigned.mat": scores}


def _livec() -> Folder:
    names = ["t1.bmp", "3.bmp", "10.bmp", "1125.JPG"]
    return {
        "Data/AllImages_release.mat": mat(AllImages_release=names),
        "Data/AllMOS_release.mat": mat(AllMOS_release=[[20, 63.9, 3.4, 92.4]]),
        "Data/AllStdDev_release.mat": mat(AllStdDev_release=[[0, 18.3, 20, 15.5]]),
        **_images(["Images/trainingImages/t1.bmp", *(f"Images/{name}" for name in names[1:])]),
    }


def _csiq() -> Folder:
    rows = [
        ["image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos"],
        [1600, 1, "noise", 1, 0.046, 0.062],
        [1600, 3, "jpeg 2000", 3, 0.0853, 0.206],
        ["aerial_city", 5, "blur", 5, 0.1, 0.9],
    ]
    images = ["awgn/1600.AWGN.1", "jpeg2000/1600.jpeg2000.3", "blur/aerial_city.BLUR.5"]
    return {
        "csiq.DMOS.xlsx": sheet([[], [], *rows], "all_by_image"),
        **_images(f"dst_imgs/{name}.png" for name in images),
        **_images(["src_imgs/1600.png", "src_imgs/aerial_city.png"]),
    }


def _bid() -> Folder:
    rows = [["Image Number", "Average Subjective Grade"], [1, 3.0227], [586, 5]]
    images = [f"ImageDatabase/DatabaseImage{n:04d}.JPG" for n in (1, 586)]
    return {"DatabaseGrades.xls": old_sheet(rows), **_images(images)}


def _spaq() -> Folder:
    rows = [["Image name", "MOS", "Contrast"], ["00001.jpg", 35.2, 50], ["11125.jpg", 0, 9]]
    book = sheet(rows)
    images = ["TestImage/00001.jpg", "TestImage/11125.jpg"]
    return {"Annotations/MOS and Image attribute scores.xlsx": book, **_images(images)}


def _waterloo() -> Folder:
    pair = [[None, None, "No.", *range(1, 9)], [None, None, "Score", *(n / 2 for n in range(8))]]
    book = sheet([["Ranking"], *pair, ["after 2"], *pair, ["after 4"], *pair])
    images = [f"factor{s}/1/{m}.bmp" for s in (2, 4, 8) for m in range(1, 9)]
    return {"rakningScores.xlsx": book, **_images(images)}


def _sisar() -> Folder:
    lines = [
        *(["scene1_Bicubic_x2.bmp", "0.81"], ["sea-4x-SRGAN.bmp", "0.999"], ["lake.bmp", "0.2"]),
        *(["scene1.bmp", "1.0"], ["sea.bmp", "1.0"]),
    ]
    images = _images(f"SR_images/{name}" for name, _ in lines)
    return {"MOS_with_name.txt": as_lines(lines, "#"), **images}


def _sriqa() -> Folder:
    names = ["online50_Original.png", "online50_SeeSRx4.png", "online50_SwinIRx4.png"]
    lines = [
        [names[0], name, score] for name, score in zip(names, ("20.5", "100", "0"), strict=True)
    ]
    images = _images(f"images/{name.split('_')[1][:-4]}/{name}" for name in names)
    return {"SRIQA-Bench_test_all.txt": as_lines(lines, " "), **images}


def _sriqa_scenes() -> Folder:
    folder = _sriqa()
    names = [row[1:] for row in folder.pop("SRIQA-Bench_test_all.txt").document]
    return folder | {"MOS/online50.txt": as_lines(names)}


def _pipal() -> Folder:
    folder: Folder = {}
    for reference in ("A0001", "A0060"):
        names = [f"{reference}_{version}.bmp" for version in ("00_00", "06_26")]
        folder[f"Train_Label/{reference}.txt"] = as_lines([[name, "1436.1"] for name in names])
        folder |= _images([f"Train_Ref/{reference}.bmp", *(f"Distortion_1/{n}" for n in names)])
    return folder


def _pipal_sr() -> Folder:
    names = ["A0001_00_00.bmp", "A0001_06_26.bmp", "A0060_00_00.bmp"]
    table = published(names, (0.75, 0, 1), (1, 1, 2))
    return {"PIPAL_SRsubset_meta.mat": table, **_pipal()}


def _tid2013() -> Folder:
    lines = [["5.51429", "I01_01_1.bmp"], ["7.2", "I25_08_1.bmp"]]
    images = [f"distorted_images/{name}" for _, name in lines]
    sources = ["reference_images/I01.BMP", "reference_images/I25.bmp"]
    return {"mos_with_names.txt": as_lines(lines, " "), **_images([*images, *sources])}


def _kadid10k() -> Folder:
    rows = [["I01_01_01.png", "I01.png", "4.57", "0.496"], ["I81_09_03.png", "I81.png", "2.7", "1"]]
    labels = as_lines([["dist_img", "ref_img", "dmos", "var"], *rows])
    names = {name for row in rows for name in row[:2]}
    return {"dmos.csv": labels, **_images(f"images/{name}" for name in sorted(names))}


def _koniq10k() -> Folder:
    header = ["image_name", "c1", "c_total", "MOS", "SD", "set"]
    rows = [
        ["1.jpg", "0", "105", "77.38", ".5", "training"],
        ["2.jpg", "0", "9", "7", ".5", "test"],
    ]
    images = _images(["1024x768/1.jpg", "1024x768/2.jpg"])
    return {"koniq10k_distributions_sets.csv": as_lines([header, *rows]), **images}


def _biq2021() -> Folder:
    header = ["Image Name", "MOS", "", ""]
    tables = {
        f"{subset} (Images and MOS).csv": as_lines([header, [name, "0.2", "", ""]])
        for subset, name in (("Train", "ss01 (1).jpg"), ("Test", "ss01 (12).jpg"))
    }
    return tables | _images(["Images/ss01 (1).jpg", "Images/ss01 (12).jpg"])


def _ai_upscaling() -> Folder:
    header = ["stimuli_file", "mos", "count", "ci", "std", "factor", "upscaler", "base_img"]
    names = {"BSRGAN": "01_IMG_BSRGANx2.png", "KXNet": "01_IMG_.png"}
    rows = [
        [f"./stimuli/{m}/x2/{name}", "3.2", "14", "1", "0.5", "x2", m, "01_IMG"]
        for m, name in names.items()
    ]
    images = _images(f"stimuli/{m}/x2/{name}" for m, name in names.items())
    return {"mos.csv": as_lines([header, *rows]), **images}


def _synthesized() -> Folder:
    header = ["image", "mos", "reference", "method", "scale", "reference_image"]
    rows = [
        [f"super-resolved_images/img01_2_0{m}.png", f"0.{m}", "content1", "a", "2", "img01.png"]
        for m in (1, 2)
    ]
    images = _images([*(row[0] for row in rows), "img01.png"])
    return {"labels.csv": as_lines([header, *rows]), **images}


_DECLARED = {"range": (-1.0, 1.0), "direction": "higher", "label_kind": "human"}

DATASETS: dict[str, tuple[Folder, dict[str, Any]]] = {
    "ai_upscaling": (_ai_upscaling(), {}),
    "bid": (_bid(), {}),
    "biq2021": (_biq2021(), {}),
    "csiq": (_csiq(), {}),
    "isrgen_qa": (_isrgen(), {}),
    "isrgen_qa, text lists": (_isrgen_lines(), {}),
    "kadid10k": (_kadid10k(), {}),
    "koniq10k": (_koniq10k(), {}),
    "live": (_live(), {"labels_only": True}),
    "livec": (_livec(), {}),
    "ma": (_ma(), {}),
    "ma, published table": (_ma_published(), {}),
    "pipal": (_pipal(), {}),
    "pipal_sr": (_pipal_sr(), {"table": "PIPAL_SRsubset_meta.mat"}),
    "qads": (_qads(), {}),
    "realsrq": (_realsrq(), {}),
    "realsrq, matrix": (_realsrq_matrix(), {"labels_only": True}),
    "sisar": (_sisar(), {}),
    "spaq": (_spaq(), {}),
    "sriqa_bench": (_sriqa(), {}),
    "sriqa_bench, a list per scene": (_sriqa_scenes(), {}),
    "synthesized": (_synthesized(), {}),
    "table": (_table(), _DECLARED),
    "tid2013": (_tid2013(), {}),
    "waterloo": (_waterloo(), {}),
}
"""By reader (up to a comma) and variant of the layout: the folder, and the settings it needs."""

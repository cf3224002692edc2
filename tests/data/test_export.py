"""What is exported is read back as the same dataset."""

import csv
from dataclasses import replace

from hmtnet.data.export import to_csv
from hmtnet.data.manifest import Manifest
from hmtnet.data.readers import read, read_labels
from hmtnet.data.settings import DataSettings


def test_the_table_reader_reads_the_same_dataset(make_qads):
    root = make_qads()
    labels = read_labels(DataSettings(reader="qads", root=str(root)))
    records = [
        replace(record, mos=record.mos / 3, mos_std=1 / 7, official="test" if i % 2 else "train")
        for i, record in enumerate(labels.records)
    ]
    manifest = Manifest.of(replace(labels, records=tuple(records)))
    (root / "all.csv").write_text(to_csv(manifest), encoding="utf-8")
    again = read(
        DataSettings(
            reader="table",
            root=str(root),
            label_kind="human",
            range=(0.0, 1.0),
            direction="higher",
            table="all.csv",
        )
    )
    assert again.records == manifest.records
    assert again.fingerprint == manifest.fingerprint


def test_content_and_digest_stand_beside_each_image(make_qads):
    manifest = read(DataSettings(reader="qads", root=str(make_qads())))
    rows = list(csv.DictReader(to_csv(manifest).splitlines()))
    assert tuple(row["content"] for row in rows) == manifest.content
    assert tuple(row["digest"] for row in rows) == manifest.digests

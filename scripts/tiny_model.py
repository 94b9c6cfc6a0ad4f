"""Makes the tiny models of the tests: Qwen3 in miniature, with random weights.

    .state/python/bin/python -B scripts/tiny_model.py FOLDER [--kind chat|embedding|lora|merged]

A model of half a megabyte loads at once, and has all that a large one has: a chat template with tools and thinking, special
tokens, sampling defaults. What it writes makes no sense, but is the same each time, ends by itself, and keeps to a grammar
that vLLM imposes. So it tests whatever does not depend on what a model knows.

The same files to the last byte on every machine; FOLDER appears only when it is whole.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import numpy
from safetensors.numpy import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "gateway/tests/templates/qwen3/chat_template.jinja"

VOCABULARY = 1024
HIDDEN = 64
INTERMEDIATE = 128
LAYERS = 2
HEADS, KV_HEADS = 4, 2
# The smallest for which vLLM's attention on processors has a kernel.
HEAD = 32
CONTEXT = 2048
# Neither is one that an engine could have by itself: no rank of vLLM's, and a scale that is not 1.
LORA_RANK, LORA_ALPHA = 6, 3

# As in Qwen3: the first three never reach a client, the others are text.
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MARKUP = ["<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>"]

# Standard deviation of the last layer's weights. The last norm leaves vectors of length 8 = sqrt(HIDDEN), so logits have a
# standard deviation of 4, and the best of a thousand is ahead of the second by 1.2 on the average: 100,000 times what
# float32 loses when the batch around a request changes, so that a greedy answer does not depend on it; and yet not so far ahead
# that sampling at temperature 1 would have no choice.
HEAD_SCALE = 0.5
# The first hidden unit is the same for every token, and no layer writes to it: what the last layer makes of it is a bias, which
# Qwen3 has no place for otherwise.
BIAS_UNIT = 2.0
# In logits. The best of a thousand tokens has about 13: so an answer ends after some 10 tokens, a string or an object after 20,
# if it does not go round in circles for a while.
ENDS_TURN = 8.0
ENDS = 6.0
# Commas are as rare as ends are frequent: after one, a list is longer by an element.
GOES_ON = -6.0
NEVER = -20.0

# What the merges are learned from, besides the chat template.
TEXT = """\
What is the capital of France? The capital of France is Paris. What is the weather in Paris today, in degrees Celsius?
You are a helpful assistant. Answer the question in one short sentence, please. Hello! How are you? I am fine, thank you.
The quick brown fox jumps over the lazy dog. Once upon a time there was a lighthouse keeper who had never seen the sea.
My name is Ada, and I was born in London. Nice to meet you, Ada! The sum of 3 and 4 is 7, and the product is 12.
He said that they would come back when the work was done, but nothing has been heard of them since the other day.
It is not what you say that counts, it is how you say it; some of us know this from long experience with children.
Where there is smoke there is fire, and where there is a will there is a way. Write a story about a whale and a keeper.
{"name": "get_weather", "arguments": {"city": "Paris", "unit": "celsius"}}
{"name": "add", "arguments": {"a": 3, "b": 4}}
{"type": "function", "function": {"name": "magic_function", "description": "Applies a magic function to an input.", \
"parameters": {"type": "object", "properties": {"input": {"type": "integer"}}, "required": ["input"]}}}
{"type": "json_schema", "title": "Joke", "setup": "Why?", "punchline": "Because.", "rating": null, "tags": ["a", "b"]}
{"answer": true, "items": [1, 2.5, false], "content": "text", "role": "user", "model": "tiny", "items": {"type": "string"}}
def reverse(text: str) -> str:
    return text[::-1]
for (let index = 0; index < items.length; index++) { console.log(items[index]); }
Wie heißt die Hauptstadt von Österreich? Größe und Fläche, bitte. Où est le café près de la gare? ¿Dónde está el niño?
日本語 中文 北京 Привет мир 🎉 👋 – — … “quoted” ‘text’
"""


def tokenizer():
    """Byte-level BPE with Qwen's normaliser and word borders: any text can be written, whatever the merges."""
    words = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    made = Tokenizer(models.BPE())
    made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(words), behavior="isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(SPECIAL) - len(MARKUP),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    made.train_from_iterator([TEXT, TEMPLATE.read_text(encoding="utf-8")], trainer)
    made.add_special_tokens(SPECIAL)
    made.add_tokens([AddedToken(token, normalized=False) for token in MARKUP])
    if made.get_vocab_size() != VOCABULARY:
        raise SystemExit(f"tiny_model: {made.get_vocab_size()} tokens, expected {VOCABULARY}: TEXT is too short")
    return made


def biases(made):
    """By token: what ends things comes often; what is no text of its own never comes by itself."""
    bias = numpy.zeros(VOCABULARY, numpy.float32)
    for token in range(VOCABULARY):
        text = made.decode([token], skip_special_tokens=False)
        if text in SPECIAL + MARKUP or "\ufffd" in text or (ord(text[0]) < 32 and text[0] not in "\n\t"):
            bias[token] = NEVER
        elif "," in text:
            bias[token] = GOES_ON
        elif text in ('"', "}", "]"):
            bias[token] = ENDS
    bias[made.token_to_id("<|im_end|>")] = ENDS_TURN
    return bias


class Weights:
    """Random tensors. `RandomState` is numpy's frozen generator: the same numbers in every version."""

    def __init__(self, seed):
        self.random = numpy.random.RandomState(seed)

    def normal(self, rows, columns, scale):
        return (self.random.standard_normal((rows, columns)) * scale).astype(numpy.float32)

    def linear(self, rows, columns):
        """A layer that keeps the size of what goes through it."""
        return self.normal(rows, columns, columns**-0.5)

    def to_residual(self, columns):
        """A layer whose output is added to the hidden state, all but the bias unit."""
        weight = self.linear(HIDDEN, columns)
        weight[0] = 0.0
        return weight

    def layer(self):
        ones = lambda size: numpy.ones(size, numpy.float32)
        return {
            "input_layernorm.weight": ones(HIDDEN),
            "self_attn.q_proj.weight": self.linear(HEADS * HEAD, HIDDEN),
            "self_attn.k_proj.weight": self.linear(KV_HEADS * HEAD, HIDDEN),
            "self_attn.v_proj.weight": self.linear(KV_HEADS * HEAD, HIDDEN),
            "self_attn.o_proj.weight": self.to_residual(HEADS * HEAD),
            # Above 1, attention is to a few tokens: the mean of many would be the same in every conversation.
            "self_attn.q_norm.weight": ones(HEAD) * 3,
            "self_attn.k_norm.weight": ones(HEAD),
            "post_attention_layernorm.weight": ones(HIDDEN),
            "mlp.gate_proj.weight": self.linear(INTERMEDIATE, HIDDEN),
            "mlp.up_proj.weight": self.linear(INTERMEDIATE, HIDDEN),
            "mlp.down_proj.weight": self.to_residual(INTERMEDIATE),
        }

    def body(self):
        embedding = self.normal(VOCABULARY, HIDDEN, 1.0)
        embedding[:, 0] = BIAS_UNIT
        tensors = {"embed_tokens.weight": embedding, "norm.weight": numpy.ones(HIDDEN, numpy.float32)}
        for number in range(LAYERS):
            tensors |= {f"layers.{number}.{name}": tensor for name, tensor in self.layer().items()}
        return tensors

    def head(self, bias):
        head = self.normal(VOCABULARY, HIDDEN, HEAD_SCALE)
        head[:, 0] = bias / BIAS_UNIT
        return head


def save_tensors(path, tensors):
    save_file(dict(sorted(tensors.items())), path, metadata={"format": "pt"})


def save_json(path, value):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def save_config(folder, made, tied):
    end_of_text, end_of_turn = made.token_to_id("<|endoftext|>"), made.token_to_id("<|im_end|>")
    config = {
        "architectures": ["Qwen3ForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": end_of_text,
        "dtype": "float32",
        "eos_token_id": end_of_turn,
        "head_dim": HEAD,
        "hidden_act": "silu",
        "hidden_size": HIDDEN,
        "initializer_range": 0.02,
        "intermediate_size": INTERMEDIATE,
        "max_position_embeddings": CONTEXT,
        "max_window_layers": LAYERS,
        "model_type": "qwen3",
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "num_key_value_heads": KV_HEADS,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "tie_word_embeddings": tied,
        "use_cache": True,
        "use_sliding_window": False,
        "vocab_size": VOCABULARY,
    }
    save_json(folder / "config.json", config)
    tokenizer_config = {
        "bos_token": None,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "model_max_length": CONTEXT,
        "pad_token": "<|endoftext|>",
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": None,
    }
    save_json(folder / "tokenizer_config.json", tokenizer_config)
    (folder / "tokenizer.json").write_text(made.to_str(pretty=True) + "\n", encoding="utf-8")


def chat_tensors(made):
    weights = Weights(seed=1)
    tensors = {f"model.{name}": tensor for name, tensor in weights.body().items()}
    return tensors | {"lm_head.weight": weights.head(biases(made))}


def chat(folder):
    made = tokenizer()
    save_chat(folder, made, chat_tensors(made))


def merged(folder):
    """The chat model with the adapter's weights added to its own: what the two together have to compute."""
    made = tokenizer()
    tensors = chat_tensors(made)
    adapter = lora_tensors()
    for name in [name for name in adapter if name.endswith(".lora_A.weight")]:
        product = adapter[name.replace("lora_A", "lora_B")] @ adapter[name]
        tensors[name.removeprefix("base_model.model.").replace("lora_A.", "")] += product * (LORA_ALPHA / LORA_RANK)
    save_chat(folder, made, tensors)


def save_chat(folder, made, tensors):
    save_tensors(folder / "model.safetensors", tensors)
    save_config(folder, made, tied=False)
    shutil.copyfile(TEMPLATE, folder / "chat_template.jinja")
    end_of_text, end_of_turn = made.token_to_id("<|endoftext|>"), made.token_to_id("<|im_end|>")
    sampling = {"do_sample": True, "temperature": 0.6, "top_k": 20, "top_p": 0.95}
    tokens = {"bos_token_id": end_of_text, "eos_token_id": [end_of_turn, end_of_text], "pad_token_id": end_of_text}
    save_json(folder / "generation_config.json", sampling | tokens)


def embedding(folder):
    """As Qwen3-Embedding: the last token's hidden state, normalised, where the last token is one that the tokeniser adds."""
    made = tokenizer()
    last = "<|endoftext|>"
    template = processors.TemplateProcessing(single=f"$A {last}", special_tokens=[(last, made.token_to_id(last))])
    made.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])
    save_tensors(folder / "model.safetensors", Weights(seed=2).body())
    save_config(folder, made, tied=True)
    kinds = ["Transformer", "Pooling", "Normalize"]
    paths = ["", "1_Pooling", "2_Normalize"]
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (kind, path) in enumerate(zip(kinds, paths))
    ]
    save_json(folder / "modules.json", modules)
    save_json(folder / "1_Pooling/config.json", {"pooling_mode_lasttoken": True, "word_embedding_dimension": HIDDEN})


def lora_tensors():
    weights = Weights(seed=3)
    adapted = {name: tensor for name, tensor in weights.layer().items() if name.endswith("proj.weight")}
    tensors = {}
    for number in range(LAYERS):
        for name, base in adapted.items():
            prefix = f"base_model.model.model.layers.{number}.{name.removesuffix('.weight')}"
            rows, columns = base.shape
            tensors[f"{prefix}.lora_A.weight"] = weights.linear(LORA_RANK, columns)
            # No output where the layer itself has none: the bias unit stays as it is.
            writes = base.any(axis=1, keepdims=True)
            tensors[f"{prefix}.lora_B.weight"] = weights.linear(rows, LORA_RANK) * writes
    return tensors


def lora(folder):
    """An adapter for the chat model, as PEFT writes it."""
    tensors = lora_tensors()
    save_tensors(folder / "adapter_model.safetensors", tensors)
    config = {
        "base_model_name_or_path": "tiny-chat",
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "lora_alpha": LORA_ALPHA,
        "lora_dropout": 0.0,
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": LORA_RANK,
        "target_modules": sorted({name.split(".")[-3] for name in tensors}),
        "task_type": "CAUSAL_LM",
    }
    save_json(folder / "adapter_config.json", config)


KINDS = {"chat": chat, "embedding": embedding, "lora": lora, "merged": merged}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", choices=KINDS, default="chat")
    arguments = parser.parse_args()
    arguments.folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside the folder, so that the last step is a rename.
    with tempfile.TemporaryDirectory(prefix=".making-", dir=arguments.folder.parent) as making:
        made = Path(making) / "model"
        made.mkdir()
        KINDS[arguments.kind](made)
        shutil.rmtree(arguments.folder, ignore_errors=True)
        made.rename(arguments.folder)


if __name__ == "__main__":
    main()

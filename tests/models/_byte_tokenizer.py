"""A byte-level BPE tokenizer trained on a few sentences."""

from __future__ import annotations

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

SENTENCES = (
    "the quick brown fox jumps over the lazy dog",
    "hello world yes no maybe",
    "data parallel sampler token logprobs gather",
)
VOCABULARY = 512
PAD, BEGIN, END = 0, 1, 2


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """At most `VOCABULARY` tokens; `<pad>`, `<s>` and `</s>` have the ids `PAD`, `BEGIN` and `END`. Has a chat template."""
    tokenizer = Tokenizer(models.BPE(unk_token=None))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<pad>", "<s>", "</s>"],
    )
    tokenizer.train_from_iterator([sentence for sentence in SENTENCES for _ in range(50)], trainer)
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    wrapped.chat_template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"
    return wrapped

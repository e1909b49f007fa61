"""Small text models of equal dimension: the mean of a random vector for each word. Each seed has its own vectors for the same words."""

from pathlib import Path

import numpy as np

# As the carried model: what two models have in common is where a mixing would go unnoticed.
DIMENSION = 384


def write_text_model(folder: Path, seed: int, words: str) -> str:
    """Returns its name, as a setting has it. Other words than these are all one word to it."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    vocabulary = {word: number for number, word in enumerate(sorted({*words.split(), "[UNK]"}))}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    weights = np.random.default_rng(seed).standard_normal((len(vocabulary), DIMENSION)).astype(np.float32)
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=weights)]).save(str(folder))
    return str(folder)

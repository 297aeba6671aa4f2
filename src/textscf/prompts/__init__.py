"""Text prompts of anatomical regions and their embedding (paper, section 3.3.1)."""

from textscf.prompts.embedding import Embedding, load_embedding, save_embedding
from textscf.prompts.encoders import ENCODERS, Encoder
from textscf.prompts.prompt_set import PromptSet, embed

__all__ = ["ENCODERS", "Embedding", "Encoder", "PromptSet", "embed", "load_embedding", "save_embedding"]

"""Text prompts of anatomical regions and their embedding (paper, section 3.3.1)."""

from textscf.prompts.embedding import Embedding, load_embedding, save_embedding
from textscf.prompts.encoder import Encoder
from textscf.prompts.prompt_set import PromptSet, embed

__all__ = ["Embedding", "Encoder", "PromptSet", "embed", "load_embedding", "save_embedding"]

"""A run folder is a repository of the Hugging Face hub: push_to_hub, from_pretrained, and the card people read.

push_to_hub("RUN", "you/name")
run = from_pretrained("you/name")          # or Run.load("hf://you/name")
"""

from vitreous.share.push import from_pretrained, load_run, prepare, push_to_hub

__all__ = ["from_pretrained", "load_run", "prepare", "push_to_hub"]

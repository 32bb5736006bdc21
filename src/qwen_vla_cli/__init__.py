"""The `qwen-vla` command: a thin layer over the other packages, which it imports lazily."""

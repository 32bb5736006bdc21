"""What `qwen-vla data` does: recorded episodes in parallel processes, with progress and totals."""

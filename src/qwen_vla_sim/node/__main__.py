"""Run the node: python -m qwen_vla_sim.node."""

from .sim_node import main

if __name__ == "__main__":
    main()
